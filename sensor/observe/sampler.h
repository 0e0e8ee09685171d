// Keeps what is followed within a budget by following one in N, N a power of two. What belongs to
// the sample at some N belongs to it at every smaller one, so that a change of N interrupts
// nothing.
//
//   more than the budget followed within a second: N doubles, at once and again if need be
//   ten seconds in which half the budget would have done at a smaller N: down to that N
//
// Pure; one thread.
#pragma once

#include <cstdint>

#include "common/time.h"

namespace parallax::sensor {

class Sampler {
 public:
  // `budget` things a second are followed; 0: all, always.
  explicit Sampler(uint32_t budget) : budget_(budget) {}

  // Something came that might be followed.
  void Offer(MonoTime now);
  // Whether it belongs to the sample; `hash` is keyed and always the same for the same thing.
  bool Wants(uint64_t hash) const { return (hash >> 24 & (sampling_ - 1)) == 0; }
  // It is followed. False if it is beyond the second's budget, as some are while N is rising.
  bool Follow();

  // N, 1 if everything is followed; as of the last Offer() or Pass().
  uint32_t sampling() const { return sampling_; }
  // Time goes by without offers.
  void Pass(MonoTime now);

 private:
  void CloseSecond();

  uint32_t budget_;
  uint32_t sampling_ = 1;
  int64_t second_ = 0;
  uint64_t offered_ = 0;   // within the second
  uint64_t followed_ = 0;  // within the second, since N was last doubled
  uint64_t followed_in_second_ = 0;
  uint64_t calm_peak_ = 0;
  uint32_t calm_seconds_ = 0;
};

}  // namespace parallax::sensor
