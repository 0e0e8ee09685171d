// What the probe command is to ask: addresses and prefixes, each address once, in an order that
// spreads over the list and needs no memory. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "common/ip.h"
#include "common/result.h"
#include "common/siphash.h"

namespace parallax::sensor {

// A permutation of 0 .. size-1: a Feistel network over the next power of four, walked until it
// falls within the size (Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002).
class RandomOrder {
 public:
  RandomOrder(uint64_t size, const HashKey& key);
  uint64_t At(uint64_t index) const;  // REQUIRES: index < size

 private:
  uint64_t size_;
  unsigned half_bits_;
  HashKey key_;
};

class TargetList {
 public:
  // No more addresses than this, over all prefixes.
  static constexpr uint64_t kMost = uint64_t{1} << 32;

  // kUsage if there would be too many.
  Result<void> Add(const Prefix& prefix);

  // Once all are added and before anything below: sorts, and drops what is there twice.
  void Close();

  uint64_t size() const { return size_; }
  bool AnyV6() const { return !ranges_.empty() && !ranges_.back().first.is_v4(); }
  IpAddress At(uint64_t index) const;  // REQUIRES: index < size()

 private:
  struct Range {
    IpAddress first;
    uint64_t before = 0;  // addresses in the ranges before this one
  };
  std::vector<Prefix> prefixes_;
  std::vector<Range> ranges_;
  uint64_t size_ = 0;
};

}  // namespace parallax::sensor
