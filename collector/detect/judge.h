// What the reports of one round say together about its target. Pure functions over values.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "collector/detect/vantage.h"
#include "collector/schedule/round_book.h"
#include "collector/schedule/target_table.h"

namespace parallax::collector {

// What one sensor's report says, once it is known which methods mean anything.
struct Ballot {
  VantageId sensor = 0;
  bool answered = false;
  bool prohibited = false;  // a filter said no
  unsigned misses = 0;      // informative ones: before the answer, or without one
  Duration rtt{};
  ProbeMethod answered_by = ProbeMethod::kIcmpEcho;
  std::array<bool, 2> silent{};  // by ProbeMethod: silent or filtered, informative or not
  bool unsent = false;           // its own kernel would send none of them
};

// How many vantages had an echo in the same second of a round, by the number of the try: those of
// one round are made together.
using Echoes = std::vector<unsigned>;
Echoes EchoesOf(const Round& round);
// Hosts and routers that limit their echos answer one vantage after the other: how many at once, if
// this round shows that; kUnlimited if it shows the contrary, nullopt if it tells nothing.
std::optional<uint8_t> EchoesAtOnce(const Round& round, const Echoes& echoes);

// Reads a report. A silent try counts as a miss only if `telling` (by ProbeMethod): the target
// answers that method to somebody and the method works from this vantage. A router's "unreachable"
// is a miss whatever the method. "Prohibited" is a filter's word, and no miss, unless the target
// was reached from here before: then something has changed, and it is the rogue that rejects. Tries
// that were never sent say nothing, nor does a silent echo in a second in which `at_once` others
// had one, which is all that this target has to give.
Ballot ReadReport(VantageId sensor, const ProbeReport& report, const std::array<bool, 2>& telling,
                  bool reached_before, const Echoes& echoes = {},
                  uint8_t at_once = Target::kUnlimited);

struct Opinion {
  Verdict verdict = Verdict::kUnknown;
  std::vector<VantageId> failing;   // believed unable to reach it, and missed now
  std::vector<VantageId> reaching;  // answered now
  bool undecided = false;           // somebody missed, and it is not enough to believe it
  bool unsure = false;              // somebody was silent, and it means nothing (yet)
};

// Joins the ballots of one round with the beliefs they have already been added to. Only what was
// said in this round counts, so that a short outage seen at different times is not a difference.
Opinion Judge(const std::vector<Ballot>& ballots, const Target& target);

}  // namespace parallax::collector
