// From the bytes of a captured frame to the TCP segment in it. Pure; no allocation, no recursion,
// every loop has a budget, and the cursor cannot read past the captured bytes whatever they say.
//
// Accepted is exactly what the kernel filter of bpf_program.h accepts for the same scope, as long
// as it is not asked for announcements as well (a test compares the two):
//
//   link header -> up to 3 VLAN tags (8100, 88a8, 9100) -> [LLC/SNAP] -> [PPPoE session, PPP]
//     -> [up to 4 MPLS labels] -> IPv4 (options, AH) | IPv6 (up to 6 extension headers) -> TCP
//
// A fragment counts only if it is the first and holds the flags. What is inside a tunnel (GRE,
// IP in IP, VXLAN) or quoted in an ICMP error is not TCP of the outer flow: skipped. Checksums are
// not verified, because a frame on its way out has none yet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <tl/expected.hpp>

#include "sensor/capture/link_type.h"
#include "sensor/capture/segment.h"

namespace parallax::sensor {

// Which TCP segments are wanted.
enum class SegmentScope : uint8_t {
  kSyn,       // with SYN set
  kSynOrRst,  // RST as well: refusals
  kAll,       // all: a saved capture also holds the acknowledgements that complete handshakes
};

// Why a frame holds nothing for us.
enum class DecodeSkip : uint8_t {
  kNotIp,          // ARP, an unknown EtherType, more tags or labels than we follow
  kNotTcp,         // another protocol, tunnels among them
  kLaterFragment,  // the TCP header is in another frame
  kOutOfScope,     // TCP, but a segment that is not asked for
  kTruncated,      // the wire had more, but the capture cut it off
  kMalformed,      // a header contradicts itself or the length of the frame
};
inline constexpr size_t kDecodeSkipCount = 6;
std::string_view ToString(DecodeSkip skip);

// Whether the frame could not be understood, as opposed to being none of our business.
constexpr bool IsUndecodable(DecodeSkip skip) {
  return skip == DecodeSkip::kTruncated || skip == DecodeSkip::kMalformed;
}

// `captured` are the bytes at hand, `wire_length` is how long the frame was on the wire.
tl::expected<SynSegment, DecodeSkip> DecodeSegment(LinkType type, std::span<const uint8_t> captured,
                                                   uint32_t wire_length,
                                                   SegmentScope scope = SegmentScope::kSynOrRst);

// The same into `segment`, where there is a place for it already; unspecified if nothing decodes.
std::optional<DecodeSkip> DecodeInto(LinkType type, std::span<const uint8_t> captured,
                                     uint32_t wire_length, SegmentScope scope, SynSegment& segment);

// Where the IP header begins, behind link header, tags and labels, and which one the layers before
// it announce; nullopt if there is none.
struct NetworkPlace {
  size_t offset = 0;
  Family family = Family::kV4;
  VlanList vlan{};
};
std::optional<NetworkPlace> FindNetwork(LinkType type, std::span<const uint8_t> captured);

// Facts that the decoder and the filter generator share.
namespace wire {
inline constexpr uint16_t kEtherIpv4 = 0x0800;
inline constexpr uint16_t kEtherIpv6 = 0x86dd;
inline constexpr uint16_t kEtherVlan[] = {0x8100, 0x88a8, 0x9100};
inline constexpr uint16_t kEtherMpls[] = {0x8847, 0x8848};
inline constexpr uint16_t kEtherPppoeSession = 0x8864;
inline constexpr uint16_t kEtherTypeLeast = 0x0600;  // below it, an IEEE 802.3 length
inline constexpr uint16_t kSllLlc = 0x0004;          // "protocol" of an 802.2 frame in SLL
inline constexpr uint32_t kSnapOui = 0x000000;
inline constexpr uint32_t kSnapOuiBridge = 0x0000f8;  // IEEE 802.1H
inline constexpr uint16_t kPppIpv4 = 0x0021;
inline constexpr uint16_t kPppIpv6 = 0x0057;
inline constexpr uint16_t kPppMpls = 0x0281;
inline constexpr uint16_t kPppMplsMulticast = 0x0283;
inline constexpr uint16_t kCiscoHdlcStart[] = {0x0f00, 0x8f00};  // to one, to all; then control 0
inline constexpr uint8_t kProtoTcp = 6;
inline constexpr uint8_t kExtHopByHop = 0;
inline constexpr uint8_t kExtRouting = 43;
inline constexpr uint8_t kExtFragment = 44;
inline constexpr uint8_t kProtoAh = 51;
inline constexpr uint8_t kExtDestination = 60;
// Address families of DLT_NULL and DLT_LOOP: AF_INET is 2 everywhere, AF_INET6 is not.
inline constexpr uint8_t kNullIpv4 = 2;
inline constexpr uint8_t kNullIpv6[] = {10, 24, 28, 30};  // Linux, NetBSD, FreeBSD, macOS
inline constexpr int kVlanTags = VlanList::kMost;
inline constexpr int kMplsLabels = 4;
inline constexpr int kExtensionHeaders = 6;
// What the packet must have of TCP by its own account, however much of it was captured.
// Up to and with the window: a fragment may end there, and nothing that we read is beyond.
inline constexpr uint32_t kTcpLeast = 16;
}  // namespace wire

}  // namespace parallax::sensor
