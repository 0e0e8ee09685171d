#include "sensor/capture/link_type.h"

#include <algorithm>
#include <iterator>

namespace parallax::sensor {

std::optional<LinkType> LinkTypeFromDlt(int dlt) {
  switch (dlt) {
    case 101:  // LINKTYPE_RAW, as files number it
    case 14:   // DLT_RAW of OpenBSD
      return LinkType::kRaw;
    case 50:
      return LinkType::kPpp;
    default:
      break;
  }
  const auto* found = std::find_if(std::begin(kAllLinkTypes), std::end(kAllLinkTypes),
                                   [dlt](LinkType type) { return DltOf(type) == dlt; });
  return found == std::end(kAllLinkTypes) ? std::nullopt : std::optional(*found);
}

int DltOf(LinkType type) {
  switch (type) {
    case LinkType::kEthernet:
      return 1;
    case LinkType::kRaw:
      return 12;
    case LinkType::kIpv4:
      return 228;
    case LinkType::kIpv6:
      return 229;
    case LinkType::kNull:
      return 0;
    case LinkType::kLoop:
      return 108;
    case LinkType::kLinuxSll:
      return 113;
    case LinkType::kLinuxSll2:
      return 276;
    case LinkType::kPpp:
      return 9;
    case LinkType::kPppEther:
      return 51;
    case LinkType::kCiscoHdlc:
      return 104;
  }
  return -1;
}

std::string_view ToString(LinkType type) {
  switch (type) {
    case LinkType::kEthernet:
      return "EN10MB";
    case LinkType::kRaw:
      return "RAW";
    case LinkType::kIpv4:
      return "IPV4";
    case LinkType::kIpv6:
      return "IPV6";
    case LinkType::kNull:
      return "NULL";
    case LinkType::kLoop:
      return "LOOP";
    case LinkType::kLinuxSll:
      return "LINUX_SLL";
    case LinkType::kLinuxSll2:
      return "LINUX_SLL2";
    case LinkType::kPpp:
      return "PPP";
    case LinkType::kPppEther:
      return "PPP_ETHER";
    case LinkType::kCiscoHdlc:
      return "C_HDLC";
  }
  return "unknown";
}

}  // namespace parallax::sensor
