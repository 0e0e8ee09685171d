// What this sensor may probe, and how fast: the word of the host's administrator, which the
// collector cannot change. Checked last, right before a probe is sent. Pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/ip.h"
#include "common/records.h"

namespace parallax::sensor {

struct Policy {
  double packets_per_second = 100;  // in all
  double per_target_per_second = 2;
  PrefixSet allow;  // nothing outside is probed
  PrefixSet deny;   // beats `allow`
  bool operator==(const Policy&) const = default;
};

struct PolicyVerdict {
  bool allowed = false;
  std::string_view reason;  // why not, in a few words; empty if allowed
};

// Addresses that can be no remote host (loopback, multicast, link-local, IPv4-mapped...) are
// refused whatever the policy says.
PolicyVerdict Check(const Policy& policy, const IpAddress& target, ProbeMethod method,
                    uint16_t port);

}  // namespace parallax::sensor
