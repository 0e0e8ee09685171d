#include "tests/sim/baselines/taitao.h"

namespace parallax::sim {

void Taitao::Step(PingView& view) {
  cells_.resize(view.sensors() * view.targets());
  targets_.resize(view.targets());
  for (size_t s = 0; s < view.sensors(); ++s) {
    const bool round_ends = (steps_ + s) % kPings == kPings - 1;
    for (size_t t = 0; t < view.targets(); ++t) {
      if (!view.CanPing(s, t)) {
        continue;
      }
      Cell& cell = cells_[s * view.targets() + t];
      cell.answered = cell.answered || view.Ping(s, t);
      targets_[t].active = targets_[t].active || cell.answered;
      if (round_ends) {
        cell.state = cell.answered ? State::kUp : State::kDown;
        cell.answered = false;
      }
    }
  }
  if (++steps_ % kPings == 0) {
    Compare(view);
  }
}

void Taitao::Compare(const PingView& view) {
  bool partial = false;
  bool outage = false;
  for (size_t t = 0; t < targets_.size(); ++t) {
    size_t up = 0;
    size_t valid = 0;
    for (size_t s = 0; s < view.sensors(); ++s) {
      const State state = cells_[s * view.targets() + t].state;
      up += state == State::kUp ? 1 : 0;
      valid += state != State::kUnknown ? 1 : 0;
    }
    Target& target = targets_[t];
    target.partial = target.active && up > 0 && up < valid ? target.partial + 1 : 0;
    target.out = target.active && up == 0 && valid > 0 ? target.out + 1 : 0;
    partial = partial || target.partial >= 2;
    outage = outage || target.out >= 2;
  }
  Say(Claim::kPartial, partial);
  Say(Claim::kOutage, outage);
}

}  // namespace parallax::sim
