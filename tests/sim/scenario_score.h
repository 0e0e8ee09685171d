// What Parallax said in a run, held against what was expected.
#pragma once

#include <vector>

#include "tests/sim/scenario_run.h"
#include "tests/sim/stage.h"

namespace parallax::sim {

// Fills in what `changes` tell of. `lost`: when SYN-ACKs got lost, from the beginning.
void ScoreIncidents(Stage& stage, const std::vector<collector::IncidentChange>& changes,
                    Moment begin, const std::vector<Duration>& lost, RunScore& score);

}  // namespace parallax::sim
