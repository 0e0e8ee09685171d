#include "sensor/probe/ports/raw_port.h"

#include <linux/filter.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <thread>

#include "sensor/probe/ports/socket_filter.h"

namespace parallax::sensor {
namespace {

// Answers to some 10,000 probes; the second if the kernel allows no more.
constexpr int kLargeBuffer = 8 << 20;
constexpr int kSmallBuffer = 1 << 20;
constexpr size_t kMaxPacket = 65536;  // a UDP service may answer at length; few pages are used
constexpr size_t kBatch = SendBatch::kMost;
constexpr size_t kInbox = 64;
constexpr size_t kMostPerSocket = 256;
constexpr size_t kMostUnsettled = 64;
// So long, at the most, batches leave without our asking whether the next hop is known.
constexpr Duration kTrust = std::chrono::milliseconds(2);
// How long sending waits for a next hop's address to be found, and how often it does so.
constexpr Duration kPatience = std::chrono::milliseconds(20);
constexpr Duration kPatientEvery = std::chrono::seconds(1);

}  // namespace

struct RawPort::Inbox {
  std::array<std::array<uint8_t, kMaxPacket>, kInbox> buffers;
  std::array<SocketAddress, kInbox> from;
  std::array<iovec, kInbox> data;
  std::array<ControlBuffer<timespec, int>, kInbox> control;
  std::array<mmsghdr, kInbox> messages;
};

RawPort::RawPort()
    : batch_(std::make_unique<SendBatch>()), in_(std::make_unique_for_overwrite<Inbox>()) {}
RawPort::~RawPort() = default;

Result<void> RawPort::Configure(int fd, Family family, uint8_t protocol, PortRange ports) {
  const bool icmp = protocol == kProtocolIcmp || protocol == kProtocolIcmpv6;
  auto filtered = icmp                       ? FilterIcmp(fd, family)
                  : protocol == kProtocolTcp ? FilterTcp(fd, family, ports)
                                             : FilterUdp(fd, family, ports);
  if (!filtered) {
    return filtered;
  }
  // A smaller buffer than asked for is no reason to fail.
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kLargeBuffer, sizeof kLargeBuffer) != 0) {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kSmallBuffer, sizeof kSmallBuffer);
  }
  if (auto ok = SetInt(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1, "cannot ask for receive times"); !ok) {
    return ok;
  }
  if (family == Family::kV4) {
    return {};
  }
  if (auto ok = SetInt(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1, "cannot ask for hop limits"); !ok) {
    return ok;
  }
  // The flow label is hashed over equal-cost paths: keep it 0.
  return SetInt(fd, IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, 0, "cannot fix the flow label");
}

Result<std::unique_ptr<RawPort>> RawPort::Open(PortRange ports, PortRange udp_ports) {
  struct Wanted {
    int domain;
    Family family;
    uint8_t protocol;
  };
  static constexpr std::array<Wanted, kCount> kWanted = {{
      {AF_INET, Family::kV4, kProtocolIcmp},
      {AF_INET, Family::kV4, kProtocolTcp},
      {AF_INET, Family::kV4, kProtocolUdp},
      {AF_INET6, Family::kV6, kProtocolIcmpv6},
      {AF_INET6, Family::kV6, kProtocolTcp},
      {AF_INET6, Family::kV6, kProtocolUdp},
  }};
  const auto open = [](int domain, int protocol, UniqueFd& fd) -> Result<void> {
    fd.Reset(socket(domain, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
    if (fd || errno == EAFNOSUPPORT) {
      return {};
    }
    Error error = ErrnoError("cannot open raw sockets for probing", errno);
    if (error.code == ErrorCode::kPermission) {
      error.message += " (run as root, or give the sensor the capability CAP_NET_RAW)";
    }
    return tl::make_unexpected(std::move(error));
  };
  std::unique_ptr<RawPort> port(new RawPort());
  port->udp_ports_ = udp_ports;
  if (auto table = GatewayTable::Open()) {
    port->next_hops_.emplace(std::move(*table));
  }
  port->epoll_fd_.Reset(epoll_create1(EPOLL_CLOEXEC));
  if (!port->epoll_fd_) {
    return tl::make_unexpected(ErrnoError("cannot make an epoll descriptor", errno));
  }
  bool any = false;
  for (size_t i = 0; i < kCount; ++i) {
    const Wanted& wanted = kWanted[i];
    Socket& socket = port->sockets_[i];
    socket.family = wanted.family;
    socket.protocol = wanted.protocol;
    if (auto ok = open(wanted.domain, wanted.protocol, socket.fd); !ok) {
      return tl::make_unexpected(ok.error());
    }
    if (!socket.fd) {
      continue;
    }
    if (auto ok = Configure(socket.fd.get(), wanted.family, wanted.protocol, ports); !ok) {
      return tl::make_unexpected(ok.error());
    }
    epoll_event wanted_events{};
    wanted_events.events = EPOLLIN;
    wanted_events.data.u64 = i;
    if (epoll_ctl(port->epoll_fd_.get(), EPOLL_CTL_ADD, socket.fd.get(), &wanted_events) != 0) {
      return tl::make_unexpected(ErrnoError("cannot wait for a raw socket", errno));
    }
    any = true;
  }
  if (auto ok = open(AF_INET, IPPROTO_RAW, port->send4_); !ok) {
    return tl::make_unexpected(ok.error());
  }
  if (!any) {
    return Fail(ErrorCode::kUnavailable, "this host has neither IPv4 nor IPv6");
  }
  return port;
}

std::vector<int> RawPort::descriptors() const { return {epoll_fd_.get()}; }

int RawPort::SenderOf(const Probe& probe) const {
  if (probe.target.is_v4()) {
    return send4_.get();
  }
  switch (probe.attempt.method) {
    case ProbeMethod::kTcpSyn:
      return sockets_[kTcp6].fd.get();
    case ProbeMethod::kUdp:
      return sockets_[kUdp6].fd.get();
    case ProbeMethod::kIcmpEcho:
      break;
  }
  return sockets_[kIcmp6].fd.get();
}

// The kernel answers a UDP reply to a port that nobody has with "port unreachable". A socket that
// drops whatever it gets keeps it quiet, and other programs off the port.
void RawPort::HoldUdpPort(uint16_t port) {
  if (!udp_ports_.Contains(port) || held_.contains(port)) {
    return;
  }
  UniqueFd& fd = held_[port];
  sockaddr_in6 any{};
  any.sin6_family = AF_INET6;
  any.sin6_port = htons(port);
  sockaddr_in any4{};
  any4.sin_family = AF_INET;
  any4.sin_port = htons(port);
  fd.Reset(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const int both = 0;  // the port of IPv4, too, whatever net.ipv6.bindv6only says
  bool bound = fd && setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &both, sizeof both) == 0 &&
               bind(fd.get(), Generic(any), sizeof any) == 0;
  if (!bound) {
    fd.Reset(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    bound = fd && bind(fd.get(), Generic(any4), sizeof any4) == 0;
  }
  sock_filter drop{BPF_RET | BPF_K, 0, 0, 0};
  const sock_fprog program{1, &drop};
  if (!bound || setsockopt(fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) {
    held_.erase(
        port);  // somebody else has it, and gets the replies besides us; or we have too many
  }
}

int RawPort::Prepare(const Probe& probe, SendBatch& batch) {
  const bool v4 = probe.target.is_v4();
  const bool echo = probe.attempt.method == ProbeMethod::kIcmpEcho;
  IpAddress source;
  if (!echo) {
    if (const int error = sources_.Find(probe.target, probe.scope, probe.attempt.port, source);
        error != 0) {
      return error;
    }
  }
  if (probe.attempt.method == ProbeMethod::kUdp) {
    HoldUdpPort(probe.flow_port);
  }
  SendBatch::Packet& packet = batch.next();
  packet.probe_id = probe.id;
  packet.to = SocketAddress(probe.target, 0, probe.scope);
  ControlWriter control = batch.Commit(v4 ? BuildPacketV4(probe, source, text_, packet.buffer)
                                          : BuildTransport(probe, source, text_, packet.buffer));
  if (v4) {
    return 0;
  }
  control.Add(IPPROTO_IPV6, IPV6_HOPLIMIT, int{probe.ttl == 0 ? kDefaultTtl : probe.ttl});
  if (!echo) {
    // The route may change before the packet leaves: it must leave from the source it was summed
    // with, or not at all.
    in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, source.bytes().data(), 16);
    control.Add(IPPROTO_IPV6, IPV6_PKTINFO, info);
  }
  return 0;
}

bool RawPort::UseSecondSender() {
  UniqueFd fd(socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_RAW));
  if (fd && second_ == nullptr) {
    second_ = std::make_unique<BatchSender>(std::move(fd));
  }
  return second_ != nullptr;
}

size_t RawPort::Fill(std::span<const Probe> probes, size_t most, int fd, SendBatch& batch,
                     std::vector<SendOutcome>& outcomes) {
  batch.Clear();
  size_t taken = 0;
  const int sender = SenderOf(probes.front());
  for (const Probe& probe : probes) {
    if (batch.size() == most || SenderOf(probe) != sender) {
      break;
    }
    ++taken;
    int error = fd < 0 ? EAFNOSUPPORT : most == 1 && MustNotQueue(probe) ? EALREADY : 0;
    error = error != 0 ? error : Prepare(probe, batch);
    if (error == 0) {
      if (unsettled_.size() < kMostUnsettled) {
        unsettled_.push_back(probe.target);
      }
      if (std::find(unsettled_fds_.begin(), unsettled_fds_.end(), fd) == unsettled_fds_.end()) {
        unsettled_fds_.push_back(fd);
      }
    }
    if (error != 0) {
      outcomes.push_back({probe.id, error, MonoTime()});
    }
  }
  return taken;
}

void RawPort::Append(const SendBatch& batch, std::vector<SendOutcome>& outcomes) {
  for (size_t i = 0; i < batch.size(); ++i) {
    outcomes.push_back({batch.packet(i).probe_id, batch.packet(i).error, batch.LeftAt(i)});
  }
}

void RawPort::Collect(std::vector<SendOutcome>& outcomes) {
  if (second_ != nullptr) {
    second_->Collect([&outcomes](const SendBatch& batch) { Append(batch, outcomes); });
  }
}

void RawPort::Send(std::span<const Probe> probes, std::vector<SendOutcome>& outcomes) {
  Collect(outcomes);
  while (!probes.empty()) {
    const int fd = SenderOf(probes.front());
    // A few probes go one by one: that is when it matters at what time exactly each left.
    const size_t most = probes.size() >= kBatch && MayBatch(probes.front()) ? kBatch : 1;
    const bool other = most > 1 && second_ != nullptr && fd == send4_.get();
    if (SendBatch* batch = other ? second_->Free() : nullptr; batch != nullptr) {
      probes = probes.subspan(Fill(probes, most, second_->fd(), *batch, outcomes));
      if (batch->size() == 0) {
        continue;
      }
      const MonoTime now = Now().mono;  // none leaves earlier
      for (size_t i = 0; i < batch->size(); ++i) {
        outcomes.push_back({batch->packet(i).probe_id, 0, now});
      }
      second_->Start();
      continue;
    }
    SendBatch& batch = *batch_;
    probes = probes.subspan(Fill(probes, most, fd, batch, outcomes));
    if (batch.size() == 0) {
      continue;
    }
    batch.Send(fd);
    // The first to wait for a next hop; whoever follows asks before it is sent.
    if (batch.size() == 1 && unsettled_.size() == 1 && !delayed_ && Queued() && next_hops_) {
      delayed_ = next_hops_->IsResolving(unsettled_.front());
    }
    Append(batch, outcomes);
    Collect(outcomes);
  }
}

bool RawPort::MayBatch(const Probe& probe) {
  const MonoTime now = Now().mono;
  if (now < trusted_until_) {
    return true;
  }
  if (unsettled_.empty() || MustNotQueue(probe)) {
    return false;
  }
  trusted_until_ = now + kTrust;
  return true;
}

bool RawPort::Queued() const {
  return (second_ != nullptr && second_->waiting() > 0) ||
         std::any_of(unsettled_fds_.begin(), unsettled_fds_.end(), [](int fd) {
           int bytes = 0;
           return ioctl(fd, SIOCOUTQ, &bytes) == 0 && bytes > 0;
         });
}

bool RawPort::MustNotQueue(const Probe& probe) {
  if (!delayed_ && !Queued()) {
    Settle();  // which is the rule: two questions to the kernel are saved
  }
  if (unsettled_.empty() || !next_hops_ || !next_hops_->IsResolving(probe.target)) {
    return false;
  }
  delayed_ = true;
  // Usually it is a matter of a millisecond, at the very start.
  const MonoTime start = Now().mono;
  if (start >= patient_until_) {
    patient_until_ = start + kPatientEvery;
    while (Now().mono < start + kPatience) {
      std::this_thread::sleep_for(kPatience / 20);
      if (!next_hops_->IsResolving(probe.target)) {
        return false;
      }
    }
  }
  return true;
}

void RawPort::TakeDelayed(std::vector<IpAddress>& targets) {
  if (unsettled_.empty() || Queued()) {
    return;
  }
  if (delayed_) {
    targets.insert(targets.end(), unsettled_.begin(), unsettled_.end());
  }
  Settle();
}

void RawPort::Settle() {
  delayed_ = false;
  unsettled_.clear();
  unsettled_fds_.clear();
}

bool RawPort::Receive(const Handler& handle) {
  std::array<epoll_event, kCount> events;
  const int count = epoll_wait(epoll_fd_.get(), events.data(), kCount, 0);
  bool more = false;
  for (int i = 0; i < count; ++i) {
    more |= ReceiveFrom(sockets_[events[static_cast<size_t>(i)].data.u64], handle);
  }
  return more;
}

bool RawPort::ReceiveFrom(const Socket& socket, const Handler& handle) {
  Inbox& in = *in_;
  for (size_t total = 0; total < kMostPerSocket;) {
    for (size_t i = 0; i < kInbox; ++i) {
      in.data[i] = {in.buffers[i].data(), kMaxPacket};
      in.messages[i].msg_hdr = MessageInto(in.from[i], in.data[i], in.control[i]);
    }
    const int count = recvmmsg(socket.fd.get(), in.messages.data(), kInbox, MSG_DONTWAIT, nullptr);
    if (count <= 0) {
      return false;  // drained; a pending socket error is cleared by having been read
    }
    const Moment now = Now();
    for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
      msghdr& message = in.messages[i].msg_hdr;
      if ((message.msg_flags & MSG_TRUNC) != 0) {
        continue;
      }
      const std::span<const uint8_t> bytes(in.buffers[i].data(), in.messages[i].msg_len);
      const auto answer =
          socket.family == Family::kV4
              ? ParseAnswerV4(bytes)
              : ParseAnswerV6(in.from[i].address(), socket.protocol, ReceivedTtl(message), bytes);
      if (answer) {
        handle(*answer, ReceiveTime(message, now));
      }
    }
    if (static_cast<size_t>(count) < kInbox) {
      return false;
    }
    total += static_cast<size_t>(count);
  }
  return true;
}

}  // namespace parallax::sensor
