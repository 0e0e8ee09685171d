#include "sensor/observe/known_clients.h"

#include <gtest/gtest.h>

#include <chrono>

#include "tests/unit/sensor/observe/segments.h"

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

constexpr auto kDay = 24h;

// Hashes of one bucket that differ in their tag.
uint64_t InOneBucket(uint64_t n) { return (n * 2 + 1) << 32 | 8; }

TEST(KnownClients, KnowsWhomItRemembersForThirtyDays) {
  KnownClients known;
  const uint64_t client = Hashes(1).Next();
  EXPECT_FALSE(known.Knows(client, MonoTime(1h)));
  known.Remember(client, MonoTime(1h));
  EXPECT_TRUE(known.Knows(client, MonoTime(1h)));
  EXPECT_TRUE(known.Knows(client, MonoTime(1h + 30 * kDay - 1min)));
  EXPECT_FALSE(known.Knows(client, MonoTime(1h + 30 * kDay)));
  EXPECT_FALSE(known.Knows(client, MonoTime(1h + 300 * kDay)));
}

TEST(KnownClients, EveryConnectionStartsTheThirtyDaysAnew) {
  KnownClients known;
  known.Remember(77, MonoTime(1h));
  known.Remember(77, MonoTime(1h + 20 * kDay));
  EXPECT_TRUE(known.Knows(77, MonoTime(1h + 49 * kDay)));
}

TEST(KnownClients, WhereThereIsNoRoomTheOneSeenLongestAgoGoes) {
  KnownClients known(4);
  for (uint64_t n = 0; n < 4; ++n) {
    known.Remember(InOneBucket(n), MonoTime(1h + n * 1min));
  }
  known.Remember(InOneBucket(0), MonoTime(2h));  // no longer the oldest
  known.Remember(InOneBucket(4), MonoTime(3h));
  for (uint64_t n = 0; n < 5; ++n) {
    EXPECT_EQ(known.Knows(InOneBucket(n), MonoTime(3h)), n != 1) << n;
  }
}

TEST(KnownClients, AFreePlaceIsTakenBeforeAnybodyGoes) {
  KnownClients known(4);
  known.Remember(InOneBucket(0), MonoTime(0s));  // minute 0, like a free place
  known.Remember(InOneBucket(1), MonoTime(1h));
  known.Remember(InOneBucket(2), MonoTime(1h));
  known.Remember(InOneBucket(3), MonoTime(1h));
  EXPECT_TRUE(known.Knows(InOneBucket(0), MonoTime(1h)));
}

TEST(KnownClients, HoldsNearlyAllOfHalfItsSizeAndTakesNobodyElseForThem) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    KnownClients known;
    Hashes hashes(seed);
    for (int i = 0; i < 32768; ++i) {
      known.Remember(hashes.Next(), MonoTime(1h));
    }
    Hashes again(seed);
    int kept = 0;
    for (int i = 0; i < 32768; ++i) {
      kept += known.Knows(again.Next(), MonoTime(1h)) ? 1 : 0;
    }
    EXPECT_GT(kept, 30000);
    int mistaken = 0;
    for (int i = 0; i < 1'000'000; ++i) {
      mistaken += known.Knows(hashes.Next(), MonoTime(1h)) ? 1 : 0;
    }
    EXPECT_LE(mistaken, 1);
  }
}

// Times come slightly out of order, from several interfaces.
TEST(KnownClients, AskingASplitSecondBeforeItsTimeIsNoMatter) {
  KnownClients known;
  known.Remember(5, MonoTime(60s));
  EXPECT_TRUE(known.Knows(5, MonoTime(59'999ms)));
  EXPECT_TRUE(known.Knows(5, MonoTime(0s)));
}

}  // namespace
}  // namespace parallax::sensor
