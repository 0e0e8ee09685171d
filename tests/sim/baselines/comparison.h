// Parallax and the baselines side by side.
#pragma once

#include <string>
#include <vector>

#include "tests/sim/scoreboard.h"

namespace parallax::sim {

// One system, with a score for each scenario, in the same order for all.
struct Contender {
  std::string name;
  std::vector<ScenarioScore> scores;

  // Means over scenarios. Where nothing was expected and nothing said, precision is 1; where
  // something was expected and nothing said, it is nothing.
  double MacroPrecision() const;
  double MacroRecall() const;
  ScenarioScore Sum() const;
};

std::string ComparisonTable(const std::vector<Contender>& contenders);
// A list, without the name of a key.
std::string ComparisonJson(const std::vector<Contender>& contenders);

}  // namespace parallax::sim
