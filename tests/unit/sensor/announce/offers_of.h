// What a reader makes of IP packets, as short lines. For tests only.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "sensor/announce/offer_reader.h"
#include "tests/unit/sensor/capture/announcement_frames.h"

namespace parallax::sensor::frames {

inline std::string ToText(const GatewayOffer& o) {
  return fmt::format("{} {} -> {} {} {}{}", ToString(o.kind), o.speaker.ToString(),
                     o.gateway.ToString(), o.prefix ? o.prefix->ToString() : "-", o.metric,
                     o.withdrawn ? " withdrawn" : "");
}

struct Heard {
  std::vector<std::string> offers;
  OfferCounts counts;
};

// `cut`: how many bytes of it the capture leaves away.
inline Heard Hear(const Bytes& packet, size_t cut = 0) {
  const Bytes captured(packet.begin(), packet.end() - static_cast<std::ptrdiff_t>(cut));
  const auto found =
      FindAnnouncement(LinkType::kRaw, captured, static_cast<uint32_t>(packet.size()));
  Heard heard;
  if (found) {
    OfferReader reader;
    std::vector<GatewayOffer> offers;
    reader.Read(*found, offers);
    for (const GatewayOffer& offer : offers) {
      heard.offers.push_back(ToText(offer));
    }
    heard.counts = reader.counts();
  }
  return heard;
}

inline Bytes RipFrom(const Bytes& message, unsigned sport = 520, unsigned dport = 520) {
  return FromRouter4(17, Udp(sport, dport, message));
}
inline Bytes RipngFrom(const Bytes& message, unsigned sport = 521) {
  return FromRouter6(17, Udp(sport, 521, message), "ff02::9");
}

}  // namespace parallax::sensor::frames
