#include "tests/sim/sensor_model.h"

#include <algorithm>
#include <utility>

#include "sensor/probe/trace/path_report.h"

namespace parallax::sim {
namespace {

using namespace std::chrono_literals;

constexpr size_t kSpool = 20'000;  // records
constexpr size_t kAttempts = 4096;
constexpr size_t kOrders = 1024;
constexpr size_t kTraceProbes = 4096;
constexpr Duration kObserveEvery = 100ms;
constexpr sensor::PortRange kPorts{61440, 65535};

sensor::ObserverOptions Observing(const SensorModelOptions& options, std::mt19937_64& random) {
  sensor::ObserverOptions result;
  result.local_networks = PrefixSet(options.local_networks);
  result.own_probes = {options.addresses, kPorts.first, kPorts.last};
  result.attempts = kAttempts;
  result.key = {random(), random()};
  return result;
}

// What a campus would write: everything, at the default rates.
sensor::Policy WholeWorld() {
  sensor::Policy policy;
  std::vector<Prefix> all;
  for (const char* text :
       {"0.0.0.0/0", "::/0", "10.0.0.0/8", "100.64.0.0/10", "192.0.2.0/24", "198.18.0.0/15",
        "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "fd00::/8"}) {
    all.push_back(*Prefix::Parse(text));
  }
  policy.allow = PrefixSet(std::move(all));
  return policy;
}

}  // namespace

SensorModel::Life::Life(const SensorModelOptions& options, std::mt19937_64& random)
    : observer(Observing(options, random)),
      tagger({1, 2}, {random(), random()}, kPorts),
      ledger(tagger, kOrders * kMaxTries + kTraceProbes),
      gate(ledger, WholeWorld()),
      prober(gate, kOrders),
      tracer(gate),
      watch(gate) {}

SensorModel::SensorModel(const SensorModelOptions& options, uint64_t seed)
    : options_(options), random_(seed) {}

void SensorModel::Start() {
  epoch_ = random_() | 1;
  life_ = std::make_unique<Life>(options_, random_);
}

void SensorModel::See(std::span<const sensor::SynSegment> segments, Moment now) {
  if (!life_) {
    return;
  }
  captured_.clear();
  for (const sensor::SynSegment& segment : segments) {
    sensor::CapturedSegment captured;
    captured.segment = segment;
    captured.stamp = Local(now).wall;
    captured.seen = now.mono;
    captured.interface = "eth0";
    captured_.push_back(captured);
  }
  std::vector<Record> records;
  life_->observer.See(captured_, records);
  Keep(records);
}

void SensorModel::Accept(const Order& order, Moment now) {
  if (!life_) {
    return;
  }
  if (const auto* path = std::get_if<PathOrder>(&order)) {
    life_->tracer.Add(sensor::TraceOf(*path));
  } else {
    life_->prober.Accept(std::get<ProbeOrder>(order), Local(now));
  }
  KeepReports();
}

void SensorModel::SetGateways(const std::vector<sensor::Gateway>& gateways, Moment now) {
  if (life_) {
    life_->watch.SetGateways(gateways, now.mono);
  }
}

sensor::ProbeClient* SensorModel::ClientOf(const sensor::ProbeOwner& owner) {
  switch (owner.kind) {
    case sensor::ProbeOwner::Kind::kGateway:
      return &life_->watch;
    case sensor::ProbeOwner::Kind::kTrace:
      return &life_->tracer;
    default:
      return &life_->prober;
  }
}

void SensorModel::OnAnswer(const sensor::Answer& answer, Moment received) {
  if (!life_) {
    return;
  }
  if (const auto match = life_->ledger.OnAnswer(answer, received.mono)) {
    ClientOf(match->owner)->OnAnswer(*match, answer, Local(received));
    KeepReports();
  }
}

std::span<const sensor::ProbeSend> SensorModel::Turn(Moment now) {
  sends_.clear();
  if (!life_) {
    return sends_;
  }
  if (now.mono >= life_->observed + kObserveEvery) {
    life_->observed = now.mono;
    std::vector<Record> records;
    life_->observer.Advance(Local(now), counters_, records);
    Keep(records);
  }
  life_->prober.Advance(Local(now), SIZE_MAX, sends_);
  life_->tracer.Advance(Local(now), SIZE_MAX, sends_);
  life_->watch.Advance(Local(now), SIZE_MAX, sends_);
  for (const sensor::ProbeSend& send : sends_) {
    life_->ledger.SetSent(send.probe.id, now.mono);
  }
  KeepReports();
  return sends_;
}

MonoTime SensorModel::NextTurn(MonoTime now) const {
  MonoTime next = life_ ? life_->observed + kObserveEvery : now + 1s;
  if (life_) {
    next = std::min(next, life_->prober.NextDeadline().value_or(next));
    next = std::min(next, life_->tracer.NextDeadline().value_or(next));
    next = std::min(next, life_->watch.NextDeadline().value_or(next));
  }
  return std::max(next, now + 100us);
}

SensorHello SensorModel::Hello() const {
  SensorHello hello;
  hello.protocol = kLinkProtocol;
  hello.version = "sim";
  hello.addresses = options_.addresses;
  hello.local_networks = options_.local_networks;
  return hello;
}

SensorHealth SensorModel::Health(Moment now) const {
  SensorHealth health;
  health.interfaces = {{"eth0", "up", 0, 0}};
  health.gateways = life_->watch.Health(now.mono);
  health.probing = true;
  health.spool_records = life_->spool.size();
  return health;
}

void SensorModel::Sent(size_t records) {
  life_->spool.erase(life_->spool.begin(),
                     life_->spool.begin() + static_cast<std::ptrdiff_t>(records));
  life_->sequence += records;
}

void SensorModel::Keep(std::vector<Record>& records) {
  for (Record& record : records) {
    if (life_->spool.size() < kSpool) {
      life_->spool.push_back(std::move(record));
    }
  }
}

void SensorModel::KeepReports() {
  std::vector<Record> records;
  for (ProbeReport& report : life_->prober.TakeReports()) {
    records.emplace_back(std::move(report));
  }
  std::vector<sensor::TraceResult> traces;
  life_->tracer.TakeResults(traces);
  for (const sensor::TraceResult& trace : traces) {
    records.emplace_back(sensor::ReportOf(trace));
  }
  Keep(records);
}

}  // namespace parallax::sim
