// A table of frames for the finder of announcements, the filter and the fuzzer: what each is, and
// whether it is one. Bodies are built here as well, for the tests of what they say.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sensor/capture/announcement_packet.h"
#include "tests/unit/sensor/capture/frames.h"

namespace parallax::sensor::frames {

inline Bytes Address(std::string_view text) {
  const IpAddress address = *IpAddress::Parse(text);
  const auto bytes = address.bytes();
  return {bytes.begin(), bytes.end()};
}

inline Bytes Udp(unsigned sport, unsigned dport, const Bytes& payload, int length = -1) {
  const size_t all = length < 0 ? payload.size() + 8 : static_cast<size_t>(length);
  return Join({U16(sport), U16(dport), U16(static_cast<unsigned>(all)), U16(0), payload});
}

// RFC 2453 section 4.
inline Bytes RipRoute(std::string_view prefix, std::string_view mask, std::string_view next_hop,
                      uint32_t metric, unsigned family = 2) {
  return Join(
      {U16(family), U16(0), Address(prefix), Address(mask), Address(next_hop), U32(metric)});
}
inline Bytes Rip(const std::vector<Bytes>& routes, unsigned version = 2, unsigned command = 2) {
  Bytes b = Join({U8(command), U8(version), U16(0)});
  for (const Bytes& route : routes) {
    Append(b, route);
  }
  return b;
}
inline Bytes RipDefault() { return RipRoute("0.0.0.0", "0.0.0.0", "0.0.0.0", 1); }

// RFC 2080 section 2.1.
inline Bytes RipngRoute(std::string_view prefix, unsigned length, unsigned metric) {
  return Join({Address(prefix), U16(0), U8(length), U8(metric)});
}

// RFC 2328 appendix A.3, RFC 5340 appendix A.3; `hello`: 1, another type otherwise.
inline Bytes Ospf2(unsigned type = 1, size_t size = 44) {
  Bytes b =
      Join({U8(2), U8(type), U16(44), Address("203.0.113.9"), U32(0), U16(0), U16(0), Bytes(8, 0),
            Address("255.255.255.0"), U16(10), U8(2), U8(1), U32(40), U32(0), U32(0)});
  b.resize(size);
  return b;
}
inline Bytes Ospf3(unsigned type = 1) {
  return Join({U8(3), U8(type), U16(36), Address("203.0.113.9"), U32(0), U16(0), U16(0), U32(3),
               U32(0x01000013), U16(10), U16(40), U32(0), U32(0)});
}

// RFC 1256 section 3.
inline Bytes IcmpRouters(const std::vector<std::pair<std::string, uint32_t>>& routers,
                         unsigned lifetime = 1800) {
  Bytes b =
      Join({U8(9), U8(0), U16(0), U8(static_cast<unsigned>(routers.size())), U8(2), U16(lifetime)});
  for (const auto& [router, preference] : routers) {
    Append(b, Join({Address(router), U32(preference)}));
  }
  return b;
}
// RFC 792; quotes what was sent to `destination`.
inline Bytes IcmpRedirect(std::string_view gateway, std::string destination, unsigned code = 1) {
  return Join({U8(5), U8(code), U16(0), Address(gateway),
               Ipv4({.payload = Bytes(8, 0), .dst = std::move(destination)})});
}

// RFC 4861 sections 4.2 and 4.5.
inline Bytes RouterAdvertisement(unsigned lifetime, const Bytes& options = {}) {
  return Join({U8(134), U8(0), U16(0), U8(64), U8(0), U16(lifetime), U32(0), U32(0), options});
}
inline Bytes Icmpv6Redirect(std::string_view target, std::string_view destination) {
  return Join({U8(137), U8(0), U16(0), U32(0), Address(target), Address(destination)});
}

// RFC 2131 section 2; option bytes without the end, which is added.
inline Bytes Dhcp(const Bytes& options, unsigned op = 2, const Bytes& server_name = Bytes(64, 0),
                  const Bytes& file = Bytes(128, 0)) {
  return Join({U8(op), U8(1), U8(6), U8(0), U32(0x1234), U16(0), U16(0), U32(0),
               Address("192.0.2.50"), U32(0), U32(0), Bytes(16, 0), server_name, file,
               U32(0x63825363), options, U8(255)});
}
inline Bytes DhcpOption(unsigned code, const Bytes& value) {
  return Join({U8(code), U8(static_cast<unsigned>(value.size())), value});
}
inline Bytes DhcpOffer(std::string_view router = "192.0.2.254") {
  return Dhcp(Join({DhcpOption(53, U8(2)), DhcpOption(3, Address(router))}));
}

// IPv4 and IPv6 packets as routers send them.
inline Bytes FromRouter4(uint8_t protocol, const Bytes& body, std::string dst = "224.0.0.9") {
  return Ipv4({.payload = body,
               .src = "192.0.2.66",
               .dst = std::move(dst),
               .protocol = protocol,
               .ttl = 1});
}
inline Bytes FromRouter6(uint8_t next, const Bytes& body, std::string dst = "ff02::1") {
  return Ipv6(
      {.payload = body, .next = next, .src = "fe80::66", .dst = std::move(dst), .hop_limit = 255});
}
inline Bytes RipPacket() { return FromRouter4(17, Udp(520, 520, Rip({RipDefault()}))); }
inline Bytes AdvertisementPacket() { return FromRouter6(58, RouterAdvertisement(1800)); }

struct AnnouncementSample {
  std::string name;
  LinkType link;
  Bytes frame;
  std::optional<AnnouncementProtocol> protocol;  // nullopt: is none
};

inline std::vector<AnnouncementSample> AnnouncementSamples() {
  using enum LinkType;
  using enum AnnouncementProtocol;
  const auto v4 = [](uint8_t protocol, const Bytes& body) {
    return Ethernet(TypeV4(FromRouter4(protocol, body)));
  };
  const auto v6 = [](uint8_t next, const Bytes& body) {
    return Ethernet(TypeV6(FromRouter6(next, body)));
  };
  const Bytes rip = Udp(520, 520, Rip({RipDefault()}));
  const Bytes ripng = Udp(521, 521, Rip({RipngRoute("::", 0, 1)}, 1));
  const Bytes advertisement = RouterAdvertisement(1800);
  return {
      {"RIP", kEthernet, v4(17, rip), kRip},
      {"RIP request", kEthernet, v4(17, Udp(40000, 520, Rip({}, 2, 1))), kRip},
      {"RIP to another port", kEthernet, v4(17, Udp(520, 40000, Rip({RipDefault()}))), kRip},
      {"RIP to the DHCP client's port", kEthernet, v4(17, Udp(520, 68, Rip({}))), kRip},
      {"UDP 519", kEthernet, v4(17, Udp(519, 519, Rip({RipDefault()}))), {}},
      {"UDP 521 over IPv4", kEthernet, v4(17, Udp(521, 521, Rip({RipDefault()}))), {}},
      {"TCP 520", kEthernet, v4(6, Tcp({.sport = 520, .dport = 520, .flags = kTcpAck})), {}},
      {"UDP-Lite 520", kEthernet, v4(136, rip), {}},
      {"RIP, no ports", kEthernet, v4(17, Bytes(3, 2)), {}},
      {"RIP, IPv4 options", kEthernet,
       Ethernet(TypeV4(Ipv4({.payload = rip, .protocol = 17, .options = 40}))), kRip},
      {"IPv4 options look like RIP",
       kEthernet,
       Ethernet(TypeV4(Ipv4(
           {.payload = Join({U32(0x00080002), U32(0x00080000)}), .protocol = 17, .options = 12}))),
       {}},
      {"RIP, AH", kEthernet, v4(51, Authentication(17, rip)), kRip},
      {"ICMP router advertisement, AH", kEthernet,
       v4(51, Authentication(1, IcmpRouters({{"192.0.2.66", 0}}))), kIcmp},
      {"OSPF hello, AH", kEthernet, v4(51, Authentication(89, Ospf2())), kOspf2},
      {"RIP, AH twice", kEthernet, v4(51, Authentication(51, Authentication(17, rip))), {}},
      {"RIP, first fragment", kEthernet,
       Ethernet(TypeV4(Ipv4({.payload = rip, .protocol = 17, .fragment = 0x2000}))), kRip},
      {"RIP, later fragment",
       kEthernet,
       Ethernet(TypeV4(Ipv4({.payload = rip, .protocol = 17, .fragment = 0x2001}))),
       {}},
      {"RIP in IPIP", kEthernet, v4(4, RipPacket()), {}},
      {"RIP, IPv4 header of 16 bytes",
       kEthernet,
       Ethernet(TypeV4(Join({U8(0x44), Bytes(8, 0), U8(17), Bytes(50, 2)}))),
       {}},
      {"RIP, version 6 behind the EtherType of IPv4",
       kEthernet,
       Ethernet(TypeV4(Ipv4({.payload = rip, .protocol = 17, .version = 6}))),
       {}},
      {"RIP, total length says less", kEthernet,
       Ethernet(TypeV4(Ipv4({.payload = rip, .protocol = 17, .total = 20}))), kRip},
      {"RIP, total length 0", kEthernet,
       Ethernet(TypeV4(Ipv4({.payload = rip, .protocol = 17, .total = 0}))), kRip},
      {"DHCP offer", kEthernet, v4(17, Udp(67, 68, DhcpOffer())), kDhcp},
      {"DHCP discover", kEthernet, v4(17, Udp(68, 67, Dhcp(DhcpOption(53, U8(1)), 1))), {}},
      {"DHCP between relay and server", kEthernet, v4(17, Udp(67, 67, DhcpOffer())), {}},
      {"to the DHCP client's port", kEthernet, v4(17, Udp(66, 68, DhcpOffer())), {}},
      {"DHCP over IPv6", kEthernet, v6(17, Udp(67, 68, DhcpOffer())), {}},
      {"DHCPv6", kEthernet, v6(17, Udp(547, 546, Bytes(60, 2))), {}},
      {"DNS", kEthernet, v4(17, Udp(53, 40000, Bytes(60, 2))), {}},
      {"ICMP redirect", kEthernet, v4(1, IcmpRedirect("192.0.2.67", "198.51.100.7")), kIcmp},
      {"ICMP router advertisement", kEthernet, v4(1, IcmpRouters({{"192.0.2.66", 0}})), kIcmp},
      {"ICMP router solicitation", kEthernet, v4(1, Join({U8(10), Bytes(7, 0)})), {}},
      {"ICMP echo request", kEthernet, v4(1, Join({U8(8), Bytes(40, 0)})), {}},
      {"ICMP unreachable", kEthernet, v4(1, Join({U8(3), Bytes(40, 0)})), {}},
      {"ICMP type 134 over IPv4", kEthernet, v4(1, advertisement), {}},
      {"ICMPv6 over IPv4", kEthernet, v4(58, advertisement), {}},
      {"OSPFv2 hello", kEthernet, v4(89, Ospf2()), kOspf2},
      {"OSPFv2 database description", kEthernet, v4(89, Ospf2(2)), {}},
      {"OSPFv3 over IPv4", kEthernet, v4(89, Ospf3()), {}},
      {"EIGRP", kEthernet, v4(88, Ospf2()), {}},

      {"RIPng", kEthernet, v6(17, ripng), kRipng},
      {"RIPng from another port", kEthernet, v6(17, Udp(40000, 521, Rip({}, 1))), kRipng},
      {"RIPng to another port", kEthernet, v6(17, Udp(521, 40000, Rip({}, 1))), kRipng},
      {"UDP 520 over IPv6", kEthernet, v6(17, rip), {}},
      {"UDP 522 over IPv6", kEthernet, v6(17, Udp(522, 522, Rip({}, 1))), {}},
      {"IPv6 router advertisement", kEthernet, v6(58, advertisement), kIcmpv6},
      {"IPv6 redirect", kEthernet, v6(58, Icmpv6Redirect("fe80::67", "2001:db8:9::9")), kIcmpv6},
      {"IPv6 router solicitation", kEthernet, v6(58, Join({U8(133), Bytes(7, 0)})), {}},
      {"IPv6 neighbour solicitation", kEthernet, v6(58, Join({U8(135), Bytes(23, 0)})), {}},
      {"ICMPv6 type 5", kEthernet, v6(58, IcmpRedirect("192.0.2.67", "198.51.100.7")), {}},
      {"ICMP over IPv6", kEthernet, v6(1, IcmpRouters({{"192.0.2.66", 0}})), {}},
      {"IPv6 router advertisement, hop-by-hop", kEthernet, v6(0, Extension(58, advertisement)),
       kIcmpv6},
      {"IPv6 router advertisement, atomic fragment", kEthernet,
       v6(44, FragmentHeader(58, 0, advertisement)), kIcmpv6},
      {"IPv6 router advertisement, later fragment",
       kEthernet,
       v6(44, FragmentHeader(58, 8, advertisement)),
       {}},
      {"RIPng, six extension headers", kEthernet,
       v6(60, Extension(
                  60, Extension(
                          43, Extension(60, Extension(60, Extension(60, Extension(17, ripng))))))),
       kRipng},
      {"RIPng, seven extension headers",
       kEthernet,
       v6(60,
          Extension(
              60,
              Extension(
                  43, Extension(
                          60, Extension(60, Extension(60, Extension(60, Extension(17, ripng)))))))),
       {}},
      {"OSPFv3 hello", kEthernet, v6(89, Ospf3()), kOspf3},
      {"OSPFv3 hello, AH", kEthernet, v6(51, Authentication(89, Ospf3())), kOspf3},
      {"OSPFv3 link state update", kEthernet, v6(89, Ospf3(4)), {}},
      {"OSPFv2 over IPv6", kEthernet, v6(89, Ospf2()), {}},
      {"IPv6 payload length 0",
       kEthernet,
       Ethernet(TypeV6(Ipv6({.payload = advertisement, .next = 58, .length = 0}))),
       {}},
      {"IPv6 jumbogram", kEthernet,
       Ethernet(TypeV6(Ipv6({.payload = Extension(58, advertisement), .next = 0, .length = 0}))),
       kIcmpv6},

      {"RIP, 802.1Q", kEthernet, Ethernet(Join({Tag(0x8100, 100), TypeV4(RipPacket())})), kRip},
      {"router advertisement, QinQ", kEthernet,
       Ethernet(Join({Tag(0x88a8, 10), Tag(0x8100, 20), TypeV6(AdvertisementPacket())})), kIcmpv6},
      {"RIP, four tags",
       kEthernet,
       Ethernet(Join(
           {Tag(0x8100, 1), Tag(0x8100, 2), Tag(0x8100, 3), Tag(0x8100, 4), TypeV4(RipPacket())})),
       {}},
      {"RIP, SNAP", kEthernet, SnapFrame(TypeV4(RipPacket())), kRip},
      {"RIP, MPLS", kEthernet, Ethernet(Type(0x8847, Mpls(2, RipPacket()))), kRip},
      {"router advertisement, PPPoE", kEthernet,
       Ethernet(Type(0x8864, Pppoe(0, Join({U16(0x57), AdvertisementPacket()})))), kIcmpv6},
      {"raw RIP", kRaw, RipPacket(), kRip},
      {"raw router advertisement", kRaw, AdvertisementPacket(), kIcmpv6},
      {"ipv4 RIP", kIpv4, RipPacket(), kRip},
      {"ipv4 router advertisement", kIpv4, AdvertisementPacket(), {}},
      {"ipv6 router advertisement", kIpv6, AdvertisementPacket(), kIcmpv6},
      {"null RIP", kNull, Join({Bytes{2, 0, 0, 0}, RipPacket()}), kRip},
      {"loop router advertisement", kLoop, Join({Bytes{0, 0, 0, 24}, AdvertisementPacket()}),
       kIcmpv6},
      {"sll RIP", kLinuxSll, Sll(TypeV4(RipPacket())), kRip},
      {"sll2 router advertisement", kLinuxSll2, Sll2(0x86dd, AdvertisementPacket()), kIcmpv6},
      {"sll2 RIP, tag", kLinuxSll2, Sll2(0x8100, Join({U16(44), TypeV4(RipPacket())})), kRip},
      {"ppp RIP", kPpp, Join({Bytes{0xff, 3}, U16(0x21), RipPacket()}), kRip},
      {"ppp_ether router advertisement", kPppEther,
       Pppoe(0, Join({U16(0x57), AdvertisementPacket()})), kIcmpv6},
      {"c_hdlc RIP", kCiscoHdlc, Join({Bytes{0x8f, 0}, TypeV4(RipPacket())}), kRip},
  };
}

}  // namespace parallax::sensor::frames
