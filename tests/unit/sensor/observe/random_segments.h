// Segments of all kinds between a few hosts, at random: most make sense, some do not.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>

#include "tests/unit/sensor/observe/segments.h"

namespace parallax::sensor {

class RandomSegments {
 public:
  RandomSegments(uint64_t seed, uint32_t clients) : chance_(seed), clients_(clients) {}

  // The next one, a random while later.
  CapturedSegment Next() {
    // Around every limit that the tracker knows, and far beyond.
    static constexpr std::array<int, 20> kMillis = {
        0, 0, 0, 1, 2, 4, 5, 6, 60, 179, 180, 200, 400, 500, 500, 899, 1000, 1100, 1500, 3500};
    const uint32_t kind = chance_.Below(400);
    now_ += kind == 0    ? std::chrono::milliseconds(70'000)
            : kind == 1  ? std::chrono::milliseconds(35'000)
            : kind == 2  ? std::chrono::milliseconds(8'000)
            : kind < 250 ? std::chrono::milliseconds(chance_.Below(10))
                         : std::chrono::milliseconds(kMillis[chance_.Below(kMillis.size())]);
    static constexpr std::array<std::string_view, 4> kNames = {"", "eth0", "eth1", "wan"};
    return {.segment = Segment(),
            .stamp = FromUnixNanos(now_.time_since_epoch().count() + 1'000'000'000),
            .seen = now_,
            .interface = kNames[chance_.Below(kNames.size())]};
  }
  MonoTime now() const { return now_; }
  uint32_t Chance(uint32_t most) { return chance_.Below(most); }

 private:
  SynSegment Segment() {
    const Endpoint client{Address(1 + chance_.Below(clients_)),
                          static_cast<uint16_t>(1000 + chance_.Below(2))};
    const Endpoint server{Address(0x10000 + chance_.Below(2)), 25};
    // A SYN with this ISN always has this much data, if any.
    const uint32_t number = chance_.Below(3);
    const uint32_t isn = number == 2 ? 0xffffff00 : 100'000 * (1 + number);
    const uint16_t data = number == 1 ? 0 : 400;
    const uint32_t accepted = chance_.Below(4) == 0 ? data : 0;
    const uint32_t seq = chance_.Below(8) == 0 ? 9000 + isn : 7000 + isn;  // of the server
    SynSegment s;
    switch (chance_.Below(16)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
      case 5:
        s = SynOf(client, server, isn, chance_.Below(3) == 0 ? data : uint16_t{0});
        break;
      case 6:
      case 7:
      case 8:
      case 9:
      case 10:
        s = SynAckOf(client, server, isn + 1 + accepted, seq);
        break;
      case 11:
        s = RstAckOf(server, client, 0, isn + 1 + accepted);
        break;
      case 12:
        s = chance_.Below(2) == 0 ? RstOf(client, server, isn + 1)
                                  : RstAckOf(client, server, isn + 1 + accepted, seq + 1);
        break;
      case 13:
        s = chance_.Below(2) == 0 ? AckOf(client, server, isn + 1 + accepted, seq + 1)
                                  : AckOf(server, client, seq + 1, isn + 1 + accepted);
        break;
      case 14:
        s = {.src = server, .dst = client, .seq = chance_.Below(3) * 7000, .ack = isn + 1};
        s.flags = static_cast<uint8_t>(chance_.Below(32) & (kTcpFin | kTcpSyn | kTcpRst | kTcpAck));
        break;
      default:  // the client's host as a server
        s = chance_.Below(2) == 0 ? SynOf(server, client, isn) : SynAckOf(server, client, isn + 1);
    }
    s.ttl = static_cast<uint8_t>(50 + chance_.Below(10));
    return s;
  }

  Hashes chance_;
  const uint32_t clients_;
  MonoTime now_{std::chrono::hours(1)};
};

}  // namespace parallax::sensor
