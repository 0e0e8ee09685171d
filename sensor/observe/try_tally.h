// How the tries of each client at each server ended, of late: behind a routing fault a client fails
// every time, at an overflowing server now and then. Fixed memory (384 KiB, 16,384 pairs); where
// there is no room, the pair seen longest ago goes. Pure; one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "common/time.h"

namespace parallax::sensor {

class TryTally {
 public:
  TryTally();
  // `pair` and `server` are keyed hashes.
  void Count(uint64_t pair, uint64_t server, bool failed, MonoTime now);
  // Of the clients of `server` seen in the last minute that failed at one of their last three tries
  // or more, the share that failed at all three; nullopt if there are fewer than three clients.
  std::optional<double> AllOrNothing(uint64_t server, MonoTime now) const;

 private:
  static constexpr size_t kWays = 4;
  struct Entry {
    uint64_t pair = 0;
    uint64_t server = 0;
    uint32_t second = 0;  // of the clock, wraps
    uint8_t tries = 0;    // up to three
    uint8_t failed = 0;   // the last three, a bit each
  };
  std::vector<Entry> entries_;
};

}  // namespace parallax::sensor
