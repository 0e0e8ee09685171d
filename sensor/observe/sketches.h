// Counting without remembering: two sketches that stay as small as they are however much they are
// fed. Both take hashes, which must be keyed, lest an attacker choose what collides. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace parallax::sensor {

// How often each of many things was counted (Cormode and Muthukrishnan, 2005). An estimate is never
// too low; with probability 1 - e^-4 it is too high by no more than e / 4096 of all counts
// together. 64 KiB.
class CountMin {
 public:
  CountMin() : cells_(kRows * kColumns, 0) {}
  void Add(uint64_t hash);
  uint32_t Estimate(uint64_t hash) const;
  void Clear();

 private:
  static constexpr size_t kRows = 4;
  static constexpr size_t kColumns = 4096;
  static size_t Cell(size_t row, uint64_t hash) {
    return row * kColumns + (hash >> (12 * row)) % kColumns;
  }
  std::vector<uint32_t> cells_;
};

// How many different things were added (Flajolet et al., HyperLogLog, 2007): 512 registers,
// standard error 4.6 %, small counts exact to within a few.
class DistinctCount {
 public:
  void Add(uint64_t hash);
  // Of what was added to either of the two.
  uint64_t EstimateUnion(const DistinctCount& other) const;
  uint64_t Estimate() const { return EstimateUnion(*this); }
  void Clear() { registers_.fill(0); }

 private:
  static constexpr size_t kRegisters = 512;
  std::array<uint8_t, kRegisters> registers_{};
};

}  // namespace parallax::sensor
