// Plays a scenario with one seed, and scores what Parallax said of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "collector/detect/model.h"
#include "collector/detect/part.h"
#include "tests/sim/scenario.h"

namespace parallax::sim {

// Of one expectation: whether it came true, and what was right about it.
struct Met {
  bool found = false;
  Duration to_open{};  // from the first client that got no answer (else the fault) to the opening
  std::optional<bool> direction;
  std::optional<bool> split;
  std::optional<bool> suspect_first;     // the suspect is the right edge
  std::optional<bool> suspect_in_three;  // or is among the first three
  std::vector<bool> further;             // whatever else was asked for
};

struct RunScore {
  uint64_t seed = 0;
  WallTime began{};
  std::vector<Met> met;  // in the order of the scenario's expectations, optional ones left out
  std::vector<collector::IncidentRecord> unexpected;  // opened, and nobody expected it
  std::vector<collector::IncidentRecord> incidents;   // all that opened, as they ended
  uint64_t probes = 0;
  uint64_t probes_in_peace = 0;   // before the first fault
  uint64_t incident_targets = 0;  // of the incidents that were expected
  // There was a flood or a fault, and a flood was called a fault or the other way round.
  std::optional<bool> flood_confused;
  double target_hours = 0;  // of all targets, in the whole run
  double target_hours_in_peace = 0;
  uint64_t attempts = 0;
  uint64_t events = 0;
};

// `without`: what is left out of the engine.
RunScore Play(const Scenario& scenario, uint64_t seed, collector::Parts without = {});

}  // namespace parallax::sim
