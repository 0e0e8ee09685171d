// Builds the packets that answer a probe, as hosts and routers would: for tests.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "sensor/probe/packet.h"

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
  const auto packet = probe.attempt.method == ProbeMethod::kTcpSyn
                          ? BuildSyn(probe, source, buffer)
                          : BuildEchoRequest(probe, source, buffer);
  return {packet.begin(), packet.end()};
}

inline uint8_t ProtocolOf(const Probe& probe) {
  return probe.attempt.method == ProbeMethod::kTcpSyn ? kProtocolTcp
         : probe.target.is_v4()                       ? kProtocolIcmp
                                                      : kProtocolIcmpv6;
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

// An ICMP error quoting `quote`, an IP packet.
inline Bytes IcmpError(uint8_t type, uint8_t code, const Bytes& quote) {
  Bytes icmp(8);
  icmp[0] = type;
  icmp[1] = code;
  return Sealed(icmp + quote);
}

inline Bytes Truncated(Bytes bytes, size_t size) {
  bytes.resize(size);
  return bytes;
}

}  // namespace parallax::sensor::test
