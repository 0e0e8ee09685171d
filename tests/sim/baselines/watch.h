// Lets a baseline watch a scenario, and scores what it said.
#pragma once

#include <cstdint>

#include "tests/sim/baselines/baseline.h"
#include "tests/sim/scenario_run.h"

namespace parallax::sim {

// It sees the same network, hosts and faults as Parallax does with that seed, from the same
// sensors, on a stage of its own. It has warmed up in peace, unless a fault is there from the
// beginning, and is given ten minutes more at the end. It need not find out who its targets are.
//
// What it says counts as an incident from where it begins to where it has been silent for a minute.
// One is right if it could mean something that is expected (none of them tells a flood or a policy,
// or names a suspect); nothing else is asked of it.
RunScore Watch(Baseline& baseline, const Scenario& scenario, uint64_t seed);

}  // namespace parallax::sim
