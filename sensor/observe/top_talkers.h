// The addresses seen most often, in fixed memory: Space-Saving (Metwally et al., 2005) within
// 4-way buckets. A count is never too low, and at most by what its bucket's smallest count was too
// high. Pure; one thread.
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
    uint64_t count = 0;
  };

  explicit TopTalkers(const HashKey& key, size_t entries = 4096);
  void Count(const IpAddress& address);
  // The `most` largest, largest first; equal counts in order of address.
  std::vector<Talker> Top(size_t most) const;

 private:
  static constexpr size_t kWays = 4;
  const HashKey key_;
  std::vector<Talker> talkers_;  // count 0: free
  uint64_t bucket_mask_;
};

}  // namespace parallax::sensor
