// Nothing is answered before it is on disk.
#include "collector/enrol/trust_desk.h"

#include <gtest/gtest.h>

#include <thread>

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

const WallTime kStart = *ParseRfc3339("2026-11-23T13:30:18Z");

class TrustDeskTest : public testing::Test {
 protected:
  void Create(const std::string& id, const std::function<void()>& then) {
    desk_.Do(
        [&](Registry& registry) {
          EXPECT_TRUE(registry.CreateToken({.group = "mail"}, id, id, kStart));
        },
        then);
  }
  // The tickets that reached the store.
  std::vector<uint64_t> Stored() {
    std::vector<uint64_t> tickets;
    for (const StoreOp& op : store_.PopBatch(100, {})) {
      tickets.push_back(std::get<TrustChange>(op).ticket);
    }
    return tickets;
  }

  BoundedQueue<StoreOp> store_{2};
  TrustDesk desk_{Registry({}, {}), store_};
};

TEST_F(TrustDeskTest, AnswersWaitForTheirChangeAndAllBeforeIt) {
  int answered = 0;
  Create("a", [&] { ++answered; });
  Create("b", [&] { ++answered; });
  desk_.Do([](Registry&) {}, [&] { ++answered; });  // changes nothing, but rests on both
  EXPECT_EQ(answered, 0);
  desk_.Committed(1);
  EXPECT_EQ(answered, 1);
  desk_.Committed(2);
  EXPECT_EQ(answered, 3);
  desk_.Do([](Registry&) {}, [&] { ++answered; });
  EXPECT_EQ(answered, 4);
}

TEST_F(TrustDeskTest, SlowStoreKeepsNobodyAndLosesNothing) {
  for (const char* id : {"a", "b", "c", "d"}) {
    Create(id, [] {});
  }
  EXPECT_EQ(Stored(), (std::vector<uint64_t>{1, 2}));
  desk_.Tick(kStart);
  EXPECT_EQ(Stored(), (std::vector<uint64_t>{3, 4}));
}

TEST_F(TrustDeskTest, WaitingEndsWithTheCommitOrInTime) {
  const auto decide = [](const char* id) {
    return [id](Registry& registry) {
      EXPECT_TRUE(registry.CreateToken({.group = "mail"}, id, id, kStart));
    };
  };
  const auto late = desk_.DoAndWait(decide("a"), 1ms);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::kUnavailable);
  std::thread store([&] {
    for (uint64_t done = 0; done < 2;) {
      for (const StoreOp& op : store_.PopBatch(100, 10ms)) {
        desk_.Committed(done = std::get<TrustChange>(op).ticket);
      }
    }
  });
  EXPECT_TRUE(desk_.DoAndWait(decide("b"), 60s));
  store.join();
}

TEST_F(TrustDeskTest, TellsWhoseStreamEndsAndWhoIsDrained) {
  std::string ended;
  desk_.OnEnd(
      [&](const SensorName& sensor, const std::string& why) { ended = sensor + " " + why; });
  ASSERT_TRUE(desk_.MaySpeak({{"mail", "mail1"}, "key", kStart, kStart + 1h}));
  const uint64_t version = desk_.drained_version();
  desk_.Do([](Registry& r) { EXPECT_TRUE(r.Drain("mail1", "tester")); }, [] {});
  EXPECT_GT(desk_.drained_version(), version);
  EXPECT_TRUE(desk_.Drained().contains("mail1"));
  desk_.Do([](Registry& r) { EXPECT_TRUE(r.Revoke("mail1", "tester", kStart)); }, [] {});
  EXPECT_EQ(ended, "mail1 revoked");
  EXPECT_FALSE(desk_.Drained().contains("mail1"));
  EXPECT_FALSE(desk_.MaySpeak({{"mail", "mail1"}, "key", kStart, kStart + 1h}));
}

}  // namespace
}  // namespace parallax::collector
