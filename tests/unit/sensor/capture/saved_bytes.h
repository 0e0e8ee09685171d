// Builds pcap and pcapng files byte by byte, in either byte order. For tests only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace parallax::sensor::saved {

using Bytes = std::vector<uint8_t>;

enum class Order { kLittle, kBig };

inline Bytes Join(std::initializer_list<Bytes> parts) {
  Bytes all;
  for (const Bytes& part : parts) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}
inline Bytes Number(Order order, uint64_t value, size_t bytes) {
  Bytes b;
  for (size_t i = 0; i < bytes; ++i) {
    b.push_back(i < 8 ? static_cast<uint8_t>(value >> 8 * i) : uint8_t{0});
  }
  if (order == Order::kBig) {
    std::reverse(b.begin(), b.end());
  }
  return b;
}
inline Bytes Padded(Bytes b) {
  b.resize((b.size() + 3) / 4 * 4);
  return b;
}
inline Bytes Text(std::string_view text) { return {text.begin(), text.end()}; }
inline std::string AsString(const Bytes& b) { return {b.begin(), b.end()}; }

// pcapng: draft-ietf-opsawg-pcapng.
inline Bytes Block(Order o, uint32_t type, const Bytes& body) {
  const Bytes padded = Padded(body);
  const Bytes length = Number(o, padded.size() + 12, 4);
  return Join({Number(o, type, 4), length, padded, length});
}
inline Bytes Section(Order o, unsigned major = 1) {
  return Block(o, 0x0a0d0d0a,
               Join({Number(o, 0x1a2b3c4d, 4), Number(o, major, 2), Number(o, 0, 2),
                     Number(o, 0xffffffffffffffff, 8)}));
}
inline Bytes Option(Order o, unsigned code, const Bytes& value) {
  return Join({Number(o, code, 2), Number(o, value.size(), 2), Padded(value)});
}
struct InterfaceFields {
  unsigned link = 1;
  uint32_t snap_length = 0;
  std::string name = {};
  std::optional<uint8_t> resolution = {};
  std::optional<int64_t> offset = {};
};
inline Bytes Interface(Order o, const InterfaceFields& f = {}) {
  Bytes body = Join({Number(o, f.link, 2), Number(o, 0, 2), Number(o, f.snap_length, 4)});
  if (!f.name.empty()) {
    body = Join({body, Option(o, 2, Text(f.name))});
  }
  if (f.resolution) {
    body = Join({body, Option(o, 9, Bytes{*f.resolution})});
  }
  if (f.offset) {
    body = Join({body, Option(o, 14, Number(o, static_cast<uint64_t>(*f.offset), 8))});
  }
  return Block(o, 1, Join({body, Option(o, 0, {})}));
}
inline Bytes Enhanced(Order o, uint32_t interface, uint64_t ticks, const Bytes& captured,
                      std::optional<uint32_t> wire_length = {}) {
  return Block(o, 6,
               Join({Number(o, interface, 4), Number(o, ticks >> 32, 4),
                     Number(o, ticks & 0xffffffff, 4), Number(o, captured.size(), 4),
                     Number(o, wire_length.value_or(captured.size()), 4), Padded(captured)}));
}
inline Bytes Simple(Order o, const Bytes& captured, std::optional<uint32_t> wire_length = {}) {
  return Block(o, 3, Join({Number(o, wire_length.value_or(captured.size()), 4), captured}));
}
inline Bytes Obsolete(Order o, unsigned interface, unsigned drops, uint64_t ticks,
                      const Bytes& captured) {
  return Block(o, 2,
               Join({Number(o, interface, 2), Number(o, drops, 2), Number(o, ticks >> 32, 4),
                     Number(o, ticks & 0xffffffff, 4), Number(o, captured.size(), 4),
                     Number(o, captured.size(), 4), captured}));
}

// pcap: draft-ietf-opsawg-pcap.
inline constexpr uint32_t kMicros = 0xa1b2c3d4;
inline constexpr uint32_t kNanos = 0xa1b23c4d;
inline constexpr uint32_t kKuznetsov = 0xa1b2cd34;
inline Bytes FileHeader(Order o, uint32_t magic = kMicros, uint32_t link = 1, unsigned major = 2,
                        unsigned minor = 4) {
  return Join({Number(o, magic, 4), Number(o, major, 2), Number(o, minor, 2), Number(o, 0, 8),
               Number(o, 65535, 4), Number(o, link, 4)});
}
inline Bytes Record(Order o, uint32_t seconds, uint32_t fraction, uint32_t first_length,
                    uint32_t second_length, const Bytes& rest) {
  return Join({Number(o, seconds, 4), Number(o, fraction, 4), Number(o, first_length, 4),
               Number(o, second_length, 4), rest});
}

inline constexpr uint64_t kNewYear = 1'767'225'600;  // 2026-01-01T00:00:00Z
inline constexpr uint64_t kNewYearMicros = kNewYear * 1'000'000;

// A pcapng file with something of everything: 9 frames.
inline Bytes Rich() {
  const Order l = Order::kLittle;
  const Order b = Order::kBig;
  const Bytes frame(61, 0xab);
  return Join(
      {Section(l), Interface(l, {.link = 1, .snap_length = 96, .name = "eth0", .resolution = 9}),
       Interface(l, {.link = 101, .name = "tun0", .resolution = 0x8a, .offset = 3600}),
       Interface(l, {.link = 127, .name = "wlan0"}),
       Enhanced(l, 0, kNewYearMicros * 1000, frame, 1500), Block(l, 0x0afe, Bytes(40, 7)),
       Enhanced(l, 1, kNewYear * 1024, frame), Enhanced(l, 2, kNewYearMicros, frame),
       Simple(l, frame), Obsolete(l, 1, 9, kNewYear * 1024, frame), Block(l, 5, Bytes(16, 1)),
       Section(b), Interface(b, {.link = 276, .name = "any", .resolution = 3, .offset = -1}),
       Enhanced(b, 0, kNewYear * 1000, frame), Obsolete(b, 0, 0, kNewYear * 1000, {}),
       Simple(b, frame), Enhanced(b, 0, kNewYear * 1000, Bytes(300, 1))});
}

}  // namespace parallax::sensor::saved
