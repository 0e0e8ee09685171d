// The link types that we read: how the bytes of a frame begin. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace parallax::sensor {

// How a frame begins; https://www.tcpdump.org/linktypes.html.
enum class LinkType : uint8_t {
  kEthernet,   // DLT_EN10MB, 1
  kRaw,        // DLT_RAW, 12, 14 or 101: IPv4 or IPv6 by the version nibble
  kIpv4,       // DLT_IPV4, 228
  kIpv6,       // DLT_IPV6, 229
  kNull,       // DLT_NULL, 0: address family in the byte order of the writing host
  kLoop,       // DLT_LOOP, 108: address family in network order
  kLinuxSll,   // DLT_LINUX_SLL, 113
  kLinuxSll2,  // DLT_LINUX_SLL2, 276
  kPpp,        // DLT_PPP, 9, and DLT_PPP_SERIAL, 50
  kPppEther,   // DLT_PPP_ETHER, 51: starts with the PPPoE header
  kCiscoHdlc,  // DLT_C_HDLC, 104
};
inline constexpr LinkType kAllLinkTypes[] = {
    LinkType::kEthernet, LinkType::kRaw,      LinkType::kIpv4,      LinkType::kIpv6,
    LinkType::kNull,     LinkType::kLoop,     LinkType::kLinuxSll,  LinkType::kLinuxSll2,
    LinkType::kPpp,      LinkType::kPppEther, LinkType::kCiscoHdlc,
};

// nullopt if we cannot read frames of that kind.
std::optional<LinkType> LinkTypeFromDlt(int dlt);
// What pcap_open_dead() and file headers call it.
int DltOf(LinkType type);
std::string_view ToString(LinkType type);

}  // namespace parallax::sensor
