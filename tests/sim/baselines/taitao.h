// Taitao (Baltra and Heidemann): a target is a peninsula if some observers reach it and others do
// not, for two rounds; an outage if nobody does. Here without what makes an observer eligible:
// whoever has an opinion counts, lossy, filtered or cut off. Rounds of a minute, in each up to
// three pings until one is answered; observers do not begin theirs at the same time. Targets are
// those that have ever answered anybody.
#pragma once

#include <vector>

#include "tests/sim/baselines/baseline.h"

namespace parallax::sim {

class Taitao : public Baseline {
 public:
  std::string_view name() const override { return "taitao"; }
  Duration step() const override { return std::chrono::seconds(20); }
  Duration warm_up() const override { return std::chrono::minutes(2); }
  void Step(PingView& view) override;

 private:
  enum class State : uint8_t { kUnknown, kUp, kDown };
  struct Cell {
    State state = State::kUnknown;  // of the last whole round
    bool answered = false;          // in this round
  };
  struct Target {
    bool active = false;
    unsigned partial = 0;  // rounds in a row
    unsigned out = 0;
  };
  static constexpr size_t kPings = 3;  // in a round

  void Compare(const PingView& view);

  std::vector<Cell> cells_;  // by sensor, then by target
  std::vector<Target> targets_;
  size_t steps_ = 0;
};

}  // namespace parallax::sim
