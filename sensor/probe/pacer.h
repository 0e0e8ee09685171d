// Limits the sending of probes: in all, and per target. Token buckets that never save up: after a
// pause sending goes on at the rate, it does not catch up. Pure; owned by the probe thread.
//
// In any window of length W at most 1 + W * rate probes are sent, and with rates above 500 per
// second at most W * rate + rate * 2 ms (room for the timer's coarseness, no more).
#pragma once

#include <vector>

#include "common/ip.h"
#include "common/time.h"

namespace parallax::sensor {

// One token bucket, kept as the time of the next token (the "virtual scheduling" form of GCRA,
// ITU-T I.371).
class TokenBucket {
 public:
  explicit TokenBucket(double per_second);
  MonoTime next() const { return next_; }
  void Take(MonoTime now);  // REQUIRES: now >= next()

 private:
  Duration interval_;
  Duration slack_;  // how far `next_` may lie behind: the burst
  MonoTime next_ = MonoTime::min();
};

class Pacer {
 public:
  // Rates are taken to lie between one in 1000 s and a million per second.
  Pacer(double per_second, double per_target_per_second);

  // The earliest time at which a probe to anybody, or to `target`, may be sent; `now` or earlier
  // means at once. A full per-target table delays rather than forgets a limit.
  MonoTime NextForAll() const { return all_.next(); }
  MonoTime NextFor(const IpAddress& target, MonoTime now) const;

  // Counts a probe to `target`. REQUIRES: both of the above are <= now.
  void Take(const IpAddress& target, MonoTime now);

 private:
  static constexpr size_t kWays = 8;
  static constexpr size_t kSets = 1024;
  struct Slot {
    IpAddress target;
    MonoTime next = MonoTime::min();  // in the past: the slot is free
  };
  size_t SetOf(const IpAddress& target) const;

  TokenBucket all_;
  Duration target_interval_;
  std::vector<Slot> slots_;
};

}  // namespace parallax::sensor
