#include "sensor/probe/ports/datagram_sockets.h"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace parallax::sensor {
namespace {

constexpr int kReceiveBuffer = 1 << 20;
constexpr int kMostPerCall = 256;
// So often in a row an error that came in between may make a send fail.
constexpr int kMostAttempts = 4;

// Errors with which the kernel reports what happened to an earlier packet. The call has sent
// nothing then, and may be made again.
bool MayBeOfAnEarlierPacket(int error) {
  switch (error) {
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ECONNREFUSED:
    case EHOSTDOWN:
    case ENONET:
    case ENOPROTOOPT:
    case EOPNOTSUPP:
    case EPROTO:
    case EREMOTEIO:
    case EMSGSIZE:
    case EACCES:
      return true;
    default:
      return false;
  }
}

int Create(ProbeMethod method, Family family) {
  const bool v4 = family == Family::kV4;
  const int protocol = method == ProbeMethod::kUdp ? IPPROTO_UDP
                       : v4                        ? IPPROTO_ICMP
                                                   : int{IPPROTO_ICMPV6};
  return socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
}

}  // namespace

int DatagramSockets::Try(ProbeMethod method, Family family) {
  const UniqueFd fd(Create(method, family));
  if (!fd) {
    return errno;
  }
  // Without its error queue a socket would tell half of the truth.
  return QueueErrors(fd.get(), family) ? 0 : ENOPROTOOPT;
}

int DatagramSockets::Open(Family family, uint16_t wanted, Socket& socket) const {
  socket.fd.Reset(Create(method_, family));
  socket.family = family;
  socket.wanted = wanted;
  const int fd = socket.fd.get();
  if (fd < 0) {
    return errno;
  }
  if (!QueueErrors(fd, family)) {
    return ENOPROTOOPT;
  }
  // A smaller buffer than asked for is no reason to fail.
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer);
  if (family == Family::kV6) {
    const int on = 1;
    const int off = 0;
    if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0 &&
        method_ == ProbeMethod::kUdp) {
      return errno;
    }
    // The flow label is hashed over equal-cost paths: keep it 0.
    setsockopt(fd, IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, &off, sizeof off);
  }
  const SocketAddress preferred(Unspecified(family), wanted);
  const SocketAddress any(Unspecified(family), 0);
  if (bind(fd, preferred.get(), preferred.size()) != 0 && bind(fd, any.get(), any.size()) != 0) {
    return errno;
  }
  SocketAddress bound;
  socklen_t size = SocketAddress::capacity();
  if (getsockname(fd, bound.get(), &size) != 0) {
    return errno;
  }
  socket.actual = bound.port();
  return 0;
}

int DatagramSockets::Find(Family family, uint16_t wanted, bool may_open, const Socket*& socket) {
  const uint32_t key = uint32_t{wanted} << 8 | static_cast<uint32_t>(family);
  if (const auto known = index_.find(key); known != index_.end()) {
    socket = &sockets_[known->second];
    return 0;
  }
  if (!may_open) {
    return EMFILE;
  }
  Socket opened;
  if (const int error = Open(family, wanted, opened); error != 0) {
    return error;
  }
  const auto index = static_cast<uint32_t>(sockets_.size());
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = token_ | index;
  if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, opened.fd.get(), &event) != 0) {
    return errno;
  }
  sockets_.push_back(std::move(opened));
  index_.emplace(key, index);
  socket = &sockets_.back();
  return 0;
}

int DatagramSockets::Send(const Probe& probe, bool may_open, MonoTime& sent) {
  const bool v4 = probe.target.is_v4();
  const bool udp = method_ == ProbeMethod::kUdp;
  const Socket* socket = nullptr;
  if (const int error = Find(probe.target.family(), probe.flow_port, may_open, socket);
      error != 0) {
    return error;
  }
  // The checksum of UDP covers the source; the kernel computes that of ICMPv6.
  IpAddress source = Unspecified(probe.target.family());
  if (udp) {
    if (const int error = sources_.Find(probe.target, probe.scope, probe.attempt.port, source);
        error != 0) {
      return error;
    }
  }
  Probe actual = probe;
  actual.flow_port = socket->actual;
  ProbeBuffer buffer;
  std::span<const uint8_t> packet = BuildTransport(actual, source, text_, buffer);
  if (udp) {
    packet = packet.subspan(kUdpHeaderBytes);  // the kernel writes the same
  }
  const SocketAddress to(probe.target, udp ? probe.attempt.port : uint16_t{0}, probe.scope);
  SocketAddress destination = to;
  iovec data{buffer.data() + (packet.data() - buffer.data()), packet.size()};
  ControlBuffer<int, in6_pktinfo> control{};
  msghdr message{};
  message.msg_name = destination.get();
  message.msg_namelen = destination.size();
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  ControlWriter writer(message, control);
  const int ttl = probe.ttl == 0 ? kDefaultTtl : probe.ttl;
  writer.Add(v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TTL : IPV6_HOPLIMIT, ttl);
  if (udp && v4) {
    // It must leave from the source it was summed with, or not at all.
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, source.bytes().data(), 4);
    writer.Add(IPPROTO_IP, IP_PKTINFO, info);
  } else if (udp) {
    in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, source.bytes().data(), 16);
    info.ipi6_ifindex = probe.scope;
    writer.Add(IPPROTO_IPV6, IPV6_PKTINFO, info);
  }
  int error = 0;
  for (int attempt = 0; attempt < kMostAttempts; ++attempt) {
    sent = Now().mono;
    error = SendMessage(socket->fd.get(), message);
    if (error == 0 || !MayBeOfAnEarlierPacket(error)) {
      break;
    }
    TakePendingError(socket->fd.get());
  }
  if (error == 0 && udp) {
    history_.Remember(probe, sent);
  }
  return error;
}

bool DatagramSockets::Receive(uint32_t index, const ProbePort::Handler& handle) {
  if (index >= sockets_.size()) {
    return false;
  }
  const Socket& socket = sockets_[index];
  const int fd = socket.fd.get();
  ErrorBuffer buffer;
  for (int i = 0; i < kMostPerCall; ++i) {
    const auto error = TakeQueuedError(fd, buffer);
    if (!error) {
      break;
    }
    if (!error->local) {
      OnError(socket, *error, handle);
    }
  }
  for (int i = 0; i < kMostPerCall; ++i) {
    SocketAddress from;
    ControlBuffer<int, timespec, in6_pktinfo> control{};
    iovec data{buffer.data(), buffer.size()};
    msghdr message = MessageInto(from, data, control);
    const ssize_t size = recvmsg(fd, &message, MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      return false;
    }
    if (size < 0) {
      continue;  // an error of what was sent, cleared by having been read
    }
    OnPacket(socket, from.address(), from.port(), ReceivedTtl(message),
             {buffer.data(), static_cast<size_t>(size)}, ReceiveTime(message, Now()), handle);
  }
  return true;
}

void DatagramSockets::OnPacket(const Socket& socket, const IpAddress& source, uint16_t port,
                               uint8_t ttl, std::span<const uint8_t> data, MonoTime received,
                               const ProbePort::Handler& handle) const {
  if (source.family() != socket.family) {
    return;
  }
  if (method_ == ProbeMethod::kUdp) {
    handle(UdpReply(source, ttl, port, socket.wanted, data), received);
    return;
  }
  if (auto answer = ParseIcmp(source, ttl, data); answer) {
    if (answer->flow_port == socket.actual) {
      answer->flow_port = socket.wanted;
    }
    handle(*answer, received);
  }
}

void DatagramSockets::OnError(const Socket& socket, const QueuedError& error,
                              const ProbePort::Handler& handle) {
  StrippedError icmp = error.icmp;
  if (icmp.target.family() != socket.family) {
    return;
  }
  if (method_ == ProbeMethod::kIcmpEcho) {
    icmp.protocol = socket.family == Family::kV4 ? kProtocolIcmp : kProtocolIcmpv6;
    if (auto answer = ReadStrippedError(icmp); answer) {
      if (answer->flow_port == socket.actual) {
        answer->flow_port = socket.wanted;
      }
      handle(*answer, error.received);
    }
    return;
  }
  icmp.protocol = kProtocolUdp;
  const auto high = [](uint16_t value) { return static_cast<uint8_t>(value >> 8); };
  const auto low = [](uint16_t value) { return static_cast<uint8_t>(value); };
  const auto length = static_cast<uint16_t>(kUdpHeaderBytes + icmp.quote.size());
  const std::array<uint8_t, kUdpHeaderBytes> header = {high(socket.wanted),
                                                       low(socket.wanted),
                                                       high(error.port),
                                                       low(error.port),
                                                       high(length),
                                                       low(length),
                                                       0,
                                                       0};
  icmp.header = header;
  auto answer = ReadStrippedError(icmp);
  if (!answer) {
    return;
  }
  // The checksum is hidden, and with it the sequence.
  answer->quoted_checksum.reset();
  const auto sequence =
      answer->tag ? history_.ById(icmp.target, error.port, socket.wanted, answer->tag->probe_id)
                  : history_.Guess(icmp.target, error.port, socket.wanted, error.received);
  answer->sequence = sequence.value_or(0);
  if (sequence || answer->tag) {
    handle(*answer, error.received);
  }
}

}  // namespace parallax::sensor
