#include "sensor/probe/ports/connect_sockets.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "sensor/probe/ports/socket_util.h"

namespace parallax::sensor {
namespace {

Answer AnswerTo(const Probe& probe, AnswerKind kind, const IpAddress& source) {
  Answer answer;
  answer.kind = kind;
  answer.source = source;
  answer.target = probe.target;
  answer.method = ProbeMethod::kTcpSyn;
  answer.port = probe.attempt.port;
  answer.flow_port = probe.flow_port;
  answer.sequence = probe.sequence;
  return answer;
}

// The connection's two ends are one: the SYN has met itself, and nobody has answered.
bool IsConnectedToItself(int fd, const Probe& probe) {
  SocketAddress local;
  socklen_t size = SocketAddress::capacity();
  return getsockname(fd, local.get(), &size) == 0 && local.port() == probe.attempt.port &&
         local.address() == probe.target;
}

std::optional<tcp_info> InfoOf(int fd) {
  tcp_info info{};
  socklen_t size = sizeof info;
  return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? std::optional(info)
                                                                  : std::nullopt;
}

}  // namespace

int ConnectSockets::Try(Family family) {
  const bool v4 = family == Family::kV4;
  const UniqueFd fd(socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return fd ? 0 : errno;
}

int ConnectSockets::Open(const Probe& probe, bool own_port, UniqueFd& result) const {
  const Family family = probe.target.family();
  const bool v4 = family == Family::kV4;
  const int level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
  result.Reset(socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int fd = result.get();
  if (fd < 0) {
    return errno;
  }
  const auto set = [fd](int option_level, int option, int value) {
    return setsockopt(fd, option_level, option, &value, sizeof value) == 0;
  };
  // Without the error queue (TCP: Linux 5.8) an error is known, but not who sent it.
  QueueErrors(fd, family);
  if (!set(level, v4 ? IP_TTL : IPV6_UNICAST_HOPS, probe.ttl == 0 ? kDefaultTtl : probe.ttl)) {
    return errno;
  }
  if (!v4) {
    set(IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, 0);  // hashed over equal-cost paths: keep it 0
  }
  // close() ends an established connection with a RST. Until then the SYN-ACK is not acknowledged,
  // so that the target's programs never get to see the connection.
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  set(IPPROTO_TCP, TCP_QUICKACK, 0);
  set(IPPROTO_TCP, TCP_SYNCNT, 1);
  if (own_port) {
    const SocketAddress from(Unspecified(family), probe.flow_port);
    if (!set(SOL_SOCKET, SO_REUSEADDR, 1) || bind(fd, from.get(), from.size()) != 0) {
      return errno;
    }
  }
  return 0;
}

// EINPROGRESS: the SYN has left. Anything else: it has not, except for ECONNREFUSED, which is the
// answer already.
int ConnectSockets::Start(Connect& connect, bool own_port) {
  if (const int error = Open(connect.probe, own_port, connect.fd); error != 0) {
    return error;
  }
  const Probe& probe = connect.probe;
  const SocketAddress to(probe.target, probe.attempt.port, probe.scope);
  connect.sent = Now().mono;
  return ::connect(connect.fd.get(), to.get(), to.size()) == 0 ? EINPROGRESS : errno;
}

int ConnectSockets::Send(const Probe& probe, bool may_open, MonoTime& sent) {
  if (!may_open || in_use_ >= kMost) {
    return EMFILE;
  }
  Connect connect;
  connect.probe = probe;
  int outcome = Start(connect, true);
  // The port is another program's, or a probe from there to the same end is in flight.
  if (outcome == EADDRINUSE || outcome == EADDRNOTAVAIL || outcome == EACCES) {
    const int first = outcome;
    outcome = Start(connect, false);
    if (outcome == EINPROGRESS || outcome == ECONNREFUSED) {
      ++off_flow_;
    } else if (first == EACCES) {
      outcome = EACCES;
    }
  }
  sent = connect.sent;
  if (outcome == ECONNREFUSED) {
    found_.emplace_back(AnswerTo(probe, AnswerKind::kReset, probe.target), Now().mono);
    return 0;
  }
  if (outcome != EINPROGRESS) {
    return outcome;
  }
  if (free_.empty()) {
    free_.push_back(static_cast<uint32_t>(connects_.size()));
    connects_.emplace_back();
  }
  const uint32_t index = free_.back();
  epoll_event event{};
  event.events = EPOLLOUT;
  event.data.u64 = token_ | index;
  if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, connect.fd.get(), &event) != 0) {
    return errno;
  }
  free_.pop_back();
  connect.number = next_number_++;
  waiting_.push_back({connect.sent + kWait, connect.number, index});
  connects_[index] = std::move(connect);
  ++in_use_;
  return 0;
}

std::optional<Answer> ConnectSockets::Outcome(const Connect& connect, uint32_t events,
                                              MonoTime& received) {
  const int fd = connect.fd.get();
  const Probe& probe = connect.probe;
  ErrorBuffer buffer;
  while (auto queued = TakeQueuedError(fd, buffer)) {
    // The kernel has compared the quoted sequence number with its own; the probe's stands for it.
    const auto byte = [](uint32_t value, int shift) {
      return static_cast<uint8_t>(value >> shift);
    };
    const std::array<uint8_t, 8> header = {byte(probe.flow_port, 8),    byte(probe.flow_port, 0),
                                           byte(probe.attempt.port, 8), byte(probe.attempt.port, 0),
                                           byte(probe.sequence, 24),    byte(probe.sequence, 16),
                                           byte(probe.sequence, 8),     byte(probe.sequence, 0)};
    StrippedError& icmp = queued->icmp;
    icmp.target = probe.target;
    icmp.protocol = kProtocolTcp;
    icmp.header = header;
    icmp.quote = icmp.quote.subspan(std::min(header.size(), icmp.quote.size()));
    if (queued->local) {
      continue;
    }
    if (auto answer = ReadStrippedError(icmp); answer) {
      received = queued->received;
      return answer;
    }
  }
  received = Now().mono;
  const int error = TakePendingError(fd);
  const bool hung_up = (events & EPOLLHUP) != 0;
  // ECONNRESET: connected, and reset before we came to look.
  if ((error == 0 && (events & EPOLLOUT) != 0 && !hung_up) || error == ECONNRESET ||
      error == EPIPE) {
    if (IsConnectedToItself(fd, probe)) {
      return std::nullopt;
    }
    if (const auto info = InfoOf(fd); info && info->tcpi_rtt > 0) {
      const Duration rtt = std::chrono::microseconds(info->tcpi_rtt);
      received = std::min(received, connect.sent + rtt);
    }
    return AnswerTo(probe, AnswerKind::kSynAck, probe.target);
  }
  if (error == ECONNREFUSED) {
    return AnswerTo(probe, AnswerKind::kReset, probe.target);
  }
  if (error == EHOSTUNREACH || error == ENETUNREACH || error == EACCES) {
    // A kernel that does not say who sent the error.
    const Family family = probe.target.family();
    Answer answer = AnswerTo(probe, AnswerKind::kError, Unspecified(family));
    answer.meaning = error == EACCES ? ErrorMeaning::kProhibited : ErrorMeaning::kUnreachable;
    answer.icmp_type = family == Family::kV4 ? 3 : 1;
    answer.quoted_ttl = 1;
    return answer;
  }
  return std::nullopt;
}

void ConnectSockets::Receive(uint32_t index, uint32_t events, const ProbePort::Handler& handle) {
  if (index >= connects_.size() || connects_[index].number == 0) {
    return;
  }
  MonoTime received;
  const auto answer = Outcome(connects_[index], events, received);
  // An error that ends nothing, for example that the packet was too big.
  const bool goes_on = !answer && (events & (EPOLLHUP | EPOLLOUT)) == 0;
  if (!goes_on) {
    Close(index);
  }
  if (answer) {
    handle(*answer, received);
  }
}

void ConnectSockets::Advance(MonoTime now, const ProbePort::Handler& handle) {
  if (!found_.empty()) {
    for (const auto& [answer, received] : std::exchange(found_, {})) {
      handle(answer, received);
    }
  }
  while (!waiting_.empty()) {
    const Waiting first = waiting_.front();
    const bool ended = connects_[first.index].number != first.number;
    if (!ended && first.until > now) {
      return;
    }
    waiting_.pop_front();
    if (!ended) {
      CountRepeated(connects_[first.index], now);
      // What has come in since the last look still counts.
      pollfd ready{connects_[first.index].fd.get(), POLLOUT, 0};
      if (poll(&ready, 1, 0) == 1) {
        static_assert(POLLOUT == EPOLLOUT && POLLHUP == EPOLLHUP && POLLERR == EPOLLERR);
        Receive(first.index, static_cast<uint16_t>(ready.revents), handle);
      }
      if (connects_[first.index].number == first.number) {
        Close(first.index);
      }
    }
  }
}

void ConnectSockets::CountRepeated(const Connect& connect, MonoTime now) {
  if (now - connect.sent >= kRepeat) {
    if (const auto info = InfoOf(connect.fd.get()); info) {
      repeated_ += info->tcpi_total_retrans;
    }
  }
}

std::optional<MonoTime> ConnectSockets::NextDeadline() const {
  if (!found_.empty()) {
    return MonoTime::min();
  }
  return waiting_.empty() ? std::nullopt : std::optional(waiting_.front().until);
}

void ConnectSockets::Close(uint32_t index) {
  connects_[index] = {};  // and epoll forgets it
  free_.push_back(index);
  --in_use_;
}

}  // namespace parallax::sensor
