#include "tests/sim/scenario_run.h"

#include <algorithm>
#include <vector>

#include "tests/sim/scenario_score.h"
#include "tests/sim/stage.h"

namespace parallax::sim {
namespace {

using namespace std::chrono_literals;

constexpr Duration kPeaceStep = 10s;  // how often targets are counted

// Where nothing is expected, what is wrong is no incident: that is peace, too.
Duration PeaceOf(const Scenario& scenario) {
  Duration first = scenario.length;
  if (!scenario.expected.empty()) {
    for (const ScenarioFault& fault : scenario.faults) {
      first = std::min(first, fault.at);
    }
  }
  return first;
}

}  // namespace

RunScore Play(const Scenario& scenario, uint64_t seed, collector::Parts without) {
  Stage stage(scenario, seed, without);
  World& world = stage.world();
  const Moment begin = world.now();
  std::vector<Duration> lost;  // when SYN-ACKs were lost
  world.on_lost_syn_ack = [&](const IpAddress&, const Passage&) {
    lost.push_back(world.now().mono - begin.mono);
  };
  world.Start();
  stage.PlanFaults();
  RunScore score;
  score.seed = seed;
  score.began = begin.wall;
  const Duration peace = PeaceOf(scenario);
  for (Duration done{}; done < scenario.length; done += kPeaceStep) {
    const Duration step = std::min(kPeaceStep, scenario.length - done);
    world.Run(step);
    const double hours = ToSeconds(step) / 3600;
    const auto targets = static_cast<double>(world.store().targets().size());
    score.target_hours += targets * hours;
    if (done + step <= peace) {
      score.target_hours_in_peace += targets * hours;
      score.probes_in_peace = world.counts().probes;
    }
  }
  ScoreIncidents(stage, world.store().changes(), begin, lost, score);
  score.probes = world.counts().probes;
  score.attempts = world.counts().attempts;
  score.events = world.events().planned();
  return score;
}

}  // namespace parallax::sim
