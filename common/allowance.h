// What may be done so often, over time, and so much of it at once: a token bucket that begins full.
// Pure. (sensor/probe/policy/pacer.h has one that never saves up, for packets.)
#pragma once

#include <algorithm>
#include <optional>

#include "common/time.h"

namespace parallax {

class Allowance {
 public:
  Allowance(double per_second, double most) : per_second_(per_second), most_(most), left_(most) {}

  // How much is left now; less than 0: so much was overdrawn.
  double Left(MonoTime now) {
    if (!filled_at_) {
      filled_at_ = now;
    } else if (now > *filled_at_) {
      left_ = std::min(most_, left_ + per_second_ * ToSeconds(now - *filled_at_));
      filled_at_ = now;
    }
    return left_;
  }
  // Takes it, there or not.
  void Take(double amount) { left_ -= amount; }
  // Takes one, if there is one.
  bool TakeOne(MonoTime now) {
    const bool there = Left(now) >= 1;
    Take(there ? 1 : 0);
    return there;
  }
  // Until what is overdrawn is made good.
  Duration Debt() const {
    return left_ >= 0 ? Duration{}
                      : std::chrono::duration_cast<Duration>(
                            std::chrono::duration<double>(-left_ / per_second_));
  }

 private:
  double per_second_;
  double most_;
  double left_;
  std::optional<MonoTime> filled_at_;
};

}  // namespace parallax
