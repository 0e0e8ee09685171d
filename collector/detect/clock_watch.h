// How far a sensor's clock is from ours, from the times that it says it has. What it says takes a
// while to get here, so that it seems to be late: of the last few, the one that seems latest least
// is nearest to the truth. Pure.
#pragma once

#include <algorithm>
#include <array>
#include <optional>

#include "common/records.h"

namespace parallax::collector {

class ClockWatch {
 public:
  // It said `said` and we heard it at `heard`.
  void Note(WallTime said, WallTime heard) { offsets_[count_++ % offsets_.size()] = said - heard; }
  // Its clock less ours; absent until it has spoken.
  std::optional<Duration> Offset() const {
    const size_t known = std::min(count_, offsets_.size());
    return known == 0
               ? std::nullopt
               : std::optional(*std::max_element(offsets_.begin(), offsets_.begin() + known));
  }
  // True once, when it has become wrong by more than kClockTolerated, and again when it has been
  // right since.
  bool BecameWrong() {
    const Duration offset = Offset().value_or(Duration{});
    const Duration size = offset < Duration{} ? -offset : offset;
    const bool was = wrong_;
    wrong_ = size > (was ? kClockTolerated / 2 : kClockTolerated);
    return wrong_ && !was;
  }

 private:
  std::array<Duration, 5> offsets_{};
  size_t count_ = 0;
  bool wrong_ = false;
};

}  // namespace parallax::collector
