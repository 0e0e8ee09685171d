#include "sensor/probe/pacer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <deque>
#include <map>
#include <random>

#include "tests/unit/sensor/probe/test_answers.h"

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;
using test::Ip;

// Offers probes at random times to random targets and checks every window of every length that
// ends at a send.
void CheckCaps(double rate, double target_rate, unsigned seed, Duration mean_gap) {
  std::mt19937 random(seed);
  Pacer pacer(rate, target_rate);
  MonoTime now{100s};
  std::vector<MonoTime> all;
  std::map<IpAddress, std::vector<MonoTime>> by_target;
  while (all.size() < 1500) {
    now += Duration(static_cast<int64_t>(std::exponential_distribution<double>(
        1.0 / static_cast<double>(mean_gap.count()))(random)));
    if (random() % 500 == 0) {
      now += 5s;  // a pause must not be caught up
    }
    const IpAddress target =
        IpAddress::V4(std::array<uint8_t, 4>{198, 51, 100, static_cast<uint8_t>(random() % 20)});
    if (pacer.NextForAll() <= now && pacer.NextFor(target, now) <= now) {
      pacer.Take(target, now);
      all.push_back(now);
      by_target[target].push_back(now);
    }
  }
  const auto check = [](const std::vector<MonoTime>& sends, double per_second, double burst) {
    for (size_t i = 0; i < sends.size(); ++i) {
      for (size_t j = i; j < sends.size() && j < i + 300; ++j) {
        const double window = ToSeconds(sends[j] - sends[i]);
        ASSERT_LE(static_cast<double>(j - i + 1), window * per_second + burst + 1e-6)
            << i << ".." << j;
      }
    }
  };
  check(all, rate, std::max(1.0, rate * 0.002));
  for (const auto& [target, sends] : by_target) {
    check(sends, target_rate, 1);
  }
}

TEST(Pacer, CapsAreNeverExceeded) {
  CheckCaps(100, 2, 1, 1ms);
  CheckCaps(100, 50, 2, 5ms);
  CheckCaps(7, 0.5, 3, 20ms);
  CheckCaps(5000, 1000, 4, 20us);
  CheckCaps(400, 400, 5, 300us);
}

TEST(Pacer, AllowsTheFullRate) {
  Pacer pacer(100, 100);
  MonoTime now{100s};
  int sent = 0;
  for (int i = 0; i < 1000; ++i, now += 10ms) {
    if (pacer.NextForAll() <= now && pacer.NextFor(Ip("198.51.100.1"), now) <= now) {
      pacer.Take(Ip("198.51.100.1"), now);
      ++sent;
    }
  }
  EXPECT_EQ(sent, 1000);
}

TEST(Pacer, SaysWhen) {
  Pacer pacer(10, 2);
  const MonoTime now{100s};
  pacer.Take(Ip("198.51.100.1"), now);
  EXPECT_EQ(pacer.NextForAll(), now + 100ms);
  EXPECT_EQ(pacer.NextFor(Ip("198.51.100.1"), now), now + 500ms);
  EXPECT_LE(pacer.NextFor(Ip("198.51.100.2"), now), now);
}

// More targets than the table holds: the limit is kept, sends wait.
TEST(Pacer, FullTableDelaysRatherThanForgets) {
  Pacer pacer(1e6, 0.01);
  MonoTime now{100s};
  std::map<IpAddress, int> sent;
  for (int round = 0; round < 2; ++round) {
    for (unsigned i = 0; i < 30'000; ++i, now += 1us) {
      const IpAddress target = IpAddress::V4(
          std::array<uint8_t, 4>{198, 51, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i)});
      if (pacer.NextForAll() <= now && pacer.NextFor(target, now) <= now) {
        pacer.Take(target, now);
        ++sent[target];
      }
    }
  }
  EXPECT_GT(sent.size(), 7000u);
  EXPECT_LE(sent.size(), 8192u);
  for (const auto& [target, count] : sent) {
    EXPECT_EQ(count, 1);
  }
}

TEST(Pacer, AbsurdRatesAreClamped) {
  Pacer pacer(0, -1);
  pacer.Take(Ip("198.51.100.1"), MonoTime{});
  EXPECT_EQ(pacer.NextForAll(), MonoTime{1000s});
}

}  // namespace
}  // namespace parallax::sensor
