// Memory of the observing stage in a flood: random SYNs from all over IPv4 to one server, a million
// a second for a minute of their own time, fed as fast as it takes them.
//
//   parallax_flood_memory_bench [SECONDS]
//
// Prints a row now and then: flood time, segments, attempts followed at a time, reports for the
// collector, resident memory of the process and its growth since the first second.
#include <fmt/format.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "sensor/observe/observer.h"
#include "tests/bench/resident.h"

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

constexpr uint64_t kPerSecond = 1'000'000;

int Main(uint64_t seconds) {
  ObserverOptions options;
  options.key = RandomHashKey();
  Observer observer(options);
  std::mt19937_64 random(1);
  std::array<CapturedSegment, 64> batch;
  std::vector<Record> records;
  uint64_t reported = 0;
  double warm = 0;
  const auto start = std::chrono::steady_clock::now();
  const Moment zero{MonoTime(1h), WallTime(1h)};
  fmt::print("{:>8} {:>12} {:>12} {:>12} {:>10} {:>12}\n", "FLOOD S", "SYNS", "FOLLOWED",
             "REPORTED", "MIB", "SINCE 1 S");
  for (uint64_t i = 0; i < seconds * kPerSecond;) {
    for (CapturedSegment& c : batch) {
      const uint64_t bits = random();
      const std::array<uint8_t, 4> from{static_cast<uint8_t>(bits), static_cast<uint8_t>(bits >> 8),
                                        static_cast<uint8_t>(bits >> 16),
                                        static_cast<uint8_t>(bits >> 24)};
      c.segment.src = {IpAddress::V4(from), static_cast<uint16_t>(bits >> 32)};
      c.segment.dst = {IpAddress::V4(std::array<uint8_t, 4>{192, 0, 2, 25}), 443};
      c.segment.seq = static_cast<uint32_t>(bits >> 16);
      c.segment.flags = kTcpSyn;
      const Duration at = Duration(++i * (1'000'000'000 / kPerSecond));
      c.stamp = zero.wall + at;
      c.seen = zero.mono + at;
    }
    observer.See(batch, records);
    if (i % (kPerSecond / 100) < batch.size()) {
      observer.Advance({batch.back().seen, batch.back().stamp}, {}, records);
    }
    reported += records.size();
    records.clear();
    const uint64_t second = i / kPerSecond;
    if (i % kPerSecond < batch.size() && (second <= 1 || second % 10 == 0)) {
      warm = second <= 1 ? bench::ResidentMiB() : warm;
      const AttemptTrackerStats stats = observer.stats().tracker;
      fmt::print("{:>8} {:>12} {:>12} {:>12} {:>10.1f} {:>+12.1f}\n", second, i, stats.attempts,
                 reported, bench::ResidentMiB(), bench::ResidentMiB() - warm);
    }
  }
  const double took =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  fmt::print("target: flat after warm-up, at most 128 MiB; it took {:.1f} s, {:.2f} M SYN/s\n",
             took, static_cast<double>(seconds * kPerSecond) / took / 1e6);
  return 0;
}

}  // namespace
}  // namespace parallax::sensor

int main(int argc, char** argv) {
  const int seconds = argc > 1 ? std::atoi(argv[1]) : 60;
  return parallax::sensor::Main(static_cast<uint64_t>(seconds > 0 ? seconds : 60));
}
