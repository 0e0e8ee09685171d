#include "sensor/announce/offer_reader.h"

#include <algorithm>
#include <bit>

#include "sensor/capture/cursor.h"

namespace parallax::sensor {
namespace {

constexpr unsigned kLongest4 = 8;  // bits of a prefix that matters
constexpr unsigned kLongest6 = 16;

constexpr uint8_t kRipResponse = 2;
constexpr size_t kRipHeader = 4;
constexpr size_t kRipRoute = 20;
constexpr uint16_t kRipIp = 2;                   // address family
constexpr uint16_t kRipAuthentication = 0xffff;  // RFC 2453 section 4.1, RFC 4822
constexpr uint32_t kRipInfinity = 16;
constexpr uint8_t kRipngNextHop = 0xff;  // RFC 2080 section 2.1.1
constexpr uint8_t kMulticast6 = 0xff;    // first byte of the address

constexpr size_t kOspf2Least = 24 + 20;  // header and hello
constexpr size_t kOspf3Least = 16 + 20;

}  // namespace

bool IsLinkLocal(const IpAddress& address) {
  const auto b = address.bytes();
  return !address.is_v4() && b[0] == 0xfe && (b[1] & 0xc0) == 0x80;
}

bool CanBeGateway(const IpAddress& address) {
  return IsLinkLocal(address) || !address.IsNeverRemote();
}

void OfferReader::Read(const AnnouncementPacket& packet, std::vector<GatewayOffer>& out) {
  packet_ = &packet;
  bytes_ = packet.body;
  cut_ = packet.cut_off > 0;
  malformed_ = false;
  no_offer_ = false;
  out_ = &out;
  first_ = out.size();
  switch (packet.protocol) {
    case AnnouncementProtocol::kRip:
      ReadRip();
      break;
    case AnnouncementProtocol::kRipng:
      ReadRipng();
      break;
    case AnnouncementProtocol::kDhcp:
      ReadDhcp();
      break;
    case AnnouncementProtocol::kIcmp:
      ReadIcmp();
      break;
    case AnnouncementProtocol::kIcmpv6:
      ReadIcmpv6();
      break;
    case AnnouncementProtocol::kOspf2:
    case AnnouncementProtocol::kOspf3:
      ReadOspf();
      break;
  }
  ++counts_.packets;
  counts_.offers += out.size() - first_;
  counts_.no_offer += no_offer_ ? 1 : 0;
  counts_.cut += cut_ ? 1 : 0;
  counts_.malformed += malformed_ ? 1 : 0;
}

bool OfferReader::PassUdp(uint16_t& from) {
  constexpr size_t kHeader = 8;
  Cursor c(bytes_);
  from = c.U16(0);
  const size_t length = c.U16(4);
  c.Skip(kHeader);
  if (!c.ok()) {
    RunOut();
    return false;
  }
  if (length < kHeader) {
    malformed_ = true;
    return false;
  }
  cut_ = length > bytes_.size();  // perhaps a first fragment
  bytes_ = bytes_.first(std::min(length, bytes_.size())).subspan(kHeader);
  return true;
}

std::optional<OfferReader::RipHeader> OfferReader::PassRipHeader() {
  kind_ = AnnouncementKind::kRip;
  RipHeader header;
  if (!PassUdp(header.from)) {
    return std::nullopt;
  }
  Cursor c(bytes_);
  header.command = c.U8(0);
  header.version = c.U8(1);
  c.Skip(kRipHeader);
  if (!c.ok()) {
    RunOut();
    return std::nullopt;
  }
  bytes_ = bytes_.subspan(kRipHeader);
  return header;
}

void OfferReader::ReadRip() {
  const auto header = PassRipHeader();
  if (!header) {
    return;
  }
  if (header->command != kRipResponse || header->from != wire::kPortRip) {
    no_offer_ = true;
    return;
  }
  if (header->version == 0 || !CanBeGateway(packet_->src)) {
    malformed_ = true;
    return;
  }
  for (bool first = true; bytes_.size() >= kRipRoute; first = false) {
    const Bytes route = bytes_.first(kRipRoute);
    const uint16_t family = Cursor(route).U16(0);
    if (family == kRipAuthentication && !first) {
      return;  // what follows is a digest
    }
    if (family == kRipIp) {
      ReadRipRoute(route, header->version == 1);
    }
    bytes_ = bytes_.subspan(kRipRoute);
  }
  if (!bytes_.empty()) {
    RunOut();
  }
}

void OfferReader::ReadRipRoute(Bytes route, bool version_1) {
  Cursor c(route);
  const IpAddress address = IpAddress::V4(c.Bytes<4>(4));
  const uint32_t bits = c.U32(4);
  uint32_t mask = c.U32(8);
  const IpAddress next_hop = IpAddress::V4(c.Bytes<4>(12));
  const uint32_t metric = c.U32(16);
  // Without a mask, the class of the address says: one that has bits beyond a class A network is
  // a subnet or host, or of another class (RFC 1058 section 3.2).
  if (version_1 || mask == 0) {
    mask = bits == 0 ? 0 : bits < 0x80000000 && (bits & 0x00ffffff) == 0 ? 0xff000000 : 0xffffffff;
  }
  const auto length = static_cast<unsigned>(std::countl_one(mask));
  if (metric == 0 || metric > kRipInfinity || (length < 32 && mask << length != 0)) {
    malformed_ = true;
    return;
  }
  const bool other = !version_1 && CanBeGateway(next_hop);
  AddRoute(other ? next_hop : packet_->src, address, length, metric, metric == kRipInfinity);
}

void OfferReader::ReadRipng() {
  const auto header = PassRipHeader();
  if (!header) {
    return;
  }
  const bool far = packet_->dst.bytes()[0] == kMulticast6 && packet_->ttl != 255;
  if (header->command != kRipResponse || header->from != wire::kPortRipng || far ||
      !IsLinkLocal(packet_->src)) {
    no_offer_ = true;  // RFC 2080 section 2.4.2
    return;
  }
  if (header->version != 1) {
    malformed_ = true;
    return;
  }
  IpAddress gateway = packet_->src;
  for (; bytes_.size() >= kRipRoute; bytes_ = bytes_.subspan(kRipRoute)) {
    Cursor route(bytes_);
    const IpAddress address = IpAddress::V6(route.Bytes<16>(0));
    const uint8_t length = route.U8(18);
    const uint8_t metric = route.U8(19);
    if (metric == kRipngNextHop) {  // of the routes that follow
      gateway = IsLinkLocal(address) ? address : packet_->src;
    } else if (length > address.bits() || metric == 0 || metric > kRipInfinity) {
      malformed_ = true;
    } else {
      AddRoute(gateway, address, length, metric, metric == kRipInfinity);
    }
  }
  if (!bytes_.empty()) {
    RunOut();
  }
}

void OfferReader::ReadOspf() {
  kind_ = AnnouncementKind::kOspf;
  const size_t least =
      packet_->protocol == AnnouncementProtocol::kOspf2 ? kOspf2Least : kOspf3Least;
  const size_t length = Cursor(bytes_).U16(2);
  if (bytes_.size() < least) {
    return RunOut();
  }
  if (length < least || !CanBeGateway(packet_->src)) {
    malformed_ = true;
    return;
  }
  Add(packet_->src, std::nullopt, 0, false);
}

void OfferReader::AddRoute(const IpAddress& gateway, const IpAddress& prefix, unsigned length,
                           uint32_t metric, bool withdrawn) {
  if (length > (prefix.is_v4() ? kLongest4 : kLongest6)) {
    ++counts_.other_routes;
    return;
  }
  Add(gateway, Prefix(prefix, length), metric, withdrawn);
}

void OfferReader::Add(const IpAddress& gateway, const std::optional<Prefix>& prefix,
                      uint32_t metric, bool withdrawn) {
  const auto begin = out_->begin() + static_cast<std::ptrdiff_t>(first_);
  if (std::any_of(begin, out_->end(), [&](const GatewayOffer& offer) {
        return offer.gateway == gateway && offer.prefix == prefix;
      })) {
    return;  // the first word counts
  }
  if (out_->size() - first_ >= kMostOffers) {
    ++counts_.crowded;
    return;
  }
  out_->push_back({.kind = kind_,
                   .speaker = packet_->src,
                   .gateway = gateway,
                   .prefix = prefix,
                   .withdrawn = withdrawn,
                   .metric = metric});
}

}  // namespace parallax::sensor
