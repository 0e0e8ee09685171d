// Keeps traces from outrunning the limits that routers set on their own ICMP errors, which would
// make them look silent. One for all traces of a process. Pure; owned by the probe thread.
//
// Linux routers send each host 6 errors at once and then one a second for IPv4, ten a second for
// IPv6. So every router has a budget here, a little below that. Who will answer a TTL that was not
// asked yet is not known. Such a probe is paid for by all routers that lately answered this TTL, or
// if there are none or many by the TTL itself, until its answer names the router, whose budget then
// takes the charge over. A guess that brings no answer is paid back: it cost no router anything.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "common/ip.h"
#include "common/time.h"

namespace parallax::sensor {

struct HopRates {
  double burst = 5;
  double v4_per_second = 0.9;
  double v6_per_second = 9;
};

class HopLimiter {
 public:
  // Whose budget.
  struct Key {
    IpAddress router;  // if ttl != 0 only its family counts
    uint8_t ttl = 0;
    bool operator==(const Key&) const = default;
  };
  static constexpr size_t kMostGuesses = 8;
  // What one probe was paid from.
  struct Charge {
    std::array<Key, kMostGuesses> keys;
    uint8_t count = 0;
    bool guess = false;
    MonoTime at;
  };

  explicit HopLimiter(const HopRates& rates = {});

  // The earliest time at which a probe that ends at `ttl` may be sent; <= `now`: at once. `router`:
  // who is known to answer there, if anybody.
  MonoTime Next(Family family, uint8_t ttl, const std::optional<IpAddress>& router,
                MonoTime now) const;

  // The probe is sent. REQUIRES: as Next says, though nothing breaks if not.
  Charge Take(Family family, uint8_t ttl, const std::optional<IpAddress>& router, MonoTime now);

  // An ICMP error from `router` answers the probe.
  void OnError(Charge& charge, uint8_t ttl, const IpAddress& router, MonoTime now);
  // Nothing answers it.
  void OnLost(Charge& charge);
  // Something that no limit holds for answers it, or it was not sent after all.
  void Refund(Charge& charge);

  size_t size() const { return buckets_.size(); }

 private:
  struct KeyHash {
    size_t operator()(const Key& key) const {
      return std::hash<IpAddress>{}(key.router) ^ (size_t{key.ttl} * 0x9e3779b97f4a7c15u);
    }
  };
  // The last routers that answered a TTL.
  static constexpr size_t kMostKnown = kMostGuesses + 1;
  struct Known {
    IpAddress router;
    MonoTime seen;
  };

  Duration Interval(Family family) const;
  // Whose budgets a probe needs.
  Charge Payers(Family family, uint8_t ttl, const std::optional<IpAddress>& router,
                MonoTime now) const;
  MonoTime NextOf(const Key& key, MonoTime now) const;
  void Pay(const Key& key, MonoTime at);
  void Learn(uint8_t ttl, const IpAddress& router, MonoTime now);
  void Forget(MonoTime now);

  HopRates rates_;
  // When the bucket will be full again (GCRA's theoretical arrival time); in the past: it is.
  std::unordered_map<Key, MonoTime, KeyHash> buckets_;
  size_t forget_at_ = 1024;
  MonoTime forget_after_ = MonoTime::min();
  std::array<std::array<std::vector<Known>, 256>, 2> known_;  // [is IPv6][TTL]
};

}  // namespace parallax::sensor
