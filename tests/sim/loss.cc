#include "tests/sim/loss.h"

#include "tests/sim/random_time.h"

namespace parallax::sim {
namespace {

bool Chance(double p, std::mt19937_64& random) {
  return p > 0 && std::uniform_real_distribution<double>(0, 1)(random) < p;
}

}  // namespace

double Loss::Mean() const {
  if (burst_every <= Duration::zero() || burst_length <= Duration::zero()) {
    return random;
  }
  const double bursts = ToSeconds(burst_length) / ToSeconds(burst_every + burst_length);
  return 1 - (1 - random) * (1 - bursts * in_burst);
}

bool LossState::Loses(MonoTime at, std::mt19937_64& random) {
  if (loss_.burst_every > Duration::zero() && loss_.burst_length > Duration::zero()) {
    if (until_ == MonoTime::min()) {
      until_ = at + Exponential(loss_.burst_every, random);
    }
    while (until_ <= at) {
      in_burst_ = !in_burst_;
      until_ += Exponential(in_burst_ ? loss_.burst_length : loss_.burst_every, random);
    }
    if (in_burst_ && Chance(loss_.in_burst, random)) {
      return true;
    }
  }
  return Chance(loss_.random, random);
}

}  // namespace parallax::sim
