#include "sensor/observe/sampler.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>

#include "tests/unit/sensor/observe/segments.h"

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

class SamplerTest : public testing::Test {
 protected:
  static constexpr uint32_t kBudget = 100;

  // Offers so many different things within the second that starts at `at`; how many were followed.
  uint32_t Second(Duration at, uint32_t offers) {
    uint32_t followed = 0;
    for (uint32_t i = 0; i < offers; ++i) {
      sampler_.Offer(MonoTime(at) + i * Duration(1s) / offers);
      if (sampler_.Wants(hashes_.Next())) {
        sampler_.Follow();
        ++followed;
      }
    }
    return followed;
  }

  // In one moment, until N is at least this.
  void DriveTo(uint32_t sampling, Duration at) {
    while (sampler_.sampling() < sampling) {
      sampler_.Offer(MonoTime(at));
      sampler_.Follow();
    }
  }

  Sampler sampler_{kBudget};
  Hashes hashes_{1};
};

TEST_F(SamplerTest, FollowsEverythingWithinTheBudget) {
  for (int second = 100; second < 200; ++second) {
    EXPECT_EQ(Second(second * 1s, kBudget), kBudget);
  }
  EXPECT_EQ(sampler_.sampling(), 1u);
}

TEST_F(SamplerTest, WithoutABudgetFollowsEverythingAlways) {
  Sampler sampler(0);
  for (int i = 0; i < 100000; ++i) {
    sampler.Offer(MonoTime(1s));
    ASSERT_TRUE(sampler.Wants(hashes_.Next()));
    ASSERT_TRUE(sampler.Follow());
  }
  sampler.Pass(MonoTime(1h));
  EXPECT_EQ(sampler.sampling(), 1u);
}

TEST_F(SamplerTest, OneBeyondTheBudgetDoublesNAtOnceAndAgainIfNeedBe) {
  sampler_.Offer(MonoTime(5s));
  for (uint32_t i = 0; i < kBudget; ++i) {
    sampler_.Follow();
    ASSERT_EQ(sampler_.sampling(), 1u);
  }
  sampler_.Follow();
  EXPECT_EQ(sampler_.sampling(), 2u);
  for (uint32_t i = 0; i < kBudget; ++i) {
    sampler_.Follow();
    ASSERT_EQ(sampler_.sampling(), 2u);
  }
  sampler_.Follow();
  EXPECT_EQ(sampler_.sampling(), 4u);
}

TEST_F(SamplerTest, SaysWhatIsBeyondTheBudgetOfTheSecond) {
  for (int second = 5; second < 7; ++second) {
    sampler_.Offer(MonoTime(second * 1s));
    for (uint32_t i = 0; i < 5 * kBudget; ++i) {
      ASSERT_EQ(sampler_.Follow(), i < kBudget);
    }
  }
}

TEST_F(SamplerTest, WhatIsSampledAtSomeNIsSampledAtEverySmallerOne) {
  Sampler larger(1);
  for (uint32_t n = 1; n < 1024; n *= 2) {
    while (larger.sampling() < 2 * n) {
      larger.Follow();
    }
    DriveTo(n, 1s);
    ASSERT_EQ(sampler_.sampling(), n);
    int wanted = 0;
    for (int i = 0; i < 100000; ++i) {
      const uint64_t hash = hashes_.Next();
      wanted += sampler_.Wants(hash) ? 1 : 0;
      ASSERT_TRUE(!larger.Wants(hash) || sampler_.Wants(hash));
    }
    const double expected = 100000.0 / n;
    EXPECT_NEAR(wanted, expected, 5 * std::sqrt(expected) + 1);
  }
}

TEST_F(SamplerTest, AFloodOfAnySizeIsHeldNearTheBudget) {
  for (const uint32_t rate : {150u, 1000u, 30000u, 300000u}) {
    Sampler fresh(kBudget);
    sampler_ = fresh;
    for (int second = 0; second < 3; ++second) {
      Second(100s + second * 1s, rate);
    }
    for (int second = 3; second < 15; ++second) {
      EXPECT_LE(Second(100s + second * 1s, rate), 2 * kBudget) << rate;
    }
  }
}

TEST_F(SamplerTest, NStaysWhileHalfTheBudgetWouldNotDoAtASmallerOne) {
  DriveTo(8, 100s);
  for (int second = 101; second < 160; ++second) {  // 201 / 4 is more than half of 100
    Second(second * 1s, 201);
    ASSERT_EQ(sampler_.sampling(), 8u) << second;
  }
}

TEST_F(SamplerTest, TenCalmSecondsBringNDownAsFarAsTheirBusiestAllows) {
  DriveTo(8, 100s);
  for (int second = 101; second <= 110; ++second) {
    Second(second * 1s, second == 105 ? 200 : 20);  // 200 / 4 is half of 100
    ASSERT_EQ(sampler_.sampling(), 8u) << second;
  }
  sampler_.Pass(MonoTime(111s));
  EXPECT_EQ(sampler_.sampling(), 4u);
}

TEST_F(SamplerTest, ABusySecondStartsTheTenSecondsAnew) {
  DriveTo(8, 100s);
  for (int second = 101; second <= 117; ++second) {
    Second(second * 1s, second == 108 ? 500 : 20);
    ASSERT_EQ(sampler_.sampling(), 8u) << second;
  }
  Second(118s, 20);
  sampler_.Pass(MonoTime(119s));
  EXPECT_EQ(sampler_.sampling(), 1u);
}

// Whatever goes down after ten calm seconds must not be up again at once: half the budget is kept.
TEST_F(SamplerTest, ASteadyRateNeverMakesNSwing) {
  for (uint32_t rate = 90; rate < 900; rate += 7) {
    Sampler fresh(kBudget);
    sampler_ = fresh;
    DriveTo(16, 100s);
    int changes = 0;
    uint32_t last = 16;
    for (int second = 101; second < 180; ++second) {
      Second(second * 1s, rate);
      changes += sampler_.sampling() != last ? 1 : 0;
      last = sampler_.sampling();
    }
    EXPECT_LE(changes, 1) << rate;
  }
}

TEST_F(SamplerTest, SilenceIsCalm) {
  DriveTo(1024, 100s);
  sampler_.Pass(MonoTime(109s));
  EXPECT_EQ(sampler_.sampling(), 1024u);
  sampler_.Pass(MonoTime(112s));
  EXPECT_EQ(sampler_.sampling(), 32u);  // what its last busy second would have needed
  sampler_.Pass(MonoTime(122s));
  EXPECT_EQ(sampler_.sampling(), 1u);
}

TEST_F(SamplerTest, TimeMayJumpAheadByYears) {
  DriveTo(1024, 100s);
  sampler_.Offer(MonoTime(24h * 3650));
  EXPECT_EQ(sampler_.sampling(), 1u);
}

TEST_F(SamplerTest, TimeGoingBackwardsClosesNoSecond) {
  Second(100s, 90);
  Second(40s, 90);
  EXPECT_GE(sampler_.sampling(), 2u);  // 180 within one second, as far as it knows
  for (int i = 0; i < 100; ++i) {
    sampler_.Pass(MonoTime(40s + i * 1s / 2));
  }
  EXPECT_GE(sampler_.sampling(), 2u);
}

TEST_F(SamplerTest, TimeStandingStillDrivesNToItsLimitAndNoFarther) {
  Sampler sampler(1);
  for (int i = 0; i < 1000; ++i) {
    sampler.Offer(MonoTime(1s));
    sampler.Follow();
  }
  EXPECT_EQ(sampler.sampling(), uint32_t{1} << 24);
}

}  // namespace
}  // namespace parallax::sensor
