#include "sensor/observe/sketches.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace parallax::sensor {

void CountMin::Add(uint64_t hash) {
  for (size_t row = 0; row < kRows; ++row) {
    uint32_t& cell = cells_[Cell(row, hash)];
    cell += cell < std::numeric_limits<uint32_t>::max() ? 1 : 0;
  }
}

uint32_t CountMin::Estimate(uint64_t hash) const {
  uint32_t least = std::numeric_limits<uint32_t>::max();
  for (size_t row = 0; row < kRows; ++row) {
    least = std::min(least, cells_[Cell(row, hash)]);
  }
  return least;
}

void CountMin::Clear() { std::fill(cells_.begin(), cells_.end(), 0); }

void DistinctCount::Add(uint64_t hash) {
  const size_t index = hash % kRegisters;
  const uint64_t rest = hash / kRegisters;  // 55 bits
  const auto rank = static_cast<uint8_t>(std::countl_zero(rest) - 9 + 1);
  registers_[index] = std::max(registers_[index], rank);
}

uint64_t DistinctCount::EstimateUnion(const DistinctCount& other) const {
  double sum = 0;
  size_t empty = 0;
  for (size_t i = 0; i < kRegisters; ++i) {
    const uint8_t rank = std::max(registers_[i], other.registers_[i]);
    sum += std::ldexp(1.0, -rank);
    empty += rank == 0 ? 1 : 0;
  }
  constexpr auto kCount = static_cast<double>(kRegisters);
  constexpr double kAlpha = 0.7213 / (1 + 1.079 / kCount);
  const double raw = kAlpha * kCount * kCount / sum;
  // Few registers in use: linear counting is more exact.
  const bool few = raw <= 2.5 * kCount && empty > 0;
  return static_cast<uint64_t>(
      std::llround(few ? kCount * std::log(kCount / static_cast<double>(empty)) : raw));
}

}  // namespace parallax::sensor
