// Builds the packets that answer a probe, as hosts and routers would: for tests.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "sensor/probe/wire/packet.h"

namespace parallax::sensor::test {

using Bytes = std::vector<uint8_t>;

inline IpAddress Ip(std::string_view text) { return *IpAddress::Parse(text); }

inline void Put16(Bytes& bytes, size_t at, unsigned value) {
  bytes[at] = static_cast<uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<uint8_t>(value);
}

inline Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// An IP header before `payload`; IPv4 `options` are padded by the caller to whole words.
inline Bytes IpPacket(const IpAddress& from, const IpAddress& to, uint8_t protocol,
                      const Bytes& payload, const Bytes& options = {}) {
  Bytes header(from.is_v4() ? 20 : 40);
  if (from.is_v4()) {
    header[0] = static_cast<uint8_t>(0x45 + options.size() / 4);
    Put16(header, 2, static_cast<unsigned>(20 + options.size() + payload.size()));
    header[8] = 57;
    header[9] = protocol;
    std::copy(from.bytes().begin(), from.bytes().end(), header.begin() + 12);
    std::copy(to.bytes().begin(), to.bytes().end(), header.begin() + 16);
  } else {
    header[0] = 0x60;
    Put16(header, 4, static_cast<unsigned>(options.size() + payload.size()));
    header[6] = protocol;
    header[7] = 57;
    std::copy(from.bytes().begin(), from.bytes().end(), header.begin() + 8);
    std::copy(to.bytes().begin(), to.bytes().end(), header.begin() + 24);
  }
  return header + options + payload;
}

inline Bytes Sealed(Bytes icmp) {  // with its ICMPv4 checksum
  Put16(icmp, 2, 0);
  Put16(icmp, 2, 0xffffu - OnesComplementSum(icmp));
  return icmp;
}

// What the sensor puts after the IP header.
inline Bytes Request(const Probe& probe, const IpAddress& source) {
  ProbeBuffer buffer;
  const auto packet = BuildTransport(probe, source, ProbeText(), buffer);
  return {packet.begin(), packet.end()};
}

// The probe as it leaves, or as a router meets it when its TTL is `ttl`.
inline Bytes SentPacket(const Probe& probe, const IpAddress& source, uint8_t ttl = kDefaultTtl) {
  Bytes packet = IpPacket(source, probe.target, ProtocolOf(probe), Request(probe, source));
  if (probe.target.is_v4()) {
    Put16(packet, 4, probe.sequence & 0xffff);
  }
  packet[probe.target.is_v4() ? 8 : 7] = ttl;
  return packet;
}

// The ICMP or ICMPv6 message of an echo reply.
inline Bytes EchoReply(const Probe& probe, const IpAddress& source) {
  Bytes icmp = Request(probe, source);
  icmp[0] = probe.target.is_v4() ? 0 : 129;
  return Sealed(icmp);
}

inline Bytes TcpAnswer(const Probe& probe, uint8_t flags, uint32_t acknowledged) {
  Bytes tcp(20);
  Put16(tcp, 0, probe.attempt.port);
  Put16(tcp, 2, probe.flow_port);
  Put16(tcp, 4, 0x1111);
  Put16(tcp, 8, acknowledged >> 16);
  Put16(tcp, 10, acknowledged & 0xffff);
  tcp[12] = 0x50;
  tcp[13] = flags;
  return tcp;
}

inline constexpr uint8_t kSynAckFlags = 0x12;
inline constexpr uint8_t kRstAckFlags = 0x14;

// The datagram of a service that answers.
inline Bytes UdpAnswer(const Probe& probe, const Bytes& payload) {
  Bytes udp(8);
  Put16(udp, 0, probe.attempt.port);
  Put16(udp, 2, probe.flow_port);
  Put16(udp, 4, static_cast<unsigned>(8 + payload.size()));
  return udp + payload;
}

// An ICMP error quoting `quote`, an IP packet; `rest` is the second word of its header.
inline Bytes IcmpError(uint8_t type, uint8_t code, const Bytes& quote,
                       const Bytes& rest = Bytes(4)) {
  return Sealed(Bytes{type, code, 0, 0} + rest + quote);
}

// A router's word that `gateway` is the better way for `sent`.
inline Bytes Redirect(const IpAddress& gateway, const IpAddress& destination, const Bytes& sent) {
  const Bytes way(gateway.bytes().begin(), gateway.bytes().end());
  if (gateway.is_v4()) {
    return IcmpError(5, 1, sent, way);
  }
  const Bytes end(destination.bytes().begin(), destination.bytes().end());
  Bytes option = Bytes{4, static_cast<uint8_t>(1 + (sent.size() + 7) / 8), 0, 0, 0, 0, 0, 0} + sent;
  option.resize(size_t{option[1]} * 8);
  return IcmpError(137, 0, way + end + option);
}

inline Bytes Truncated(Bytes bytes, size_t size) {
  bytes.resize(size);
  return bytes;
}

}  // namespace parallax::sensor::test
