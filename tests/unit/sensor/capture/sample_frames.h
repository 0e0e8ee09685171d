// One table of frames for the decoder, the filter and the golden captures: what each is, and what
// must come of it. A bug found in the field adds a line here.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "frames.h"
#include "sensor/capture/decode.h"

namespace parallax::sensor::frames {

struct Sample {
  std::string name;
  LinkType link;
  Bytes frame;
  std::optional<DecodeSkip> skip;  // nullopt: decodes
  std::vector<uint16_t> vlan = {};
};

inline Bytes V4Syn() { return Ipv4({.payload = Tcp()}); }
inline Bytes V6Syn() { return Ipv6({.payload = Tcp()}); }
inline Bytes Padded(Bytes frame, uint8_t with) {
  frame.resize(60, with);
  return frame;
}
inline Bytes Chain(int headers) {
  Bytes rest = Tcp();
  for (int i = 0; i < headers; ++i) {
    rest = Extension(i == 0 ? 6 : 60, rest, static_cast<uint8_t>(i % 3));
  }
  return Ipv6({.payload = rest, .next = static_cast<uint8_t>(headers == 0 ? 6 : 60)});
}

inline std::vector<Sample> Samples() {
  using enum DecodeSkip;
  using enum LinkType;
  const auto v4_frame = [](uint8_t protocol, const Bytes& payload) {
    return Ethernet(TypeV4(Ipv4({.payload = payload, .protocol = protocol})));
  };
  std::vector<Sample> s = {
      {"v4", kEthernet, Ethernet(TypeV4(V4Syn())), {}},
      {"v6", kEthernet, Ethernet(TypeV6(V6Syn())), {}},
      {"v4 SYN-ACK", kEthernet, v4_frame(6, Tcp({.ack = 5, .flags = 0x12})), {}},
      {"v4 RST", kEthernet, v4_frame(6, Tcp({.flags = kTcpRst})), {}},
      {"v4 SYN with ECN and CWR", kEthernet, v4_frame(6, Tcp({.flags = 0xc2})), {}},
      {"v4 SYN and FIN", kEthernet, v4_frame(6, Tcp({.flags = 0x03})), {}},
      {"v4 ACK", kEthernet, v4_frame(6, Tcp({.flags = kTcpAck})), kOutOfScope},
      {"v4 FIN", kEthernet, v4_frame(6, Tcp({.flags = 0x11})), kOutOfScope},
      {"v4 UDP", kEthernet, v4_frame(17, Bytes(20, 2)), kNotTcp},
      {"v4 options", kEthernet, Ethernet(TypeV4(Ipv4({.payload = Tcp(), .options = 40}))), {}},
      {"v4 options hide the flags", kEthernet,
       Ethernet(TypeV4(Ipv4({.payload = Tcp({.flags = kTcpAck}), .options = 4}))), kOutOfScope},
      {"v4 first fragment",
       kEthernet,
       Ethernet(TypeV4(Ipv4({.payload = Tcp(), .fragment = 0x2000}))),
       {}},
      {"v4 later fragment", kEthernet,
       Ethernet(TypeV4(Ipv4({.payload = Tcp(), .fragment = 0x2001}))), kLaterFragment},
      {"v4 do not fragment",
       kEthernet,
       Ethernet(TypeV4(Ipv4({.payload = Tcp(), .fragment = 0x4000}))),
       {}},
      {"v4 tiny fragment, padding looks like flags", kEthernet,
       Padded(Ethernet(TypeV4(Ipv4({.payload = Tcp({.bytes = 8}), .fragment = 0x2000}))), 0xff),
       kMalformed},
      {"v4 fragment just with the window",
       kEthernet,
       Ethernet(TypeV4(Ipv4({.payload = Tcp({.bytes = 16}), .fragment = 0x2000}))),
       {}},
      {"v4 fragment that ends in the window", kEthernet,
       Ethernet(TypeV4(Ipv4({.payload = Tcp({.bytes = 15}), .fragment = 0x2000}))), kMalformed},
      {"v4 padded", kEthernet, Padded(Ethernet(TypeV4(V4Syn())), 0xff), {}},
      {"v4 total length 0 (offload)",
       kEthernet,
       Ethernet(TypeV4(Ipv4({.payload = Tcp(), .total = 0}))),
       {}},
      {"v4 total length less than its header", kEthernet,
       Ethernet(TypeV4(Ipv4({.payload = Tcp(), .total = 12}))), kMalformed},
      {"v4 total length more than the frame",
       kEthernet,
       Ethernet(TypeV4(Ipv4({.payload = Tcp(), .total = 4000}))),
       {}},
      {"v4 header of 16 bytes", kEthernet, Ethernet(TypeV4(Join({U8(0x44), Bytes(59, 0)}))),
       kMalformed},
      {"v4 version 6", kEthernet, Ethernet(TypeV4(Ipv4({.payload = Tcp(), .version = 6}))),
       kMalformed},
      {"v4 AH", kEthernet, v4_frame(51, Authentication(6, Tcp())), {}},
      {"v4 AH, UDP", kEthernet, v4_frame(51, Authentication(17, Tcp())), kNotTcp},
      {"TCP data offset 4", kEthernet, v4_frame(6, Tcp({.words = 4})), kMalformed},
      {"SYN in GRE", kEthernet, v4_frame(47, Join({U16(0), U16(0x0800), V4Syn()})), kNotTcp},
      {"SYN in IPIP", kEthernet, v4_frame(4, V4Syn()), kNotTcp},
      {"SYN in 6in4", kEthernet, v4_frame(41, V6Syn()), kNotTcp},
      {"SYN quoted in ICMP", kEthernet, v4_frame(1, Join({U32(0x03010000), U32(0), V4Syn()})),
       kNotTcp},
      {"SYN in VXLAN", kEthernet,
       v4_frame(17, Join({U16(9), U16(4789), U32(0), U32(0x08000000), U32(0),
                          Ethernet(TypeV4(V4Syn()))})),
       kNotTcp},
      {"v6 SYN in IPv6", kEthernet, Ethernet(TypeV6(Ipv6({.payload = V6Syn(), .next = 41}))),
       kNotTcp},
      {"ARP", kEthernet, Ethernet(Type(0x0806, Bytes(46, 0))), kNotIp},

      {"v6 hop-by-hop",
       kEthernet,
       Ethernet(TypeV6(Ipv6({.payload = Extension(6, Tcp(), 2), .next = 0}))),
       {}},
      {"v6 routing",
       kEthernet,
       Ethernet(TypeV6(Ipv6({.payload = Extension(6, Tcp()), .next = 43}))),
       {}},
      {"v6 atomic fragment",
       kEthernet,
       Ethernet(TypeV6(Ipv6({.payload = FragmentHeader(6, 0, Tcp()), .next = 44}))),
       {}},
      {"v6 first fragment",
       kEthernet,
       Ethernet(TypeV6(Ipv6({.payload = FragmentHeader(6, 1, Tcp()), .next = 44}))),
       {}},
      {"v6 later fragment", kEthernet,
       Ethernet(TypeV6(Ipv6({.payload = FragmentHeader(6, 8, Tcp()), .next = 44}))),
       kLaterFragment},
      {"v6 AH",
       kEthernet,
       Ethernet(TypeV6(Ipv6({.payload = Authentication(6, Tcp()), .next = 51}))),
       {}},
      {"v6 hop-by-hop, routing, fragment, AH, destination",
       kEthernet,
       Ethernet(TypeV6(Ipv6(
           {.payload = Extension(
                43, Extension(44, FragmentHeader(51, 1, Authentication(60, Extension(6, Tcp()))))),
            .next = 0}))),
       {}},
      {"v6 six headers", kEthernet, Ethernet(TypeV6(Chain(6))), {}},
      {"v6 seven headers", kEthernet, Ethernet(TypeV6(Chain(7))), kNotTcp},
      {"v6 no next header", kEthernet, Ethernet(TypeV6(Ipv6({.payload = Tcp(), .next = 59}))),
       kNotTcp},
      {"v6 ESP", kEthernet, Ethernet(TypeV6(Ipv6({.payload = Tcp(), .next = 50}))), kNotTcp},
      {"v6 payload length 0", kEthernet, Ethernet(TypeV6(Ipv6({.payload = Tcp(), .length = 0}))),
       kMalformed},
      {"v6 jumbogram",
       kEthernet,
       Ethernet(TypeV6(Ipv6({.payload = Extension(6, Tcp()), .next = 0, .length = 0}))),
       {}},
      {"v6 header runs past the payload", kEthernet,
       Ethernet(TypeV6(Ipv6({.payload = Extension(6, Tcp(), 0), .next = 0, .length = 16}))),
       kMalformed},

      {"802.1Q v4", kEthernet, Ethernet(Join({Tag(0x8100, 100), TypeV4(V4Syn())})), {}, {100}},
      {"802.1Q v6, priority 7",
       kEthernet,
       Ethernet(Join({Tag(0x8100, 0xe000 | 4094), TypeV6(V6Syn())})),
       {},
       {4094}},
      {"priority tag", kEthernet, Ethernet(Join({Tag(0x8100, 0xa000), TypeV4(V4Syn())})), {}, {0}},
      {"802.1ad",
       kEthernet,
       Ethernet(Join({Tag(0x88a8, 10), Tag(0x8100, 20), TypeV4(V4Syn())})),
       {},
       {10, 20}},
      {"old QinQ",
       kEthernet,
       Ethernet(Join({Tag(0x9100, 10), Tag(0x8100, 20), TypeV6(V6Syn())})),
       {},
       {10, 20}},
      {"three tags",
       kEthernet,
       Ethernet(Join({Tag(0x88a8, 1), Tag(0x8100, 2), Tag(0x8100, 3), TypeV4(V4Syn())})),
       {},
       {1, 2, 3}},
      {"four tags", kEthernet,
       Ethernet(
           Join({Tag(0x8100, 1), Tag(0x8100, 2), Tag(0x8100, 3), Tag(0x8100, 4), TypeV4(V4Syn())})),
       kNotIp},
      {"SNAP v4", kEthernet, SnapFrame(TypeV4(V4Syn())), {}},
      {"SNAP v6, 802.1H", kEthernet, SnapFrame(TypeV6(V6Syn()), 0xf8), {}},
      {"SNAP, other OUI", kEthernet, SnapFrame(TypeV4(V4Syn()), 0x0c), kNotIp},
      {"tag and SNAP",
       kEthernet,
       Ethernet(Join({Tag(0x8100, 9), U16(68), Snap(TypeV4(V4Syn()))})),
       {},
       {9}},
      {"spanning tree", kEthernet, Ethernet(Join({U16(38), Bytes{0x42, 0x42, 3}, Bytes(43, 0)})),
       kNotIp},
      {"MPLS in SNAP", kEthernet, SnapFrame(Type(0x8847, Mpls(1, V4Syn()))), {}},
      {"MPLS, 1 label", kEthernet, Ethernet(Type(0x8847, Mpls(1, V4Syn()))), {}},
      {"MPLS, 4 labels, v6", kEthernet, Ethernet(Type(0x8848, Mpls(4, V6Syn()))), {}},
      {"MPLS, 5 labels", kEthernet, Ethernet(Type(0x8847, Mpls(5, V4Syn()))), kNotIp},
      {"MPLS pseudo-wire", kEthernet,
       Ethernet(Type(0x8847, Mpls(1, Join({U32(0), Ethernet(TypeV4(V4Syn()))})))), kNotIp},
      {"tag and MPLS",
       kEthernet,
       Ethernet(Join({Tag(0x8100, 7), Type(0x8847, Mpls(2, V4Syn()))})),
       {},
       {7}},
      {"PPPoE v4", kEthernet, Ethernet(Type(0x8864, Pppoe(0, Join({U16(0x21), V4Syn()})))), {}},
      {"PPPoE v6", kEthernet, Ethernet(Type(0x8864, Pppoe(0, Join({U16(0x57), V6Syn()})))), {}},
      {"PPPoE, protocol of one byte",
       kEthernet,
       Ethernet(Type(0x8864, Pppoe(0, Join({U8(0x21), V4Syn()})))),
       {}},
      {"PPPoE MPLS",
       kEthernet,
       Ethernet(Type(0x8864, Pppoe(0, Join({U16(0x281), Mpls(2, V4Syn())})))),
       {}},
      {"PPPoE LCP", kEthernet, Ethernet(Type(0x8864, Pppoe(0, Join({U16(0xc021), V4Syn()})))),
       kNotIp},
      {"PPPoE discovery code", kEthernet,
       Ethernet(Type(0x8864, Pppoe(0xa7, Join({U16(0x21), V4Syn()})))), kNotIp},
      {"two tags and PPPoE",
       kEthernet,
       Ethernet(Join(
           {Tag(0x88a8, 5), Tag(0x8100, 6), Type(0x8864, Pppoe(0, Join({U16(0x57), V6Syn()})))})),
       {},
       {5, 6}},

      {"raw v4", kRaw, V4Syn(), {}},
      {"raw v6", kRaw, V6Syn(), {}},
      {"raw version 5", kRaw, Bytes(60, 0x55), kNotIp},
      {"ipv4 v4", kIpv4, V4Syn(), {}},
      {"ipv4 v6", kIpv4, V6Syn(), kMalformed},
      {"ipv6 v6", kIpv6, V6Syn(), {}},
      {"ipv6 v4", kIpv6, V4Syn(), kMalformed},
      {"null v4, little-endian", kNull, Join({Bytes{2, 0, 0, 0}, V4Syn()}), {}},
      {"null v4, big-endian", kNull, Join({Bytes{0, 0, 0, 2}, V4Syn()}), {}},
      {"null v6, macOS", kNull, Join({Bytes{30, 0, 0, 0}, V6Syn()}), {}},
      {"null v6, FreeBSD", kNull, Join({Bytes{28, 0, 0, 0}, V6Syn()}), {}},
      {"null v6, NetBSD", kNull, Join({Bytes{0, 0, 0, 24}, V6Syn()}), {}},
      {"null v6, Linux", kNull, Join({Bytes{10, 0, 0, 0}, V6Syn()}), {}},
      {"null, other family", kNull, Join({Bytes{7, 0, 0, 0}, V6Syn()}), kNotIp},
      {"loop v4", kLoop, Join({Bytes{0, 0, 0, 2}, V4Syn()}), {}},
      {"loop v4, wrong order", kLoop, Join({Bytes{2, 0, 0, 0}, V4Syn()}), kNotIp},
      {"loop v6", kLoop, Join({Bytes{0, 0, 0, 24}, V6Syn()}), {}},
      {"sll v4", kLinuxSll, Sll(TypeV4(V4Syn())), {}},
      {"sll v6", kLinuxSll, Sll(TypeV6(V6Syn())), {}},
      {"sll tag", kLinuxSll, Sll(Join({Tag(0x8100, 33), TypeV4(V4Syn())})), {}, {33}},
      {"sll 802.2", kLinuxSll, Sll(Type(4, Snap(TypeV4(V4Syn())))), {}},
      {"sll CAN", kLinuxSll, Sll(Type(0x0c, V4Syn())), kNotIp},
      {"sll2 v4", kLinuxSll2, Sll2(0x0800, V4Syn()), {}},
      {"sll2 v6", kLinuxSll2, Sll2(0x86dd, V6Syn()), {}},
      {"sll2 tag", kLinuxSll2, Sll2(0x8100, Join({U16(44), TypeV6(V6Syn())})), {}, {44}},
      {"sll2 802.2", kLinuxSll2, Sll2(4, Snap(TypeV4(V4Syn()))), {}},
      {"ppp v4", kPpp, Join({Bytes{0xff, 3}, U16(0x21), V4Syn()}), {}},
      {"ppp v6, address and control compressed", kPpp, Join({U16(0x57), V6Syn()}), {}},
      {"ppp v4, everything compressed", kPpp, Join({U8(0x21), V4Syn()}), {}},
      {"ppp MPLS", kPpp, Join({Bytes{0xff, 3}, U16(0x281), Mpls(1, V6Syn())}), {}},
      {"ppp MPLS multicast", kPpp, Join({Bytes{0xff, 3}, U16(0x283), Mpls(1, V4Syn())}), {}},
      {"ppp LCP", kPpp, Join({Bytes{0xff, 3}, U16(0xc021), V4Syn()}), kNotIp},
      {"ppp line that speaks Cisco HDLC", kPpp, Join({Bytes{0x0f, 0}, TypeV4(V4Syn())}), {}},
      {"ppp line that speaks Cisco HDLC, to all",
       kPpp,
       Join({Bytes{0x8f, 0}, TypeV6(V6Syn())}),
       {}},
      {"ppp_ether v4", kPppEther, Pppoe(0, Join({U16(0x21), V4Syn()})), {}},
      {"c_hdlc v4", kCiscoHdlc, Join({Bytes{0x0f, 0}, TypeV4(V4Syn())}), {}},
      {"c_hdlc v6", kCiscoHdlc, Join({Bytes{0x8f, 0}, TypeV6(V6Syn())}), {}},
      {"c_hdlc MPLS", kCiscoHdlc, Join({Bytes{0x0f, 0}, Type(0x8847, Mpls(1, V4Syn()))}), {}},
      {"c_hdlc keepalive", kCiscoHdlc, Join({Bytes{0x8f, 0}, Type(0x8035, Bytes(18, 0))}), kNotIp},
  };
  return s;
}

}  // namespace parallax::sensor::frames
