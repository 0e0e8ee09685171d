// What many a ping loop does: every sensor pings every target each 30 s, and one that has answered
// before and misses three times in a row is down, whichever sensor says so.
#pragma once

#include <vector>

#include "tests/sim/baselines/baseline.h"

namespace parallax::sim {

class ThreeMisses : public Baseline {
 public:
  std::string_view name() const override { return "3 misses"; }
  Duration step() const override { return std::chrono::seconds(30); }
  Duration warm_up() const override { return std::chrono::minutes(2); }
  void Step(PingView& view) override;

 private:
  struct Cell {
    bool answered = false;  // ever
    unsigned missed = 0;    // in a row
  };
  std::vector<Cell> cells_;  // by sensor, then by target
};

}  // namespace parallax::sim
