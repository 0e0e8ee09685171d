// What the capture stage hands on: one TCP segment that opens or refuses a connection, as a plain
// value. Host byte order throughout. No pcap here.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "common/ip.h"
#include "common/time.h"

namespace parallax::sensor {

// 802.1Q tags, outermost first: the VLAN ids without priority bits.
struct VlanList {
  static constexpr uint8_t kMost = 3;
  std::array<uint16_t, kMost> ids{};
  uint8_t count = 0;

  std::span<const uint16_t> view() const { return {ids.data(), count}; }
  bool operator==(const VlanList&) const = default;
};

// The flag bits of a TCP header that matter to us (RFC 9293 section 3.1).
enum TcpFlag : uint8_t {
  kTcpFin = 0x01,
  kTcpSyn = 0x02,
  kTcpRst = 0x04,
  kTcpAck = 0x10,
};

// The header of a TCP segment that has to do with a handshake.
struct SynSegment {
  Endpoint src{};
  Endpoint dst{};
  uint32_t seq = 0;
  uint32_t ack = 0;
  uint8_t flags = 0;  // kTcpFin | kTcpSyn | kTcpRst | kTcpAck, other bits cleared
  uint8_t ttl = 0;    // IPv4 TTL or IPv6 hop limit
  uint16_t payload =
      0;  // bytes behind the TCP header as the IP header counts them, captured or not
  VlanList vlan{};

  bool Has(TcpFlag flag) const { return (flags & flag) != 0; }
  bool IsSyn() const { return Has(kTcpSyn) && !Has(kTcpAck); }
  bool IsSynAck() const { return Has(kTcpSyn) && Has(kTcpAck); }
  bool operator==(const SynSegment&) const = default;
};

// A segment with where and when it was seen.
struct CapturedSegment {
  SynSegment segment;
  WallTime stamp;              // the kernel's or the file's
  MonoTime seen;               // the same instant on the monotonic clock; in a file, from `stamp`
  std::string_view interface;  // empty if a file does not say; lives as long as the capture
  uint64_t frame = 0;          // file: number of the frame in it; live: running number; from 1
  uint32_t wire_length = 0;    // bytes
};

}  // namespace parallax::sensor
