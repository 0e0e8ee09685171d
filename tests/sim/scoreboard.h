// Sums up runs: of one scenario, or of many.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/sim/scenario_run.h"

namespace parallax::sim {

// So many of so many.
struct Share {
  uint64_t right = 0;
  uint64_t of = 0;
  void Count(bool is_right) {
    right += is_right ? 1 : 0;
    ++of;
  }
  void Add(const Share& other) {
    right += other.right;
    of += other.of;
  }
  double value() const {
    return of == 0 ? 1 : static_cast<double>(right) / static_cast<double>(of);
  }
  // Wilson's 95 % interval (1927); [0, 1] of nothing.
  double low() const;
  double high() const;
};

struct ScenarioScore {
  std::string title;
  uint64_t runs = 0;
  Share precision;  // of the incidents that were opened, those that were expected
  Share recall;     // of the incidents that were expected, those that were opened in time
  Share direction;
  Share split;
  Share suspect_first;
  Share suspect_in_three;
  Share further;                        // closed in time, the same start, ...
  std::vector<double> seconds_to_open;  // sorted
  Share flood_confused;                 // a flood was called a fault, or a fault a flood
  uint64_t probes = 0;
  // In runs in which an expected incident was opened: after the first fault, and the targets.
  uint64_t probes_in_incidents = 0;
  uint64_t incident_targets = 0;
  uint64_t probes_in_peace = 0;
  double target_hours = 0;
  double target_hours_in_peace = 0;
  double simulated_seconds = 0;
  double processor_seconds = 0;

  void Add(const RunScore& run, double simulated, double processor);
  void Add(const ScenarioScore& other);
  // NaN of nothing.
  double Quantile(double q) const;
  // Probes per target and hour in peace; NaN if there was none.
  double ProbesPerTargetHour() const;
  // Probes after the first fault, for each target of an incident; NaN if there was none.
  double ProbesPerIncidentTarget() const;
};

// A line for each, and one for all together.
std::string ScoreTable(const std::vector<ScenarioScore>& scores);
// `baselines`: a list in JSON to go with it, or nothing.
std::string ScoreJson(const std::vector<ScenarioScore>& scores, const std::string& baselines = "");

}  // namespace parallax::sim
