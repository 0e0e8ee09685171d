// What each of the engine's parts is worth: the same runs with the whole engine, and then without
// one part after the other.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "collector/detect/model.h"
#include "collector/detect/part.h"
#include "tests/sim/scoreboard.h"

namespace parallax::sim {

struct AblationRun {
  const Scenario* scenario = nullptr;
  uint64_t seed = 0;
};

struct AblationLine {
  std::optional<collector::Part> without;  // nullopt: the whole engine
  ScenarioScore score;                     // of all runs together
  // What was told in each of them, and how often that is not what the whole engine tells.
  std::vector<std::vector<collector::IncidentRecord>> told;
  uint64_t changed = 0;
};

struct Ablation {
  std::string title;  // of what is played
  std::vector<AblationLine> lines;
};

// Plays them all. The whole engine comes first.
void AddLine(Ablation& ablation, const std::vector<AblationRun>& runs,
             std::optional<collector::Part> without);

// The last line of the table so far.
std::string LastRow(const Ablation& ablation);
// A table for each; behind every figure the difference to the whole engine's.
std::string AblationTable(const std::vector<Ablation>& ablations);
std::string AblationJson(const std::vector<Ablation>& ablations);

}  // namespace parallax::sim
