#include "sensor/probe/ports/plain_port.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace parallax::sensor {
namespace {

// The kind of socket that an event is about, above its index.
constexpr uint64_t kIcmp = uint64_t{1} << 32;
constexpr uint64_t kUdp = uint64_t{2} << 32;
constexpr uint64_t kTcp = uint64_t{3} << 32;
constexpr uint64_t kTimer = uint64_t{4} << 32;
constexpr uint64_t kKindMask = ~uint64_t{0} << 32;

constexpr int kMostEvents = 256;
// Left for everything else this process opens.
constexpr size_t kReservedFiles = 64;
constexpr rlim_t kFilesWanted = 65536;

constexpr std::array<ProbeMethod, 3> kMethods = {ProbeMethod::kIcmpEcho, ProbeMethod::kTcpSyn,
                                                 ProbeMethod::kUdp};
constexpr std::array<Family, 2> kFamilies = {Family::kV4, Family::kV6};

// What is less than with raw sockets, on every host.
struct Lack {
  std::optional<ProbeMethod> method;
  std::string_view text;
};
constexpr std::array<Lack, 9> kLacks = {{
    {ProbeMethod::kTcpSyn,
     "an answer that takes longer than 0.9 s is not seen, because the kernel would send a second "
     "SYN after 1 s"},
    {ProbeMethod::kTcpSyn,
     "of several probes of one flow at the same time, as in a trace, all but one leave from other "
     "ports and may take other paths; trace with icmp or udp"},
    {ProbeMethod::kTcpSyn,
     "the TTL of answers is not known, and late, repeated and forged ones are not counted"},
    {ProbeMethod::kTcpSyn, "redirects are not seen"},
    {ProbeMethod::kUdp, "redirects are not seen"},
    {ProbeMethod::kUdp,
     "an error that quotes only 8 bytes, as old routers send it, is left out while probes with "
     "different TTLs are under way"},
    {ProbeMethod::kIcmpEcho, "redirects are seen over IPv4 only"},
    {std::nullopt,
     "what routers quote of a probe's IP header is hidden: NAT and routers that forward a TTL of 0 "
     "are not recognised"},
    {std::nullopt,
     "remedy: the capability CAP_NET_RAW; run as root, or setcap cap_net_raw+ep on the program"},
}};

size_t FileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return 1024;
  }
  const rlim_t wanted = std::min(limit.rlim_max, kFilesWanted);
  if (limit.rlim_cur < wanted) {
    const rlimit raised{wanted, limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) {
      limit = raised;
    }
  }
  return static_cast<size_t>(std::min(limit.rlim_cur, kFilesWanted));
}

int Try(ProbeMethod method, Family family) {
  return method == ProbeMethod::kTcpSyn ? ConnectSockets::Try(family)
                                        : DatagramSockets::Try(method, family);
}

size_t IndexOf(Family family) { return family == Family::kV4 ? 0 : 1; }

}  // namespace

Result<std::unique_ptr<PlainPort>> PlainPort::Open(const ProbeText& text) {
  UniqueFd epoll_fd(epoll_create1(EPOLL_CLOEXEC));
  UniqueFd timer_fd(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  if (!epoll_fd || !timer_fd) {
    return tl::make_unexpected(ErrnoError("cannot wait for answers to probes", errno));
  }
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kTimer;
  if (epoll_ctl(epoll_fd.get(), EPOLL_CTL_ADD, timer_fd.get(), &event) != 0) {
    return tl::make_unexpected(ErrnoError("cannot wait for answers to probes", errno));
  }
  const size_t files = FileLimit();
  std::unique_ptr<PlainPort> port(
      new PlainPort(text, std::move(epoll_fd), std::move(timer_fd),
                    files > 2 * kReservedFiles ? files - kReservedFiles : files / 2));
  bool any = false;
  int last = 0;
  for (const ProbeMethod method : kMethods) {
    for (const Family family : kFamilies) {
      const int error = Try(method, family);
      port->unavailable_[static_cast<size_t>(method)][IndexOf(family)] = error;
      any |= error == 0;
      last = error == 0 ? last : error;
    }
  }
  if (!any) {
    return tl::make_unexpected(
        ErrnoError("cannot open any socket to probe with, neither ICMP, TCP nor UDP", last));
  }
  return port;
}

PlainPort::PlainPort(const ProbeText& text, UniqueFd epoll_fd, UniqueFd timer_fd,
                     size_t most_sockets)
    : epoll_fd_(std::move(epoll_fd)),
      timer_fd_(std::move(timer_fd)),
      most_sockets_(most_sockets),
      icmp_(ProbeMethod::kIcmpEcho, text, epoll_fd_.get(), kIcmp),
      udp_(ProbeMethod::kUdp, text, epoll_fd_.get(), kUdp),
      tcp_(epoll_fd_.get(), kTcp) {}

bool PlainPort::MayOpen() const { return icmp_.size() + udp_.size() + tcp_.size() < most_sockets_; }

size_t PlainPort::room() const {
  const size_t others = icmp_.size() + udp_.size();
  const size_t most =
      std::min(ConnectSockets::kMost, most_sockets_ - std::min(most_sockets_, others));
  // If there is none to be had ever, let those who ask be told.
  return most == 0 ? SIZE_MAX : most - std::min(most, tcp_.size());
}

int PlainPort::SendOne(const Probe& probe, MonoTime& left) {
  const ProbeMethod method = probe.attempt.method;
  if (const int error = availability(method, probe.target.family()); error != 0) {
    return error == EACCES || error == EPERM ? EOPNOTSUPP : error;
  }
  switch (method) {
    case ProbeMethod::kIcmpEcho:
      return icmp_.Send(probe, MayOpen(), left);
    case ProbeMethod::kUdp:
      return udp_.Send(probe, MayOpen(), left);
    case ProbeMethod::kTcpSyn:
      return tcp_.Send(probe, MayOpen(), left);
  }
  return EINVAL;
}

void PlainPort::Send(std::span<const Probe> probes, std::vector<SendOutcome>& outcomes) {
  for (const Probe& probe : probes) {
    SendOutcome& outcome = outcomes.emplace_back();
    outcome.probe_id = probe.id;
    outcome.error = SendOne(probe, outcome.left);
  }
  SetTimer();
}

bool PlainPort::Receive(const Handler& handle) {
  std::array<epoll_event, kMostEvents> events;
  const int count = epoll_wait(epoll_fd_.get(), events.data(), kMostEvents, 0);
  bool more = count == kMostEvents;
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<size_t>(i)];
    const auto index = static_cast<uint32_t>(event.data.u64);
    switch (event.data.u64 & kKindMask) {
      case kIcmp:
        more |= icmp_.Receive(index, handle);
        break;
      case kUdp:
        more |= udp_.Receive(index, handle);
        break;
      case kTcp:
        tcp_.Receive(index, event.events, handle);
        break;
      default: {
        uint64_t expirations = 0;
        [[maybe_unused]] const ssize_t size =
            read(timer_fd_.get(), &expirations, sizeof expirations);
        timer_at_ = MonoTime::max();
      }
    }
  }
  tcp_.Advance(Now().mono, handle);
  SetTimer();
  return more;
}

// CLOCK_MONOTONIC is what steady_clock counts on Linux.
void PlainPort::SetTimer() {
  const auto deadline = tcp_.NextDeadline();
  if (!deadline || *deadline == timer_at_) {
    return;  // one that goes off for nothing does no harm
  }
  timer_at_ = *deadline;
  const Duration at = std::max(timer_at_.time_since_epoch(), Duration(1));
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(at);
  itimerspec time{};
  time.it_value.tv_sec = seconds.count();
  time.it_value.tv_nsec = (at - seconds).count();
  timerfd_settime(timer_fd_.get(), TFD_TIMER_ABSTIME, &time, nullptr);
}

std::vector<int> PlainPort::descriptors() const { return {epoll_fd_.get()}; }

int PlainPort::availability(ProbeMethod method, Family family) const {
  return unavailable_[static_cast<size_t>(method)][IndexOf(family)];
}

std::vector<std::string> PlainPort::Missing(std::optional<ProbeMethod> only) const {
  std::vector<std::string> lines;
  for (const ProbeMethod method : kMethods) {
    for (const Family family : kFamilies) {
      const int error = availability(method, family);
      if (error == 0 || (only && *only != method)) {
        continue;
      }
      const bool icmp = method == ProbeMethod::kIcmpEcho;
      const char* remedy = icmp && (error == EACCES || error == EPERM)
                               ? "; allow this group: sysctl -w "
                                 "net.ipv4.ping_group_range='0 2147483647'"
                               : "";
      lines.push_back(fmt::format("no {} over IPv{}: {}{}", ToString(method),
                                  static_cast<int>(family), std::strerror(error), remedy));
    }
  }
  for (const Lack& lack : kLacks) {
    if (!only || !lack.method || *lack.method == *only) {
      lines.push_back(lack.method ? fmt::format("{}: {}", ToString(*lack.method), lack.text)
                                  : std::string(lack.text));
    }
  }
  return lines;
}

}  // namespace parallax::sensor
