// What this sensor may probe, and how fast: the word of the host's administrator, which the
// collector cannot change. Checked last, right before a probe is sent. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/ip.h"
#include "common/records.h"
#include "common/result.h"

namespace parallax::sensor {

// Inclusive.
struct PortSpan {
  uint16_t first = 0;
  uint16_t last = 0;
  bool operator==(const PortSpan&) const = default;
};

struct Policy {
  // In any second at most so many packets: in all, to one /24 (IPv4) or /64 (IPv6), to one target.
  double packets_per_second = 100;
  double per_prefix_per_second = 20;
  double per_target_per_second = 5;
  // Nothing outside is probed. A special-purpose range (special_purpose.h) is only probed where
  // `allow` names it, or a part of it: 0.0.0.0/0 does not.
  PrefixSet allow;
  PrefixSet deny;  // beats `allow`
  bool icmp = true;
  bool tcp = true;
  bool udp = true;
  bool trace = true;  // probes whose TTL is meant to run out
  std::vector<PortSpan> tcp_ports = {{1, 65535}};
  std::vector<PortSpan> udp_ports = {{1, 65535}};
  std::string contact;  // told in each probe's payload: a mail address or URL
  bool operator==(const Policy&) const = default;
};

// Why the policy refuses a probe.
enum class Refusal : uint8_t {
  kNone,            // it does not
  kNoPolicy,        // there is none
  kNotRemote,       // loopback, multicast, link-local, IPv4-mapped...: no remote host's address
  kSpecialPurpose,  // in a special-purpose range that `allow` does not name
  kDenied,
  kNotAllowed,
  kMethod,
  kPort,
};
inline constexpr size_t kRefusals = 8;
// A short sentence for people, e.g. "denied by this sensor's policy"; empty for kNone.
std::string_view Describe(Refusal refusal);
// For counters: "denied"; "none" for kNone.
std::string_view ToString(Refusal refusal);

// `limited_ttl`: the probe is meant to end at a router; both `trace` and its method must be on. An
// address that stands for IPv4 hosts (FindEmbeddedIpv4) must pass as itself, and as each of them.
// The first refusal in the order never remote, method, port, denied, not allowed, special purpose.
Refusal Check(const Policy& policy, const IpAddress& target, const ProbeTry& attempt,
              bool limited_ttl);
// The part of Check that does not depend on the target.
Refusal CheckMethod(const Policy& policy, const ProbeTry& attempt, bool limited_ttl);

// What reading the policy file (LoadPolicy) means for the policy in force.
struct PolicyChange {
  std::optional<Policy> policy;  // in force from here on; nullopt: nothing is probed
  bool changed = false;          // `policy` is another one than before
  std::string problem;           // for the log and the sensor's health; empty: the file is in order
};
// A good file is applied whole. One with errors in it (kBadConfig) leaves the policy in force as it
// is: a slip of the pen must not blind the sensor. A file that is gone, unreadable or open to
// others says nothing any more: nothing is probed. At start nothing is in force.
PolicyChange Reconsider(const std::optional<Policy>& in_force, const Result<Policy>& read);

}  // namespace parallax::sensor
