// The addresses seen most often, in fixed memory: Space-Saving (Metwally et al., 2005) within
// 4-way buckets. Counts are what is certain: an address that took the place of another may have
// been seen more often, never less. Pure; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/ip.h"
#include "common/siphash.h"

namespace parallax::sensor {

class TopTalkers {
 public:
  struct Talker {
    IpAddress address;
    uint64_t count = 0;  // at least so often
  };

  explicit TopTalkers(const HashKey& key, size_t entries = 4096);
  void Count(const IpAddress& address);
  // The `most` largest, largest first; equal counts in order of address.
  std::vector<Talker> Top(size_t most) const;

 private:
  static constexpr size_t kWays = 4;
  struct Entry {
    IpAddress address;
    uint64_t most = 0;       // upper bound, 0 if the place is free
    uint64_t inherited = 0;  // how much of it may belong to others
  };

  const HashKey key_;
  std::vector<Entry> entries_;
  uint64_t bucket_mask_;
};

}  // namespace parallax::sensor
