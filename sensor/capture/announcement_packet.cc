#include "sensor/capture/announcement_packet.h"

#include <algorithm>

#include "sensor/capture/cursor.h"
#include "sensor/capture/decode.h"

namespace parallax::sensor {
namespace {

constexpr size_t kIpv6Header = 40;

// RFC 4302. Leaves what follows it in `protocol`.
void PassAuthentication(Cursor& c, uint8_t& protocol) {
  protocol = c.U8(0);
  c.Skip((size_t{c.U8(1)} + 2) * 4);
}

std::optional<AnnouncementProtocol> UdpProtocol(Cursor& c, Family family) {
  const uint16_t from = c.U16(0);
  const uint16_t to = c.U16(2);
  const auto either = [&](uint16_t port) { return from == port || to == port; };
  if (family == Family::kV6) {
    return either(wire::kPortRipng) ? std::optional(AnnouncementProtocol::kRipng) : std::nullopt;
  }
  if (either(wire::kPortRip)) {
    return AnnouncementProtocol::kRip;
  }
  return from == wire::kPortDhcpServer && to == wire::kPortDhcpClient
             ? std::optional(AnnouncementProtocol::kDhcp)
             : std::nullopt;
}

// With the cursor at the header of `protocol`.
std::optional<AnnouncementProtocol> Recognise(Cursor& c, Family family, uint8_t protocol) {
  const bool v4 = family == Family::kV4;
  if (protocol == wire::kProtoUdp) {
    return UdpProtocol(c, family);
  }
  if (protocol == wire::kProtoOspf) {
    const bool hello = c.U16(0) == (v4 ? wire::kOspf2Hello : wire::kOspf3Hello);
    return hello ? std::optional(v4 ? AnnouncementProtocol::kOspf2 : AnnouncementProtocol::kOspf3)
                 : std::nullopt;
  }
  if (protocol != (v4 ? wire::kProtoIcmp : wire::kProtoIcmpv6)) {
    return std::nullopt;
  }
  const uint8_t type = c.U8(0);
  const bool wanted =
      v4 ? type == wire::kIcmpRedirect || type == wire::kIcmpRouterAdvertisement
         : type == wire::kIcmpv6RouterAdvertisement || type == wire::kIcmpv6Redirect;
  return wanted ? std::optional(v4 ? AnnouncementProtocol::kIcmp : AnnouncementProtocol::kIcmpv6)
                : std::nullopt;
}

// Reads the IP header and passes over it and what extends it. `length` is that of the packet from
// its first byte, nullopt if it does not say. False if there is no header we want behind it.
bool PassIpv4(Cursor& c, AnnouncementPacket& packet, std::optional<size_t>& length,
              uint8_t& protocol) {
  const uint8_t version_and_length = c.U8(0);
  const size_t header = (version_and_length & 0x0f) * size_t{4};
  const uint16_t total = c.U16(2);
  const uint16_t fragment = c.U16(6);
  packet.ttl = c.U8(8);
  protocol = c.U8(9);
  packet.src = IpAddress::V4(c.Bytes<4>(12));
  packet.dst = IpAddress::V4(c.Bytes<4>(16));
  if (version_and_length >> 4 != 4 || header < 20 || (fragment & 0x1fff) != 0) {
    return false;
  }
  length = total == 0 ? std::nullopt : std::optional<size_t>(total);
  c.Skip(header);
  if (protocol == wire::kProtoAh) {
    PassAuthentication(c, protocol);
  }
  return c.ok();
}

bool PassIpv6(Cursor& c, AnnouncementPacket& packet, std::optional<size_t>& length,
              uint8_t& protocol) {
  const uint8_t version = c.U8(0) >> 4;
  const uint16_t payload = c.U16(4);
  protocol = c.U8(6);
  packet.ttl = c.U8(7);
  packet.src = IpAddress::V6(c.Bytes<16>(8));
  packet.dst = IpAddress::V6(c.Bytes<16>(24));
  if (version != 6 || (payload == 0 && protocol != wire::kExtHopByHop)) {
    return false;
  }
  length = payload == 0 ? std::nullopt : std::optional(kIpv6Header + payload);
  c.Skip(kIpv6Header);
  for (int i = 0; i < wire::kExtensionHeaders && c.ok(); ++i) {
    switch (protocol) {
      case wire::kExtHopByHop:
      case wire::kExtRouting:
      case wire::kExtDestination:
        protocol = c.U8(0);
        c.Skip((size_t{c.U8(1)} + 1) * 8);
        break;
      case wire::kExtFragment:
        if ((c.U16(2) & 0xfff8) != 0) {
          return false;
        }
        protocol = c.U8(0);
        c.Skip(8);
        break;
      case wire::kProtoAh:
        PassAuthentication(c, protocol);
        break;
      default:
        return true;
    }
  }
  return c.ok();
}

std::optional<LinkAddress> LinkSource(LinkType type, std::span<const uint8_t> captured) {
  size_t at = 6;
  if (type == LinkType::kLinuxSll || type == LinkType::kLinuxSll2) {
    Cursor c(captured);
    const size_t length = type == LinkType::kLinuxSll ? c.U16(4) : c.U8(11);
    if (length != LinkAddress().size()) {
      return std::nullopt;
    }
    at = type == LinkType::kLinuxSll ? 6 : 12;
  } else if (type != LinkType::kEthernet) {
    return std::nullopt;
  }
  LinkAddress address{};
  std::copy_n(captured.subspan(at).begin(), address.size(), address.begin());
  return address == LinkAddress{} ? std::nullopt : std::optional(address);  // loopback has none
}

}  // namespace

std::optional<AnnouncementPacket> FindAnnouncement(LinkType type, std::span<const uint8_t> captured,
                                                   uint32_t wire_length) {
  const auto place = FindNetwork(type, captured);
  if (!place) {
    return std::nullopt;
  }
  const auto bytes = captured.subspan(place->offset);
  AnnouncementPacket packet;
  Cursor c(bytes);
  std::optional<size_t> length;
  uint8_t protocol = 0;
  const bool passed = place->family == Family::kV4 ? PassIpv4(c, packet, length, protocol)
                                                   : PassIpv6(c, packet, length, protocol);
  const auto found = passed ? Recognise(c, place->family, protocol) : std::nullopt;
  if (!found || !c.ok()) {
    return std::nullopt;
  }
  packet.protocol = *found;
  packet.link_source = LinkSource(type, captured);
  packet.vlan = place->vlan;
  const size_t frame_rest = wire_length - std::min<size_t>(wire_length, place->offset);
  const size_t all = length.value_or(std::max(frame_rest, bytes.size()));
  const size_t begin = bytes.size() - c.left();
  const size_t end = std::clamp(all, begin, std::max(begin, bytes.size()));
  packet.body = bytes.subspan(begin, end - begin);
  packet.cut_off = all - std::min(all, end);
  return packet;
}

}  // namespace parallax::sensor
