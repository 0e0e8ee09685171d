// The probes we put on the wire: ICMP and ICMPv6 echo requests, TCP SYN segments and UDP datagrams,
// from their own header on; for IPv4 the IP header as well. Pure; no allocation.
//
// Routers spread flows over equal-cost paths by hashing ports (TCP, UDP), or identifier and
// checksum (ICMP). All probes of one flow must take one path, so those fields are the flow's and
// never change; what tells the probes apart is the sequence: TCP's and ICMP's own, and for UDP the
// checksum. The ICMP checksum stays constant, and the UDP checksum is what we want it to be, as in
// Paris traceroute (Augustin et al., 2006): two payload bytes make up for whatever else changes. An
// IPv4 probe also carries its sequence in the IP identification, which comes back through NATs that
// spoil checksums (Dublin traceroute). The IPv6 flow label is 0.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "common/ip.h"
#include "common/records.h"

namespace parallax::sensor {

inline constexpr uint8_t kProtocolIcmp = 1;
inline constexpr uint8_t kProtocolTcp = 6;
inline constexpr uint8_t kProtocolUdp = 17;
inline constexpr uint8_t kProtocolIcmpv6 = 58;

// One probe, as the pure code decides it. Filled in by ProbeLedger.
struct Probe {
  uint64_t id = 0;  // never 0, unique for the life of the process
  IpAddress target;
  uint32_t scope = 0;  // interface index; IPv6 link-local targets (gateways) only
  ProbeTry attempt;
  uint8_t ttl = 0;  // TTL or hop limit; 0: kDefaultTtl
  // Constant per flow.
  uint16_t flow_port = 0;      // TCP or UDP source port, or ICMP identifier
  uint16_t flow_checksum = 0;  // ICMP: the checksum without pseudo-header; never 0 nor 0xffff
  // This probe's own.
  uint32_t sequence = 0;  // TCP: all of it; ICMP and UDP: 16 bits, for UDP never 0
  uint64_t tag = 0;       // ICMP and UDP: carried in the payload
};

inline constexpr uint8_t kDefaultTtl = 64;

// How every payload's text begins.
inline constexpr std::string_view kProbeName = "Parallax reachability probe";

// What the payload of ICMP and UDP probes says to whoever looks at the packet: who sends it, and
// whom to ask. At most kMaxText bytes of `contact` and name together; longer ones are cut.
class ProbeText {
 public:
  static constexpr size_t kMaxText = 96;
  ProbeText() : ProbeText(std::string_view()) {}
  explicit ProbeText(std::string_view contact);
  std::string_view view() const { return {text_.data(), size_}; }  // of even length

 private:
  std::array<char, kMaxText> text_{};
  size_t size_ = 0;
};

// Payload of ICMP and UDP probes: probe id (8 bytes), tag (8), the two compensating bytes, a text.
inline constexpr size_t kEchoHeaderBytes = 8;
inline constexpr size_t kUdpHeaderBytes = 8;
inline constexpr size_t kPayloadTagBytes = 16;
inline constexpr size_t kIpv4HeaderBytes = 20;
inline constexpr size_t kMaxProbeBytes =
    kIpv4HeaderBytes + kEchoHeaderBytes + kPayloadTagBytes + 2 + ProbeText::kMaxText;
using ProbeBuffer = std::array<uint8_t, kMaxProbeBytes>;

uint8_t ProtocolOf(const Probe& probe);

// The probe from its transport header on, a view into `buffer`. The checksum covers `source` where
// it has a pseudo-header (all but IPv4 echo): for ICMPv6 the kernel puts in the right one whatever
// stands there.
// REQUIRES: `source` is of the target's family, or the probe is an echo request.
std::span<const uint8_t> BuildTransport(const Probe& probe, const IpAddress& source,
                                        const ProbeText& text, ProbeBuffer& buffer);

// The whole IPv4 packet. An unspecified source (0.0.0.0) and the header checksum are for the kernel
// to fill in. REQUIRES: probe.target.is_v4(), and as above.
std::span<const uint8_t> BuildPacketV4(const Probe& probe, const IpAddress& source,
                                       const ProbeText& text, ProbeBuffer& buffer);

// RFC 1071: the ones' complement sum of 16-bit big-endian words, folded; an odd last byte is padded
// with zero. The checksum is its complement.
uint16_t OnesComplementSum(std::span<const uint8_t> data, uint32_t start = 0);

// The folded sum of the pseudo-header (RFC 9293 3.1, RFC 8200 8.1).
uint16_t PseudoHeaderSum(const IpAddress& source, const IpAddress& destination, uint8_t protocol,
                         size_t length);

}  // namespace parallax::sensor
