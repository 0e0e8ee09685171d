#include "sensor/observe/try_tally.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "tests/unit/sensor/observe/segments.h"

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

class TryTallyTest : public testing::Test {
 protected:
  static constexpr uint64_t kServer = 0x1111;

  // "+" for a success, "-" for a failure, one a second.
  void Tries(uint64_t client, const char* results, Duration at = 1000s, uint64_t server = kServer) {
    for (const char* r = results; *r != 0; ++r, at += 1s) {
      tally_.Count(Hashes(client).Next() ^ server, server, *r == '-', MonoTime(at));
    }
  }
  std::optional<double> Share(Duration at = 1010s, uint64_t server = kServer) const {
    return tally_.AllOrNothing(server, MonoTime(at));
  }

  TryTally tally_;
};

TEST_F(TryTallyTest, NothingIsNoShare) { EXPECT_EQ(Share(), std::nullopt); }

TEST_F(TryTallyTest, ClientsThatFailEveryTimeAreTheShare) {
  Tries(1, "---");
  Tries(2, "----");
  EXPECT_EQ(Share(), std::nullopt);  // two clients are too few
  Tries(3, "---");
  EXPECT_EQ(Share(), 1.0);
  Tries(4, "-+-");
  EXPECT_EQ(Share(), 0.75);
}

TEST_F(TryTallyTest, AnOverflowingServerFailsNowThisOneNowThatOne) {
  Hashes chance(3);
  for (uint64_t client = 1; client <= 200; ++client) {
    std::string results;
    for (int i = 0; i < 8; ++i) {
      results += chance.Below(2) == 0 ? '-' : '+';
    }
    Tries(client, results.c_str());
  }
  EXPECT_LT(*Share(), 0.25);  // 1 in 7: the last three of eight tries, heads or tails
}

TEST_F(TryTallyTest, FewTriesAndTriesThatAllSucceededDoNotCount) {
  for (uint64_t client = 1; client <= 10; ++client) {
    Tries(client, "--");
    Tries(100 + client, "+++++");
  }
  EXPECT_EQ(Share(), std::nullopt);
}

TEST_F(TryTallyTest, EachServerHasItsOwnClients) {
  for (uint64_t client = 1; client <= 3; ++client) {
    Tries(client, "---");
    Tries(client, "+-+", 1000s, 0x2222);
  }
  EXPECT_EQ(Share(), 1.0);
  EXPECT_EQ(Share(1010s, 0x2222), 0.0);
}

TEST_F(TryTallyTest, WhatIsAMinuteAgoDoesNotCount) {
  for (uint64_t client = 1; client <= 3; ++client) {
    Tries(client, "---");
  }
  EXPECT_EQ(Share(1020s), 1.0);
  EXPECT_EQ(Share(1065s), std::nullopt);
}

TEST_F(TryTallyTest, TriesALongPauseApartDoNotAddUp) {
  for (uint64_t client = 1; client <= 3; ++client) {
    Tries(client, "--", 1000s);
    Tries(client, "--", 1100s);
  }
  EXPECT_EQ(Share(1105s), std::nullopt);
}

TEST_F(TryTallyTest, ThreeFailuresInARowEndAStreakOfSuccesses) {
  for (uint64_t client = 1; client <= 3; ++client) {
    Tries(client, "++++++---");
    Tries(100 + client, "---+++");  // healed
  }
  EXPECT_EQ(Share(), 1.0);
}

// A mail relay that came through every twenty seconds all day, and since two minutes never.
TEST_F(TryTallyTest, YesterdaysSuccessesDoNotHideTodaysFault) {
  for (uint64_t client = 1; client <= 5; ++client) {
    for (Duration at = 1000s; at < 20000s; at += 20s) {
      Tries(client, "+", at);
    }
    for (Duration at = 20000s; at < 20120s; at += 10s) {
      Tries(client, "-", at);
    }
  }
  EXPECT_EQ(Share(20120s), 1.0);
}

TEST_F(TryTallyTest, CountsDoNotWrap) {
  for (uint64_t client = 1; client <= 3; ++client) {
    for (int i = 0; i < 65536 + 2; ++i) {
      tally_.Count(Hashes(client).Next(), kServer, true, MonoTime(1000s));
    }
    tally_.Count(Hashes(client).Next(), kServer, false, MonoTime(1000s));
  }
  EXPECT_EQ(Share(1000s), 0.0);
}

TEST_F(TryTallyTest, ManyMorePairsThanThereIsRoomForLeaveTheLatest) {
  for (uint64_t client = 1; client <= 1'000'000; ++client) {
    tally_.Count(Hashes(client).Next(), kServer, true, MonoTime(1000s) + client * 10us);
  }
  for (uint64_t client = 1; client <= 3; ++client) {
    Tries(2'000'000 + client, "---", 1010s);
  }
  EXPECT_EQ(Share(1014s), 1.0);
}

TEST_F(TryTallyTest, TimeMayGoBackwardsOrJumpAhead) {
  for (uint64_t client = 1; client <= 3; ++client) {
    Tries(client, "---");
  }
  EXPECT_EQ(Share(1001s), 1.0);  // asked a moment before the last try
  Tries(1, "+", 999s);
  EXPECT_NEAR(*Share(), 2.0 / 3, 1e-9);
  EXPECT_EQ(Share(1000s + 100000h), std::nullopt);
}

// Saved captures have the times of their stamps, up to the year 2115.
TEST_F(TryTallyTest, SecondsBeyondThirtyOneAndThirtyTwoBits) {
  for (const Duration at : {Duration(2'147'483'646s), Duration(4'294'967'294s)}) {
    for (uint64_t client = 1; client <= 3; ++client) {
      Tries(client, "---", at);
    }
    EXPECT_EQ(Share(at + 10s), 1.0);
    EXPECT_EQ(Share(at + 100s), std::nullopt);
  }
  Tries(1, "---", 2'000'000'000s);
  Tries(1, "---", 4'600'000'000s);
  Tries(1, "---", 0s);
  EXPECT_EQ(Share(4'600'000'000s), std::nullopt);
}

}  // namespace
}  // namespace parallax::sensor
