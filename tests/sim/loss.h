// Packet loss on one direction of a link: each packet for itself, or in bursts (Gilbert-Elliott, in
// continuous time: what counts is when a packet passes, not how many passed before it).
#pragma once

#include <random>

#include "common/time.h"

namespace parallax::sim {

struct Loss {
  double random = 0;  // of each packet, always
  // Bursts: begin after an exponential time of this mean, last one of that mean, and lose this
  // share. No bursts if `burst_every` is 0.
  Duration burst_every{};
  Duration burst_length{};
  double in_burst = 1;

  // In the long run.
  double Mean() const;
};

class LossState {
 public:
  LossState() = default;
  explicit LossState(const Loss& loss) : loss_(loss) {}
  // Whether a packet that passes at `at` is lost. Times may go back a little.
  bool Loses(MonoTime at, std::mt19937_64& random);

 private:
  Loss loss_;
  bool in_burst_ = false;
  MonoTime until_ = MonoTime::min();  // of this state
};

}  // namespace parallax::sim
