// The probes we put on the wire: ICMP and ICMPv6 echo requests and TCP SYN segments, from the ICMP
// or TCP header on (the kernel writes the IP header). Pure; no allocation.
//
// Routers spread flows over equal-cost paths by hashing ports (TCP), or identifier and checksum
// (ICMP). All probes of one (sensor, target, method, port) must take one path, so those fields are
// the flow's and never change; what tells the probes apart is the sequence field. The ICMP checksum
// stays constant as in Paris traceroute (Augustin et al., 2006): two payload bytes make up for
// whatever else changes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "common/ip.h"
#include "common/records.h"

namespace parallax::sensor {

inline constexpr uint8_t kProtocolIcmp = 1;
inline constexpr uint8_t kProtocolTcp = 6;
inline constexpr uint8_t kProtocolIcmpv6 = 58;

// One probe, as the pure code decides it. Filled in by ProbeLedger.
struct Probe {
  uint64_t id = 0;  // never 0, unique for the life of the process
  IpAddress target;
  uint32_t scope = 0;  // interface index; IPv6 link-local targets (gateways) only
  ProbeTry attempt;
  // Constant per flow.
  uint16_t flow_port = 0;      // TCP source port, or ICMP identifier
  uint16_t flow_checksum = 0;  // ICMP: the checksum without pseudo-header; never 0 nor 0xffff
  // This probe's own.
  uint32_t sequence = 0;  // TCP sequence number; ICMP: the low 16 bits are the sequence
  uint64_t tag = 0;       // ICMP: carried in the payload
};

inline constexpr size_t kMaxProbeBytes = 64;
using ProbeBuffer = std::array<uint8_t, kMaxProbeBytes>;

// The payload of an echo request: probe id (8 bytes), tag (8), the two compensating bytes, a text.
inline constexpr size_t kEchoHeaderBytes = 8;
inline constexpr size_t kEchoTagBytes = 16;

// Both return the packet, a view into `buffer`. Where the checksum needs a pseudo-header (all but
// IPv4 echo), it is computed from `source`; without a source it is left 0 for the kernel to fill in
// (raw ICMPv6 sockets always do, others with IPV6_CHECKSUM).
// REQUIRES: the method fits; source, if given, is of the target's family.
std::span<const uint8_t> BuildEchoRequest(const Probe& probe,
                                          const std::optional<IpAddress>& source,
                                          ProbeBuffer& buffer);
std::span<const uint8_t> BuildSyn(const Probe& probe, const std::optional<IpAddress>& source,
                                  ProbeBuffer& buffer);

// RFC 1071: the ones' complement sum of 16-bit big-endian words, folded; an odd last byte is padded
// with zero. The checksum is its complement.
uint16_t OnesComplementSum(std::span<const uint8_t> data, uint32_t start = 0);

// The folded sum of the pseudo-header (RFC 9293 3.1, RFC 8200 8.1).
uint16_t PseudoHeaderSum(const IpAddress& source, const IpAddress& destination, uint8_t protocol,
                         size_t length);

}  // namespace parallax::sensor
