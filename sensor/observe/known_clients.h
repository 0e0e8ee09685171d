// Clients that completed a connection here within the last 30 days, as 32-bit fingerprints: in a
// flood of forged addresses, the sign of a real one. Fixed memory (512 KiB, 65,536 clients); where
// there is no room, the one seen longest ago goes. Forgets all at a restart. Pure; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/time.h"

namespace parallax::sensor {

class KnownClients {
 public:
  explicit KnownClients(size_t entries = size_t{1} << 16);

  // `client` is the keyed hash of its address.
  void Remember(uint64_t client, MonoTime now);
  // By chance also of one client in 2^29 that is not.
  bool Knows(uint64_t client, MonoTime now) const;

 private:
  static constexpr size_t kWays = 4;
  struct Entry {
    uint32_t tag = 0;  // 0: free
    uint32_t minute = 0;
  };

  size_t FirstOf(uint64_t client) const { return (client & (entries_.size() / kWays - 1)) * kWays; }

  std::vector<Entry> entries_;
};

}  // namespace parallax::sensor
