#include "sensor/probe/policy/special_purpose.h"

#include <algorithm>
#include <cstdint>

namespace parallax::sensor {
namespace {

struct Row {
  const char* prefix;
  const char* name;
  bool never_remote = false;
};

constexpr bool kNeverRemote = true;

constexpr Row kRows[] = {
    {"0.0.0.0/8", "this-network", kNeverRemote},
    {"0.0.0.0/32", "this-network", kNeverRemote},
    {"10.0.0.0/8", "private-use"},
    {"100.64.0.0/10", "shared-address-space"},
    {"127.0.0.0/8", "loopback", kNeverRemote},
    {"169.254.0.0/16", "link-local", kNeverRemote},
    {"172.16.0.0/12", "private-use"},
    {"192.0.0.0/24", "ietf-protocol-assignments"},
    {"192.0.0.0/29", "ipv4-service-continuity"},
    {"192.0.0.8/32", "dummy"},
    {"192.0.0.170/32", "nat64-dns64-discovery"},
    {"192.0.0.171/32", "nat64-dns64-discovery"},
    {"192.0.2.0/24", "documentation"},
    {"192.88.99.0/24", "6to4-relay-anycast"},
    {"192.88.99.2/32", "6a44-relay-anycast"},
    {"192.168.0.0/16", "private-use"},
    {"198.18.0.0/15", "benchmarking"},
    {"198.51.100.0/24", "documentation"},
    {"203.0.113.0/24", "documentation"},
    {"224.0.0.0/4", "multicast", kNeverRemote},
    {"240.0.0.0/4", "reserved", kNeverRemote},
    {"255.255.255.255/32", "limited-broadcast", kNeverRemote},
    {"::/96", "ipv4-compatible", kNeverRemote},
    {"::/128", "unspecified", kNeverRemote},
    {"::1/128", "loopback", kNeverRemote},
    {"::ffff:0:0/96", "ipv4-mapped", kNeverRemote},
    {"::ffff:0:0:0/96", "ipv4-translated"},
    {"64:ff9b:1::/48", "ipv4-ipv6-translation"},
    {"100::/64", "discard-only"},
    {"100:0:0:1::/64", "dummy"},
    {"2001::/23", "ietf-protocol-assignments"},
    {"2001::/32", "teredo"},
    {"2001:2::/48", "benchmarking"},
    {"2001:10::/28", "orchid"},
    {"2001:db8::/32", "documentation"},
    {"2002::/16", "6to4"},
    {"3fff::/20", "documentation"},
    {"5f00::/16", "segment-routing"},
    {"fc00::/7", "unique-local"},
    {"fe80::/10", "link-local", kNeverRemote},
    {"fec0::/10", "site-local"},
    {"ff00::/8", "multicast", kNeverRemote},
};

// The globally reachable parts of ranges that are not.
constexpr const char* kReachableParts[] = {
    "192.0.0.9/32",     // Port Control Protocol anycast, RFC 7723
    "192.0.0.10/32",    // TURN anycast, RFC 8155
    "2001:1::1/128",    // Port Control Protocol anycast
    "2001:1::2/128",    // TURN anycast
    "2001:1::3/128",    // DNS-SD Service Registration Protocol anycast, RFC 9665
    "2001:3::/32",      // AMT, RFC 7450
    "2001:4:112::/48",  // AS112-v6, RFC 7535
    "2001:20::/28",     // ORCHIDv2, RFC 7343
    "2001:30::/28",     // Drone Remote ID, RFC 9374
};

struct Tables {
  Tables() {
    std::vector<Prefix> prefixes;
    for (const Row& row : kRows) {
      prefixes.push_back(*Prefix::Parse(row.prefix));
      ranges.push_back({prefixes.back(), row.name, row.never_remote});
    }
    for (const char* part : kReachableParts) {
      prefixes.push_back(*Prefix::Parse(part));
    }
    lookup = PrefixSet(std::move(prefixes));
  }

  std::vector<SpecialRange> ranges;
  PrefixSet lookup;  // the ranges in their order, then the reachable parts
};

const Tables& TheTables() {
  static const Tables tables;
  return tables;
}

}  // namespace

std::span<const SpecialRange> SpecialRanges() { return TheTables().ranges; }

const SpecialRange* FindSpecialRange(const IpAddress& address) {
  const Tables& tables = TheTables();
  const Prefix* match = tables.lookup.LongestMatch(address);
  if (match == nullptr) {
    return nullptr;
  }
  const auto index = static_cast<size_t>(match - tables.lookup.prefixes().data());
  return index < tables.ranges.size() ? &tables.ranges[index] : nullptr;
}

std::vector<Prefix> SpecialRangesNamed(std::string_view name) {
  std::vector<Prefix> prefixes;
  for (const SpecialRange& range : SpecialRanges()) {
    if (range.name == name) {
      prefixes.push_back(range.prefix);
    }
  }
  return prefixes;
}

EmbeddedIpv4 FindEmbeddedIpv4(const IpAddress& address) {
  EmbeddedIpv4 found;
  if (address.is_v4()) {
    return found;
  }
  const auto b = address.bytes().first<16>();
  const auto word = [&](size_t at) {
    return uint32_t{b[at]} << 24 | uint32_t{b[at + 1]} << 16 | uint32_t{b[at + 2]} << 8 | b[at + 3];
  };
  const auto add = [&](uint8_t b0, uint8_t b1, uint8_t b2, uint8_t b3) {
    found.addresses[found.count++] = IpAddress::V4(std::array<uint8_t, 4>{b0, b1, b2, b3});
  };
  const auto add_last = [&] { add(b[12], b[13], b[14], b[15]); };
  const uint32_t head = word(0);
  const uint32_t interface_id = word(8);

  if (head == 0x0064ff9b && word(4) == 0 && interface_id == 0) {  // 64:ff9b::/96
    add_last();
  } else if (head == 0x0064ff9b && b[4] == 0 && b[5] == 1) {  // 64:ff9b:1::/48
    add_last();
    if (interface_id != 0) {
      // The translator's prefix may be shorter than /96: each address that may be meant counts.
      add(b[6], b[7], b[9], b[10]);
      add(b[7], b[9], b[10], b[11]);
      add(b[9], b[10], b[11], b[12]);
    }
  } else if (head == 0 && word(4) == 0 && interface_id == 0xffff0000) {  // ::ffff:0:0:0/96
    add_last();
  } else if (head >> 16 == 0x2002) {
    add(b[2], b[3], b[4], b[5]);
  } else if (head == 0x20010000) {  // Teredo: the client's address is sent inverted
    add(b[4], b[5], b[6], b[7]);
    const auto inverted = [&](size_t at) { return static_cast<uint8_t>(b[at] ^ 0xff); };
    add(inverted(12), inverted(13), inverted(14), inverted(15));
  }
  if ((interface_id & 0xfcffffff) == 0x00005efe) {  // ISATAP, whatever its u and g bits
    add_last();
  }
  return found;
}

}  // namespace parallax::sensor
