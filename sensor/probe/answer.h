// Reads what raw sockets bring back: echo replies, SYN-ACK and RST segments, and ICMP errors that
// quote a probe of a kind we send. Whether it answers a probe of ours is for ProbeLedger to say.
// Pure, no allocation, safe for any bytes.
//
// Of an ICMP error only 8 quoted transport bytes are relied upon (RFC 792; RFC 1812 routers quote
// more); quoted IPv4 options and IPv6 extension headers are stepped over, and quoted TTL, DSCP,
// lengths and checksums are not looked at, because routers and NATs change them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "common/ip.h"
#include "common/records.h"

namespace parallax::sensor {

enum class AnswerKind : uint8_t { kEchoReply, kSynAck, kReset, kError };

// What an ICMP error tells about the path, whoever sent it.
enum class ErrorMeaning : uint8_t {
  kUnreachable,  // net, host or route unreachable, hop limit exceeded, header not understood
  kProhibited,   // a filter: administratively prohibited, or a port/protocol reject
};

// The probe id and tag of an echo payload, as found.
struct EchoTag {
  uint64_t probe_id = 0;
  uint64_t tag = 0;
};

struct Answer {
  AnswerKind kind = AnswerKind::kEchoReply;
  IpAddress source;  // who sent the packet
  // The probe that is answered: its target, how it asked, and the fields of packet.h that come
  // back. For TCP `sequence` is the acknowledged number less one.
  IpAddress target;
  ProbeTry attempt;
  uint16_t flow_port = 0;
  uint32_t sequence = 0;
  std::optional<EchoTag> echo;  // ICMP only; absent if not (wholly) there
  // kError only.
  uint8_t icmp_type = 0;
  uint8_t icmp_code = 0;
  ErrorMeaning meaning = ErrorMeaning::kUnreachable;
  // The quoted packet left from `source` itself: this host's own kernel speaks, not a router.
  bool from_this_host = false;
};

// `packet` starts at the IPv4 header, as raw IPv4 sockets deliver it. nullopt: nothing of the
// above, or malformed. The ICMP checksum is verified; the TCP checksum is not, because between
// hosts on one machine (veth, virtio) it is never computed.
std::optional<Answer> ParseAnswerV4(std::span<const uint8_t> packet);

// `payload` starts after the IPv6 header and its extension headers, as raw IPv6 sockets deliver it;
// the kernel has verified the checksum. `protocol`: kProtocolIcmpv6 or kProtocolTcp.
std::optional<Answer> ParseAnswerV6(const IpAddress& source, uint8_t protocol,
                                    std::span<const uint8_t> payload);

}  // namespace parallax::sensor
