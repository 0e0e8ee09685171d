#include "tests/sim/campus.h"

#include <algorithm>
#include <utility>

namespace parallax::sim {
namespace {

using namespace std::chrono_literals;
using namespace parallax::collector;  // NOLINT: the simulator speaks the collector's language

constexpr Duration kTick = 100ms;
constexpr Duration kHeartbeat = 2s;
constexpr Duration kGatewayPatience = 6s;  // sensor/probe/gateway_watch.h
constexpr Duration kLinkDelay = 5ms;
constexpr size_t kSpool = 10'000;
const MonoTime kBeginning = MonoTime(std::chrono::hours(100));

IpAddress Numbered(Family family, std::array<uint8_t, 4> head, size_t n) {
  if (family == Family::kV4) {
    const std::array<uint8_t, 4> bytes = {head[0], static_cast<uint8_t>(head[1] + (n >> 16)),
                                          static_cast<uint8_t>(n >> 8), static_cast<uint8_t>(n)};
    return IpAddress::V4(bytes);
  }
  std::array<uint8_t, 16> bytes = {0x20, 0x01, 0x0d, 0xb8, head[0], head[1]};
  bytes[13] = static_cast<uint8_t>(n >> 16);
  bytes[14] = static_cast<uint8_t>(n >> 8);
  bytes[15] = static_cast<uint8_t>(n);
  return IpAddress::V6(bytes);
}

Duration RttOf(const IpAddress& to) { return 5ms + to.bytes().back() * 300us; }

}  // namespace

Campus::Campus(CampusOptions options)
    : options_(std::move(options)),
      random_(options_.seed),
      now_{kBeginning, WallTime(std::chrono::hours(24 * 365 * 56))} {
  RestartCollector();
}

size_t Campus::AddSensor(std::string name, std::string group) {
  const size_t i = sensors_.size();
  Place place;
  place.name = std::move(name);
  place.group = std::move(group);
  place.address = Numbered(Family::kV4, {10, 20, 0, 0}, 256 * (i + 1) + 10);
  sensor_by_name_[place.name] = i;
  sensors_.push_back(std::move(place));
  lines_.emplace_back();
  lines_[i].epoch = i + 1;
  lines_[i].gateway_answered = now_.mono;
  // Sensors do not beat in step.
  At(now_.mono + 10ms * static_cast<int64_t>(1 + random_() % 190), [this, i] { Heartbeat(i); });
  return i;
}

size_t Campus::AddRemotes(size_t count, bool icmp, bool tcp, Family family) {
  const size_t first = remotes_.size();
  for (size_t n = 0; n < count; ++n) {
    const size_t i = remotes_.size();
    Remote remote;
    remote.address = Numbered(family, {198, 18, 0, 0}, i + 1);
    remote.icmp = icmp;
    remote.tcp = tcp;
    remote_by_address_[remote.address] = i;
    remotes_.push_back(remote);
    At(now_.mono + options_.attempt_every * static_cast<int64_t>(random_() % 1000) / 1000,
       [this, i] { Attempts(i); });
  }
  return first;
}

void Campus::At(MonoTime when, std::function<void()> what) {
  events_.push({when, event_order_++, std::move(what)});
}

void Campus::Do(Duration step) {
  const MonoTime until = now_.mono + step;
  while (!events_.empty() && events_.top().at <= until) {
    const Event event = events_.top();
    events_.pop();
    now_ = now_ + (std::max(event.at, now_.mono) - now_.mono);
    event.what();
  }
  now_ = now_ + (until - now_.mono);
  engine_->Tick(now_);
  Obey(engine_->Take());
}

void Campus::Run(Duration time) {
  for (Duration done{}; done < time; done += kTick) {
    Do(kTick);
  }
}

bool Campus::RunUntil(const std::function<bool()>& done, Duration time) {
  for (Duration spent{}; spent < time && !done(); spent += kTick) {
    Do(kTick);
  }
  return done();
}

void Campus::RestartCollector() {
  engine_ = std::make_unique<Engine>(options_.engine, store_.Load(), ++life_ * 1'000'000'000, now_);
  for (Line& line : lines_) {
    line.linked = false;
  }
}

bool Campus::Linked(size_t i) const {
  const Place& p = sensors_[i];
  return p.host_up && p.process_up && (p.local || (p.uplink_up && p.stream_up && collector_uplink));
}

void Campus::KillSensor(size_t i) {
  if (Linked(i) && lines_[i].linked) {
    engine_->OnDisconnected(sensors_[i].name, false, now_);
  }
  sensors_[i].process_up = false;
  lines_[i] = {false, lines_[i].epoch + 100, 0, {}, lines_[i].gateway_answered};
}

void Campus::StopSensor(size_t i) {
  engine_->OnDisconnected(sensors_[i].name, true, now_);
  sensors_[i].process_up = false;
  lines_[i] = {false, lines_[i].epoch + 100, 0, {}, lines_[i].gateway_answered};
}

void Campus::StartSensor(size_t i) { sensors_[i].process_up = true; }

void Campus::Heartbeat(size_t i) {
  At(now_.mono + kHeartbeat, [this, i] { Heartbeat(i); });
  Place& p = sensors_[i];
  Line& line = lines_[i];
  if (p.uplink_up && p.gateway_up && !p.gateway_drops_icmp) {
    line.gateway_answered = now_.mono;
  }
  if (!Linked(i)) {
    line.linked = false;
    return;
  }
  if (!line.linked) {
    line.linked = true;
    SensorHello hello;
    hello.version = "sim";
    hello.addresses = {p.address};
    const auto from = p.local ? IpAddress::Parse("127.0.0.1") : std::optional(p.address);
    engine_->OnConnected(p.name, p.group, from, hello, now_);
    Flush(i);
  }
  SensorHealth health;
  health.probing = true;
  const Reach reach =
      now_.mono - line.gateway_answered <= kGatewayPatience ? Reach::kUp : Reach::kDown;
  health.gateways.push_back({*IpAddress::Parse("10.20.0.1"), reach});
  if (p.has_v6) {
    health.gateways.push_back({*IpAddress::Parse("fe80::1"), reach});
  }
  engine_->OnHealth(p.name, health, now_);
}

void Campus::Inject(size_t sensor, std::vector<Record> records) {
  Line& line = lines_[sensor];
  for (Record& record : records) {
    if (line.spool.size() < kSpool) {
      line.spool.push_back(std::move(record));
    }
  }
  Flush(sensor);
}

void Campus::Flush(size_t i) {
  Line& line = lines_[i];
  if (!line.linked || !Linked(i) || line.spool.empty()) {
    return;
  }
  IngestedBatch batch;
  batch.sensor = sensors_[i].name;
  batch.epoch = line.epoch;
  batch.first_sequence = line.sequence + 1;
  batch.received = now_.wall;
  batch.records.assign(line.spool.begin(), line.spool.end());
  line.sequence += line.spool.size();
  line.spool.clear();
  engine_->OnBatch(std::move(batch), now_);
}

void Campus::Attempts(size_t remote) {
  std::exponential_distribution<double> gap(1 / ToSeconds(options_.attempt_every));
  At(now_.mono + 1s +
         std::chrono::duration_cast<Duration>(std::chrono::duration<double>(
             std::min(gap(random_), 5 * ToSeconds(options_.attempt_every)))),
     [this, remote] { Attempts(remote); });
  if (remotes_[remote].alive && remotes_[remote].connects && !sensors_.empty()) {
    Connect(remote, random_() % sensors_.size());
  }
}

void Campus::Connect(size_t remote, size_t sensor) {
  const Place& place = sensors_[sensor];
  if (!place.host_up || !place.process_up || !place.uplink_up || !place.gateway_up) {
    return;  // the SYN does not get here
  }
  Attempt attempt;
  attempt.client = {
      remotes_[remote].address,
      next_port_ = next_port_ < 60'000 ? static_cast<uint16_t>(next_port_ + 1) : uint16_t{1024}};
  attempt.server = {place.address, 25};
  attempt.isn = static_cast<uint32_t>(random_());
  attempt.first_seen = now_.wall;
  attempt.syns = 1;
  attempt.ttl = 52;
  attempt.interface = "eth0";
  Inject(sensor, {attempt});
  const bool lost = black_hole && black_hole(place, remotes_[remote]);
  if (lost && !first_affected) {
    first_affected = now_.mono;
  }
  attempt.syn_acks = 1;
  Duration delay = 1500ms;
  attempt.outcome = AttemptOutcome::kCompleted;
  attempt.rule = "syn_ack_not_repeated";
  if (lost || Chance(place.loss)) {
    attempt.outcome = AttemptOutcome::kHalfOpen;
    attempt.rule = "syn_repeated_after_syn_ack";
    attempt.syns = 2;
    attempt.syn_acks = 2;
    delay = 1s + 10ms * static_cast<int64_t>(random_() % 30);
  }
  attempt.age = delay;
  At(now_.mono + delay, [this, sensor, attempt] {
    if (sensors_[sensor].process_up && sensors_[sensor].host_up) {
      Inject(sensor, {attempt});
    }
  });
}

void Campus::Obey(Actions actions) {
  if (on_actions) {
    on_actions(actions);
  }
  for (const StoreOp& op : actions.store) {
    store_.Apply(op);
  }
  for (const SensorOrders& to : actions.orders) {
    for (const Order& any : to.orders) {
      if (!std::holds_alternative<ProbeOrder>(any)) {
        continue;  // there are no routers here whose way could be traced
      }
      const auto& order = std::get<ProbeOrder>(any);
      auto& second = rounds_[now_.mono.time_since_epoch() / 1s];
      if (std::find(second.begin(), second.end(), order.id) == second.end()) {
        second.push_back(order.id);
      }
      const size_t i = sensor_by_name_.at(to.sensor);
      if (lines_[i].linked && Linked(i)) {
        At(now_.mono + kLinkDelay, [this, i, order] { Execute(i, order); });
      }
    }
  }
}

void Campus::Execute(size_t sensor, const ProbeOrder& order) {
  auto asking = std::make_shared<Asking>();
  asking->sensor = sensor;
  asking->order = order;
  asking->began = now_.mono + order.start_after;
  At(asking->began, [this, asking] { Try(asking, 0); });
}

void Campus::Try(const std::shared_ptr<Asking>& asking, size_t index) {
  const Place& place = sensors_[asking->sensor];
  if (asking->reported || !place.host_up || !place.process_up) {
    return;
  }
  const ProbeTry& attempt = asking->order.tries[index];
  ProbeTryResult result;
  result.attempt = attempt;
  const bool no_route = !place.has_v6 && !asking->order.target.is_v4();
  result.state =
      no_route ? ProbeState::kNotSent : Fate(place, asking->order.target, attempt.method);
  probes_ += no_route ? 0 : 1;
  if (on_probe && !no_route) {
    on_probe(asking->sensor, asking->order, index);
  }
  asking->asked.push_back(now_.mono);
  asking->results.emplace_back(false, result);
  const bool last = index + 1 == asking->order.tries.size();
  if (result.state == ProbeState::kAnswered) {
    const Duration rtt = RttOf(asking->order.target);
    asking->results[index].second.state = ProbeState::kSilent;  // until the answer is here
    At(now_.mono + rtt, [this, asking, index, rtt] {
      if (!asking->reported) {
        asking->results[index].second.state = ProbeState::kAnswered;
        asking->results[index].second.rtt = rtt;
        asking->results[index].first = true;
        if (!asking->order.every) {
          Report(asking);
        }
      }
    });
  } else if (result.state != ProbeState::kSilent) {
    asking->results[index].first = true;
  }
  if (last) {
    const Duration wait = asking->results[index].first ? 10ms : asking->order.timeout;
    At(now_.mono + wait, [this, asking] { Report(asking); });
  } else {
    At(now_.mono + asking->order.spacing, [this, asking, index] { Try(asking, index + 1); });
  }
}

void Campus::Report(const std::shared_ptr<Asking>& asking) {
  const Place& place = sensors_[asking->sensor];
  if (asking->reported || !place.host_up || !place.process_up) {
    return;
  }
  asking->reported = true;
  ProbeReport report;
  report.order_id = asking->order.id;
  report.target = asking->order.target;
  report.age = now_.mono - asking->began;
  report.started_at = now_.wall - report.age;
  std::optional<ProbeTryResult> answered;
  for (size_t i = 0; i < asking->results.size(); ++i) {
    const auto& [final, result] = asking->results[i];
    if (result.state == ProbeState::kAnswered) {
      answered = result;
    } else if (final || now_.mono >= asking->asked[i] + asking->order.timeout) {
      report.tries.push_back(result);  // what was still waiting is left out
    }
  }
  if (answered) {
    report.tries.push_back(*answered);
  }
  const size_t i = asking->sensor;
  At(now_.mono + kLinkDelay, [this, i, report] { Inject(i, {report}); });
}

bool Campus::Passes(const Place& from, const IpAddress& to) {
  const auto remote = remote_by_address_.find(to);
  const bool outside = remote != remote_by_address_.end();
  if (!from.uplink_up || (outside && !from.gateway_up) || Chance(from.loss) ||
      (from.burst && from.burst(now_.mono)) || (outside && from.local && !collector_uplink)) {
    return false;
  }
  return !outside || !black_hole || !black_hole(from, remotes_[remote->second]);
}

ProbeState Campus::Fate(const Place& from, const IpAddress& to, ProbeMethod method) {
  const bool icmp = method == ProbeMethod::kIcmpEcho;
  if (from.drops_probes) {
    return ProbeState::kSilent;
  }
  if (icmp && from.rejects_icmp) {
    return ProbeState::kProhibited;
  }
  if (!Passes(from, to) || (icmp && from.drops_icmp)) {
    return black_hole ? black_hole_says : ProbeState::kSilent;
  }
  const auto remote = remote_by_address_.find(to);
  if (remote != remote_by_address_.end()) {
    const Remote& host = remotes_[remote->second];
    const bool answers = host.alive && (icmp ? host.icmp : host.tcp);
    return answers ? ProbeState::kAnswered : ProbeState::kSilent;
  }
  for (const Place& place : sensors_) {
    if (place.address == to) {
      const bool there =
          place.host_up && place.uplink_up && (!from.local || collector_uplink || place.local);
      return there ? ProbeState::kAnswered : ProbeState::kSilent;
    }
  }
  return ProbeState::kSilent;
}

}  // namespace parallax::sim
