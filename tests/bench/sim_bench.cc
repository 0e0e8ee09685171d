// The simulator's speed and the engine's cost on large campuses.
//
//   parallax_sim_bench SCENARIO...
//
// Plays each once, with a row now and then: virtual time, targets that the engine knows, how many
// times faster than real time by the processor's time, the engine's ticks since the last row
// (median, 99th of a hundred, longest), and resident memory: of the process, and of it what came
// since the world stood still, ready to begin. That is the engine's, the store's of the simulator,
// and what the sensors' tables and the queue of events grew by.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <vector>

#include "common/result.h"
#include "tests/bench/resident.h"
#include "tests/sim/stage.h"

namespace parallax::sim {
namespace {

using namespace std::chrono_literals;

constexpr int kRows = 8;

double ProcessorSeconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

void Measure(const Scenario& scenario) {
  const double before = ProcessorSeconds();
  Stage stage(scenario, 1);
  World& world = stage.world();
  std::vector<double> ticks;  // milliseconds
  std::chrono::steady_clock::time_point began;
  world.before_tick = [&] { began = std::chrono::steady_clock::now(); };
  world.after_tick = [&] {
    ticks.push_back(ToSeconds(std::chrono::steady_clock::now() - began) * 1000);
  };
  world.Start();
  stage.PlanFaults();
  const double at_first = bench::ResidentMiB();
  fmt::print("{}: {} sensors, {} hosts; ready after {:.1f} s, {:.0f} MiB\n", scenario.title,
             world.sensors(), world.remotes().size(), ProcessorSeconds() - before, at_first);
  fmt::print("{:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}\n", "VIRTUAL_S", "TARGETS", "X_TIME",
             "TICK_P50", "TICK_P99", "TICK_MAX", "MIB", "GREW");
  for (int row = 1; row <= kRows; ++row) {
    ticks.clear();
    const double start = ProcessorSeconds();
    world.Run(scenario.length / kRows);
    const double spent = ProcessorSeconds() - start;
    std::sort(ticks.begin(), ticks.end());
    const size_t n = ticks.size();
    fmt::print("{:>9.0f} {:>9} {:>9.0f} {:>9.3f} {:>9.3f} {:>9.2f} {:>9.0f} {:>9.0f}\n",
               ToSeconds(scenario.length) * row / kRows, world.store().targets().size(),
               ToSeconds(scenario.length) / kRows / spent, ticks[n / 2], ticks[n * 99 / 100],
               ticks.back(), bench::ResidentMiB(), bench::ResidentMiB() - at_first);
    std::fflush(stdout);
  }
}

int Main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const auto scenario = LoadScenario(argv[i]);
    if (!scenario) {
      return ReportFailure("parallax_sim_bench", scenario.error());
    }
    Measure(*scenario);
  }
  return 0;
}

}  // namespace
}  // namespace parallax::sim

int main(int argc, char** argv) { return parallax::sim::Main(argc, argv); }
