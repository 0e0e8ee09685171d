// Campuses and faults that nobody has chosen: made from a seed, so that what holds on the scenario
// files can be seen to hold on others.
#pragma once

#include <cstdint>
#include <string>

#include "tests/sim/scenario.h"

namespace parallax::sim {

struct RandomWorld {
  std::string kind;         // of its fault, in a word or two; also the scenario's title
  std::string description;  // of campus and fault, in a line
  Scenario scenario;        // what is to be said of it included (truth.h)
};

// The same seed gives the same world. To be played with the same seed, too: which way flows go
// depends on it, and with it what is right.
RandomWorld MakeRandomWorld(uint64_t seed);

// The parts of it.
class Dice;
// Borders, cores, departments with their sensors, loss, and remote hosts; no fault.
Scenario RandomCampus(Dice& dice);
// Adds faults (or none) to a campus; what they are called, and described.
struct RandomFault {
  std::string kind;
  std::string description;
};
RandomFault AddRandomFault(Dice& dice, Scenario& scenario);

}  // namespace parallax::sim
