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
#include "sensor/probe/trace/path_report.h"

namespace parallax::sensor {
namespace {

constexpr size_t kMaxSubmitted = 4096;
constexpr Duration kGatewayReadEvery = std::chrono::seconds(2);
// A host with a full routing table must not spend its time on reading it.
constexpr int kGatewayReadShare = 20;
constexpr int kPollWithoutSockets = 1000;  // ms
constexpr size_t kMostTraces = 32;         // at once
constexpr size_t kMostTracesWaiting = 512;
constexpr size_t kTraceProbes = kMostTraces * 64;

// Linux' default, should the kernel not tell.
constexpr PortRange kUsualEphemeral{32768, 60999};

}  // namespace

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
  auto port = RawPort::Open(ports, engine->tagger_.udp_ports());
  if (port) {
    engine->port_ = std::move(*port);
    engine->loop_.emplace(*engine->port_, engine->gate_);
    // Gateways first: without their word no vote counts.
    engine->loop_->Add(ProbeOwner::Kind::kGateway, engine->watch_);
    engine->loop_->Add(ProbeOwner::Kind::kOrder, engine->prober_);
    engine->loop_->Add(ProbeOwner::Kind::kTrace, engine->tracer_);
    std::string problem = options.policy ? std::string() : std::move(options.policy_problem);
    engine->Apply({std::move(options.policy), std::move(problem)});
  } else {
    engine->problem_ = port.error().message;
  }
  engine->PublishHealth();
  return engine;
}

ProbeEngine::ProbeEngine(const ProbeEngineOptions& options, PortRange ports, UniqueFd wake_fd,
                         GatewayTable table)
    : tagger_(options.flow_key, RandomHashKey(), ports),
      ledger_(tagger_, options.max_orders * kMaxTries + kTraceProbes + 1024),
      gate_(ledger_, std::nullopt),
      watch_(gate_),
      prober_(gate_, options.max_orders),
      tracer_(gate_, kMostTraces),
      gateway_table_(std::move(table)),
      wake_fd_(std::move(wake_fd)) {}

ProbeEngine::~ProbeEngine() = default;

bool ProbeEngine::Submit(Order order) {
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

void ProbeEngine::SetPolicy(std::optional<Policy> policy, std::string problem) {
  {
    std::lock_guard lock(mutex_);
    new_policy_ = NewPolicy{std::move(policy), std::move(problem)};
  }
  Wake();
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

void ProbeEngine::Run(const std::function<void(Record)>& report, std::stop_token stop) {
  const std::stop_callback wake_at_stop(stop, [this] { Wake(); });
  while (!stop.stop_requested()) {
    ReadGateways();
    TakeMail(report);
    const bool more = loop_ && loop_->Turn();
    PublishHealth();
    TakeReports(report);
    if (more) {
      continue;
    }
    bool woken = false;
    if (loop_) {
      woken = loop_->Wait(wake_fd_.get(), next_gateway_read_);
    } else {
      pollfd waiting{wake_fd_.get(), POLLIN, 0};
      woken = poll(&waiting, 1, kPollWithoutSockets) > 0;
    }
    if (woken) {
      uint64_t count = 0;
      [[maybe_unused]] const ssize_t got = read(wake_fd_.get(), &count, sizeof count);
    }
  }
}

void ProbeEngine::Apply(NewPolicy fresh) {
  if (port_ == nullptr) {
    return;  // and that stays the problem
  }
  problem_ = std::move(fresh.problem);
  if (fresh.policy) {
    port_->SetText(ProbeText(fresh.policy->contact));
  }
  gate_.SetPolicy(fresh.policy);
}

void ProbeEngine::TakeReports(const std::function<void(Record)>& report) {
  for (ProbeReport& done : prober_.TakeReports()) {
    report(std::move(done));
  }
  std::vector<TraceResult> traces;
  tracer_.TakeResults(traces);
  for (const TraceResult& done : traces) {
    report(ReportOf(done));
  }
}

void ProbeEngine::Take(Order order, const Moment& now, const std::function<void(Record)>& report) {
  if (auto* path = std::get_if<PathOrder>(&order)) {
    if (probing() && tracer_.waiting() < kMostTracesWaiting) {
      tracer_.Add(TraceOf(*path));
    } else {
      ++refused_orders_;
      report(RefusedReport(*path, now));
    }
    return;
  }
  auto& probe = std::get<ProbeOrder>(order);
  schedule_.Heard(probe, now.mono);
  if (probing()) {
    prober_.Accept(std::move(probe), now);
  } else {
    ++refused_orders_;
    report(RefusedReport(probe, problem_, now));
  }
}

void ProbeEngine::TakeMail(const std::function<void(Record)>& report) {
  std::vector<Order> orders;
  std::optional<NewPolicy> policy;
  {
    std::lock_guard lock(mutex_);
    orders.swap(submitted_);
    policy.swap(new_policy_);
  }
  if (policy) {
    Apply(std::move(*policy));
  }
  const Moment now = Now();
  for (Order& order : orders) {
    Take(std::move(order), now, report);
  }
  AskOnOwnAccount(now);
}

void ProbeEngine::AskOnOwnAccount(const Moment& now) {
  schedule_.Connected(connected_, now.mono);
  for (ProbeOrder& order : schedule_.Due(now.mono)) {
    if (probing()) {
      prober_.Accept(std::move(order), now);
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

void ProbeEngine::PublishHealth() {
  ProbeHealth health;
  health.gateways = watch_.Health(Now().mono);
  health.probes_sent = loop_ ? loop_->sent() : 0;
  health.probes_refused = refused_orders_ + gate_.refused();
  health.refusals = gate_.refusals();
  health.probing = probing();
  health.problem = problem_;
  health.answers = ledger_.counts();
  std::lock_guard lock(mutex_);
  health_ = std::move(health);
}

}  // namespace parallax::sensor
