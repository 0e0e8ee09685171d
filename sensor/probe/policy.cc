#include "sensor/probe/policy.h"

#include <algorithm>
#include <array>

namespace parallax::sensor {
namespace {

// ::ffff:0:0/96. The kernel would send to the IPv4 address inside, past the IPv4 prefixes of the
// policy.
bool IsIpv4Mapped(const IpAddress& address) {
  static constexpr std::array<uint8_t, 12> kHead = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  const auto bytes = address.bytes();
  return !address.is_v4() && std::equal(kHead.begin(), kHead.end(), bytes.begin());
}

}  // namespace

PolicyVerdict Check(const Policy& policy, const IpAddress& target, ProbeMethod method,
                    uint16_t port) {
  if (target.IsNeverRemote() || IsIpv4Mapped(target)) {
    return {false, "not the address of a remote host"};
  }
  if (method == ProbeMethod::kTcpSyn && port == 0) {
    return {false, "TCP port 0"};
  }
  if (policy.deny.Contains(target)) {
    return {false, "denied by this sensor's policy"};
  }
  if (!policy.allow.Contains(target)) {
    return {false, "not among the prefixes that this sensor's policy allows"};
  }
  return {true, {}};
}

}  // namespace parallax::sensor
