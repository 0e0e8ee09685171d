// Finds, in a captured frame, the packet in which somebody offers a gateway: itself or another.
// What it offers is read elsewhere (sensor/announce); here it is only told from other packets, by
// the very rules of the kernel filter (bpf_program.h; a test compares the two):
//
//   link header, tags, labels as in decode.h -> IPv4 (options, AH) | IPv6 (up to 6 extension
//   headers)
//     -> UDP of port 520 (RIP; IPv4) or 521 (RIPng; IPv6) at either end, or from 67 to 68 (DHCP)
//      | ICMP redirect (5) and router advertisement (9), ICMPv6 router advertisement (134) and
//        redirect (137)
//      | OSPF hello, version 2 over IPv4 and 3 over IPv6
//
// Not in a later fragment. Lengths are not looked at here, so whether the packet holds what it
// should is for the reader to say. Pure; no allocation.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "common/ip.h"
#include "common/time.h"
#include "sensor/capture/link_type.h"
#include "sensor/capture/segment.h"

namespace parallax::sensor {

// Whether such packets are captured besides TCP segments.
enum class AnnouncementScope : uint8_t { kNone, kAll };

// How much of such a frame is captured: an Ethernet frame with tags and labels, because the options
// of DHCP begin where a SYN has long ended. Segments do not fill the ring any faster for it: the
// kernel copies as much as the filter returns, and the snapshot length of a handle only says how
// much of that we see.
inline constexpr int kAnnouncementSnapLength = 1600;

enum class AnnouncementProtocol : uint8_t { kRip, kRipng, kDhcp, kIcmp, kIcmpv6, kOspf2, kOspf3 };

using LinkAddress = std::array<uint8_t, 6>;

struct AnnouncementPacket {
  AnnouncementProtocol protocol = AnnouncementProtocol::kRip;
  IpAddress src;
  IpAddress dst;
  uint8_t ttl = 0;                         // IPv4 TTL or IPv6 hop limit
  std::optional<LinkAddress> link_source;  // who sent the frame; not every link type has it
  VlanList vlan{};
  // From the UDP, ICMP or OSPF header to the end of the packet, as far as it was captured; a part
  // of the captured bytes.
  std::span<const uint8_t> body;
  size_t cut_off = 0;  // bytes that the packet has beyond `body`
};

// `captured` are the bytes at hand, `wire_length` is how long the frame was on the wire.
std::optional<AnnouncementPacket> FindAnnouncement(LinkType type, std::span<const uint8_t> captured,
                                                   uint32_t wire_length);

// Such a packet with where and when it was seen.
struct CapturedAnnouncement {
  AnnouncementPacket packet;   // its body is only there for the duration of the call
  WallTime stamp;              // the kernel's or the file's
  MonoTime seen;               // the same instant on the monotonic clock; in a file, from `stamp`
  std::string_view interface;  // empty if a file does not say; lives as long as the capture
  uint64_t frame = 0;          // file: number of the frame in it; live: running number; from 1
};

// Facts that the finder, the reader and the filter generator share.
namespace wire {
inline constexpr uint8_t kProtoIcmp = 1;
inline constexpr uint8_t kProtoUdp = 17;
inline constexpr uint8_t kProtoIcmpv6 = 58;
inline constexpr uint8_t kProtoOspf = 89;
inline constexpr uint16_t kPortRip = 520;
inline constexpr uint16_t kPortRipng = 521;
inline constexpr uint16_t kPortDhcpServer = 67;
inline constexpr uint16_t kPortDhcpClient = 68;
inline constexpr uint8_t kIcmpRedirect = 5;
inline constexpr uint8_t kIcmpRouterAdvertisement = 9;
inline constexpr uint8_t kIcmpv6RouterAdvertisement = 134;
inline constexpr uint8_t kIcmpv6Redirect = 137;
inline constexpr uint16_t kOspf2Hello = 0x0201;  // version and type
inline constexpr uint16_t kOspf3Hello = 0x0301;
}  // namespace wire

}  // namespace parallax::sensor
