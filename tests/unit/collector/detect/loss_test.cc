#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "collector/detect/loss_look.h"
#include "collector/detect/loss_watch.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

ProbeReport Report(std::string_view target, std::string_view tries) {
  ProbeReport report;
  report.target = *IpAddress::Parse(target);
  for (const char c : tries) {
    ProbeTryResult result;
    result.state = c == '.'   ? ProbeState::kAnswered
                   : c == '-' ? ProbeState::kNotSent
                              : ProbeState::kSilent;
    report.tries.push_back(result);
  }
  return report;
}

// Seconds until the alarm, at one probe every five seconds.
std::optional<int> SecondsToAlarm(double loss, unsigned seed, int most) {
  std::mt19937 random(seed);
  std::bernoulli_distribution lost(loss);
  LossWatch watch;
  MonoTime now(1h);
  for (int second = 0; second < most; second += 5) {
    watch.Note(lost(random) ? 1 : 0, now += 5s);
    if (watch.alarm()) {
      return second;
    }
  }
  return std::nullopt;
}

TEST(LossWatch, TwentyPercentAreSeenInTwoMinutesAndFiveInTwenty) {
  int twenty = 0;
  int five = 0;
  for (unsigned seed = 0; seed < 100; ++seed) {
    twenty += SecondsToAlarm(0.2, seed, 120) ? 1 : 0;
    five += SecondsToAlarm(0.05, seed, 1200) ? 1 : 0;
  }
  EXPECT_GE(twenty, 85);
  EXPECT_GE(five, 85);
}

TEST(LossWatch, AFewLostProbesRaiseNoAlarm) {
  int alarms = 0;
  for (unsigned seed = 0; seed < 100; ++seed) {
    alarms += SecondsToAlarm(0.002, seed, 3600) ? 1 : 0;
  }
  EXPECT_LE(alarms, 25);
}

TEST(LossWatch, WhatIsLostWithinOneSecondCountsOnce) {
  LossWatch watch;
  for (int i = 0; i < 50; ++i) {
    watch.Note(1, MonoTime(1h) + i * 10ms);
  }
  watch.Note(0, MonoTime(1h) + 2s);
  EXPECT_FALSE(watch.alarm());
}

TEST(LossLook, LossInThreeDifferentSecondsIsNoBurst) {
  LossLook burst;
  for (const char* target : {"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"}) {
    burst.Add(1, Report(target, "..xx...."));
  }
  EXPECT_FALSE(burst.Loses(1));
  EXPECT_EQ(burst.Of(1).lost, 8u);
  LossLook spread;
  spread.Add(1, Report("192.0.2.1", "x......."));
  spread.Add(1, Report("192.0.2.2", "..x.x..."));
  spread.Add(1, Report("192.0.2.3", "x......."));
  spread.Add(2, Report("192.0.2.3", "........"));
  EXPECT_TRUE(spread.Loses(1));
  EXPECT_FALSE(spread.Loses(2));
  EXPECT_FALSE(spread.Loses(3)) << "nobody asked it";
  EXPECT_DOUBLE_EQ(spread.Of(1).share(), 4.0 / 24);
  EXPECT_EQ(spread.pairs().at({1, *IpAddress::Parse("192.0.2.2")}).lost, 2u);
}

TEST(LossLook, WhereMostIsLostSomeAreInARow) {
  LossLook all;
  LossLook some;
  for (const char* target : {"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"}) {
    all.Add(1, Report(target, "xxxx.x.x"));
    all.Add(1, Report(target, "x.xxxxx."));
    const bool out = std::string_view(target) > "192.0.2.2";
    some.Add(1, Report(target, out ? "xxxxxxxx" : "........"));
    some.Add(1, Report(target, out ? "xxxxxx.x" : "........"));
  }
  EXPECT_TRUE(all.IsEven(1));
  EXPECT_TRUE(all.Loses(1));
  EXPECT_FALSE(some.IsEven(1));
  EXPECT_FALSE(some.Loses(1)) << "these hosts are out of reach, and it is no loss";
}

TEST(LossLook, LittleIsSparedOnlyIfItIsHardlyChance) {
  const auto look = [](size_t sent, size_t lost) {
    ProbeReport report;
    for (size_t i = 0; i < sent; ++i) {
      report.tries.emplace_back().state = i < lost ? ProbeState::kSilent : ProbeState::kAnswered;
    }
    LossLook made;
    made.Add(1, report);
    return made;
  };
  EXPECT_TRUE(look(80, 0).Spares(1, 0.05));   // 0.95^80 = 1.7 %
  EXPECT_FALSE(look(70, 0).Spares(1, 0.05));  // 2.8 %
  EXPECT_FALSE(look(80, 1).Spares(1, 0.05));  // 8.6 %
  EXPECT_TRUE(look(80, 4).Spares(1, 0.2));    // 0.01 %
  EXPECT_FALSE(look(80, 16).Spares(1, 0.2));
  EXPECT_FALSE(LossLook().Spares(1, 0.5)) << "nothing was asked";
}

TEST(LossLook, WhereSomeHostsLoseMuchASingleLossIsChance) {
  LossLook some;
  for (const char* target : {"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"}) {
    some.Add(1, Report(target, "........"));
  }
  some.Add(1, Report("192.0.2.6", "...x...."));
  some.Add(1, Report("2001:db8::1", "x.x.xx.x"));
  ASSERT_FALSE(some.IsEven(1));
  EXPECT_THAT(some.Hit(1), testing::ElementsAre(testing::Key(*IpAddress::Parse("2001:db8::1"))));
  EXPECT_DOUBLE_EQ(some.OfHit(1).share(), 5.0 / 8);
  LossLook all;
  for (const char* target : {"192.0.2.1", "192.0.2.2", "192.0.2.3"}) {
    all.Add(1, Report(target, "...x...."));
  }
  EXPECT_TRUE(all.IsEven(1));
  EXPECT_EQ(all.Hit(1).size(), 3u);
  EXPECT_TRUE(all.Hit(2).empty());
}

TEST(LossLook, WhatWasNotSentIsNotLost) {
  LossLook look;
  look.Add(1, Report("192.0.2.1", "--------"));
  EXPECT_EQ(look.Of(1).sent, 0u);
  EXPECT_FALSE(look.Loses(1));
}

}  // namespace
}  // namespace parallax::collector
