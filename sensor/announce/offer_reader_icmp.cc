// The part of OfferReader that reads ICMP.
#include "sensor/announce/offer_reader.h"
#include "sensor/capture/cursor.h"

namespace parallax::sensor {
namespace {

constexpr uint8_t kLastRedirectCode = 3;
constexpr uint8_t kMobileAgent = 16;               // RFC 5944: routes for mobile nodes only
constexpr uint32_t kNoDefaultRouter = 0x80000000;  // preference level, RFC 1256 section 3
constexpr uint8_t kOptionRouteInformation = 24;    // RFC 4191 section 2.3
constexpr uint8_t kReservedPreference = 2;         // likewise: to be ignored
constexpr uint8_t kMulticast6 = 0xff;              // first byte of the address
constexpr uint8_t kFromThisLink = 255;             // hop limit that no router has lowered
constexpr size_t kAdvertisementHeader = 16;
constexpr size_t kOptionUnit = 8;

}  // namespace

void OfferReader::ReadIcmp() {
  if (!CanBeGateway(packet_->src)) {
    malformed_ = true;
    return;
  }
  if (Cursor(bytes_).U8(0) == wire::kIcmpRedirect) {
    ReadIcmpRedirect();
  } else {
    ReadIcmpRouters();
  }
}

// RFC 1122 section 3.2.2.2: those for a network are taken as if for the host.
void OfferReader::ReadIcmpRedirect() {
  kind_ = AnnouncementKind::kRedirect;
  Cursor c(bytes_);
  const uint8_t code = c.U8(1);
  const IpAddress gateway = IpAddress::V4(c.Bytes<4>(4));
  const uint8_t quoted_version = c.U8(8) >> 4;
  const IpAddress destination = IpAddress::V4(c.Bytes<4>(8 + 16));
  if (!c.ok()) {
    return RunOut();
  }
  if (code > kLastRedirectCode) {
    no_offer_ = true;
    return;
  }
  if (quoted_version != 4 || !CanBeGateway(gateway) || destination.IsNeverRemote()) {
    malformed_ = true;
    return;
  }
  Add(gateway, Prefix(destination, destination.bits()), 0, false);
}

void OfferReader::ReadIcmpRouters() {
  kind_ = AnnouncementKind::kRouterAdvertisement;
  Cursor c(bytes_);
  const uint8_t code = c.U8(1);
  const unsigned count = c.U8(4);
  const size_t words = c.U8(5);
  const uint16_t lifetime = c.U16(6);
  c.Skip(8);
  if (!c.ok()) {
    return RunOut();
  }
  if (code != 0) {
    no_offer_ = code == kMobileAgent;
    malformed_ = !no_offer_;
    return;
  }
  if (words < 2 || count == 0) {
    malformed_ = true;
    return;
  }
  for (unsigned i = 0; i < count; ++i) {
    const IpAddress router = IpAddress::V4(c.Bytes<4>(0));
    const uint32_t preference = c.U32(4);
    c.Skip(words * 4);
    if (!c.ok()) {
      return RunOut();
    }
    if (!CanBeGateway(router)) {
      malformed_ = true;
    } else if (preference == kNoDefaultRouter) {
      ++counts_.other_routes;
    } else {
      AddRoute(router, IpAddress(), 0, lifetime, lifetime == 0);
    }
  }
}

void OfferReader::ReadIcmpv6() {
  Cursor c(bytes_);
  const uint8_t type = c.U8(0);
  const uint8_t code = c.U8(1);
  if (!c.ok()) {
    return RunOut();
  }
  if (packet_->ttl != kFromThisLink || code != 0 || !IsLinkLocal(packet_->src)) {
    no_offer_ = true;  // RFC 4861 sections 6.1.2 and 8.1
    return;
  }
  if (type == wire::kIcmpv6Redirect) {
    ReadIcmpv6Redirect();
  } else {
    ReadRouterAdvertisement();
  }
}

void OfferReader::ReadRouterAdvertisement() {
  kind_ = AnnouncementKind::kRouterAdvertisement;
  const IpAddress all = *IpAddress::Parse("::");
  Cursor c(bytes_);
  const uint16_t lifetime = c.U16(6);
  c.Skip(kAdvertisementHeader);
  if (!c.ok()) {
    return RunOut();
  }
  for (Bytes options = bytes_.subspan(kAdvertisementHeader); !options.empty();) {
    Cursor o(options);
    const uint8_t type = o.U8(0);
    const size_t size = o.U8(1) * kOptionUnit;
    if (!o.ok() || size > options.size()) {
      RunOut();
      break;
    }
    if (size == 0) {
      malformed_ = true;
      break;
    }
    if (type == kOptionRouteInformation) {
      const Bytes option = options.first(size);
      Cursor route(option);
      const unsigned length = route.U8(2);
      const unsigned preference = route.U8(3) >> 3 & 3;
      const uint32_t route_lifetime = route.U32(4);
      // Bits that are left out are zero. What is too long does not matter, so a few bytes do.
      std::array<uint8_t, 16> prefix{};
      for (size_t i = 0; i < prefix.size() && kOptionUnit + i < size; ++i) {
        prefix[i] = option[kOptionUnit + i];
      }
      const bool fits = length <= (size / kOptionUnit - 1) * 64 && length <= all.bits();
      if (!fits) {
        malformed_ = true;
      } else if (preference != kReservedPreference) {
        AddRoute(packet_->src, IpAddress::V6(prefix), length, route_lifetime, route_lifetime == 0);
      }
    }
    options = options.subspan(size);
  }
  // Last, because a route information option for ::/0 takes precedence (RFC 4191 section 3.1).
  AddRoute(packet_->src, all, 0, lifetime, lifetime == 0);
}

void OfferReader::ReadIcmpv6Redirect() {
  kind_ = AnnouncementKind::kRedirect;
  Cursor c(bytes_);
  const IpAddress target = IpAddress::V6(c.Bytes<16>(8));
  const IpAddress destination = IpAddress::V6(c.Bytes<16>(24));
  if (!c.ok()) {
    return RunOut();
  }
  if (destination.bytes()[0] == kMulticast6 || !(IsLinkLocal(target) || target == destination)) {
    no_offer_ = true;  // RFC 4861 section 8.1
    return;
  }
  Add(target, Prefix(destination, destination.bits()), 0, false);
}

}  // namespace parallax::sensor
