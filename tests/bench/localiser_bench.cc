// What it costs to find where the packets went astray: 2,000 failing and 2,000 passing paths of 15
// hops, beside one plain pass over the same paths that gives each of their edges a number.
//
//   parallax_localiser_bench [ROUNDS]
//
// Prints one row per kind of input: the median of ROUNDS (default 21) rounds in milliseconds, and
// the ratio to the plain pass, pair by pair.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "collector/detect/localise/localiser.h"
#include "common/address_offset.h"

namespace parallax::collector {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kPaths = 2000;
constexpr size_t kHops = 15;
constexpr size_t kSensors = 20;

struct Kind {
  const char* name;
  size_t width;    // routers at each TTL
  double silence;  // share of hops that do not answer
  bool remembers;  // failing paths come with their way in peace
};

std::vector<ObservedPath> MakePaths(const Kind& kind) {
  std::mt19937 random(1);
  const IpAddress routers = *IpAddress::Parse("10.0.0.0");
  const IpAddress targets = *IpAddress::Parse("192.0.2.0");
  const auto silent = [&] { return static_cast<double>(random() % 1000) < 1000 * kind.silence; };
  std::vector<ObservedPath> paths;
  for (size_t i = 0; i < 2 * kPaths; ++i) {
    ObservedPath path;
    const size_t sensor = i % kSensors;
    path.sensor = "sensor-" + std::to_string(sensor);
    path.group = "group-" + std::to_string(sensor / 4);
    path.target = Plus(targets, i / 2);
    path.failing = i / kSensors % 2 == 0;
    path.reached = !path.failing;
    // Ways that fan out: near the sensor a few routers, far from it many.
    std::vector<std::optional<IpAddress>> good;
    for (size_t ttl = 1; ttl < kHops; ++ttl) {
      const size_t width = std::max<size_t>(1, kind.width * ttl / kHops);
      const size_t router = 1000 * ttl + (i * 7919 >> (kHops - ttl) / 2) % width;
      good.push_back(silent() ? std::nullopt : std::optional(Plus(routers, router)));
    }
    good.push_back(path.target);
    if (!path.failing) {
      path.hops = good;
    } else {
      // Astray at the fifth hop, and on to nowhere.
      path.hops.assign(good.begin(), good.begin() + 5);
      for (size_t ttl = 6; ttl <= kHops; ++ttl) {
        path.hops.push_back(silent() ? std::nullopt
                                     : std::optional(Plus(routers, 50'000 + 1000 * ttl + i % 3)));
      }
      if (kind.remembers) {
        path.before = good;
      }
    }
    paths.push_back(std::move(path));
  }
  std::shuffle(paths.begin(), paths.end(), random);
  return paths;
}

// Numbers for places and for edges, and nothing else.
size_t PlainPass(const std::vector<ObservedPath>& paths) {
  std::unordered_map<IpAddress, uint32_t> places;
  std::unordered_map<uint64_t, uint32_t> edges;
  for (const ObservedPath& path : paths) {
    for (const auto* hops : {&path.hops, &path.before}) {
      uint32_t last = 0;
      for (const std::optional<IpAddress>& hop : *hops) {
        if (hop) {
          const uint32_t place =
              places.try_emplace(*hop, static_cast<uint32_t>(places.size() + 1)).first->second;
          edges.try_emplace((uint64_t{last} << 32) | place, static_cast<uint32_t>(edges.size()));
          last = place;
        }
      }
    }
  }
  return edges.size();
}

template <typename Task>
double Milliseconds(Task&& task) {
  const auto start = Clock::now();
  task();
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

int Main(size_t rounds) {
  constexpr Kind kKinds[] = {
      {"all answer, peace remembered", 100, 0, true},
      {"a tenth silent, peace remembered", 100, 0.1, true},
      {"a tenth silent, cold start", 100, 0.1, false},
      {"many routers, a third silent", 1000, 0.3, true},
  };
  fmt::print("{:<34} {:>8} {:>10} {:>10} {:>8} {:>9}\n", "4,000 PATHS OF 15 HOPS", "EDGES",
             "PLAIN MS", "LOCAL. MS", "RATIO", "SUSPECTS");
  for (const Kind& kind : kKinds) {
    const std::vector<ObservedPath> paths = MakePaths(kind);
    std::vector<double> plain;
    std::vector<double> localise;
    std::vector<double> ratio;
    size_t edges = 0;
    size_t suspects = 0;
    for (size_t i = 0; i < rounds; ++i) {
      plain.push_back(Milliseconds([&] { edges = PlainPass(paths); }));
      localise.push_back(Milliseconds([&] { suspects = Localise(paths).size(); }));
      ratio.push_back(localise.back() / plain.back());
    }
    fmt::print("{:<34} {:>8} {:>10.2f} {:>10.2f} {:>8.2f} {:>9}\n", kind.name, edges, Median(plain),
               Median(localise), Median(ratio), suspects);
  }
  fmt::print("target: at most 50 ms\n");
  return 0;
}

}  // namespace
}  // namespace parallax::collector

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 21;
  return parallax::collector::Main(static_cast<size_t>(rounds > 0 ? rounds : 21));
}
