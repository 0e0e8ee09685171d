#include "sensor/probe/policy/pacer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

#include "tests/unit/sensor/probe/test_probes.h"

namespace parallax::sensor {
namespace {

using namespace test;

// A fractional rate cannot be kept in every second: 2.5 a second means 3 in some.
size_t Cap(double per_second) { return static_cast<size_t>(std::ceil(per_second - 1e-9)); }

struct Sent {
  std::vector<MonoTime> all;
  std::map<IpAddress, std::vector<MonoTime>> by_prefix;
  std::map<IpAddress, std::vector<MonoTime>> by_target;

  bool Try(Pacer& pacer, const IpAddress& target, MonoTime now) {
    if (pacer.Next(target, now).at > now) {
      return false;
    }
    pacer.Take(target, now);
    all.push_back(now);
    by_prefix[Prefix(target, target.is_v4() ? 24 : 64).address()].push_back(now);
    by_target[target].push_back(now);
    return true;
  }
  void CheckCaps(const PaceRates& rates) const {
    EXPECT_LE(MostInASecond(all), Cap(rates.all));
    for (const auto& [prefix, times] : by_prefix) {
      ASSERT_LE(MostInASecond(times), Cap(rates.per_prefix)) << prefix.ToString();
    }
    for (const auto& [target, times] : by_target) {
      ASSERT_LE(MostInASecond(times), Cap(rates.per_target)) << target.ToString();
    }
  }
};

IpAddress RandomTarget(std::mt19937& random, unsigned prefixes, unsigned hosts) {
  const auto prefix = static_cast<uint8_t>(random() % prefixes);
  const auto host = static_cast<uint8_t>(random() % hosts);
  if (random() % 2 == 0) {
    return IpAddress::V4(std::array<uint8_t, 4>{198, 51, prefix, host});
  }
  return IpAddress::V6(
      std::array<uint8_t, 16>{0x20, 1, 0xd, 0xb8, 0, 0, 0, prefix, 0, 0, 0, 0, 0, 0, 0, host});
}

// Asks at random times, after random pauses, for random targets.
void CheckRandomCalls(const PaceRates& rates, unsigned seed) {
  std::mt19937 random(seed);
  Pacer pacer(rates);
  Sent sent;
  MonoTime now{100s};
  const double mean_gap = 1e9 / rates.all;
  for (int i = 0; i < 40'000; ++i) {
    const double gap = std::exponential_distribution<double>(random() % 3 == 0 ? 3 : 0.3)(random);
    now += Duration(static_cast<int64_t>(gap * mean_gap));
    if (random() % 2000 == 0) {
      now += std::chrono::milliseconds(random() % 5000);  // a pause must not be caught up
    }
    sent.Try(pacer, RandomTarget(random, 4, 3), now);
  }
  EXPECT_GT(sent.all.size(), 100u);
  sent.CheckCaps(rates);
}

TEST(Pacer, CapsHoldInEverySecondForRandomCalls) {
  CheckRandomCalls({.all = 100, .per_prefix = 20, .per_target = 5}, 1);
  CheckRandomCalls({.all = 100, .per_prefix = 100, .per_target = 100}, 2);
  CheckRandomCalls({.all = 7, .per_prefix = 3, .per_target = 1}, 3);
  CheckRandomCalls({.all = 5000, .per_prefix = 1000, .per_target = 250}, 4);
  CheckRandomCalls({.all = 999, .per_prefix = 500, .per_target = 499}, 5);
  CheckRandomCalls({.all = 2.5, .per_prefix = 1.5, .per_target = 0.5}, 6);
  CheckRandomCalls({.all = 100'000, .per_prefix = 20'000, .per_target = 7'000}, 7);
}

struct Driven {
  size_t sent = 0;
  double rate = 0;
};

// A driver that sleeps until the pacer says, and wakes up late. The targets are asked in turn.
Driven Drive(const PaceRates& rates, unsigned hosts, Duration late, Duration time, unsigned seed) {
  std::mt19937 random(seed);
  Pacer pacer(rates);
  Sent sent;
  const MonoTime start{100s};
  MonoTime now = start;
  uint32_t next = 0;
  while (now < start + time) {
    const IpAddress target = V4(0xc6330000 + next % hosts * 256);
    const Pacer::Word word = pacer.Next(target, now);
    if (word.at > now) {
      now = word.at + Duration(static_cast<int64_t>(random()) % (late.count() + 1));
      continue;
    }
    EXPECT_TRUE(sent.Try(pacer, target, now));
    ++next;
  }
  sent.CheckCaps(rates);
  return {sent.all.size(), static_cast<double>(sent.all.size()) / ToSeconds(now - start)};
}

TEST(Pacer, ReachesTheRateWhenWakeUpsAreLittleLate) {
  for (const double rate : {1.0, 10.0, 33.0, 100.0, 1000.0, 5000.0, 50'000.0, 1e6}) {
    const Duration time = rate > 10'000 ? 3s : rate < 20 ? 1000s : 30s;
    for (const Duration late : {Duration(0s), Duration(50us), Duration(1ms)}) {
      const PaceRates rates{.all = rate, .per_prefix = rate, .per_target = rate};
      const Driven driven = Drive(rates, 1, late, time, 1);
      EXPECT_GE(driven.rate, 0.99 * rate) << late.count();
      EXPECT_LE(driven.rate, rate + 1.0 / ToSeconds(time));
    }
  }
}

TEST(Pacer, ReachesEachLimitByItself) {
  EXPECT_GE(Drive({1000, 1000, 10}, 10, 1ms, 50s, 1).rate, 99);   // targets
  EXPECT_GE(Drive({1000, 10, 1000}, 10, 1ms, 50s, 1).rate, 99);   // prefixes
  EXPECT_GE(Drive({100, 1000, 1000}, 10, 1ms, 50s, 1).rate, 99);  // all
}

// What is taken leaves when the host gets round to it.
TEST(Pacer, CapsHoldOnTheWireWhenProbesLeaveLate) {
  for (const double rate : {1.0, 5.0, 20.0, 100.0, 1000.0, 5000.0}) {
    std::mt19937 random(5);
    Pacer pacer({.all = rate, .per_prefix = rate, .per_target = rate});
    std::vector<MonoTime> left;
    MonoTime now{100s};
    const auto most = static_cast<size_t>(50 + 20 * rate);
    while (left.size() < most) {
      const MonoTime at = pacer.Next(V4(0xc6330001), now).at;
      if (at > now) {
        now = at;
        continue;
      }
      pacer.Take(V4(0xc6330001), now);
      const MonoTime wire = now + Duration(static_cast<int64_t>(random() % 3'500'000));
      left.push_back(left.empty() ? wire : std::max(left.back(), wire));
    }
    EXPECT_LE(MostInASecond(left), Cap(rate)) << rate;
  }
}

TEST(Pacer, CapsHoldWhenWakeUpsAreVeryLate) {
  for (const double rate : {10.0, 100.0, 1000.0, 20'000.0}) {
    for (const Duration late : {Duration(2ms), Duration(5ms), Duration(700ms)}) {
      Drive({rate, rate, rate}, 1, late, rate > 10'000 ? 3s : 20s, 3);
      Drive({rate, rate, rate / 3}, 7, late, rate > 10'000 ? 3s : 20s, 4);
    }
  }
}

TEST(Pacer, DoesNotCatchUpAfterAPause) {
  for (const double rate : {10.0, 100.0, 1000.0, 100'000.0}) {
    Pacer pacer({rate, rate, rate});
    const IpAddress target = Ip("198.51.100.1");
    MonoTime now{100s};
    for (const Duration pause : {Duration(1s), Duration(1h)}) {
      now += pause;
      size_t at_once = 0;
      while (pacer.Next(target, now).at <= now) {
        pacer.Take(target, now);
        ++at_once;
      }
      // One, and what may go 3 ms ahead of its time.
      EXPECT_LE(at_once, 1 + static_cast<size_t>(0.003 * rate)) << rate;
      EXPECT_GE(at_once, 1u);
    }
  }
}

TEST(Pacer, SaysWhenAndWhose) {
  Pacer pacer({.all = 10, .per_prefix = 4, .per_target = 2});
  const MonoTime now{100s};
  const IpAddress target = Ip("198.51.100.1");
  EXPECT_LE(pacer.Next(target, now).at, now);
  pacer.Take(target, now);
  EXPECT_EQ(pacer.Next(target, now).limit, PaceLimit::kAll);
  EXPECT_EQ(pacer.Next(target, now).at, now - 3ms + 100'700us);
  EXPECT_EQ(pacer.NextForAll(), now - 3ms + 100'700us);
  const MonoTime later = now + 100ms;
  EXPECT_EQ(pacer.Next(target, later).limit, PaceLimit::kTarget);
  EXPECT_EQ(pacer.Next(target, later).at, now - 3ms + 503'500us);
  EXPECT_EQ(pacer.Next(Ip("198.51.100.2"), later).limit, PaceLimit::kPrefix);
  EXPECT_EQ(pacer.Next(Ip("198.51.100.2"), later).at, now - 3ms + 251'750us);
  EXPECT_LE(pacer.Next(Ip("198.51.101.1"), later).at, later);
  // A /64, not a /24, of IPv6.
  pacer.Take(Ip("2001:db8::1"), later);
  const MonoTime after = later + 100ms;
  EXPECT_EQ(pacer.Next(Ip("2001:db8::ffff:0:0:2"), after).limit, PaceLimit::kPrefix);
  EXPECT_LE(pacer.Next(Ip("2001:db8:0:1::1"), after).at, after);
}

// However a packet to an IPv4 host is addressed, that host and its /24 are who gets it.
TEST(Pacer, TranslatedAddressesShareTheLimitsOfTheirIpv4Hosts) {
  const MonoTime now{100s};
  for (const char* same : {"64:ff9b::8.0.0.1", "2002:800:1::5", "::ffff:0:8.0.0.1"}) {
    Pacer pacer({.all = 1000, .per_prefix = 4, .per_target = 2});
    pacer.Take(Ip(same), now);
    const MonoTime later = now + 10ms;
    EXPECT_EQ(pacer.Next(Ip("8.0.0.1"), later).limit, PaceLimit::kTarget) << same;
    EXPECT_EQ(pacer.Next(Ip("8.0.0.2"), later).limit, PaceLimit::kPrefix) << same;
    EXPECT_LE(pacer.Next(Ip("8.0.1.1"), later).at, later);
    EXPECT_EQ(PacedPrefix(Ip(same)), Ip("8.0.0.0"));
  }
  EXPECT_EQ(PacedPrefix(Ip("2001:db8::7")), Ip("2001:db8::"));
  EXPECT_EQ(PacedAddress(Ip("2001:db8::7")), Ip("2001:db8::7"));
}

// More targets than the table holds: the limit is kept, sends wait, and get their turn.
TEST(Pacer, FullTableDelaysRatherThanForgets) {
  const PaceRates rates{.all = 1e7, .per_prefix = 1e7, .per_target = 0.01};
  Pacer pacer(rates);
  Sent sent;
  MonoTime now{100s};
  constexpr uint32_t kTargets = 400'000;  // there are 2^18 slots
  const auto round = [&] {
    size_t delayed = 0;
    for (uint32_t i = 0; i < kTargets; ++i, now += 200ns) {
      const IpAddress target = V4(0x0b000000 + i);
      if (!sent.Try(pacer, target, now)) {
        ++delayed;
        ASSERT_GT(pacer.Next(target, now).at, now);
        ASSERT_LE(pacer.Next(target, now).at, now + 101s);
      }
    }
    EXPECT_GT(delayed, 100'000u);
  };
  round();
  round();
  EXPECT_GT(sent.all.size(), 200'000u);
  EXPECT_LE(sent.all.size(), size_t{1} << 18);
  for (const auto& [target, times] : sent.by_target) {
    ASSERT_EQ(times.size(), 1u);
  }
  // An interval later there is room again, for those that had to wait as well.
  now += 101s;
  const size_t before = sent.by_target.size();
  for (uint32_t i = kTargets; i-- > 0; now += 200ns) {
    sent.Try(pacer, V4(0x0b000000 + i), now);
  }
  EXPECT_GT(sent.by_target.size(), before + 50'000);
}

TEST(Pacer, NewRatesKeepWhatWasTaken) {
  const PaceRates slow{.all = 5, .per_prefix = 2, .per_target = 1};
  const PaceRates fast{.all = 50, .per_prefix = 20, .per_target = 10};
  std::mt19937 random(9);
  Pacer pacer(slow);
  Sent sent;
  MonoTime now{100s};
  for (int i = 0; i < 30'000; ++i) {
    now += std::chrono::microseconds(random() % 5000);
    if (random() % 40 == 0) {
      pacer.SetRates(random() % 2 == 0 ? slow : fast);
      EXPECT_TRUE(pacer.rates() == slow || pacer.rates() == fast);
    }
    sent.Try(pacer, RandomTarget(random, 3, 2), now);
  }
  sent.CheckCaps(fast);
}

TEST(Pacer, ReloadOfTheSameRatesChangesNothing) {
  const PaceRates rates{.all = 100, .per_prefix = 20, .per_target = 5};
  std::mt19937 random(4);
  Pacer still(rates);
  Pacer reloaded(rates);
  MonoTime now{100s};
  for (int i = 0; i < 20'000; ++i) {
    now += std::chrono::microseconds(random() % 3000);
    reloaded.SetRates(rates);
    const IpAddress target = RandomTarget(random, 5, 5);
    const Pacer::Word a = still.Next(target, now);
    const Pacer::Word b = reloaded.Next(target, now);
    ASSERT_EQ(a.at <= now, b.at <= now);
    if (a.at <= now) {
      still.Take(target, now);
      reloaded.Take(target, now);
    } else {
      ASSERT_EQ(a.at, b.at);
      ASSERT_EQ(a.limit, b.limit);
    }
  }
}

// With higher rates per target the table would be smaller: what was taken would fill it, and
// everybody would have to wait.
TEST(Pacer, ReloadKeepsTheTableLargeEnough) {
  const PaceRates before{.all = 1e6, .per_prefix = 1e6, .per_target = 0.1};
  const PaceRates after{.all = 1e6, .per_prefix = 1e6, .per_target = 1000};
  Pacer pacer(before);
  MonoTime now{100s};
  std::vector<IpAddress> taken;
  for (uint32_t i = 0; i < 100'000; ++i, now += 2us) {
    const IpAddress target = V4(0x0b000000 + i);
    if (pacer.Next(target, now).at <= now) {
      pacer.Take(target, now);
      taken.push_back(target);
    }
  }
  ASSERT_GT(taken.size(), 90'000u);
  pacer.SetRates(after);
  now += 10us;
  for (const IpAddress& target : taken) {
    ASSERT_GT(pacer.Next(target, now).at, now + 9s);
  }
  int at_once = 0;
  for (uint32_t i = 0; i < 1000; ++i) {
    at_once += pacer.Next(V4(0x0c000000 + i), now).at <= now ? 1 : 0;
  }
  EXPECT_GT(at_once, 950);  // a few meet a full set
}

TEST(Pacer, AbsurdRatesAreClamped) {
  for (const double absurd : {0.0, -1.0, std::nan(""), -HUGE_VAL}) {
    for (const PaceRates& rates : {PaceRates{absurd, 1, 1}, PaceRates{1, absurd, 1},
                                   PaceRates{1, 1, absurd}, PaceRates{absurd, absurd, absurd}}) {
      Pacer pacer(rates);
      pacer.Take(Ip("198.51.100.1"), MonoTime{});
      const MonoTime later{600s};
      EXPECT_GE(pacer.Next(Ip("198.51.100.1"), later).at, MonoTime{1000s});
      EXPECT_LE(pacer.Next(Ip("198.51.100.1"), later).at, MonoTime{1007s});
      pacer.SetRates({1, 1, 1});
    }
  }
  Pacer pacer({HUGE_VAL, HUGE_VAL, HUGE_VAL});
  MonoTime now{100s};
  Sent sent;
  for (int i = 0; i < 200'000; ++i, now += 20ns) {
    sent.Try(pacer, Ip("198.51.100.1"), now);
  }
  // 4 ms and the 3 ms ahead, at ten million a second.
  EXPECT_GE(sent.all.size(), 39'000u);
  EXPECT_LE(sent.all.size(), 70'500u);
}

}  // namespace
}  // namespace parallax::sensor
