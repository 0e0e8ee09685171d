#include "sensor/probe/ports/error_queue.h"

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "sensor/probe/ports/socket_util.h"

namespace parallax::sensor {
namespace {

struct ErrorAndOffender {
  sock_extended_err error;
  sockaddr_in6 offender;
};

// The offender follows at once, whatever its alignment.
static_assert(sizeof(sock_extended_err) % alignof(sockaddr_in6) == 0);

// The kernel writes sock_extended_err and a socket address of the socket's family.
std::optional<ErrorAndOffender> FindError(msghdr& message) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    const bool v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR;
    const bool v6 = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR;
    if ((v4 || v6) && c->cmsg_len >= CMSG_LEN(sizeof(sock_extended_err))) {
      ErrorAndOffender result{};
      std::memcpy(&result, CMSG_DATA(c), std::min(c->cmsg_len - CMSG_LEN(0), sizeof result));
      return result;
    }
  }
  return std::nullopt;
}

IpAddress DestinationOf(msghdr& message, Family family) {
  if (family == Family::kV4) {
    const auto info = FindControl<in_pktinfo>(message, IPPROTO_IP, IP_PKTINFO);
    std::array<uint8_t, 4> bytes{};
    if (info) {
      std::memcpy(bytes.data(), &info->ipi_addr, bytes.size());
    }
    return IpAddress::V4(bytes);
  }
  const auto info = FindControl<in6_pktinfo>(message, IPPROTO_IPV6, IPV6_PKTINFO);
  std::array<uint8_t, 16> bytes{};
  if (info) {
    std::memcpy(bytes.data(), &info->ipi6_addr, bytes.size());
  }
  return IpAddress::V6(bytes);
}

}  // namespace

bool QueueErrors(int fd, Family family) {
  const int on = 1;
  const bool v4 = family == Family::kV4;
  const int level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
  const auto set = [&](int option_level, int option) {
    return setsockopt(fd, option_level, option, &on, sizeof on) == 0;
  };
  // Without these an error says less, but what it says is true. RFC4884: Linux 5.9.
  set(level, v4 ? IP_RECVERR_RFC4884 : IPV6_RECVERR_RFC4884);
  set(level, v4 ? IP_RECVTTL : IPV6_RECVHOPLIMIT);
  set(level, v4 ? IP_PKTINFO : IPV6_RECVPKTINFO);
  set(SOL_SOCKET, SO_TIMESTAMPNS);
  return set(level, v4 ? IP_RECVERR : IPV6_RECVERR);
}

std::optional<QueuedError> TakeQueuedError(int fd, ErrorBuffer& buffer) {
  SocketAddress about;
  union {
    cmsghdr align;
    std::array<char, 512> bytes;
  } control;
  iovec data{buffer.data(), buffer.size()};
  msghdr message = MessageInto(about, data, control);
  ssize_t size = 0;
  do {
    size = recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT);
  } while (size < 0 && errno == EINTR);
  if (size < 0) {
    return std::nullopt;
  }
  QueuedError result;
  result.received = ReceiveTime(message, Now());
  const auto found = FindError(message);
  if (!found || (found->error.ee_origin != SO_EE_ORIGIN_ICMP &&
                 found->error.ee_origin != SO_EE_ORIGIN_ICMP6)) {
    result.local = true;
    return result;
  }
  const sock_extended_err& error = found->error;
  StrippedError& icmp = result.icmp;
  icmp.reporter = AddressOf(Generic(found->offender));
  icmp.ttl = ReceivedTtl(message);
  icmp.destination = DestinationOf(message, icmp.reporter.family());
  icmp.type = error.ee_type;
  icmp.code = error.ee_code;
  icmp.info = error.ee_info;
  icmp.target = about.address();
  result.port = about.port();
  icmp.quote = {buffer.data(), static_cast<size_t>(size)};
  const auto& extension = error.ee_rfc4884;
  const bool whole = (message.msg_flags & MSG_TRUNC) == 0;
  if (extension.len != 0 && extension.len < icmp.quote.size()) {
    if (whole && (extension.flags & SO_EE_RFC4884_FLAG_INVALID) == 0) {
      icmp.extension = icmp.quote.subspan(extension.len);
    }
    icmp.quote = icmp.quote.first(extension.len);
  }
  return result;
}

int TakePendingError(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

}  // namespace parallax::sensor
