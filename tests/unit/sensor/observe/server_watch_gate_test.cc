// The server watch as the tracker's gate: what is followed when there is too much.
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cmath>

#include "sensor/observe/server_watch.h"
#include "tests/unit/sensor/observe/segments.h"

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

constexpr uint32_t kBudget = 200;
constexpr uint32_t kBudgetTotal = 1000;
const Endpoint kServer{*IpAddress::Parse("192.0.2.25"), 25};

Endpoint ServerAt(uint8_t n) {
  return {IpAddress::V4(std::array<uint8_t, 4>{198, 51, 100, n}), 443};
}

class ServerWatchGateTest : public testing::Test {
 protected:
  explicit ServerWatchGateTest(uint32_t budget = kBudget, uint32_t budget_total = kBudgetTotal)
      : watch_({.servers = 64,
                .attempts_per_second = budget,
                .attempts_per_second_total = budget_total,
                .addresses = {},
                .key = {1, 2}}) {}

  // A new attempt; how many the gate takes it for.
  uint32_t Syn(const Endpoint& client, Duration at, const Endpoint& server = kServer) {
    const SynSegment syn = SynOf(client, server, 1);
    watch_.Count(syn, MonoTime(at));
    const uint64_t hash =
        Hashes(std::hash<IpAddress>()(client.address) ^ uint64_t{client.port} << 40 ^
               std::hash<IpAddress>()(server.address))
            .Next();
    return watch_.Admit({client, server, 1}, hash, MonoTime(at));
  }

  struct Followed {
    uint32_t attempts = 0;
    uint64_t stand_for = 0;
  };
  // So many forged ones within the second that starts at `at`.
  Followed Flood(Duration at, uint32_t rate, const Endpoint& server = kServer) {
    Followed followed;
    for (uint32_t i = 0; i < rate; ++i) {
      const Endpoint forged{Address(hashes_.Below(1 << 24)),
                            static_cast<uint16_t>(1 + hashes_.Below(60000))};
      const uint32_t sampling = Syn(forged, at + i * Duration(1s) / rate, server);
      EXPECT_EQ(sampling & (sampling - 1), 0u);
      followed.attempts += sampling > 0 ? 1 : 0;
      followed.stand_for += sampling;
    }
    return followed;
  }
  void Complete(const Endpoint& client, Duration at) {
    AttemptEvent event;
    event.client = client;
    event.server = kServer;
    event.outcome = AttemptOutcome::kCompleted;
    watch_.Decided(event, MonoTime(at));
  }

  ServerWatch watch_;
  Hashes hashes_{4};
};

TEST_F(ServerWatchGateTest, WithinTheBudgetEverythingIsFollowed) {
  for (Duration at = 1000s; at < 1100s; at += 1s) {
    ASSERT_EQ(Flood(at, kBudget).stand_for, kBudget);
  }
}

TEST_F(ServerWatchGateTest, AFloodIsFollowedWithinTheBudgetAndTheSampleTellsItsSize) {
  for (const uint32_t rate : {1000u, 30'000u}) {
    for (int run = 0; run < 2; ++run) {
      const Duration start = 1000s * static_cast<int>(rate) + 200s * run;
      Followed all;
      for (Duration at = start; at < start + 10s; at += 1s) {
        const Followed followed = Flood(at, rate);
        EXPECT_LE(followed.attempts, (at < start + 2s ? 10 : 2) * kBudget);
        all.stand_for += followed.stand_for;
      }
      // N is at most rate / 50; five standard deviations of a sum of N times Bernoulli(1/N).
      const double truth = 10.0 * rate;
      EXPECT_NEAR(static_cast<double>(all.stand_for), truth,
                  5 * std::sqrt(truth * std::max(1.0, rate / 50.0)));
      EXPECT_NE(static_cast<double>(all.stand_for), truth);
    }
  }
}

TEST_F(ServerWatchGateTest, TenCalmSecondsEndIt) {
  for (Duration at = 1000s; at < 1005s; at += 1s) {
    Flood(at, 5000);
  }
  bool calm = false;
  Duration at = 1005s;
  for (; at < 1060s && !calm; at += 1s) {
    const Followed followed = Flood(at, 50);
    calm = followed.attempts == 50 && followed.stand_for == 50;
  }
  EXPECT_GE(at, 1015s);
  EXPECT_LE(at, 1030s);
  for (; at < 1200s; at += 1s) {
    ASSERT_EQ(Flood(at, 50).stand_for, 50u);
  }
}

TEST_F(ServerWatchGateTest, HalfTheBudgetIsNoReasonToGoBackToAll) {
  Flood(1000s, 5000);
  for (Duration at = 1001s; at < 1100s; at += 1s) {
    Flood(at, kBudget - 10);
  }
  EXPECT_LT(Flood(1100s, kBudget - 10).attempts, kBudget - 10);
}

TEST_F(ServerWatchGateTest, OneFloodedServerLeavesTheOthersAlone) {
  for (Duration at = 1000s; at < 1020s; at += 1s) {
    Flood(at, 20'000);
    ASSERT_EQ(Flood(at, 50, ServerAt(1)).stand_for, 50u);
  }
}

TEST_F(ServerWatchGateTest, KnownClientsAreFollowedThroughAFlood) {
  for (uint16_t i = 0; i < 50; ++i) {
    const Endpoint client{Address(0xff0000 + i), 5000};
    EXPECT_EQ(Syn(client, 1000s), 1u);
    Complete(client, 1001s);
  }
  for (Duration at = 1010s; at < 1020s; at += 1s) {
    Flood(at, 20'000);
    for (uint16_t i = 0; i < 50; ++i) {
      ASSERT_EQ(Syn({Address(0xff0000 + i), 6000}, at + 999ms), 1u);
    }
  }
}

TEST_F(ServerWatchGateTest, ForgingKnownClientsBuysNoMoreThanTheBudget) {
  for (uint16_t i = 0; i < 1000; ++i) {
    const Endpoint client{Address(0xff0000 + i), 5000};
    Syn(client, 1000s + i * 10ms);
    Complete(client, 1000s + i * 10ms);
  }
  Flood(1020s, 20'000);
  for (Duration at = 1021s; at < 1030s; at += 1s) {
    uint32_t in_full = 0;
    uint64_t stand_for = 0;
    for (uint32_t i = 0; i < 20'000; ++i) {
      const uint32_t sampling =
          Syn({Address(0xff0000 + i % 1000), static_cast<uint16_t>(7000 + i)}, at + i * 50us);
      in_full += sampling == 1 ? 1 : 0;
      stand_for += sampling;
    }
    EXPECT_EQ(in_full, kBudget);
    EXPECT_NEAR(static_cast<double>(stand_for), 20'000, 5 * std::sqrt(20'000 * 512.0));
  }
}

// The interfaces' clocks may differ a little: the second must not begin anew each time.
TEST_F(ServerWatchGateTest, TimeFlickeringAroundASecondDoesNotRenewTheBudgetOfKnownClients) {
  const Endpoint client{Address(7), 5000};
  Syn(client, 1000s);
  Complete(client, 1001s);
  Flood(1010s, 20'000);
  uint32_t in_full = 0;
  for (uint32_t i = 0; i < 5000; ++i) {
    const Duration at = i % 2 == 0 ? 1011s : 1011s - 1ms;
    in_full += Syn({client.address, static_cast<uint16_t>(6000 + i)}, at) == 1 ? 1 : 0;
  }
  EXPECT_LE(in_full, 2 * kBudget);
}

TEST_F(ServerWatchGateTest, ManyServersTogetherAreHeldToTheBudgetOfAll) {
  for (Duration at = 1000s; at < 1010s; at += 1s) {
    Followed all;
    for (uint8_t n = 0; n < 30; ++n) {  // none beyond its own
      const Followed one = Flood(at, 150, ServerAt(n));
      all.attempts += one.attempts;
      all.stand_for += one.stand_for;
    }
    EXPECT_LE(all.attempts, 4 * kBudgetTotal);
    if (at > 1002s) {
      EXPECT_LE(all.attempts, 2 * kBudgetTotal);
      EXPECT_NEAR(static_cast<double>(all.stand_for), 4500, 5 * std::sqrt(4500 * 16.0));
    }
  }
}

// The budget of all is for what is followed; what the first gate holds back does not count.
TEST_F(ServerWatchGateTest, AFloodAtOneServerDoesNotKeepTheGateOfAllHalfClosed) {
  for (Duration at = 1000s; at < 1003s; at += 1s) {
    for (uint8_t n = 0; n < 30; ++n) {
      Flood(at, 150, ServerAt(n));
    }
  }
  EXPECT_LT(Flood(1003s, 150, ServerAt(1)).attempts, 150u);
  for (Duration at = 1004s; at < 1030s; at += 1s) {
    Flood(at, 20'000);
    Flood(at, 50, ServerAt(1));
  }
  EXPECT_EQ(Flood(1030s, 50, ServerAt(1)).stand_for, 50u);
}

TEST_F(ServerWatchGateTest, ManySmallServersCannotPushOutTheOneInAFlood) {
  Flood(1000s, 20'000);
  for (uint32_t i = 0; i < 200'000; ++i) {
    Syn({Address(1), 1}, 1001s + i * 1us, {Address(hashes_.Below(1 << 24)), 80});
  }
  EXPECT_LE(Flood(1002s, 5000).attempts, 2 * kBudget);  // its N is remembered
}

TEST_F(ServerWatchGateTest, TimeStandingStillIsOneSecondThatIsVeryFull) {
  uint32_t followed = 0;
  for (uint32_t i = 0; i < 300'000; ++i) {
    followed += Syn({Address(i), 1}, 1000s) > 0 ? 1 : 0;
  }
  EXPECT_LE(followed, 12 * kBudget);
}

TEST_F(ServerWatchGateTest, TimeJumpingAheadByDaysStartsAfresh) {
  Flood(1000s, 20'000);
  EXPECT_EQ(Flood(1000s + 240h, kBudget).stand_for, kBudget);
}

TEST_F(ServerWatchGateTest, TimeGoingBackwardsKeepsWhatIs) {
  Flood(100'000s, 20'000);
  EXPECT_LE(Flood(1000s, 20'000).attempts, 2 * kBudget);
  EXPECT_LE(Flood(100'001s, 20'000).attempts, 2 * kBudget);
}

class NoLimitTest : public ServerWatchGateTest {
 protected:
  NoLimitTest() : ServerWatchGateTest(0, 0) {}
};

TEST_F(NoLimitTest, EverythingIsFollowed) { EXPECT_EQ(Flood(1000s, 100'000).stand_for, 100'000u); }

class TotalLimitTest : public ServerWatchGateTest {
 protected:
  TotalLimitTest() : ServerWatchGateTest(0, kBudgetTotal) {}
};

TEST_F(TotalLimitTest, KnownClientsAreFollowedAllTheSame) {
  Syn({Address(7), 5000}, 1000s);
  Complete({Address(7), 5000}, 1001s);
  EXPECT_LE(Flood(1010s, 50'000).attempts, 10 * kBudgetTotal);
  for (uint16_t port = 1; port < 100; ++port) {
    ASSERT_EQ(Syn({Address(7), port}, 1011s), 1u);
  }
}

}  // namespace
}  // namespace parallax::sensor
