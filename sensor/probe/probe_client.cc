#include "sensor/probe/probe_client.h"

#include <cerrno>
#include <cstring>

namespace parallax::sensor {

ProbeState StateOf(ErrorMeaning meaning) {
  switch (meaning) {
    case ErrorMeaning::kUnreachable:
      return ProbeState::kUnreachable;
    case ErrorMeaning::kTimeExceeded:
      return ProbeState::kTimeExceeded;
    case ErrorMeaning::kProhibited:
      return ProbeState::kProhibited;
  }
  return ProbeState::kUnreachable;
}

bool SaysUnreachable(int error) {
  return error == ENETUNREACH || error == ENETDOWN || error == EHOSTUNREACH || error == ENODEV ||
         error == ENXIO || error == EADDRNOTAVAIL;
}

std::string DescribeSendError(int error) {
  switch (error) {
    case ENETUNREACH:
      return "no route to the target";
    case EHOSTUNREACH:
      return "this host's routes say unreachable";
    case EACCES:
      return "this host's routes prohibit it, or it is a broadcast address";
    case EINVAL:
      return "this host's routes drop it";
    case EPERM:
      return "this host's packet filter refused it";
    case EALREADY:
      return "the next hop's link-layer address is not known yet";
    case EADDRNOTAVAIL:
      return "this host has no address of that family to send from";
    case EAFNOSUPPORT:
      return "this host lacks the address family";
    case EOPNOTSUPP:
      return "takes a privilege (CAP_NET_RAW, or for ICMP a group in net.ipv4.ping_group_range)";
    default:
      return std::strerror(error);
  }
}

}  // namespace parallax::sensor
