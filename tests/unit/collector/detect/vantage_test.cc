#include "collector/detect/vantage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;
constexpr ProbeMethod kIcmp = ProbeMethod::kIcmpEcho;
constexpr ProbeMethod kTcp = ProbeMethod::kTcpSyn;

IpAddress Address(const char* text) { return *IpAddress::Parse(text); }

class VantageBookTest : public testing::Test {
 protected:
  VantageId Connect(const std::string& name, const std::string& group) {
    const VantageId id = book_.Connect(name, group, Address("192.0.2.1"), {}, now_);
    book_.Heard(id, Health(Reach::kUp), now_);
    return id;
  }
  static SensorHealth Health(Reach gateway) {
    SensorHealth health;
    health.probing = true;
    health.gateways = {{Address("10.0.0.1"), gateway}};
    return health;
  }
  void Pass(Duration time) { now_ = now_ + time; }

  Moment now_{MonoTime(1h), WallTime(1000h)};
  VantageBook book_;
};

TEST_F(VantageBookTest, AVoteNeedsAHealthySensor) {
  const VantageId id = book_.Connect("a", "g", std::nullopt, {}, now_);
  EXPECT_FALSE(book_.Eligible(id, Family::kV4, now_.mono)) << "it has not said how it is";
  book_.Heard(id, Health(Reach::kUnknown), now_);
  EXPECT_TRUE(book_.Eligible(id, Family::kV4, now_.mono));
  book_.Heard(id, Health(Reach::kDown), now_);
  EXPECT_FALSE(book_.Eligible(id, Family::kV4, now_.mono));
  EXPECT_TRUE(book_.Eligible(id, Family::kV6, now_.mono)) << "it is the other family's gateway";
  book_.Heard(id, Health(Reach::kUp), now_);
  EXPECT_TRUE(book_.Eligible(id, Family::kV4, now_.mono));
  SensorHealth no_sockets = Health(Reach::kUp);
  no_sockets.probing = false;
  no_sockets.probing_problem = "no policy";
  book_.Heard(id, no_sockets, now_);
  EXPECT_FALSE(book_.Eligible(id, Family::kV4, now_.mono));
  EXPECT_EQ(book_.At(id).record.problem, "no policy");
  book_.Heard(id, Health(Reach::kUp), now_);
  Pass(8s);
  EXPECT_FALSE(book_.Eligible(id, Family::kV4, now_.mono)) << "unheard";
  book_.Heard(id, Health(Reach::kUp), now_);
  book_.Disconnect(id, SensorState::kStopped, now_);
  EXPECT_FALSE(book_.Eligible(id, Family::kV4, now_.mono));
}

TEST_F(VantageBookTest, TargetsThatAnswerContradictASilentGateway) {
  const VantageId id = Connect("a", "g");
  book_.NoteAnswer(id, Family::kV4, kTcp, 0, now_.mono);
  Pass(1s);
  book_.Heard(id, Health(Reach::kDown), now_);
  EXPECT_FALSE(book_.Eligible(id, Family::kV4, now_.mono)) << "that was before";
  Pass(1s);
  book_.NoteAnswer(id, Family::kV4, kTcp, 0, now_.mono);
  EXPECT_TRUE(book_.Eligible(id, Family::kV4, now_.mono));
  for (int i = 0; i < 6; ++i) {
    Pass(2s);
    book_.Heard(id, Health(Reach::kDown), now_);
  }
  EXPECT_FALSE(book_.Eligible(id, Family::kV4, now_.mono)) << "not for ever";
}

TEST_F(VantageBookTest, AMethodWorksIfItBroughtAnAnswerLatelyInThatFamily) {
  const VantageId id = Connect("a", "g");
  EXPECT_FALSE(book_.MethodWorks(id, kIcmp, Family::kV4, now_.mono))
      << "the gateway answers it, but perhaps nothing gets out beyond";
  book_.At(id).troubled_at = now_.mono;
  EXPECT_TRUE(book_.MethodWorks(id, kIcmp, Family::kV4, now_.mono)) << "the gateway answers it";
  EXPECT_FALSE(book_.MethodWorks(id, kTcp, Family::kV4, now_.mono));
  EXPECT_FALSE(book_.MethodWorks(id, kIcmp, Family::kV6, now_.mono));
  book_.NoteAnswer(id, Family::kV4, kTcp, 0, now_.mono);
  EXPECT_TRUE(book_.MethodWorks(id, kTcp, Family::kV4, now_.mono));
  EXPECT_FALSE(book_.MethodWorks(id, kTcp, Family::kV6, now_.mono));
  Pass(11min);
  EXPECT_FALSE(book_.MethodWorks(id, kTcp, Family::kV4, now_.mono));
}

TEST_F(VantageBookTest, TwoTargetsInARowContradictAMethod) {
  const VantageId id = Connect("a", "g");
  book_.NoteContradiction(id, Address("198.51.100.1"), kIcmp);
  book_.NoteContradiction(id, Address("198.51.100.1"), kIcmp);
  EXPECT_FALSE(book_.MethodFiltered(id, kIcmp, Family::kV4)) << "one odd target is no filter";
  book_.NoteContradiction(id, Address("198.51.100.2"), kIcmp);
  EXPECT_TRUE(book_.MethodFiltered(id, kIcmp, Family::kV4));
  EXPECT_FALSE(book_.MethodWorks(id, kIcmp, Family::kV4, now_.mono));
  EXPECT_FALSE(book_.MethodFiltered(id, kIcmp, Family::kV6));
  book_.NoteAnswer(id, Family::kV4, kIcmp, 0, now_.mono);
  EXPECT_TRUE(book_.MethodWorks(id, kIcmp, Family::kV4, now_.mono));
}

TEST_F(VantageBookTest, LossIsLearntWithinLimits) {
  const VantageId id = Connect("a", "g");
  EXPECT_DOUBLE_EQ(book_.At(id).Loss(), 0.05);
  for (int i = 0; i < 2000; ++i) {
    book_.NoteAnswer(id, Family::kV4, kIcmp, 0, now_.mono);
  }
  EXPECT_DOUBLE_EQ(book_.At(id).Loss(), 0.02);
  for (int i = 0; i < 2000; ++i) {
    book_.NoteAnswer(id, Family::kV4, kIcmp, i % 10 == 0 ? 1 : 0, now_.mono);
  }
  EXPECT_NEAR(book_.At(id).Loss(), 1.0 / 11, 0.01);
  for (int i = 0; i < 2000; ++i) {
    book_.NoteAnswer(id, Family::kV4, kIcmp, 3, now_.mono);
  }
  EXPECT_DOUBLE_EQ(book_.At(id).Loss(), 0.6);
}

TEST_F(VantageBookTest, ASensorWithoutARouteIsNotAskedForAWhile) {
  const VantageId id = Connect("a", "g");
  book_.NoteNoWay(id, *IpAddress::Parse("2001:db8::1"), now_.mono);
  EXPECT_TRUE(book_.Eligible(id, Family::kV6, now_.mono)) << "that target may be special";
  book_.NoteNoWay(id, *IpAddress::Parse("2001:db8::2"), now_.mono);
  EXPECT_TRUE(book_.Eligible(id, Family::kV4, now_.mono));
  EXPECT_FALSE(book_.Eligible(id, Family::kV6, now_.mono));
  Pass(31s);
  book_.Heard(id, Health(Reach::kUp), now_);
  EXPECT_TRUE(book_.Eligible(id, Family::kV6, now_.mono));
}

TEST_F(VantageBookTest, EveryGroupIsHeardBeforeAnyIsHeardTwice) {
  std::map<VantageId, std::string> group_of;
  for (int g = 0; g < 4; ++g) {
    for (int i = 0; i < 3; ++i) {
      const std::string group = "g" + std::to_string(g);
      group_of[Connect(group + "-" + std::to_string(i), group)] = group;
    }
  }
  for (uint64_t turn = 0; turn < 50; ++turn) {
    for (size_t most = 1; most <= 12; ++most) {
      const auto chosen = book_.Choose(Family::kV4, now_.mono, most, {}, turn);
      ASSERT_EQ(chosen.size(), most);
      EXPECT_EQ(std::set(chosen.begin(), chosen.end()).size(), most) << "nobody twice";
      std::map<std::string, size_t> votes;
      for (const VantageId id : chosen) {
        ++votes[group_of[id]];
      }
      EXPECT_EQ(votes.size(), std::min<size_t>(most, 4));
      for (const auto& [group, count] : votes) {
        EXPECT_LE(count, (most + 3) / 4);
      }
    }
  }
}

TEST_F(VantageBookTest, TurnsReachEverybody) {
  for (const auto& [groups, members] : {std::pair{1, 5}, {2, 2}, {3, 3}, {4, 2}, {5, 1}}) {
    book_ = {};
    for (int g = 0; g < groups; ++g) {
      for (int i = 0; i < members; ++i) {
        Connect(std::to_string(g) + "-" + std::to_string(i), std::to_string(g));
      }
    }
    std::set<VantageId> seen;
    for (uint64_t turn = 0; turn < static_cast<uint64_t>(groups * members); ++turn) {
      seen.insert(book_.Choose(Family::kV4, now_.mono, 1, {}, turn).at(0));
    }
    EXPECT_EQ(seen.size(), static_cast<size_t>(groups * members)) << groups << "x" << members;
  }
}

TEST_F(VantageBookTest, ThoseWhoMustBeHeardComeFirstIfTheyCan) {
  const VantageId a = Connect("a", "g");
  const VantageId b = Connect("b", "g");
  const VantageId c = Connect("c", "h");
  EXPECT_EQ(book_.Choose(Family::kV4, now_.mono, 1, {b}, 0), std::vector{b});
  book_.Heard(b, Health(Reach::kDown), now_);
  const auto chosen = book_.Choose(Family::kV4, now_.mono, 8, {b, a, a}, 0);
  EXPECT_THAT(chosen, testing::ElementsAre(a, c));
  EXPECT_THAT(VantageBook().Choose(Family::kV4, now_.mono, 8, {}, 0), testing::IsEmpty());
}

TEST_F(VantageBookTest, KnowsTheAddressesOfItsSensors) {
  SensorHello hello;
  hello.addresses = {Address("10.1.1.1"), Address("2001:db8::1")};
  const VantageId id = book_.Connect("a", "g", Address("192.0.2.9"), hello, now_);
  EXPECT_TRUE(book_.IsSensorAddress(Address("192.0.2.9")));
  EXPECT_TRUE(book_.IsSensorAddress(Address("2001:db8::1")));
  hello.addresses.clear();
  EXPECT_EQ(book_.Connect("a", "g", Address("192.0.2.10"), hello, now_), id);
  EXPECT_FALSE(book_.IsSensorAddress(Address("192.0.2.9")));
  // A sensor that claims the world hides at most a few addresses of it.
  for (int i = 0; i < 1000; ++i) {
    hello.addresses.push_back(Address(("198.51.100." + std::to_string(i % 256)).c_str()));
  }
  book_.Connect("a", "g", std::nullopt, hello, now_);
  EXPECT_FALSE(book_.IsSensorAddress(Address("198.51.100.200")));
}

TEST_F(VantageBookTest, RestoredSensorsAreKnownAndDoNotVote) {
  SensorRecord record;
  record.name = "a";
  record.health = Health(Reach::kUp);
  book_.Restore(record);
  book_.Restore(record);
  ASSERT_EQ(book_.size(), 1u);
  EXPECT_FALSE(book_.Eligible(*book_.Find("a"), Family::kV4, now_.mono));
  EXPECT_EQ(book_.Find("b"), std::nullopt);
}

}  // namespace
}  // namespace parallax::collector
