#include "tests/sim/truth.h"

#include <algorithm>
#include <set>
#include <utility>

#include "tests/sim/reach_matrix.h"

namespace parallax::sim {
namespace {

using namespace std::chrono_literals;

constexpr Duration kNobodyIsWoken = 10s;  // by what is over sooner
constexpr Duration kTimeToSay = 2min;
constexpr size_t kFew = 5;          // hosts: it may take longer
constexpr double kChanged = 0.2;    // of the flows
constexpr double kMostHosts = 0.7;  // fail for everybody: the border
constexpr double kMember = 0.25;    // of the hosts that fail for some: a sensor fails, too

// Do fewer of the flows get through? Of a pair without a common family nothing is known.
bool Lost(const std::optional<Reachability>& before, const std::optional<Reachability>& after) {
  return before && after && after->both < before->both - kChanged;
}

// What changed for whom.
class Difference {
 public:
  Difference(Stage& stage, const ReachMatrix& before, const ReachMatrix& after, Duration at)
      : stage_(stage), before_(before), after_(after), at_(at) {
    Sort();
  }

  std::vector<ScenarioExpectation> Expected() {
    std::vector<ScenarioExpectation> all;
    for (size_t i = 0; i < cut_off_.size() && !voters_.empty(); ++i) {
      ScenarioExpectation e = Expect("sensor_isolated");
      e.also_right = {"route_anomaly"};  // a department's, if it is a whole one
      e.optional = i > 0;                // one cause, one incident; or one for each
      all.push_back(std::move(e));
    }
    if (voters_.size() < 2) {
      return all;  // nobody to compare with
    }
    const bool mostly_dead = dead_.size() > split_.size();
    if (!split_.empty()) {
      ScenarioExpectation e = Split();
      e.optional = split_.size() < 2 || mostly_dead;
      all.push_back(std::move(e));
    }
    if (!dead_.empty()) {
      ScenarioExpectation e = Dead();
      e.optional = dead_.size() < 2 || !mostly_dead;
      all.push_back(std::move(e));
    }
    return all;
  }

 private:
  bool Changed(size_t sensor, size_t remote) const {
    return Lost(before_.cells[sensor][remote], after_.cells[sensor][remote]);
  }

  void Sort() {
    for (size_t s = 0; s < after_.heard.size(); ++s) {
      if (after_.heard[s]) {
        voters_.push_back(s);
      } else if (after_.ReachesNothing(s) && before_.heard[s]) {
        cut_off_.push_back(s);
      }
    }
    const std::vector<Remote>& remotes = stage_.world().remotes();
    for (size_t r = 0; r < remotes.size(); ++r) {
      if (!remotes[r].icmp && !remotes[r].tcp) {
        continue;  // nobody can know
      }
      ++known_;
      const auto changed = [&](size_t s) { return Changed(s, r); };
      const auto reaches = [&](size_t s) {
        return after_.cells[s][r] && after_.cells[s][r]->both > 0.01;
      };
      if (std::none_of(voters_.begin(), voters_.end(), changed)) {
        continue;
      }
      (std::any_of(voters_.begin(), voters_.end(), reaches) ? split_ : dead_).push_back(r);
    }
  }

  ScenarioExpectation Expect(const char* verdict) const {
    ScenarioExpectation e;
    e.verdict = verdict;
    e.after = at_;
    e.by = std::min(at_ + kTimeToSay, stage_.scenario().length);
    return e;
  }
  std::string FamilyOf(const std::vector<size_t>& remotes) const {
    std::set<bool> v4;
    for (const size_t r : remotes) {
      v4.insert(stage_.world().remotes()[r].address.is_v4());
    }
    return v4.size() != 1 ? "" : *v4.begin() ? "ipv4" : "ipv6";
  }

  ScenarioExpectation Dead() const {
    const auto share = static_cast<double>(dead_.size()) / static_cast<double>(known_);
    const bool border = share >= kMostHosts;
    ScenarioExpectation e = Expect(border ? "border_outage" : "target_down");
    if (!border) {
      e.family = FamilyOf(dead_);
      // From inside, a hole beyond the last router looks like hosts that are gone; traces tell.
      e.also_right = {"border_outage", "route_anomaly"};
    }
    if (dead_.size() < kFew) {
      e.by = stage_.scenario().length;
    }
    return e;
  }

  ScenarioExpectation Split() const {
    ScenarioExpectation e = Expect("route_anomaly");
    e.family = FamilyOf(split_);
    if (split_.size() < kFew) {
      e.by = stage_.scenario().length;
    }
    size_t out = 0;
    size_t in = 0;
    size_t all = 0;
    size_t whole = 0;
    for (const size_t s : voters_) {
      size_t fails = 0;
      for (const size_t r : split_) {
        if (!Changed(s, r)) {
          continue;
        }
        const auto& before = before_.cells[s][r];
        const auto& after = after_.cells[s][r];
        ++fails;
        ++all;
        out += after->out < before->out ? 1 : 0;
        in += after->in < before->in ? 1 : 0;
        whole += after->both < 0.01 ? 1 : 0;
      }
      if (static_cast<double>(fails) >= kMember * static_cast<double>(split_.size())) {
        e.failing.push_back(stage_.scenario().sensors[s].name);
      }
    }
    e.direction = out == all && in == 0 ? "outbound" : in == all && out == 0 ? "inbound" : "";
    SayHow(e, static_cast<double>(whole) / static_cast<double>(all));
    if (e.direction == "outbound") {
      SayWhere(e);
    }
    return e;
  }

  // `whole`: the share of the cells in which nothing passes any more.
  void SayHow(ScenarioExpectation& e, double whole) const {
    const ScenarioFault& fault = stage_.scenario().faults.front();
    if (fault.hash == HashPolicy::kPacket) {
      e.verdict = "lossy_path";
      e.also_right = {"route_anomaly"};
      e.split = "per_packet";
    } else if (whole < 0.4) {
      e.split = "per_flow";
    } else if (whole > 0.95 && split_.size() < known_ / 2) {
      e.split = "per_destination";
    }
  }

  void SayWhere(ScenarioExpectation& e) const {
    const auto most =
        std::max_element(after_.lost_at.begin(), after_.lost_at.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    if (most == after_.lost_at.end()) {
      return;
    }
    const auto& [from, to] = most->first;
    const Network& network = stage_.world().network();
    const NodeOptions& router = network.options(*network.Find(from));
    if (router.forwards && router.answers_ttl) {  // else no trace can name it
      e.has_suspect = true;
      e.suspect_from = from;
      e.suspect_to = to;
    }
  }

  Stage& stage_;
  const ReachMatrix& before_;
  const ReachMatrix& after_;
  const Duration at_;
  std::vector<size_t> cut_off_;
  std::vector<size_t> voters_;
  size_t known_ = 0;           // remotes
  std::vector<size_t> split_;  // remotes that some do not reach any more
  std::vector<size_t> dead_;   // that nobody does
};

bool Is(const Scenario& scenario, FaultKind kind) {
  return std::any_of(scenario.faults.begin(), scenario.faults.end(),
                     [&](const ScenarioFault& fault) { return fault.kind == kind; });
}

ScenarioExpectation Plain(const Scenario& scenario, const char* verdict, Duration within) {
  ScenarioExpectation e;
  e.verdict = verdict;
  e.after = scenario.faults.front().at;
  e.by = std::min(e.after + within, scenario.length);
  return e;
}

std::vector<ScenarioExpectation> OfPolicy(const Scenario& scenario) {
  ScenarioExpectation e = Plain(scenario, "policy", 2min);
  for (const ScenarioSensor& sensor : scenario.sensors) {
    if (sensor.at == scenario.faults.front().node) {
      e.failing.push_back(sensor.name);
    }
  }
  return {e};
}

std::vector<ScenarioExpectation> OfLiar(const Scenario& scenario) {
  ScenarioExpectation e = Plain(scenario, "sensor_degraded", 1h);
  e.also_right = {"sensor_isolated"};
  e.failing = {scenario.faults.front().node};
  e.optional = true;
  return {e};
}

Scenario Lossless(Scenario scenario) {
  for (ScenarioLink& link : scenario.links) {
    link.loss = {};
  }
  return scenario;
}

// Somebody's packets get lost, or go round.
std::vector<ScenarioExpectation> OfNetwork(const Scenario& scenario, uint64_t seed) {
  const Scenario lossless = Lossless(scenario);
  const ScenarioFault& fault = scenario.faults.front();
  Stage stage(lossless, seed);
  Network& network = stage.world().network();
  network.Converge();
  const ReachMatrix before = Look(stage);
  for (size_t i = 0; i < scenario.faults.size(); ++i) {
    if (scenario.faults[i].kind != FaultKind::kFlood) {
      stage.Break(i);
    }
  }
  const ReachMatrix at_first = Look(stage);
  if (fault.converge_after == 0s) {
    return Difference(stage, before, at_first, fault.at).Expected();
  }
  network.Converge();
  const ReachMatrix later = Look(stage);
  std::vector<ScenarioExpectation> all = Difference(stage, before, later, fault.at).Expected();
  if (fault.converge_after >= kNobodyIsWoken) {
    for (ScenarioExpectation& e : Difference(stage, before, at_first, fault.at).Expected()) {
      e.optional = true;
      all.push_back(std::move(e));
    }
  }
  return all;
}
// Do packets of any sensor, or to it, come over a link that loses some? All of those were lost if
// it lost all. (Not if it were down: the routers at its ends would send around it.)
bool IsUsed(const Scenario& scenario, uint64_t seed) {
  Scenario dead = Lossless(scenario);
  dead.faults.front().loss.random = 1;
  Stage stage(dead, seed);
  stage.world().network().Converge();
  const ReachMatrix before = Look(stage);
  stage.Break(0);
  const ReachMatrix after = Look(stage);
  for (size_t s = 0; s < before.cells.size(); ++s) {
    for (size_t r = 0; r < before.cells[s].size(); ++r) {
      if (Lost(before.cells[s][r], after.cells[s][r])) {
        return true;
      }
    }
  }
  return false;
}

// A link that loses much: of a sensor, or of others.
std::vector<ScenarioExpectation> OfLoss(const Scenario& scenario, uint64_t seed) {
  const ScenarioFault& fault = scenario.faults.front();
  for (const ScenarioSensor& sensor : scenario.sensors) {
    if (sensor.name == fault.from || sensor.name == fault.to) {
      ScenarioExpectation e = Plain(scenario, "sensor_degraded", 2min);
      e.failing = {sensor.name};
      return {e};
    }
  }
  if (!IsUsed(scenario, seed)) {
    return {};
  }
  return {Plain(scenario, "lossy_path", 3min)};
}

// Alone, or on top of another fault.
void AddFlood(const Scenario& scenario, std::vector<ScenarioExpectation>& expected) {
  const auto flood =
      std::find_if(scenario.faults.begin(), scenario.faults.end(),
                   [](const ScenarioFault& fault) { return fault.kind == FaultKind::kFlood; });
  ScenarioExpectation e = Plain(scenario, "syn_flood", 1min);
  if (expected.empty() || expected.front().optional) {
    e.failing = {flood->node};
    expected.insert(expected.begin(), std::move(e));
    return;
  }
  expected.front().verdict = "mixed";
  expected.front().also_right.clear();
  e.optional = true;
  e.by = scenario.length;
  expected.push_back(std::move(e));
}

}  // namespace

std::vector<ScenarioExpectation> WhatIsRight(const Scenario& scenario, uint64_t seed) {
  if (scenario.faults.empty()) {
    return {};
  }
  const ScenarioFault& fault = scenario.faults.front();
  switch (fault.kind) {
    case FaultKind::kLoss:
      return OfLoss(scenario, seed);
    case FaultKind::kLiar:
      return OfLiar(scenario);
    case FaultKind::kFilter:
      if (fault.filter.protocol) {
        return OfPolicy(scenario);
      }
      break;
    case FaultKind::kSensor:
    case FaultKind::kCollector:
    case FaultKind::kMtu:
    case FaultKind::kIcmpLimit:
    case FaultKind::kClock:
    case FaultKind::kSilent:
      return {};
    default:
      break;
  }
  if (fault.until && *fault.until - fault.at < kNobodyIsWoken) {
    return {};
  }
  std::vector<ScenarioExpectation> expected;
  if (fault.kind != FaultKind::kFlood) {
    expected = OfNetwork(scenario, seed);
  }
  if (Is(scenario, FaultKind::kFlood)) {
    AddFlood(scenario, expected);
  }
  std::stable_partition(expected.begin(), expected.end(),
                        [](const ScenarioExpectation& e) { return !e.optional; });
  return expected;
}

}  // namespace parallax::sim
