#include "sensor/probe/probe_engine.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>
#include <utility>

#include "common/log.h"

namespace parallax::sensor {
namespace {

constexpr size_t kMaxSubmitted = 4096;
constexpr Duration kGatewayReadEvery = std::chrono::seconds(2);
// A host with a full routing table must not spend its time on reading it.
constexpr int kGatewayReadShare = 20;
constexpr Duration kLongestWait = std::chrono::seconds(1);

// Linux' default, should the kernel not tell.
constexpr PortRange kUsualEphemeral{32768, 60999};

PortRange EphemeralPorts() {
  const auto text = ReadSmallFile("/proc/sys/net/ipv4/ip_local_port_range");
  if (!text) {
    return kUsualEphemeral;
  }
  PortRange range;
  const char* const end = text->data() + text->size();
  const auto first = std::from_chars(text->data(), end, range.first);
  const char* at = std::find_if(first.ptr, end, [](char c) { return c >= '0' && c <= '9'; });
  const auto last = std::from_chars(at, end, range.last);
  const bool ok = first.ec == std::errc() && last.ec == std::errc() && range.first <= range.last;
  return ok ? range : kUsualEphemeral;
}

// The kernel has no way there, as opposed to being short of something.
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
    case EAFNOSUPPORT:
      return "this host lacks the address family";
    default:
      return std::strerror(error);
  }
}

}  // namespace

HashKey StableFlowKey(const std::string& identity) {
  static constexpr HashKey kFlows = {0x5061726c6c61786cu, 0x666c6f776b657931u};
  const std::string seed = ReadSmallFile("/etc/machine-id").value_or("") + '\0' + identity;
  const std::vector<uint8_t> bytes(seed.begin(), seed.end());
  const uint64_t first = SipHash24(kFlows, bytes);
  return {first, SipHash24({first, kFlows[1]}, bytes)};
}

Result<std::unique_ptr<ProbeEngine>> ProbeEngine::Open(ProbeEngineOptions options) {
  const PortRange ports = ProbePorts(EphemeralPorts());
  UniqueFd wake_fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!wake_fd) {
    return tl::make_unexpected(ErrnoError("cannot make an eventfd", errno));
  }
  auto table = GatewayTable::Open();
  if (!table) {
    return tl::make_unexpected(table.error());
  }
  std::unique_ptr<ProbeEngine> engine(
      new ProbeEngine(options, ports, std::move(wake_fd), std::move(*table)));
  if (options.policy) {
    auto sockets = ProbeSockets::Open(ports);
    if (!sockets) {
      return tl::make_unexpected(sockets.error());
    }
    engine->probing_.emplace(std::move(*options.policy), std::move(*sockets), engine->ledger_,
                             engine->pacer_, options.max_orders);
  } else {
    engine->problem_ = options.policy.error().message;
  }
  engine->PublishHealth();
  return engine;
}

ProbeEngine::ProbeEngine(const ProbeEngineOptions& options, PortRange ports, UniqueFd wake_fd,
                         GatewayTable table)
    : tagger_(options.flow_key, RandomHashKey(), ports),
      ledger_(tagger_, options.max_orders * kMaxTries + 1024),
      pacer_(options.policy.value_or(Policy{}).packets_per_second,
             options.policy.value_or(Policy{}).per_target_per_second),
      watch_(ledger_, pacer_),
      gateway_table_(std::move(table)),
      wake_fd_(std::move(wake_fd)) {}

ProbeEngine::~ProbeEngine() = default;

bool ProbeEngine::Submit(ProbeOrder order) {
  {
    std::lock_guard lock(mutex_);
    if (submitted_.size() >= kMaxSubmitted) {
      return false;
    }
    submitted_.push_back(std::move(order));
  }
  Wake();
  return true;
}

void ProbeEngine::Wake() {
  const uint64_t one = 1;
  // Fails only if the counter is full, and then the thread is awake already.
  [[maybe_unused]] const ssize_t written = write(wake_fd_.get(), &one, sizeof one);
}

ProbeHealth ProbeEngine::Health() const {
  std::lock_guard lock(mutex_);
  return health_;
}

void ProbeEngine::Run(const std::function<void(ProbeReport)>& report, std::stop_token stop) {
  const std::stop_callback wake_at_stop(stop, [this] { Wake(); });
  ProbeActions actions;
  while (!stop.stop_requested()) {
    ReadGateways();
    TakeOrders(actions);
    if (probing_) {
      Receive(actions);
      const Moment now = Now();
      watch_.Advance(now.mono, actions);  // first: without the gateway's word no vote counts
      probing_->prober.Advance(now, actions);
      SendAll(actions);
    }
    PublishHealth();
    for (ProbeReport& done : actions.reports) {
      report(std::move(done));
    }
    actions.reports.clear();
    Wait();
  }
}

void ProbeEngine::TakeOrders(ProbeActions& actions) {
  std::vector<ProbeOrder> orders;
  {
    std::lock_guard lock(mutex_);
    orders.swap(submitted_);
  }
  const Moment now = Now();
  for (ProbeOrder& order : orders) {
    if (probing_) {
      probing_->prober.Accept(std::move(order), now, actions);
    } else {
      ++refused_unpoliced_;
      actions.reports.push_back(RefusedReport(order, problem_, now));
    }
  }
}

void ProbeEngine::ReadGateways() {
  const MonoTime start = Now().mono;
  if (start < next_gateway_read_) {
    return;
  }
  const auto gateways = gateway_table_.Read();
  const MonoTime end = Now().mono;
  if (gateways) {
    watch_.SetGateways(*gateways, end);
  } else {
    LogDebug("{}", gateways.error().message);  // the last reading stands
  }
  next_gateway_read_ = end + std::max(kGatewayReadEvery, kGatewayReadShare * (end - start));
}

void ProbeEngine::SendAll(ProbeActions& actions) {
  for (const ProbeSend& send : actions.sends) {
    const Moment now = Now();
    ledger_.SetSent(send.probe.id, now.mono);
    const int error = probing_->sockets.Send(send.probe);
    if (error == 0) {
      ++sent_;
    } else if (send.owner.kind == ProbeOwner::Kind::kGateway) {
      watch_.OnSendError(send.owner, SaysUnreachable(error));
    } else {
      probing_->prober.OnSendError(send.owner, DescribeSendError(error), now, actions);
    }
  }
  actions.sends.clear();
}

void ProbeEngine::Receive(ProbeActions& actions) {
  probing_->sockets.Receive([&](const Answer& answer, MonoTime received) {
    const auto match = ledger_.OnAnswer(answer, received);
    if (!match) {
      return;
    }
    const Moment now = Now();
    if (match->owner.kind == ProbeOwner::Kind::kGateway) {
      watch_.OnAnswer(*match, answer, now.mono);
    } else {
      probing_->prober.OnAnswer(*match, answer, now, actions);
    }
  });
}

void ProbeEngine::PublishHealth() {
  ProbeHealth health;
  health.gateways = watch_.Health(Now().mono);
  health.probes_sent = sent_;
  health.probes_refused = refused_unpoliced_ + (probing_ ? probing_->prober.refused() : 0);
  health.probing = probing_.has_value();
  health.problem = problem_;
  health.answers = ledger_.counts();
  std::lock_guard lock(mutex_);
  health_ = std::move(health);
}

void ProbeEngine::Wait() {
  MonoTime until = next_gateway_read_;
  std::vector<pollfd> waiting = {{wake_fd_.get(), POLLIN, 0}};
  if (probing_) {
    for (const int fd : probing_->sockets.descriptors()) {
      waiting.push_back({fd, POLLIN, 0});
    }
    until = std::min(until, watch_.NextDeadline().value_or(until));
    until = std::min(until, probing_->prober.NextDeadline().value_or(until));
  }
  const Duration wait = std::clamp(until - Now().mono, Duration::zero(), kLongestWait);
  const timespec timeout{.tv_sec = wait.count() / 1'000'000'000,
                         .tv_nsec = wait.count() % 1'000'000'000};
  if (ppoll(waiting.data(), waiting.size(), &timeout, nullptr) > 0 && waiting[0].revents != 0) {
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = read(wake_fd_.get(), &count, sizeof count);
  }
}

}  // namespace parallax::sensor
