#include "tests/sim/baselines/three_misses.h"

#include <algorithm>

namespace parallax::sim {

void ThreeMisses::Step(PingView& view) {
  cells_.resize(view.sensors() * view.targets());
  for (size_t s = 0; s < view.sensors(); ++s) {
    for (size_t t = 0; t < view.targets(); ++t) {
      Cell& cell = cells_[s * view.targets() + t];
      const bool answers = view.Ping(s, t);
      cell.answered = cell.answered || answers;
      cell.missed = answers ? 0 : cell.missed + 1;
    }
  }
  Say(Claim::kDown, std::any_of(cells_.begin(), cells_.end(), [](const Cell& cell) {
        return cell.answered && cell.missed >= 3;
      }));
}

}  // namespace parallax::sim
