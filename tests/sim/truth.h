// What ought to be said of a scenario, derived from what its network does: who fails is found out
// by sending packets from everywhere to everywhere before and after the fault, and the verdict
// follows from that as DESIGN section 6 has it.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/sim/scenario.h"

namespace parallax::sim {

// Of one cause: all faults begin at the same time. Losses of links do not count, but for a fault
// that is one. Required expectations come first.
std::vector<ScenarioExpectation> WhatIsRight(const Scenario& scenario, uint64_t seed);

}  // namespace parallax::sim
