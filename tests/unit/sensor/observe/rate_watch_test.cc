#include "sensor/observe/rate_watch.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/unit/sensor/observe/segments.h"

namespace parallax::sensor {
namespace {

void Seconds(RateWatch& watch, int seconds, double count, bool learning = false) {
  for (int i = 0; i < seconds; ++i) {
    watch.Second(count, learning);
  }
}

TEST(RateWatch, KnowsNothingAtFirst) {
  const RateWatch watch;
  EXPECT_EQ(watch.rate(), 0);
  EXPECT_EQ(watch.usual(), 0);
  EXPECT_EQ(watch.excess(), 0);
}

TEST(RateWatch, LearnsTheQuietestFiveSeconds) {
  RateWatch watch;
  Seconds(watch, 3, 80, true);
  EXPECT_NEAR(watch.usual(), 80, 1e-9);  // for want of better
  Seconds(watch, 2, 120, true);
  EXPECT_NEAR(watch.usual(), 96, 1e-9);
  Seconds(watch, 5, 60, true);
  Seconds(watch, 5, 600, true);
  EXPECT_NEAR(watch.usual(), 60, 1e-9);
  EXPECT_EQ(watch.excess(), 0);
}

TEST(RateWatch, AFloodThatBeginsWhileLearningIsStillOne) {
  RateWatch watch;
  Seconds(watch, 10, 20, true);
  Seconds(watch, 20, 5000, true);
  Seconds(watch, 2, 5000);
  EXPECT_GT(watch.excess(), 40);
}

TEST(RateWatch, AFloodOlderThanTheWatchIsTakenForUsual) {
  RateWatch watch;
  Seconds(watch, 30, 5000, true);
  Seconds(watch, 60, 5000);
  EXPECT_EQ(watch.excess(), 0);
}

TEST(RateWatch, WhatIsUsualNeverAddsUp) {
  for (const double usual : {0.0, 3.0, 100.0, 20000.0}) {
    for (uint64_t seed = 1; seed <= 5; ++seed) {
      Hashes chance(seed);
      RateWatch watch;
      Seconds(watch, 30, usual, true);
      for (int i = 0; i < 24 * 3600; ++i) {  // a day, give or take a third
        watch.Second(usual * (0.67 + 0.66 * chance.Below(1000) / 1000.0), false);
        ASSERT_LT(watch.excess(), 1) << usual;
      }
      EXPECT_NEAR(watch.usual(), usual, usual * 0.1);
    }
  }
}

TEST(RateWatch, ATenfoldRateShowsWithinTwoSeconds) {
  RateWatch watch;
  Seconds(watch, 30, 100, true);
  watch.Second(1000, false);
  EXPECT_NEAR(watch.excess(), 8.5, 0.1);
  watch.Second(1000, false);
  EXPECT_GT(watch.excess(), 10);
}

TEST(RateWatch, LessThanHalfAsMuchAgainIsNoNews) {
  RateWatch watch;
  Seconds(watch, 30, 100, true);
  Seconds(watch, 3600, 145);
  EXPECT_EQ(watch.excess(), 0);
}

TEST(RateWatch, ATrickleAtAnIdleServerIsNoNews) {
  RateWatch watch;
  Seconds(watch, 30, 0, true);
  Seconds(watch, 3600, 9);
  EXPECT_EQ(watch.excess(), 0);
}

TEST(RateWatch, ABurstIsForgottenAgain) {
  RateWatch watch;
  Seconds(watch, 30, 100, true);
  watch.Second(2000, false);
  const double at_once = watch.excess();
  EXPECT_GT(at_once, 15);
  for (int i = 0; i < 60; ++i) {
    const double before = watch.excess();
    watch.Second(100, false);
    ASSERT_LE(watch.excess(), before);
  }
  EXPECT_EQ(watch.excess(), 0);
  EXPECT_NEAR(watch.usual(), 100, 2);  // and was hardly learnt from
}

TEST(RateWatch, WhatGoesOnForHoursBecomesUsual) {
  RateWatch watch;
  Seconds(watch, 30, 100, true);
  Seconds(watch, 600, 1000);
  EXPECT_GT(watch.excess(), 40);  // 50 at the most
  EXPECT_LT(watch.usual(), 500);  // ten minutes are not enough
  Seconds(watch, 12 * 3600, 1000);
  EXPECT_EQ(watch.excess(), 0);
  EXPECT_NEAR(watch.usual(), 1000, 50);
}

TEST(RateWatch, AThousandfoldRateIsNotUsualWithinMinutes) {
  RateWatch watch;
  Seconds(watch, 30, 2, true);
  Seconds(watch, 300, 2000);
  EXPECT_LT(watch.usual(), 40);
  EXPECT_GT(watch.excess(), 40);
}

TEST(RateWatch, ANewLevelIsNoFloodForMoreThanFortyMinutes) {
  for (const double before : {0.0, 30.0, 100.0}) {
    RateWatch watch;
    Seconds(watch, 30, before, true);
    Seconds(watch, 2400, 300);
    EXPECT_LT(watch.excess(), 10) << before;
  }
}

TEST(RateWatch, TheRateFollowsWithinSeconds) {
  RateWatch watch;
  Seconds(watch, 10, 600);
  EXPECT_NEAR(watch.rate(), 600, 15);
  Seconds(watch, 10, 0);
  EXPECT_LT(watch.rate(), 15);
}

TEST(RateWatch, AbsurdCountsStayFinite) {
  RateWatch watch;
  Seconds(watch, 1000, 1e18);
  EXPECT_TRUE(std::isfinite(watch.excess()));
  EXPECT_TRUE(std::isfinite(watch.rate()));
  Seconds(watch, 24 * 3600, 0);
  EXPECT_EQ(watch.excess(), 0);
  EXPECT_GE(watch.usual(), 0);
}

}  // namespace
}  // namespace parallax::sensor
