// Limits the sending of probes: in all, per /24 (IPv4) or /64 (IPv6), and per target. Token buckets
// that never save up: after a pause sending goes on at the rate, it does not catch up. Pure; owned
// by the probe thread.
//
// In any second at most `rate` probes are sent, and at least 0.99 of it while there are enough of
// them to send: a bucket runs at rate / kPaceMargin and lets a probe go up to 3 ms before its time,
// so that a coarse timer costs nothing; it may leave up to 4 ms after it was taken.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/ip.h"
#include "common/siphash.h"
#include "common/time.h"

namespace parallax::sensor {

// How much slower than its rate a bucket runs: in any second, (1 s + 3 ms) / interval probes, and
// with this between them, and the wire's own jitter, that is never more than the rate.
inline constexpr double kPaceMargin = 1.007;

// One token bucket, kept as the time of the next token (the "virtual scheduling" form of GCRA,
// ITU-T I.371). Rates are taken to lie between one in 1000 s and ten million per second.
class TokenBucket {
 public:
  explicit TokenBucket(double per_second);
  void SetRate(double per_second);
  MonoTime next() const { return next_; }
  void Take(MonoTime now);  // REQUIRES: now >= next()

 private:
  Duration interval_;
  MonoTime next_ = MonoTime(Duration(INT64_MIN / 2));
};

struct PaceRates {
  double all = 100;
  double per_prefix = 20;
  double per_target = 5;
  bool operator==(const PaceRates&) const = default;
};

// Whose limits a probe to `target` counts against: an IPv6 address that stands for an IPv4 host has
// that host's. And the prefix of those limits.
IpAddress PacedAddress(const IpAddress& target);
IpAddress PacedPrefix(const IpAddress& target);

enum class PaceLimit : uint8_t { kAll, kPrefix, kTarget };

class Pacer {
 public:
  explicit Pacer(const PaceRates& rates);

  // The earliest time at which a probe to `target` may be sent, and which limit says so; `at` <=
  // `now` means at once. A full table delays rather than forgets a limit.
  struct Word {
    MonoTime at;
    PaceLimit limit;
  };
  Word Next(const IpAddress& target, MonoTime now) const;
  MonoTime NextForAll() const { return all_.next(); }

  // Counts a probe to `target`: one that Next lets go, or one that could not be held back.
  void Take(const IpAddress& target, MonoTime now);

  // Other rates from here on; what was taken stays taken.
  void SetRates(const PaceRates& rates);
  const PaceRates& rates() const { return rates_; }

 private:
  // The buckets of many keys, each with the same rate: a set-associative table of next times.
  static constexpr MonoTime kLongAgo = MonoTime(Duration(INT64_MIN / 2));
  class KeyedBuckets {
   public:
    KeyedBuckets(double per_second, double all_per_second);
    MonoTime Next(uint64_t key, MonoTime now) const;
    void Take(uint64_t key, MonoTime now);
    // Other rates; what was taken stays taken.
    void SetRate(double per_second, double all_per_second);

   private:
    static constexpr size_t kWays = 8;
    struct Slot {
      uint64_t key = 0;
      MonoTime next = kLongAgo;
    };
    // The slot holds nothing that must be remembered.
    static bool IsFree(const Slot& slot, MonoTime now);
    std::span<Slot> SetOf(uint64_t key);
    std::span<const Slot> SetOf(uint64_t key) const;

    Duration interval_;
    std::vector<Slot> slots_;
  };

  struct Keys {
    uint64_t prefix;
    uint64_t target;
  };
  Keys KeysOf(const IpAddress& target) const;

  PaceRates rates_;
  HashKey key_ = ProcessHashKey();
  TokenBucket all_;
  KeyedBuckets prefixes_;
  KeyedBuckets targets_;
};

}  // namespace parallax::sensor
