#include "sensor/probe/policy/policy.h"

#include <fmt/format.h>

#include <algorithm>

#include "sensor/probe/policy/special_purpose.h"

namespace parallax::sensor {
namespace {

struct Words {
  std::string_view name;
  std::string_view sentence;
};

constexpr std::array<Words, kRefusals> kWords = {{
    {"none", ""},
    {"no_policy", "this sensor has no policy, so it does not probe"},
    {"not_remote", "not the address of a remote host"},
    {"special_purpose", "in a special-purpose range that this sensor's policy does not name"},
    {"denied", "denied by this sensor's policy"},
    {"not_allowed", "not among the prefixes that this sensor's policy allows"},
    {"method", "by a method that this sensor's policy does not allow"},
    {"port", "to a port that this sensor's policy does not allow"},
}};

const Words& WordsFor(Refusal refusal) {
  const auto index = static_cast<size_t>(refusal);
  return kWords[index < kWords.size() ? index : 0];
}

bool Holds(const std::vector<PortSpan>& spans, uint16_t port) {
  return port != 0 && std::any_of(spans.begin(), spans.end(), [port](const PortSpan& span) {
           return span.first <= port && port <= span.last;
         });
}

bool IsNeverRemote(const SpecialRange* special) {
  return special != nullptr && special->never_remote;
}

Refusal CheckAddress(const Policy& policy, const IpAddress& address, const SpecialRange* special) {
  if (policy.deny.Contains(address)) {
    return Refusal::kDenied;
  }
  const Prefix* allowed = policy.allow.LongestMatch(address);
  if (allowed == nullptr) {
    return Refusal::kNotAllowed;
  }
  // Both hold the address, so one of them holds the other.
  const bool named = special == nullptr || allowed->length() >= special->prefix.length();
  return named ? Refusal::kNone : Refusal::kSpecialPurpose;
}

}  // namespace

std::string_view Describe(Refusal refusal) { return WordsFor(refusal).sentence; }
std::string_view ToString(Refusal refusal) { return WordsFor(refusal).name; }

Refusal CheckMethod(const Policy& policy, const ProbeTry& attempt, bool limited_ttl) {
  if (limited_ttl && !policy.trace) {
    return Refusal::kMethod;
  }
  switch (attempt.method) {
    case ProbeMethod::kIcmpEcho:
      return policy.icmp ? Refusal::kNone : Refusal::kMethod;
    case ProbeMethod::kTcpSyn:
      if (!policy.tcp) {
        return Refusal::kMethod;
      }
      return Holds(policy.tcp_ports, attempt.port) ? Refusal::kNone : Refusal::kPort;
    case ProbeMethod::kUdp:
      if (!policy.udp) {
        return Refusal::kMethod;
      }
      return Holds(policy.udp_ports, attempt.port) ? Refusal::kNone : Refusal::kPort;
  }
  return Refusal::kMethod;
}

Refusal Check(const Policy& policy, const IpAddress& target, const ProbeTry& attempt,
              bool limited_ttl) {
  const SpecialRange* special = FindSpecialRange(target);
  if (IsNeverRemote(special)) {
    return Refusal::kNotRemote;
  }
  const EmbeddedIpv4 embedded = target.is_v4() ? EmbeddedIpv4() : FindEmbeddedIpv4(target);
  for (const IpAddress& inner : embedded.all()) {
    if (IsNeverRemote(FindSpecialRange(inner))) {
      return Refusal::kNotRemote;
    }
  }
  if (const Refusal refusal = CheckMethod(policy, attempt, limited_ttl);
      refusal != Refusal::kNone) {
    return refusal;
  }
  Refusal refusal = CheckAddress(policy, target, special);
  for (const IpAddress& inner : embedded.all()) {
    if (refusal == Refusal::kNone) {
      refusal = CheckAddress(policy, inner, FindSpecialRange(inner));
    }
  }
  return refusal;
}

PolicyChange Reconsider(const std::optional<Policy>& in_force, const Result<Policy>& read) {
  PolicyChange change;
  if (read) {
    change.policy = *read;
  } else if (read.error().code == ErrorCode::kBadConfig && in_force) {
    change.policy = in_force;
    change.problem = fmt::format("{}; the policy read before stays in force", read.error().message);
  } else {
    change.problem = fmt::format("{}; nothing is probed", read.error().message);
  }
  change.changed = change.policy != in_force;
  return change;
}

}  // namespace parallax::sensor
