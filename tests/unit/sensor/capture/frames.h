// Builds frames layer by layer, innermost first: Ethernet(Vlan(5, Ipv4({.payload = Tcp({})}))).
// For tests only.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "common/ip.h"
#include "sensor/capture/segment.h"

namespace parallax::sensor::frames {

using Bytes = std::vector<uint8_t>;

inline void Append(Bytes& to, const Bytes& more) { to.insert(to.end(), more.begin(), more.end()); }
inline Bytes Join(std::initializer_list<Bytes> parts) {
  Bytes all;
  for (const Bytes& part : parts) {
    Append(all, part);
  }
  return all;
}
inline Bytes U8(unsigned value) { return {static_cast<uint8_t>(value)}; }
inline Bytes U16(unsigned value) {
  return {static_cast<uint8_t>(value >> 8), static_cast<uint8_t>(value)};
}
inline Bytes U32(uint32_t value) { return Join({U16(value >> 16), U16(value & 0xffff)}); }

struct TcpFields {
  uint16_t sport = 40000;
  uint16_t dport = 443;
  uint32_t seq = 0x01020304;
  uint32_t ack = 0;
  uint8_t flags = kTcpSyn;
  uint8_t words = 5;  // data offset
  size_t bytes = 20;  // how much of the header there is
};
inline Bytes Tcp(const TcpFields& f = {}) {
  Bytes b = Join({U16(f.sport), U16(f.dport), U32(f.seq), U32(f.ack), U8(f.words * 16u),
                  U8(f.flags), U16(65535), U16(0), U16(0)});
  b.resize(f.bytes);
  return b;
}

struct Ipv4Fields {
  Bytes payload;
  std::string src = "192.0.2.1";
  std::string dst = "198.51.100.2";
  uint8_t protocol = 6;
  uint8_t ttl = 61;
  uint16_t fragment = 0;  // flags and offset, as on the wire
  size_t options = 0;     // bytes, a multiple of 4
  int total = -1;         // total length, if not the true one
  uint8_t version = 4;
};
inline Bytes Ipv4(const Ipv4Fields& f) {
  const size_t header = 20 + f.options;
  const size_t total = f.total < 0 ? header + f.payload.size() : static_cast<size_t>(f.total);
  const IpAddress src_address = *IpAddress::Parse(f.src);
  const IpAddress dst_address = *IpAddress::Parse(f.dst);
  const auto src = src_address.bytes();
  const auto dst = dst_address.bytes();
  return Join({U8(f.version * 16u + static_cast<unsigned>(header / 4)), U8(0),
               U16(static_cast<unsigned>(total)), U16(7), U16(f.fragment), U8(f.ttl),
               U8(f.protocol), U16(0), Bytes(src.begin(), src.end()), Bytes(dst.begin(), dst.end()),
               Bytes(f.options, 1), f.payload});
}

struct Ipv6Fields {
  Bytes payload;
  uint8_t next = 6;
  std::string src = "2001:db8::1";
  std::string dst = "2001:db8:ffff::2";
  uint8_t hop_limit = 57;
  int length = -1;  // payload length, if not the true one
};
inline Bytes Ipv6(const Ipv6Fields& f) {
  const IpAddress src_address = *IpAddress::Parse(f.src);
  const IpAddress dst_address = *IpAddress::Parse(f.dst);
  const auto src = src_address.bytes();
  const auto dst = dst_address.bytes();
  const size_t length = f.length < 0 ? f.payload.size() : static_cast<size_t>(f.length);
  return Join({U32(0x60000000), U16(static_cast<unsigned>(length)), U8(f.next), U8(f.hop_limit),
               Bytes(src.begin(), src.end()), Bytes(dst.begin(), dst.end()), f.payload});
}
// Hop-by-hop, routing or destination options, 8 * (1 + extra) bytes.
inline Bytes Extension(uint8_t next, const Bytes& rest, uint8_t extra = 0) {
  return Join({U8(next), U8(extra), Bytes(6u + 8u * extra, 0), rest});
}
inline Bytes FragmentHeader(uint8_t next, uint16_t offset_and_more, const Bytes& rest) {
  return Join({U8(next), U8(0), U16(offset_and_more), U32(99), rest});
}
// 24 bytes: 12 of header and 12 of check value.
inline Bytes Authentication(uint8_t next, const Bytes& rest) {
  return Join({U8(next), U8(4), Bytes(22, 0), rest});
}

inline Bytes Tag(uint16_t tpid, uint16_t tci) { return Join({U16(tpid), U16(tci)}); }
// `type_and_rest` starts with the EtherType; tags go in front of it.
inline Bytes Ethernet(const Bytes& type_and_rest) {
  return Join({Bytes{2, 0, 0, 0, 0, 1}, Bytes{2, 0, 0, 0, 0, 2}, type_and_rest});
}
inline Bytes Type(uint16_t type, const Bytes& rest) { return Join({U16(type), rest}); }
inline Bytes TypeV4(const Bytes& packet) { return Type(0x0800, packet); }
inline Bytes TypeV6(const Bytes& packet) { return Type(0x86dd, packet); }
inline Bytes Snap(const Bytes& type_and_rest, uint8_t oui_end = 0) {
  return Join({Bytes{0xaa, 0xaa, 3, 0, 0, oui_end}, type_and_rest});
}
inline Bytes SnapFrame(const Bytes& type_and_rest, uint8_t oui_end = 0) {
  const Bytes snap = Snap(type_and_rest, oui_end);
  return Ethernet(Join({U16(static_cast<unsigned>(snap.size())), snap}));
}
// `labels` entries, the last of them at the bottom of the stack.
inline Bytes Mpls(int labels, const Bytes& packet) {
  Bytes stack;
  for (int i = 0; i < labels; ++i) {
    Append(stack,
           U32((100u + static_cast<unsigned>(i)) << 12 | (i + 1 == labels ? 0x100u : 0u) | 64u));
  }
  return Join({stack, packet});
}
inline Bytes Pppoe(uint8_t code, const Bytes& ppp) {
  return Join({U8(0x11), U8(code), U16(5), U16(static_cast<unsigned>(ppp.size())), ppp});
}
inline Bytes Sll(const Bytes& type_and_rest) { return Join({Bytes(14, 0), type_and_rest}); }
inline Bytes Sll2(uint16_t type, const Bytes& rest) {
  return Join({U16(type), Bytes(18, 0), rest});
}

}  // namespace parallax::sensor::frames
