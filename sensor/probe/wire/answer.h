// Reads what comes back: echo replies, SYN-ACK, RST and ACK segments, UDP datagrams, and ICMP
// errors and redirects that quote a probe of a kind we send. Whether it answers a probe of ours is
// for ProbeLedger to say. Pure, no allocation, safe for any bytes.
//
// Of an ICMP error only 8 quoted transport bytes are relied upon (RFC 792; RFC 1812 routers quote
// more); quoted IPv4 options and IPv6 extension headers are stepped over, and quoted TTL, DSCP,
// lengths and checksums are not judged, because routers and NATs change them: they are handed on.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "common/ip.h"
#include "common/records.h"

namespace parallax::sensor {

enum class AnswerKind : uint8_t {
  kEchoReply,
  kSynAck,
  kReset,
  kAck,  // nothing but an ACK: the target is still busy with an earlier SYN of the flow
  kUdpReply,
  kError,
  kRedirect
};

// What an ICMP error tells about the path, whoever sent it.
enum class ErrorMeaning : uint8_t {
  kUnreachable,   // net, host or route unreachable, header not understood
  kTimeExceeded,  // the TTL ran out
  kProhibited,    // a filter: administratively prohibited, or a port/protocol reject
};

// The probe id and tag of a payload, as found.
struct PayloadTag {
  uint64_t probe_id = 0;
  uint64_t tag = 0;
};

// One entry of an MPLS label stack, as a router met it (RFC 4950, RFC 3032).
struct MplsLabel {
  uint32_t label = 0;         // 20 bits
  uint8_t traffic_class = 0;  // 3 bits
  uint8_t ttl = 0;
  bool operator==(const MplsLabel&) const = default;
};

// Top of the stack first; deeper entries than there is room for are left out.
struct MplsStack {
  static constexpr size_t kMost = 6;
  std::array<MplsLabel, kMost> labels{};
  uint8_t count = 0;
  bool operator==(const MplsStack&) const = default;
};

struct Answer {
  AnswerKind kind = AnswerKind::kEchoReply;
  IpAddress source;  // who sent the packet
  uint8_t ttl = 0;   // TTL or hop limit of the packet as it arrived; 0: not known
  // The probe that is answered: its target, how it asked, and the fields of packet.h that come
  // back. For TCP `sequence` is the acknowledged number less one; a UDP reply has none (0), and an
  // error about UDP has the quoted checksum there.
  IpAddress target;
  ProbeMethod method = ProbeMethod::kIcmpEcho;
  uint16_t port = 0;  // the target's; 0 for ICMP echo
  uint16_t flow_port = 0;
  uint32_t sequence = 0;
  std::optional<PayloadTag> tag;  // ICMP echo and UDP; absent if not (wholly) there
  bool echoes_probe = false;      // a UDP reply whose payload is that of a probe of Parallax
  // kError and kRedirect only.
  uint8_t icmp_type = 0;
  uint8_t icmp_code = 0;
  ErrorMeaning meaning = ErrorMeaning::kUnreachable;
  IpAddress quoted_source;
  uint8_t quoted_ttl = 0;
  uint16_t quoted_ip_id = 0;                // IPv4
  std::optional<uint16_t> quoted_checksum;  // ICMP echo and UDP: of the transport header
  MplsStack mpls;
  IpAddress gateway;  // kRedirect only: the better next hop
  // The quoted packet left from `source` itself: this host's own kernel speaks, not a router.
  bool from_this_host() const { return quoted_source == source; }
};

// `packet` starts at the IPv4 header, as raw IPv4 sockets deliver it. nullopt: nothing of the
// above, or malformed. The ICMP checksum is verified; those of TCP and UDP are not, because between
// hosts on one machine (veth, virtio) they are never computed.
std::optional<Answer> ParseAnswerV4(std::span<const uint8_t> packet);

// `payload` starts after the IPv6 header and its extension headers, as raw IPv6 sockets deliver it;
// the kernel has verified the checksum. `protocol`: kProtocolIcmpv6, kProtocolTcp or kProtocolUdp;
// `hop_limit` as it arrived, 0 if not known.
std::optional<Answer> ParseAnswerV6(const IpAddress& source, uint8_t protocol, uint8_t hop_limit,
                                    std::span<const uint8_t> payload);

// A UDP datagram from `source` and its `port` to our `flow_port`.
Answer UdpReply(const IpAddress& source, uint8_t ttl, uint16_t port, uint16_t flow_port,
                std::span<const uint8_t> payload);

// An ICMP or ICMPv6 message alone, from its type on; what an unprivileged socket's queue holds.
// REQUIRES: the checksum need not be verified.
std::optional<Answer> ParseIcmp(const IpAddress& source, uint8_t ttl,
                                std::span<const uint8_t> message);

}  // namespace parallax::sensor
