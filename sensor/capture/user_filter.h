// A filter expression of the user's, in libpcap's language (pcap-filter(7)), that narrows what the
// capture takes. Matched in user space against frames that hold a segment for us, so it costs
// nothing for all others.
//
// An expression that only speaks of IP and above ("net 192.0.2.0/24 and tcp port 25") is matched
// against the IP packet, wherever in the frame it begins: under VLAN tags, MPLS labels and PPPoE as
// well. Ports are looked for as libpcap does it: not behind IPv6 extension headers. One that speaks
// of the frame ("vlan 5", "ether host ...", "greater 60") is matched against the frame, as tcpdump
// would: an expression without "vlan" then does not match behind a tag.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "common/result.h"
#include "sensor/capture/link_type.h"

namespace parallax::sensor {

class UserFilter {
 public:
  // kUsage with libpcap's reason if the expression makes no sense for any of the link types.
  static Result<UserFilter> Compile(const std::string& expression);
  UserFilter(UserFilter&&) noexcept;
  UserFilter& operator=(UserFilter&&) noexcept;
  ~UserFilter();

  // False also where the expression makes no sense for this link type.
  bool Matches(LinkType type, std::span<const uint8_t> captured, uint32_t wire_length) const;

 private:
  struct Program;
  UserFilter();

  std::unique_ptr<Program> network_;  // for IP packets; or else:
  std::map<LinkType, std::unique_ptr<Program>> link_;
};

}  // namespace parallax::sensor
