#include "sensor/probe/ports/socket_util.h"

#include <algorithm>
#include <cerrno>

namespace parallax::sensor {
namespace {

// A kernel stamp older than this is not believed: the wall clock was set in between.
constexpr Duration kOldestStamp = std::chrono::seconds(5);

}  // namespace

sockaddr_in SockAddrV4(const IpAddress& address, uint16_t port) {
  sockaddr_in result{};
  result.sin_family = AF_INET;
  result.sin_port = htons(port);
  std::memcpy(&result.sin_addr, address.bytes().data(), 4);
  return result;
}

sockaddr_in6 SockAddrV6(const IpAddress& address, uint16_t port, uint32_t scope) {
  sockaddr_in6 result{};
  result.sin6_family = AF_INET6;
  result.sin6_port = htons(port);
  result.sin6_scope_id = scope;
  std::memcpy(&result.sin6_addr, address.bytes().data(), 16);
  return result;
}

SocketAddress::SocketAddress(const IpAddress& address, uint16_t port, uint32_t scope) {
  if (address.is_v4()) {
    const sockaddr_in v4 = SockAddrV4(address, port);
    std::memcpy(&storage_, &v4, sizeof v4);
    size_ = sizeof v4;
  } else {
    storage_ = SockAddrV6(address, port, scope);
  }
}

IpAddress SocketAddress::address() const { return AddressOf(get()); }

uint16_t SocketAddress::port() const {
  return ntohs(storage_.sin6_port);  // at the same place in sockaddr_in
}
static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));

IpAddress Unspecified(Family family) {
  static constexpr std::array<uint8_t, 16> kZero{};
  return family == Family::kV4 ? IpAddress() : IpAddress::V6(kZero);
}

IpAddress AddressOf(const sockaddr* address) {
  if (address != nullptr && address->sa_family == AF_INET) {
    std::array<uint8_t, 4> bytes;
    std::memcpy(bytes.data(),
                reinterpret_cast<const char*>(address) + offsetof(sockaddr_in, sin_addr),
                bytes.size());
    return IpAddress::V4(bytes);
  }
  if (address != nullptr && address->sa_family == AF_INET6) {
    std::array<uint8_t, 16> bytes;
    std::memcpy(bytes.data(),
                reinterpret_cast<const char*>(address) + offsetof(sockaddr_in6, sin6_addr),
                bytes.size());
    return IpAddress::V6(bytes);
  }
  return {};
}

Result<void> SetInt(int fd, int level, int option, int value, const char* what) {
  if (setsockopt(fd, level, option, &value, sizeof value) != 0) {
    return tl::make_unexpected(ErrnoError(what, errno));
  }
  return {};
}

MonoTime ReceiveTime(msghdr& message, const Moment& now) {
  const auto stamp = FindControl<timespec>(message, SOL_SOCKET, SCM_TIMESTAMPNS);
  if (!stamp) {
    return now.mono;
  }
  const Duration age =
      now.wall - FromUnixNanos(int64_t{stamp->tv_sec} * 1'000'000'000 + stamp->tv_nsec);
  return age >= Duration::zero() && age <= kOldestStamp ? now.mono - age : now.mono;
}

uint8_t ReceivedTtl(msghdr& message) {
  auto ttl = FindControl<int>(message, IPPROTO_IP, IP_TTL);
  if (!ttl) {
    ttl = FindControl<int>(message, IPPROTO_IPV6, IPV6_HOPLIMIT);
  }
  return static_cast<uint8_t>(std::clamp(ttl.value_or(0), 0, 255));
}

int SendMessage(int fd, const msghdr& message) {
  while (sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

SourceFinder::SourceFinder()
    : v4_(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)),
      v6_(socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {}

int SourceFinder::Find(const IpAddress& target, uint32_t scope, uint16_t port,
                       IpAddress& source) const {
  const int fd = (target.is_v4() ? v4_ : v6_).get();
  if (fd < 0) {
    return EAFNOSUPPORT;
  }
  // Forget the last answer first: the kernel would keep its source.
  sockaddr none{};
  none.sa_family = AF_UNSPEC;
  connect(fd, &none, sizeof none);
  const SocketAddress to(target, port == 0 ? 1 : port, scope);
  SocketAddress from;
  socklen_t size = SocketAddress::capacity();
  if (connect(fd, to.get(), to.size()) != 0 || getsockname(fd, from.get(), &size) != 0) {
    return errno;
  }
  source = from.address();
  return 0;
}

}  // namespace parallax::sensor
