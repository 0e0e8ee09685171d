#include "sensor/probe/trace/hop_limiter.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

const IpAddress kRouter = *IpAddress::Parse("10.0.0.1");
const IpAddress kOther = *IpAddress::Parse("10.0.0.2");
const IpAddress kRouterV6 = *IpAddress::Parse("2001:db8::1");
constexpr MonoTime kStart{1000s};

// How many probes leave within `time`, if one is always ready.
int SentWithin(HopLimiter& limiter, Family family, const std::optional<IpAddress>& router,
               MonoTime from, Duration time) {
  int sent = 0;
  for (MonoTime now = from; now < from + time;) {
    const MonoTime next = limiter.Next(family, 3, router, now);
    if (next > now) {
      now = next;
      continue;
    }
    limiter.Take(family, 3, router, now);
    ++sent;
  }
  return sent;
}

TEST(HopLimiterTest, ABurstAndThenTheRate) {
  HopLimiter limiter;
  EXPECT_EQ(SentWithin(limiter, Family::kV4, kRouter, kStart, 1s), 5);
  EXPECT_EQ(SentWithin(limiter, Family::kV4, kRouter, kStart + 1s, 100s), 90);
  EXPECT_EQ(SentWithin(limiter, Family::kV6, kRouterV6, kStart, 10ms), 5);
  EXPECT_EQ(SentWithin(limiter, Family::kV6, kRouterV6, kStart + 10ms, 10s), 90);
}

TEST(HopLimiterTest, RoutersHaveBudgetsOfTheirOwn) {
  HopLimiter limiter;
  SentWithin(limiter, Family::kV4, kRouter, kStart, 1ms);
  EXPECT_GT(limiter.Next(Family::kV4, 3, kRouter, kStart), kStart);
  EXPECT_LE(limiter.Next(Family::kV4, 3, kOther, kStart), kStart);
}

TEST(HopLimiterTest, AnUnknownHopHasABudgetUntilItIsKnown) {
  HopLimiter limiter;
  EXPECT_EQ(SentWithin(limiter, Family::kV4, std::nullopt, kStart, 1ms), 5);
  EXPECT_LE(limiter.Next(Family::kV4, 4, std::nullopt, kStart), kStart);
  EXPECT_LE(limiter.Next(Family::kV6, 3, std::nullopt, kStart), kStart);
}

TEST(HopLimiterTest, TheRouterThatAnswersTakesTheChargeOver) {
  HopLimiter limiter;
  for (int i = 0; i < 5; ++i) {
    HopLimiter::Charge charge = limiter.Take(Family::kV4, 3, std::nullopt, kStart);
    limiter.OnError(charge, 3, kRouter, kStart);
  }
  EXPECT_GT(limiter.Next(Family::kV4, 3, kRouter, kStart), kStart);
  // Whoever asks the same TTL next will most likely meet the same router.
  EXPECT_GT(limiter.Next(Family::kV4, 3, std::nullopt, kStart), kStart);
  EXPECT_LE(limiter.Next(Family::kV4, 3, std::nullopt, kStart + 61s), kStart + 61s);
}

TEST(HopLimiterTest, AHopOfManyRoutersIsNobodysInParticular) {
  HopLimiter limiter;
  for (uint8_t n = 0; n <= HopLimiter::kMostGuesses; ++n) {
    const IpAddress router = IpAddress::V4(std::array<uint8_t, 4>{10, 0, 1, n});
    for (int i = 0; i < 5; ++i) {
      HopLimiter::Charge charge = limiter.Take(Family::kV4, 3, router, kStart);
      limiter.OnError(charge, 3, router, kStart);
    }
  }
  EXPECT_EQ(SentWithin(limiter, Family::kV4, std::nullopt, kStart, 1ms), 5);
}

TEST(HopLimiterTest, WhatCostNobodyAnythingIsPaidBack) {
  HopLimiter limiter;
  for (int i = 0; i < 20; ++i) {
    ASSERT_LE(limiter.Next(Family::kV4, 3, std::nullopt, kStart), kStart);
    HopLimiter::Charge charge = limiter.Take(Family::kV4, 3, std::nullopt, kStart);
    i % 2 == 0 ? limiter.OnLost(charge) : limiter.Refund(charge);
  }
  // A router that is known and does not answer may have been kept from it by its limit.
  for (int i = 0; i < 5; ++i) {
    HopLimiter::Charge charge = limiter.Take(Family::kV4, 3, kRouter, kStart);
    limiter.OnLost(charge);
  }
  EXPECT_GT(limiter.Next(Family::kV4, 3, kRouter, kStart), kStart);
}

TEST(HopLimiterTest, NeverMoreThanALinuxRouterAnswers) {
  // Its own bucket: 6 at most, one more a second.
  HopLimiter limiter;
  double tokens = 6;
  MonoTime last = kStart;
  for (MonoTime now = kStart; now < kStart + 200s; now += 37ms) {
    if (now - kStart > 60s && now - kStart < 90s) {
      continue;  // a pause, after which the burst is there again
    }
    if (limiter.Next(Family::kV4, 1, kRouter, now) > now) {
      continue;
    }
    limiter.Take(Family::kV4, 1, kRouter, now);
    tokens = std::min(6.0, tokens + ToSeconds(now - last)) - 1;
    last = now;
    ASSERT_GE(tokens, 0) << ToSeconds(now - kStart);
  }
}

TEST(HopLimiterTest, IdleBudgetsAreForgotten) {
  HopLimiter limiter;
  for (uint32_t i = 0; i < 100'000; ++i) {
    const std::array<uint8_t, 4> bytes = {10, static_cast<uint8_t>(i >> 16),
                                          static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i)};
    limiter.Take(Family::kV4, 1, IpAddress::V4(bytes), kStart + i * 1ms);
  }
  EXPECT_LT(limiter.size(), 10'000u);
}

}  // namespace
}  // namespace parallax::sensor
