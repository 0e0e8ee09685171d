// One round, many sensors: how far apart do they send the same try? Orders tell times from their
// receipt on, so that no clock comes into it, and the way there and the pacer are all that is left.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <random>
#include <string>

#include "tests/unit/sensor/probe/prober_world.h"

namespace parallax::sensor::test {
namespace {

constexpr size_t kSensors = 12;
constexpr size_t kAsked = 8;
constexpr Duration kTick = 100ms;
constexpr size_t kTries = 4;

struct Campus {
  // What time it is where does not matter: nobody's clocks agree.
  explicit Campus(uint64_t seed, Duration farthest) : random(seed) {
    for (size_t i = 0; i < kSensors; ++i) {
      Policy policy = OpenPolicy(100, 20, 5);  // as it is if the administrator says nothing
      sensors.push_back(std::make_unique<World>(policy, 4096));
      offset.push_back(std::chrono::seconds(random() % 1'000'000));
      sensors.back()->now.mono += offset.back();
      sensors.back()->now.wall += std::chrono::seconds(random() % 100'000);
      link.push_back(farthest * static_cast<int64_t>(random() % 1000) / 1000);
    }
  }

  // The collector begins so many rounds now, each of another host, in so many networks.
  void Begin(size_t rounds, uint32_t networks) {
    for (size_t n = 0; n < rounds; ++n) {
      ProbeOrder order = Order({kEcho, kHttps, kEcho, kHttps});
      order.id = ++rounds_begun;
      const auto host = static_cast<uint32_t>(rounds_begun - 1);
      order.target = V4(0x0B000000 + 256 * (host % networks) + host / networks);
      order.spacing = 1s;
      order.timeout = 950ms;
      std::vector<size_t> all(kSensors);
      for (size_t i = 0; i < kSensors; ++i) {
        all[i] = i;
      }
      std::shuffle(all.begin(), all.end(), random);
      for (size_t i = 0; i < kAsked; ++i) {
        coming.emplace(now + link[all[i]], std::pair(all[i], order));
      }
    }
  }

  void Run(Duration time) {
    const MonoTime end = now + time;
    for (; now < end; now += 1ms) {
      while (!coming.empty() && coming.begin()->first <= now) {
        const auto& [sensor, order] = coming.begin()->second;
        sensors[sensor]->Accept(order);
        coming.erase(coming.begin());
      }
      for (size_t i = 0; i < kSensors; ++i) {
        sensors[i]->RunFor(1ms);
        Note(i);
      }
    }
  }

  void Note(size_t i) {
    World& world = *sensors[i];
    for (size_t n = noted[i]; n < world.sends.size(); ++n) {
      const auto& send = world.sends[n];
      const MonoTime at = world.times[n] - offset[i];
      auto& sent = tries[{send.probe.target, send.owner.index}];
      sent.push_back(at);
    }
    noted[i] = world.sends.size();
  }

  // Between the first and the last of the same try, sorted.
  std::vector<Duration> Spreads() const {
    std::vector<Duration> spreads;
    for (const auto& [attempt, sent] : tries) {
      const auto [first, last] = std::minmax_element(sent.begin(), sent.end());
      spreads.push_back(*last - *first);
    }
    std::sort(spreads.begin(), spreads.end());
    return spreads;
  }

  std::mt19937_64 random;
  MonoTime now{1000s};
  std::vector<std::unique_ptr<World>> sensors;
  std::vector<Duration> offset;
  std::vector<Duration> link;
  std::multimap<MonoTime, std::pair<size_t, ProbeOrder>> coming;
  std::map<size_t, size_t> noted;
  std::map<std::pair<IpAddress, uint32_t>, std::vector<MonoTime>> tries;
  uint64_t rounds_begun = 0;
};

void Tell(const char* what, const std::vector<Duration>& spreads) {
  std::printf("  | %s: %4zu tries, within %.0f ms (median), %.0f ms (99 %%), %.0f ms (all)\n", what,
              spreads.size(), ToMillis(spreads[spreads.size() / 2]),
              ToMillis(spreads[spreads.size() * 99 / 100]), ToMillis(spreads.back()));
}

// A round alone: only the ways to the sensors differ.
TEST(Alignment, OfOneRoundIsThatOfTheWaysThere) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const Duration farthest = std::chrono::milliseconds(seed * 10);
    Campus campus(seed, farthest);
    campus.Begin(1, 1);
    campus.Run(5s);
    const auto spreads = campus.Spreads();
    ASSERT_EQ(spreads.size(), kTries);
    EXPECT_LE(spreads.back(), farthest + 5ms);
    EXPECT_LE(spreads.back(), 250ms);
  }
}

// Twenty rounds a second for as long as it takes, and nobody answers: each makes all its tries.
TEST(Alignment, HoldsAtTheCollectorsFullRate) {
  Campus campus(1, 50ms);
  for (int tick = 0; tick < 300; ++tick) {
    campus.Begin(2, 1000);
    campus.Run(kTick);
  }
  campus.Run(5s);
  const auto spreads = campus.Spreads();
  Tell("20 rounds/s, 8 of 12 sensors, 50 ms away at the most", spreads);
  EXPECT_LE(spreads[spreads.size() * 99 / 100], 250ms);
}

// All that the collector may begin at once, after a pause.
TEST(Alignment, HoldsInABurst) {
  std::vector<Duration> spreads;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Campus campus(seed, 50ms);
    campus.Begin(20, 1000);
    campus.Run(5s);
    const auto more = campus.Spreads();
    spreads.insert(spreads.end(), more.begin(), more.end());
  }
  std::sort(spreads.begin(), spreads.end());
  Tell("20 rounds at once", spreads);
  EXPECT_LE(spreads[spreads.size() * 99 / 100], 250ms);
}

// Hosts of one network: each sensor's own limit for it comes first, and that is what it does.
TEST(Alignment, OfABurstIntoOneNetworkIsLeftToTheSensorsLimits) {
  std::vector<Duration> spreads;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Campus campus(seed, 50ms);
    campus.Begin(20, 1);
    campus.Run(20s);
    const auto more = campus.Spreads();
    spreads.insert(spreads.end(), more.begin(), more.end());
  }
  std::sort(spreads.begin(), spreads.end());
  Tell("20 rounds at once into one /24", spreads);
  EXPECT_LE(spreads.back(), 1s);
}

}  // namespace
}  // namespace parallax::sensor::test
