// Random choices from one seed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <random>
#include <vector>

#include "common/time.h"

namespace parallax::sim {

class Dice {
 public:
  explicit Dice(uint64_t seed) : random_(seed) {}

  bool Chance(double p) { return Real(0, 1) < p; }
  double Real(double least, double most) {
    return std::uniform_real_distribution<double>(least, most)(random_);
  }
  // Both ends included.
  size_t Number(size_t least, size_t most) {
    return std::uniform_int_distribution<size_t>(least, most)(random_);
  }
  Duration Time(Duration least, Duration most) {
    return Duration(std::uniform_int_distribution<int64_t>(least.count(), most.count())(random_));
  }
  // REQUIRES: not empty
  template <typename T>
  const T& OneOf(const std::vector<T>& all) {
    return all[Number(0, all.size() - 1)];
  }
  // So many of them, or all if there are fewer, in their order.
  template <typename T>
  std::vector<T> Some(const std::vector<T>& all, size_t count) {
    std::vector<T> some;
    std::sample(all.begin(), all.end(), std::back_inserter(some), count, random_);
    return some;
  }

 private:
  std::mt19937_64 random_;
};

}  // namespace parallax::sim
