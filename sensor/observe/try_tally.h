// How the tries of each client at each server ended, of late (within this half minute and the one
// before): behind a routing fault a client fails every time, at an overflowing server now and then.
// Fixed memory (384 KiB, 16,384 pairs); where there is no room, the pair seen longest ago goes.
// Pure; one thread.
#pragma once

#include <array>
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
  // Of the clients of `server` with three tries or more of late, one at least failed, the share that
  // failed each time; nullopt if there are fewer than three.
  std::optional<double> AllOrNothing(uint64_t server, MonoTime now) const;

 private:
  static constexpr size_t kWays = 4;
  struct Entry {
    uint64_t pair = 0;
    uint64_t server = 0;
    int32_t second = 0;  // of the last try
    // In the half minute of that and in the one before; they stay at 255.
    std::array<uint8_t, 2> succeeded{};
    std::array<uint8_t, 2> failed{};
  };
  // Brings the counts up to `second`.
  static void Pass(Entry& entry, int32_t second);
  std::vector<Entry> entries_;
};

}  // namespace parallax::sensor
