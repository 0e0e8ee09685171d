// Shorthand for tests: addresses by number, hashes out of nothing, segments of a handshake.
#pragma once

#include <array>
#include <cstdint>

#include "sensor/capture/segment.h"

namespace parallax::sensor {

// 10.0.0.0 and what follows.
inline IpAddress Address(uint32_t n) {
  const std::array<uint8_t, 4> bytes{10, static_cast<uint8_t>(n >> 16),
                                     static_cast<uint8_t>(n >> 8), static_cast<uint8_t>(n)};
  return IpAddress::V4(bytes);
}

// SplitMix64 (Steele, Lea and Flood, 2014): stands for keyed hashes, and for chance.
class Hashes {
 public:
  explicit Hashes(uint64_t seed) : state_(seed * 0xd1342543de82ef95) {}
  uint64_t Next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }
  // 0 to most - 1.
  uint32_t Below(uint32_t most) { return static_cast<uint32_t>((Next() >> 32) * most >> 32); }

 private:
  uint64_t state_;
};

inline SynSegment SynOf(const Endpoint& client, const Endpoint& server, uint32_t isn,
                        uint16_t payload = 0) {
  return {
      .src = client, .dst = server, .seq = isn, .flags = kTcpSyn, .ttl = 57, .payload = payload};
}

inline SynSegment SynAckOf(const Endpoint& client, const Endpoint& server, uint32_t acknowledged,
                           uint32_t seq = 7000) {
  return {.src = server,
          .dst = client,
          .seq = seq,
          .ack = acknowledged,
          .flags = kTcpSyn | kTcpAck,
          .ttl = 64};
}

inline SynSegment RstOf(const Endpoint& from, const Endpoint& to, uint32_t seq) {
  return {.src = from, .dst = to, .seq = seq, .flags = kTcpRst};
}

inline SynSegment RstAckOf(const Endpoint& from, const Endpoint& to, uint32_t seq, uint32_t ack) {
  return {.src = from, .dst = to, .seq = seq, .ack = ack, .flags = kTcpRst | kTcpAck};
}

inline SynSegment AckOf(const Endpoint& from, const Endpoint& to, uint32_t seq, uint32_t ack) {
  return {.src = from, .dst = to, .seq = seq, .ack = ack, .flags = kTcpAck};
}

}  // namespace parallax::sensor
