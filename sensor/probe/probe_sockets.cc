#include "sensor/probe/probe_sockets.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "sensor/probe/socket_filter.h"

namespace parallax::sensor {
namespace {

constexpr int kReceiveBuffer = 1 << 20;
constexpr size_t kMaxPacket = 2048;  // larger than any answer to a probe of 74 bytes
constexpr int kMostPerSocket = 256;
constexpr int kTcpChecksumAt = 16;
// A kernel stamp older than this is not believed: the wall clock was set in between.
constexpr Duration kOldestStamp = std::chrono::seconds(5);

// Room for one control message, aligned as CMSG_* want it.
template <typename T>
union ControlBuffer {
  cmsghdr align;
  std::array<char, CMSG_SPACE(sizeof(T))> bytes;
};

sockaddr_in SockAddrV4(const IpAddress& address, uint16_t port) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  std::memcpy(&to.sin_addr, address.bytes().data(), 4);
  return to;
}

sockaddr_in6 SockAddrV6(const IpAddress& address, uint32_t scope) {
  sockaddr_in6 to{};
  to.sin6_family = AF_INET6;  // sin6_port must be 0 or the protocol: it is no port here
  to.sin6_scope_id = scope;
  std::memcpy(&to.sin6_addr, address.bytes().data(), 16);
  return to;
}

template <typename SockAddr>
const sockaddr* Generic(const SockAddr& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

Result<void> SetInt(int fd, int level, int option, int value, const char* what) {
  if (setsockopt(fd, level, option, &value, sizeof value) != 0) {
    return tl::make_unexpected(ErrnoError(what, errno));
  }
  return {};
}

Result<void> Configure(int fd, Family family, uint8_t protocol, PortRange ports) {
  const bool tcp = protocol == kProtocolTcp;
  if (auto ok = tcp ? FilterTcp(fd, family, ports) : FilterIcmp(fd, family); !ok) {
    return ok;
  }
  // A smaller buffer than asked for is no reason to fail.
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer);
  if (auto ok = SetInt(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1, "cannot ask for receive times"); !ok) {
    return ok;
  }
  if (family == Family::kV4) {
    return {};
  }
  // The flow label is hashed over equal-cost paths: keep it 0.
  if (auto ok = SetInt(fd, IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, 0, "cannot fix the flow label"); !ok) {
    return ok;
  }
  return tcp ? SetInt(fd, IPPROTO_IPV6, IPV6_CHECKSUM, kTcpChecksumAt,
                      "cannot have the kernel compute TCP checksums")
             : Result<void>();
}

int SendMessage(int fd, const msghdr& message) {
  while (sendmsg(fd, &message, MSG_DONTWAIT) < 0) {
    if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

// When the kernel received the message, on the monotonic clock.
MonoTime ReceiveTime(msghdr& message, const Moment& now) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
      timespec stamp;
      std::memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
      const Duration age =
          now.wall - FromUnixNanos(int64_t{stamp.tv_sec} * 1'000'000'000 + stamp.tv_nsec);
      if (age >= Duration::zero() && age <= kOldestStamp) {
        return now.mono - age;
      }
    }
  }
  return now.mono;
}

}  // namespace

Result<ProbeSockets> ProbeSockets::Open(PortRange ports) {
  struct Wanted {
    int domain;
    Family family;
    uint8_t protocol;
  };
  static constexpr std::array<Wanted, kCount> kWanted = {{
      {AF_INET, Family::kV4, kProtocolIcmp},
      {AF_INET, Family::kV4, kProtocolTcp},
      {AF_INET6, Family::kV6, kProtocolIcmpv6},
      {AF_INET6, Family::kV6, kProtocolTcp},
  }};
  ProbeSockets result;
  for (size_t i = 0; i < kCount; ++i) {
    const Wanted& wanted = kWanted[i];
    UniqueFd fd(socket(wanted.domain, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, wanted.protocol));
    if (!fd) {
      if (errno == EAFNOSUPPORT) {
        continue;
      }
      Error error = ErrnoError("cannot open raw sockets for probing", errno);
      if (error.code == ErrorCode::kPermission) {
        error.message += " (run as root, or give the sensor the capability CAP_NET_RAW)";
      }
      return tl::make_unexpected(std::move(error));
    }
    if (auto ok = Configure(fd.get(), wanted.family, wanted.protocol, ports); !ok) {
      return tl::make_unexpected(ok.error());
    }
    result.sockets_[i] = {std::move(fd), wanted.family, wanted.protocol};
  }
  if (result.descriptors().empty()) {
    return Fail(ErrorCode::kUnavailable, "this host has neither IPv4 nor IPv6");
  }
  result.route_fd_.Reset(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  return result;
}

std::vector<int> ProbeSockets::descriptors() const {
  std::vector<int> result;
  for (const Socket& socket : sockets_) {
    if (socket.fd) {
      result.push_back(socket.fd.get());
    }
  }
  return result;
}

int ProbeSockets::Send(const Probe& probe) {
  return probe.target.is_v4() ? SendV4(probe) : SendV6(probe);
}

int ProbeSockets::FindSource(const Probe& probe, IpAddress& source) const {
  const int fd = route_fd_.get();
  if (fd < 0) {
    return EAFNOSUPPORT;
  }
  // Forget the last answer first: the kernel would keep its source.
  sockaddr none{};
  none.sa_family = AF_UNSPEC;
  connect(fd, &none, sizeof none);
  const sockaddr_in to = SockAddrV4(probe.target, probe.attempt.port);
  sockaddr_in from{};
  socklen_t size = sizeof from;
  if (connect(fd, Generic(to), sizeof to) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&from), &size) != 0) {
    return errno;
  }
  std::array<uint8_t, 4> bytes;
  std::memcpy(bytes.data(), &from.sin_addr, bytes.size());
  source = IpAddress::V4(bytes);
  return 0;
}

int ProbeSockets::SendV4(const Probe& probe) {
  const bool tcp = probe.attempt.method == ProbeMethod::kTcpSyn;
  const Socket& socket = sockets_[tcp ? kTcp4 : kIcmp4];
  if (!socket.fd) {
    return EAFNOSUPPORT;
  }
  sockaddr_in to = SockAddrV4(probe.target, 0);
  ProbeBuffer buffer;
  ControlBuffer<in_pktinfo> control{};
  msghdr message{};
  message.msg_name = &to;
  message.msg_namelen = sizeof to;
  std::span<const uint8_t> packet;
  if (tcp) {
    IpAddress source;
    if (const int error = FindSource(probe, source); error != 0) {
      return error;
    }
    packet = BuildSyn(probe, source, buffer);
    // The route may change before the packet leaves: it must leave from the source it was summed
    // with, or not at all.
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, source.bytes().data(), 4);
    message.msg_control = control.bytes.data();
    message.msg_controllen = control.bytes.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = IPPROTO_IP;
    header->cmsg_type = IP_PKTINFO;
    header->cmsg_len = CMSG_LEN(sizeof info);
    std::memcpy(CMSG_DATA(header), &info, sizeof info);
  } else {
    packet = BuildEchoRequest(probe, std::nullopt, buffer);
  }
  iovec data{buffer.data(), packet.size()};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  return SendMessage(socket.fd.get(), message);
}

int ProbeSockets::SendV6(const Probe& probe) {
  const bool tcp = probe.attempt.method == ProbeMethod::kTcpSyn;
  const Socket& socket = sockets_[tcp ? kTcp6 : kIcmp6];
  if (!socket.fd) {
    return EAFNOSUPPORT;
  }
  sockaddr_in6 to = SockAddrV6(probe.target, probe.scope);
  ProbeBuffer buffer;
  const auto packet =
      tcp ? BuildSyn(probe, std::nullopt, buffer) : BuildEchoRequest(probe, std::nullopt, buffer);
  iovec data{buffer.data(), packet.size()};
  msghdr message{};
  message.msg_name = &to;
  message.msg_namelen = sizeof to;
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  return SendMessage(socket.fd.get(), message);
}

void ProbeSockets::Receive(const std::function<void(const Answer&, MonoTime)>& handle) {
  std::array<uint8_t, kMaxPacket> buffer;
  for (const Socket& socket : sockets_) {
    for (int i = 0; socket.fd && i < kMostPerSocket; ++i) {
      sockaddr_in6 from{};  // roomy enough for IPv4's, too
      ControlBuffer<timespec> control{};
      iovec data{buffer.data(), buffer.size()};
      msghdr message{};
      message.msg_name = &from;
      message.msg_namelen = sizeof from;
      message.msg_iov = &data;
      message.msg_iovlen = 1;
      message.msg_control = control.bytes.data();
      message.msg_controllen = control.bytes.size();
      const ssize_t size = recvmsg(socket.fd.get(), &message, MSG_DONTWAIT);
      if (size < 0) {
        break;  // drained; a pending socket error is cleared by having been read
      }
      if ((message.msg_flags & MSG_TRUNC) != 0) {
        continue;
      }
      const std::span<const uint8_t> bytes(buffer.data(), static_cast<size_t>(size));
      std::optional<Answer> answer;
      if (socket.family == Family::kV4) {
        answer = ParseAnswerV4(bytes);
      } else {
        std::array<uint8_t, 16> raw;
        std::memcpy(raw.data(), &from.sin6_addr, raw.size());
        answer = ParseAnswerV6(IpAddress::V6(raw), socket.protocol, bytes);
      }
      if (answer) {
        handle(*answer, ReceiveTime(message, Now()));
      }
    }
  }
}

}  // namespace parallax::sensor
