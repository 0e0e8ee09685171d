// Waiting times between attempts to reach the collector: exponential with jitter, so that a
// thousand sensors do not come back in the same second. Pure.
#pragma once

#include <cstdint>
#include <random>

#include "common/time.h"

namespace parallax::sensor {

class Backoff {
 public:
  Backoff(Duration least, Duration most, uint64_t seed)
      : least_(least), most_(most), ceiling_(least), random_(seed) {}

  // Between half of the ceiling and the ceiling, which doubles with each failure.
  Duration Next() {
    const Duration ceiling = ceiling_;
    ceiling_ = ceiling_ * 2 < most_ ? ceiling_ * 2 : most_;
    std::uniform_int_distribution<int64_t> pick(ceiling.count() / 2, ceiling.count());
    return Duration(pick(random_));
  }
  void Reset() { ceiling_ = least_; }

 private:
  Duration least_;
  Duration most_;
  Duration ceiling_;
  std::mt19937_64 random_;
};

}  // namespace parallax::sensor
