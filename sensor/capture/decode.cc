#include "sensor/capture/decode.h"

#include <algorithm>
#include <optional>

#include "sensor/capture/cursor.h"

namespace parallax::sensor {
namespace {

enum class Network { kNone, kV4, kV6, kByVersion };

template <typename Values, typename T>
bool IsOneOf(T value, const Values& values) {
  return std::find(std::begin(values), std::end(values), value) != std::end(values);
}

// The network layer that an EtherType announces without any more layers in between.
Network PlainEtherType(uint16_t type) {
  return type == wire::kEtherIpv4   ? Network::kV4
         : type == wire::kEtherIpv6 ? Network::kV6
                                    : Network::kNone;
}

// Label stack, RFC 3032; what follows it has no type field, only a version nibble.
Network SkipMpls(Cursor& c) {
  for (int i = 0; i < wire::kMplsLabels; ++i) {
    const bool bottom = (c.U8(2) & 1) != 0;
    c.Skip(4);
    if (bottom) {
      return Network::kByVersion;
    }
  }
  return Network::kNone;
}

// From the protocol field on; one byte if the peers agreed to compress it (RFC 1661 section 6.5).
Network SkipPpp(Cursor& c) {
  uint16_t protocol = c.U8(0);
  if ((protocol & 1) != 0) {
    c.Skip(1);
  } else {
    protocol = c.U16(0);
    c.Skip(2);
  }
  switch (protocol) {
    case wire::kPppIpv4:
      return Network::kV4;
    case wire::kPppIpv6:
      return Network::kV6;
    case wire::kPppMpls:
    case wire::kPppMplsMulticast:
      return SkipMpls(c);
    default:
      return Network::kNone;
  }
}

// RFC 2516; a code other than 0 is discovery.
Network SkipPppoe(Cursor& c) {
  if (c.U8(1) != 0) {
    return Network::kNone;
  }
  c.Skip(6);
  return SkipPpp(c);
}

// IEEE 802.2 LLC with a SNAP header; leaves the EtherType in `type`.
bool SkipSnap(Cursor& c, uint16_t& type) {
  const uint32_t oui = c.U24(3);
  if (c.U24(0) != 0xaaaa03 || (oui != wire::kSnapOui && oui != wire::kSnapOuiBridge)) {
    return false;
  }
  type = c.U16(6);
  c.Skip(8);
  return true;
}

// With the cursor right behind the EtherType field.
Network SkipEtherType(Cursor& c, uint16_t type, VlanList& vlan) {
  for (int i = 0; i < wire::kVlanTags && IsOneOf(type, wire::kEtherVlan); ++i) {
    vlan.ids[vlan.count++] = c.U16(0) & 0x0fff;
    type = c.U16(2);
    c.Skip(4);
  }
  if (type < wire::kEtherTypeLeast && !SkipSnap(c, type)) {
    return Network::kNone;
  }
  if (IsOneOf(type, wire::kEtherMpls)) {
    return SkipMpls(c);
  }
  return type == wire::kEtherPppoeSession ? SkipPppoe(c) : PlainEtherType(type);
}

// SLL and SLL2 give small numbers to frame kinds that have no EtherType; 802.2 is the only one
// that can carry IP.
Network SkipCooked(Cursor& c, size_t type_at, size_t header, VlanList& vlan) {
  const uint16_t type = c.U16(type_at);
  c.Skip(header);
  if (type < wire::kEtherTypeLeast && type != wire::kSllLlc) {
    return Network::kNone;
  }
  return SkipEtherType(c, type, vlan);
}

Network SkipCiscoHdlc(Cursor& c) {
  const uint16_t ether_type = c.U16(2);
  c.Skip(4);
  return IsOneOf(ether_type, wire::kEtherMpls) ? SkipMpls(c) : PlainEtherType(ether_type);
}

Network SkipAddressFamily(Cursor& c, bool either_order) {
  uint32_t family = c.U32(0);
  if (either_order && family > 0xffff) {
    family = __builtin_bswap32(family);
  }
  c.Skip(4);
  if (family == wire::kNullIpv4) {
    return Network::kV4;
  }
  return IsOneOf(family, wire::kNullIpv6) ? Network::kV6 : Network::kNone;
}

Network SkipLink(LinkType type, Cursor& c, VlanList& vlan) {
  switch (type) {
    case LinkType::kEthernet: {
      const uint16_t ether_type = c.U16(12);
      c.Skip(14);
      return SkipEtherType(c, ether_type, vlan);
    }
    case LinkType::kRaw:
      return Network::kByVersion;
    case LinkType::kIpv4:
      return Network::kV4;
    case LinkType::kIpv6:
      return Network::kV6;
    case LinkType::kNull:
      return SkipAddressFamily(c, true);
    case LinkType::kLoop:
      return SkipAddressFamily(c, false);
    case LinkType::kLinuxSll:
      return SkipCooked(c, 14, 16, vlan);
    case LinkType::kLinuxSll2:
      return SkipCooked(c, 0, 20, vlan);
    case LinkType::kPpp:
      if (IsOneOf(c.U16(0), wire::kCiscoHdlcStart)) {  // serial lines carry either
        return SkipCiscoHdlc(c);
      }
      // Address and control, unless compressed away (RFC 1662 section 3.1).
      if (c.U16(0) == 0xff03) {
        c.Skip(2);
      }
      return SkipPpp(c);
    case LinkType::kPppEther:
      return SkipPppoe(c);
    case LinkType::kCiscoHdlc:
      return SkipCiscoHdlc(c);
  }
  return Network::kNone;
}

void SkipAuthentication(Cursor& c) { c.Skip((size_t{c.U8(1)} + 2) * 4); }  // RFC 4302

// On success the cursor stands at the TCP header.
std::optional<DecodeSkip> SkipIpv4(Cursor& c, size_t cut_off, SynSegment& segment) {
  const uint8_t version_and_length = c.U8(0);
  const size_t header = (version_and_length & 0x0f) * size_t{4};
  const uint16_t total = c.U16(2);
  const uint16_t fragment = c.U16(6);
  uint8_t protocol = c.U8(9);
  segment.ttl = c.U8(8);
  segment.src.address = IpAddress::V4(c.Bytes<4>(12));
  segment.dst.address = IpAddress::V4(c.Bytes<4>(16));
  if (!c.ok() || version_and_length >> 4 != 4 || header < 20) {
    return DecodeSkip::kMalformed;
  }
  // Zero: the network card will fill it in (segmentation offload).
  total != 0 ? c.Limit(total) : c.LimitToFrame(cut_off);
  c.Skip(header);
  const bool later_fragment = (fragment & 0x1fff) != 0;
  if (later_fragment) {
    return DecodeSkip::kLaterFragment;
  }
  if (protocol == wire::kProtoAh) {
    protocol = c.U8(0);
    SkipAuthentication(c);
  }
  return protocol == wire::kProtoTcp ? std::nullopt : std::optional(DecodeSkip::kNotTcp);
}

std::optional<DecodeSkip> SkipIpv6(Cursor& c, size_t cut_off, SynSegment& segment) {
  const uint8_t version = c.U8(0) >> 4;
  const uint16_t payload = c.U16(4);
  uint8_t next = c.U8(6);
  segment.ttl = c.U8(7);
  segment.src.address = IpAddress::V6(c.Bytes<16>(8));
  segment.dst.address = IpAddress::V6(c.Bytes<16>(24));
  if (!c.ok() || version != 6) {
    return DecodeSkip::kMalformed;
  }
  c.Skip(40);
  // Zero with hop-by-hop options: a jumbogram, RFC 2675.
  const bool jumbo = payload == 0 && next == wire::kExtHopByHop;
  jumbo ? c.LimitToFrame(cut_off) : c.Limit(payload);
  for (int i = 0; i < wire::kExtensionHeaders && c.ok(); ++i) {
    const uint8_t after = next == wire::kProtoTcp ? next : c.U8(0);
    switch (next) {
      case wire::kProtoTcp:
        return std::nullopt;
      case wire::kExtHopByHop:
      case wire::kExtRouting:
      case wire::kExtDestination:
        c.Skip((size_t{c.U8(1)} + 1) * 8);
        break;
      case wire::kExtFragment:
        if ((c.U16(2) & 0xfff8) != 0) {
          return DecodeSkip::kLaterFragment;
        }
        c.Skip(8);
        break;
      case wire::kProtoAh:
        SkipAuthentication(c);
        break;
      default:
        return DecodeSkip::kNotTcp;
    }
    next = after;
  }
  return next == wire::kProtoTcp ? std::nullopt : std::optional(DecodeSkip::kNotTcp);
}

std::optional<DecodeSkip> ReadTcp(Cursor& c, SegmentScope scope, SynSegment& segment) {
  segment.src.port = c.U16(0);
  segment.dst.port = c.U16(2);
  segment.seq = c.U32(4);
  segment.ack = c.U32(8);
  const uint16_t offset_and_flags = c.U16(12);
  if (!c.ok() || offset_and_flags >> 12 < 5 || !c.MayHave(wire::kTcpLeast)) {
    return DecodeSkip::kMalformed;
  }
  segment.flags = offset_and_flags & (kTcpFin | kTcpSyn | kTcpRst | kTcpAck);
  const size_t header = (offset_and_flags >> 12) * size_t{4};
  const size_t whole = c.left() + c.missing();
  segment.payload =
      static_cast<uint16_t>(std::min<size_t>(whole - std::min(whole, header), 0xffff));
  const bool wanted = scope == SegmentScope::kAll || segment.Has(kTcpSyn) ||
                      (scope == SegmentScope::kSynOrRst && segment.Has(kTcpRst));
  return wanted ? std::nullopt : std::optional(DecodeSkip::kOutOfScope);
}

Network KnownVersion(Network network, Cursor& c) {
  if (network != Network::kByVersion) {
    return network;
  }
  const uint8_t version = c.U8(0) >> 4;
  return version == 4 ? Network::kV4 : version == 6 ? Network::kV6 : Network::kNone;
}

}  // namespace

std::optional<DecodeSkip> DecodeInto(LinkType type, std::span<const uint8_t> captured,
                                     uint32_t wire_length, SegmentScope scope,
                                     SynSegment& segment) {
  const size_t cut_off = wire_length - std::min<size_t>(wire_length, captured.size());
  segment.vlan = {};
  Cursor c(captured);
  const Network network = KnownVersion(SkipLink(type, c, segment.vlan), c);
  auto skip = network == Network::kV4   ? SkipIpv4(c, cut_off, segment)
              : network == Network::kV6 ? SkipIpv6(c, cut_off, segment)
                                        : std::optional(DecodeSkip::kNotIp);
  if (!skip) {
    skip = ReadTcp(c, scope, segment);
  }
  if (!c.ok()) {  // whatever was concluded from bytes that are not there does not count
    return !c.limited() && cut_off > 0 ? DecodeSkip::kTruncated : DecodeSkip::kMalformed;
  }
  return skip;
}

tl::expected<SynSegment, DecodeSkip> DecodeSegment(LinkType type, std::span<const uint8_t> captured,
                                                   uint32_t wire_length, SegmentScope scope) {
  SynSegment segment;
  if (const auto skip = DecodeInto(type, captured, wire_length, scope, segment)) {
    return tl::make_unexpected(*skip);
  }
  return segment;
}

std::optional<NetworkPlace> FindNetwork(LinkType type, std::span<const uint8_t> captured) {
  NetworkPlace place;
  Cursor c(captured);
  const Network network = KnownVersion(SkipLink(type, c, place.vlan), c);
  if (!c.ok() || network == Network::kNone) {
    return std::nullopt;
  }
  place.offset = captured.size() - c.left();
  place.family = network == Network::kV4 ? Family::kV4 : Family::kV6;
  return place;
}

std::string_view ToString(DecodeSkip skip) {
  switch (skip) {
    case DecodeSkip::kNotIp:
      return "not_ip";
    case DecodeSkip::kNotTcp:
      return "not_tcp";
    case DecodeSkip::kLaterFragment:
      return "later_fragment";
    case DecodeSkip::kOutOfScope:
      return "out_of_scope";
    case DecodeSkip::kTruncated:
      return "truncated";
    case DecodeSkip::kMalformed:
      return "malformed";
  }
  return "unknown";
}

}  // namespace parallax::sensor
