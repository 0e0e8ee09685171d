// ICMP errors as the kernel's error queue gives them to unprivileged sockets (ip(7), IP_RECVERR):
// without the ICMP header and the quoted IP header, and for UDP without the quoted UDP header.
// Puts those back as far as they are known, and reads the whole like any other ICMP error. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "common/ip.h"
#include "sensor/probe/wire/answer.h"

namespace parallax::sensor {

struct StrippedError {
  IpAddress reporter;     // who sent the error
  uint8_t ttl = 0;        // TTL or hop limit of the error as it arrived; 0: not known
  IpAddress destination;  // to whom the error came: an address of this host
  uint8_t type = 0;       // of ICMP for IPv4 reporters, of ICMPv6 for others
  uint8_t code = 0;
  uint32_t info = 0;  // redirects: the gateway; host byte order
  IpAddress target;   // of the quoted packet
  // The quoted packet from its transport header on. Of `header`, what is not known is 0.
  uint8_t protocol = 0;
  std::span<const uint8_t> header;     // may be empty: then it is the beginning of `quote`
  std::span<const uint8_t> quote;      // as far as the router quoted it
  std::span<const uint8_t> extension;  // RFC 4884 structure; may be empty
};

// nullopt: nothing that Answer stands for. The quoted IP header is not known here: quoted_source is
// the error's destination, quoted_ttl 1 and quoted_ip_id 0, which says that nothing was odd.
std::optional<Answer> ReadStrippedError(const StrippedError& error);

}  // namespace parallax::sensor
