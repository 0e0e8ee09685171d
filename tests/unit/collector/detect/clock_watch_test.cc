#include "collector/detect/clock_watch.h"

#include <gtest/gtest.h>

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

const WallTime kNoon{1'700'000'000s};

TEST(ClockWatch, KnowsNothingAtFirst) {
  ClockWatch watch;
  EXPECT_FALSE(watch.Offset());
  EXPECT_FALSE(watch.BecameWrong());
}

TEST(ClockWatch, WhatTakesLongToArriveIsNotTakenForALateClock) {
  ClockWatch watch;
  for (const Duration delay : {9s, 2s, 7s, 8s}) {
    watch.Note(kNoon, kNoon + delay);
  }
  EXPECT_EQ(watch.Offset(), -2s);
  EXPECT_FALSE(watch.BecameWrong());
}

TEST(ClockWatch, FollowsAClockThatIsSet) {
  ClockWatch watch;
  for (int i = 0; i < 5; ++i) {
    watch.Note(kNoon + 60s, kNoon);
  }
  EXPECT_EQ(watch.Offset(), 60s);
  for (int i = 0; i < 5; ++i) {
    watch.Note(kNoon - 1ms, kNoon);
  }
  EXPECT_EQ(watch.Offset(), -1ms);
}

TEST(ClockWatch, SaysOnceThatAClockIsWrong) {
  ClockWatch watch;
  const auto hear = [&](Duration offset) {
    for (int i = 0; i < 5; ++i) {
      watch.Note(kNoon + offset, kNoon);
    }
    return watch.BecameWrong();
  };
  EXPECT_FALSE(hear(4s));
  EXPECT_TRUE(hear(-3600s));
  EXPECT_FALSE(hear(-3600s));
  EXPECT_FALSE(hear(4s)) << "not right yet";
  EXPECT_FALSE(hear(1s));
  EXPECT_TRUE(hear(6s));
}

}  // namespace
}  // namespace parallax::collector
