// One timer for each of a fixed number of items, named 0..items-1: a hashed wheel with intrusive
// lists (Varghese and Lauck, 1987, scheme 6). Setting, cancelling and firing are O(1), memory is
// allocated once. A timer fires at the first PopDue() at or after the tick that follows its due
// time, never before it. Pure; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "common/time.h"

namespace parallax::sensor {

class TimerWheel {
 public:
  // Due times up to `slots` ticks ahead cost nothing extra; later ones are put back once per turn.
  // REQUIRES: slots is a power of two.
  TimerWheel(uint32_t items, Duration tick, uint32_t slots);

  // Replaces the timer that the item had.
  void Set(uint32_t item, MonoTime due, MonoTime now);
  void Cancel(uint32_t item);
  // Removes one timer that is due and returns its item; nullopt if there is none. `now` may go
  // backwards: then nothing is due.
  std::optional<uint32_t> PopDue(MonoTime now);
  size_t armed() const { return armed_; }

 private:
  struct Link {
    int64_t due = 0;  // tick
    uint32_t next = kNone;
    uint32_t previous = kNone;
    uint32_t slot = kNone;  // kNone: no timer set
  };
  static constexpr uint32_t kNone = 0xffffffff;

  int64_t Tick(MonoTime t) const;
  void Insert(uint32_t item);

  const Duration tick_;
  std::vector<Link> links_;
  std::vector<uint32_t> heads_;
  int64_t cursor_ = 0;  // no timer is in a slot of an earlier tick
  size_t armed_ = 0;
};

}  // namespace parallax::sensor
