// What an announcement says: from the bytes of its packet to the gateways that it offers.
//
//   RIP, RIPng     a response from the protocol's own port: its default route, and routes so short
//                  that they can swallow the world (IPv4 /8, IPv6 /16, and shorter). The next hop
//                  is the speaker, unless the route names another. Metric 16: withdrawn. RFC 1058,
//                  2453, 2080
//   OSPF hello     a router: itself, for nothing in particular. RFC 2328, 5340
//   router adv.    a default route, metric: lifetime in seconds, 0: withdrawn; IPv4: each address
//   it
//                  lists; IPv6: also its route information options, as short as those of RIP.
//                  Router preferences are left out. RFC 4861, 4191, 1256
//   redirect       another gateway (or, in IPv6, the destination itself) for one host. RFC 792,
//   4861 DHCP           an offer or acknowledgement: each router of option 3, and the routes of
//   options
//                  121 and 249, as short as those of RIP. RFC 2131, 2132, 3442
//
// What every receiver has to ignore, such as a router advertisement that came through a router, is
// no offer. Checksums and signatures are not verified. Pure; every loop is bounded by the length of
// the packet; nothing in it can make it read beyond.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "common/ip.h"
#include "common/records.h"
#include "sensor/capture/announcement_packet.h"

namespace parallax::sensor {

struct GatewayOffer {
  AnnouncementKind kind = AnnouncementKind::kRip;
  IpAddress speaker;
  IpAddress gateway;
  std::optional<Prefix> prefix;  // absent: OSPF hello
  bool withdrawn = false;
  uint32_t metric = 0;
  bool operator==(const GatewayOffer&) const = default;
};

// Packets, unless it says otherwise.
struct OfferCounts {
  uint64_t packets = 0;
  uint64_t offers = 0;        // offers
  uint64_t other_routes = 0;  // routes: to prefixes too long to matter, or not as a default router
  uint64_t crowded = 0;       // offers beyond the first kMostOffers of a packet
  uint64_t no_offer = 0;  // requests, other messages of the protocol, what receivers have to ignore
  uint64_t cut = 0;       // that go on beyond what was captured; what is there was read
  uint64_t malformed = 0;  // that contradict themselves somewhere; what came before that was read
  bool operator==(const OfferCounts&) const = default;
};

class OfferReader {
 public:
  static constexpr size_t kMostOffers = 64;

  // Appends what the packet offers: each gateway once for each prefix.
  void Read(const AnnouncementPacket& packet, std::vector<GatewayOffer>& out);
  const OfferCounts& counts() const { return counts_; }

 private:
  using Bytes = std::span<const uint8_t>;

  // False if the UDP header makes no sense; otherwise leaves what is behind it in bytes_.
  bool PassUdp(uint16_t& from);
  // What RIP and RIPng begin with.
  struct RipHeader {
    uint16_t from = 0;  // port
    uint8_t command = 0;
    uint8_t version = 0;
  };
  std::optional<RipHeader> PassRipHeader();
  void ReadRip();
  void ReadRipRoute(Bytes route, bool version_1);
  void ReadRipng();
  void ReadOspf();
  void ReadIcmp();
  void ReadIcmpRedirect();
  void ReadIcmpRouters();
  void ReadIcmpv6();
  void ReadRouterAdvertisement();
  void ReadIcmpv6Redirect();
  void ReadDhcp();
  void ReadDhcpOptions(Bytes options);
  void ReadClasslessRoutes(Bytes value);

  // The packet ends where it should not; its own fault unless the capture cut it.
  void RunOut() { malformed_ = malformed_ || !cut_; }
  // `length` 0 is a default route.
  void AddRoute(const IpAddress& gateway, const IpAddress& prefix, unsigned length, uint32_t metric,
                bool withdrawn);
  void Add(const IpAddress& gateway, const std::optional<Prefix>& prefix, uint32_t metric,
           bool withdrawn);

  OfferCounts counts_;
  // Of the packet being read.
  const AnnouncementPacket* packet_ = nullptr;
  Bytes bytes_;
  AnnouncementKind kind_ = AnnouncementKind::kRip;
  bool cut_ = false;
  bool malformed_ = false;
  bool no_offer_ = false;
  std::vector<GatewayOffer>* out_ = nullptr;
  size_t first_ = 0;  // of its offers in *out_
};

// Whether packets can be sent by way of `address` at all.
bool CanBeGateway(const IpAddress& address);
bool IsLinkLocal(const IpAddress& address);  // IPv6

}  // namespace parallax::sensor
