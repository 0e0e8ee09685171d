// The address ranges that are set aside for special purposes, with their names. Pure.
//
// In: each row of IANA's IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890, RFC 8190; as
// of October 2025) that is not marked "Globally Reachable: True", multicast, and what the
// registries leave to other documents: IPv4-compatible and IPv4-translated addresses (RFC 4291, RFC
// 2765) and site-local ones (RFC 3879). Rows whose mark is empty (6to4, Teredo, the former 6to4
// relays) are in. Out, and so ordinary addresses: the globally reachable rows, be they on their own
// (AS112, AMT, 64:ff9b::/96) or part of a range that is not (192.0.0.9, 2001:20::/28).
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "common/ip.h"

namespace parallax::sensor {

struct SpecialRange {
  Prefix prefix;
  std::string_view name;  // as policy.toml spells it, e.g. "private-use"; several ranges share one
  // No remote host can have such an address, or the kernel would send elsewhere (IPv4-mapped):
  // never probed, whatever a policy says.
  bool never_remote = false;
};

// IPv4 first, in ascending order.
std::span<const SpecialRange> SpecialRanges();

// The most specific range that holds the address; nullptr if it is an ordinary one.
const SpecialRange* FindSpecialRange(const IpAddress& address);

// The prefixes of all ranges of that name; empty if there is no such name.
std::vector<Prefix> SpecialRangesNamed(std::string_view name);

// The IPv4 hosts that a packet to an IPv6 address may end at, because the network on the way takes
// their addresses out of it: 64:ff9b::/96 and 64:ff9b:1::/48 (NAT64, RFC 6052, RFC 8215),
// ::ffff:0:0:0/96 (SIIT), 2002::/16 (6to4), 2001::/32 (Teredo: server and client) and the interface
// ids of ISATAP (RFC 5214). Nobody can know translators and 6rd domains with prefixes of their own.
struct EmbeddedIpv4 {
  std::array<IpAddress, 6> addresses;
  size_t count = 0;
  std::span<const IpAddress> all() const { return {addresses.data(), count}; }
};
EmbeddedIpv4 FindEmbeddedIpv4(const IpAddress& address);

}  // namespace parallax::sensor
