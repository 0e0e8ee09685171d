#include "sensor/probe/last_schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

const MonoTime kStart{100'000s};

ProbeOrder OrderFor(int host, uint16_t port = 443) {
  ProbeOrder order;
  order.id = 77;
  order.target =
      *IpAddress::Parse("198.51." + std::to_string(host / 256) + "." + std::to_string(host % 256));
  order.tries = {{ProbeMethod::kTcpSyn, port, 0}};
  order.start_after = 100ms;
  order.timeout = 1s;
  return order;
}

// How often each host is asked within `length`.
std::map<std::string, int> Watch(LastSchedule& schedule, MonoTime from, Duration length) {
  std::map<std::string, int> asked;
  for (MonoTime now = from; now < from + length; now += 200ms) {
    const auto due = schedule.Due(now);
    EXPECT_LE(due.size(), 20u) << "no burst";
    for (const ProbeOrder& order : due) {
      EXPECT_EQ(order.id, 0u);
      EXPECT_EQ(order.start_after, 0s);
      ++asked[order.target.ToString()];
    }
  }
  return asked;
}

TEST(LastSchedule, ConnectedItAsksNothing) {
  LastSchedule schedule;
  schedule.Heard(OrderFor(1), kStart);
  schedule.Connected(true, kStart);
  EXPECT_TRUE(Watch(schedule, kStart, 20min).empty());
}

TEST(LastSchedule, AloneItAsksEachTargetThreeTimesAndThenNoMore) {
  LastSchedule schedule;
  for (int i = 0; i < 1000; ++i) {
    schedule.Heard(OrderFor(i), kStart);
  }
  schedule.Connected(false, kStart + 1s);
  const auto asked = Watch(schedule, kStart + 1s, 60min);
  EXPECT_EQ(asked.size(), 1000u);
  for (const auto& [host, times] : asked) {
    EXPECT_EQ(times, 3) << host;
  }
}

TEST(LastSchedule, TheLastOrderAboutATargetHolds) {
  LastSchedule schedule;
  schedule.Heard(OrderFor(1, 25), kStart);
  schedule.Heard(OrderFor(1, 443), kStart + 1s);
  schedule.Connected(false, kStart + 2s);
  const auto due = schedule.Due(kStart + 2s);
  ASSERT_EQ(due.size(), 1u);
  EXPECT_EQ(due[0].tries[0].port, 443);
}

TEST(LastSchedule, WhatIsOldWhenTheCollectorGoesIsNotAskedAgain) {
  LastSchedule schedule;
  schedule.Heard(OrderFor(1), kStart);
  schedule.Heard(OrderFor(2), kStart + 14min);
  schedule.Connected(false, kStart + 20min);
  const auto asked = Watch(schedule, kStart + 20min, 60min);
  EXPECT_THAT(asked, testing::ElementsAre(testing::Pair("198.51.0.2", 3)));
}

TEST(LastSchedule, TheCollectorIsBack) {
  LastSchedule schedule;
  schedule.Heard(OrderFor(1), kStart);
  schedule.Connected(false, kStart);
  schedule.Connected(true, kStart + 1s);
  EXPECT_TRUE(Watch(schedule, kStart + 1s, 10min).empty());
  schedule.Connected(false, kStart + 10min);
  EXPECT_EQ(Watch(schedule, kStart + 10min, 1s).size(), 1u);
}

TEST(LastSchedule, MemoryIsBounded) {
  LastSchedule schedule;
  for (int i = 0; i < 10'000; ++i) {
    schedule.Heard(OrderFor(i), kStart);
  }
  EXPECT_EQ(schedule.targets(), LastSchedule::kMostTargets);
}

}  // namespace
}  // namespace parallax::sensor
