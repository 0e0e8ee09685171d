#include "sensor/link/backoff.h"

#include <gtest/gtest.h>

#include <set>

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

TEST(Backoff, DoublesUpToTheLongestAndNeverBelowHalf) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Backoff backoff(500ms, 15s, seed);
    for (const Duration ceiling : {Duration(500ms), Duration(1s), Duration(2s), Duration(4s),
                                   Duration(8s), Duration(15s), Duration(15s), Duration(15s)}) {
      const Duration wait = backoff.Next();
      EXPECT_GE(wait, ceiling / 2);
      EXPECT_LE(wait, ceiling);
    }
  }
}

TEST(Backoff, ResetStartsOver) {
  Backoff backoff(500ms, 15s, 1);
  for (int i = 0; i < 10; ++i) {
    backoff.Next();
  }
  backoff.Reset();
  EXPECT_LE(backoff.Next(), 500ms);
  EXPECT_LE(backoff.Next(), 1s);
}

TEST(Backoff, ManySensorsDoNotComeBackTogether) {
  std::set<Duration> waits;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    waits.insert(Backoff(500ms, 15s, seed).Next());
  }
  EXPECT_GT(waits.size(), 900u);
}

TEST(Backoff, OneWaitForAll) {
  Backoff backoff(1s, 1s, 7);
  for (int i = 0; i < 100; ++i) {
    const Duration wait = backoff.Next();
    EXPECT_GE(wait, 500ms);
    EXPECT_LE(wait, 1s);
  }
}

}  // namespace
}  // namespace parallax::sensor
