// Many targets failing at once from one vantage, while it reaches others: far stronger than one.
//
// Where packets get lost, a miss weighs little, and no single target is believed down before it has
// missed many rounds. But lost packets do not pick their targets: if each of n rounds with m tries
// would come to nothing with chance l^m, then k of them do so with a chance of about
// P(Poisson(sum of l^m) >= k). If that is next to nothing, it is no loss that they failed, and each
// of them weighs as much as on a path without loss.
//
// Pure; owned by the engine's thread.
#pragma once

#include <cstddef>
#include <deque>

#include "common/time.h"

namespace parallax::collector {

// P(X >= k) of a Poisson variable.
double PoissonTail(size_t k, double mean);

class GroupEvidence {
 public:
  // A round of `tries` that ended by `now`; `missed`: none of them was answered. `loss`: of good
  // paths from there, 0 to 1.
  void Note(size_t tries, bool missed, double loss, MonoTime now);
  // Do too many of the latest rounds fail for it to be loss?
  bool Fails() const;

 private:
  static constexpr Duration kLately = std::chrono::seconds(10);
  static constexpr size_t kMostRounds = 512;
  static constexpr size_t kFewest = 4;

  struct Seen {
    MonoTime at{};
    double chance = 0;  // of coming to nothing by loss
    bool missed = false;
  };
  std::deque<Seen> rounds_;
};

}  // namespace parallax::collector
