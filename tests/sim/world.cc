#include "tests/sim/world.h"

#include <algorithm>
#include <utility>

namespace parallax::sim {
namespace {

using namespace std::chrono_literals;

constexpr Duration kTick = 100ms;
constexpr Duration kHeartbeat = 2s;
constexpr Duration kGather = 20ms;   // before a batch leaves
constexpr Duration kResend = 200ms;  // first time-out of the stream's TCP
constexpr int kResends = 4;
constexpr uint16_t kStreamPort = 7400;
const Moment kBeginning = {MonoTime(std::chrono::hours(100)),
                           WallTime(std::chrono::hours(24 * 365 * 56))};

}  // namespace

World::World(WorldOptions options)
    : options_(std::move(options)),
      random_(options_.seed),
      events_(kBeginning),
      network_(options_.seed + 1) {}

const IpAddress* World::AddressOf(const std::vector<IpAddress>& addresses, Family family) const {
  const auto it = std::find_if(addresses.begin(), addresses.end(),
                               [&](const IpAddress& a) { return a.family() == family; });
  return it == addresses.end() ? nullptr : &*it;
}

size_t World::AddSensor(const SensorModelOptions& options, NodeId node,
                        const std::optional<IpAddress>& seen_as) {
  const size_t i = sensors_.size();
  SensorHost host;
  host.node = node;
  host.seen_as = seen_as;
  host.model = std::make_unique<SensorModel>(options, random_());
  sensors_.push_back(std::move(host));
  sensor_by_name_[options.name] = i;
  for (const IpAddress& address : options.addresses) {
    sensor_by_address_[address] = i;
    network_.Own(node, Prefix(address, address.bits()));
  }
  return i;
}

void World::SetCollector(NodeId node, const std::vector<IpAddress>& addresses) {
  collector_node_ = node;
  collector_addresses_ = addresses;
  for (const IpAddress& address : addresses) {
    network_.Own(node, Prefix(address, address.bits()));
  }
}

size_t World::AddRemote(const Remote& remote) {
  remotes_.push_back(remote);
  remote_by_address_.try_emplace(remote.address, remotes_.size() - 1);
  return remotes_.size() - 1;
}

void World::Start() {
  network_.Converge();
  StartCollector();
  for (size_t i = 0; i < sensors_.size(); ++i) {
    StartSensor(i);
    // Sensors do not beat in step.
    events_.After(10ms * static_cast<int64_t>(1 + random_() % 190), [this, i] { Heartbeat(i); });
  }
  for (size_t i = 0; i < remotes_.size(); ++i) {
    const auto share = static_cast<int64_t>(random_() % 1000);
    if (remotes_[i].attempt_every > Duration::zero()) {
      events_.After(remotes_[i].attempt_every * share / 1000, [this, i] { Connect(i); });
    }
  }
  events_.After(kTick, [this] { Tick(); });
}

// --- sensors
// --------------------------------------------------------------------------------------

Moment World::NowAt(size_t i) const { return {now().mono, now().wall + sensors_[i].clock_ahead}; }

void World::StartSensor(size_t i) {
  sensors_[i].model->Start();
  Plan(i);
}

void World::StopSensor(size_t i, bool goodbye) {
  SensorHost& host = sensors_[i];
  if (host.linked && engine_) {
    engine_->OnDisconnected(host.model->options().name, goodbye, now());
    Obey();
  }
  host.linked = false;
  host.model->Stop();
}

void World::Plan(size_t i) {
  SensorHost& host = sensors_[i];
  const MonoTime next = host.model->NextTurn(now().mono);
  if (!host.model->running() || next >= host.planned) {
    return;
  }
  host.planned = next;
  events_.At(next, [this, i, next] {
    if (sensors_[i].planned == next) {
      sensors_[i].planned = MonoTime::max();
      Turn(i);
    }
  });
}

void World::Turn(size_t i) {
  SensorHost& host = sensors_[i];
  if (!host.model->running()) {
    return;
  }
  for (const sensor::ProbeSend& send : host.model->Turn(NowAt(i))) {
    SendProbe(i, send);
  }
  if (!host.flushing && host.linked && !host.model->spool().empty()) {
    host.flushing = true;
    events_.After(kGather, [this, i] { Flush(i); });
  }
  Plan(i);
}

std::vector<sensor::Gateway> World::GatewaysOf(const SensorHost& host) const {
  std::vector<sensor::Gateway> result;
  for (const auto& [router, link] : network_.RoutersBeside(host.node)) {
    for (const Family family : {Family::kV4, Family::kV6}) {
      if (AddressOf(host.model->options().addresses, family) == nullptr) {
        continue;
      }
      sensor::Gateway gateway;
      gateway.address = network_.AddressAt(router, link, family);
      gateway.interface_index = 1;
      gateway.link_up = network_.IsLinkUp(link);
      gateway.neighbour = gateway.link_up && network_.IsNodeUp(router) ? sensor::Neighbour::kPresent
                                                                       : sensor::Neighbour::kFailed;
      result.push_back(gateway);
    }
  }
  return result;
}

void World::Heartbeat(size_t i) {
  events_.After(kHeartbeat, [this, i] { Heartbeat(i); });
  SensorHost& host = sensors_[i];
  if (!host.model->running()) {
    return;
  }
  host.model->SetGateways(GatewaysOf(host), NowAt(i));
  Turn(i);
  const auto& addresses = host.model->options().addresses;
  const auto there = Reaches(host.node, addresses, collector_node_, collector_addresses_);
  const auto back = Reaches(collector_node_, collector_addresses_, host.node, addresses);
  if (!engine_ || !there || !back) {
    host.linked = false;
    return;
  }
  if (!host.linked) {
    Link(i);
  }
  engine_->OnHealth(host.model->options().name, host.model->Health(NowAt(i)), now());
  Obey();
}

void World::Link(size_t i) {
  SensorHost& host = sensors_[i];
  host.linked = true;
  const SensorModelOptions& options = host.model->options();
  engine_->OnConnected(options.name, options.group,
                       host.seen_as.value_or(options.addresses.front()), host.model->Hello(),
                       now());
  if (!host.flushing) {
    host.flushing = true;
    events_.After(kGather, [this, i] { Flush(i); });
  }
}

void World::Flush(size_t i) {
  SensorHost& host = sensors_[i];
  host.flushing = false;
  if (!host.model->running() || !host.linked || host.model->spool().empty()) {
    return;
  }
  const auto delay =
      Reaches(host.node, host.model->options().addresses, collector_node_, collector_addresses_);
  if (!delay) {
    host.flushing = true;
    events_.After(1s, [this, i] { Flush(i); });
    return;
  }
  auto batch = std::make_shared<collector::IngestedBatch>();
  batch->sensor = host.model->options().name;
  batch->epoch = host.model->epoch();
  batch->first_sequence = host.model->sequence() + 1;
  batch->records.assign(host.model->spool().begin(), host.model->spool().end());
  host.model->Sent(batch->records.size());
  if (host.lie) {
    Falsify(host, batch->records);
  }
  events_.After(*delay, [this, i, batch, life = collector_lives_] {
    if (engine_ && life == collector_lives_ && sensors_[i].linked) {
      batch->received = now().wall;
      engine_->OnBatch(std::move(*batch), now());
      Obey();
    }
  });
}

std::optional<Duration> World::Reaches(NodeId from, const std::vector<IpAddress>& source, NodeId to,
                                       const std::vector<IpAddress>& destination) {
  for (const Family family : {Family::kV4, Family::kV6}) {
    const IpAddress* const a = AddressOf(source, family);
    const IpAddress* const b = AddressOf(destination, family);
    if (a == nullptr || b == nullptr) {
      continue;
    }
    Duration waited{};
    for (int sent = 0; sent < kResends; ++sent) {
      const Passage passage = network_.Carry(
          {*a, *b, sensor::kProtocolTcp, kStreamPort, kStreamPort}, from, now().mono);
      if (passage.end == End::kDelivered && passage.node == to) {
        return waited + (passage.at - now().mono);
      }
      waited += kResend * (1 << sent);
    }
  }
  return std::nullopt;
}

// --- the collector
// --------------------------------------------------------------------------------

void World::StartCollector() {
  engine_ = std::make_unique<collector::Engine>(options_.engine, store_.Load(),
                                                ++collector_lives_ * 1'000'000'000, now());
}

void World::StopCollector() {
  engine_.reset();
  for (SensorHost& host : sensors_) {
    host.linked = false;
  }
}

void World::Tick() {
  events_.After(kTick, [this] { Tick(); });
  if (engine_) {
    if (before_tick) {
      before_tick();
    }
    engine_->Tick(now());
    if (after_tick) {
      after_tick();
    }
    Obey();
  }
}

void World::Obey() {
  collector::Actions actions = engine_->Take();
  for (const collector::StoreOp& op : actions.store) {
    store_.Apply(op);
  }
  for (const collector::SensorOrders& to : actions.orders) {
    const size_t i = sensor_by_name_.at(to.sensor);
    const SensorHost& host = sensors_[i];
    if (!host.linked || !host.model->running()) {
      continue;
    }
    const auto delay =
        Reaches(collector_node_, collector_addresses_, host.node, host.model->options().addresses);
    if (!delay) {
      continue;
    }
    events_.After(*delay, [this, i, orders = to.orders] {
      for (const Order& order : orders) {
        const auto* probe = std::get_if<ProbeOrder>(&order);
        if (sensors_[i].lie && probe != nullptr) {
          sensors_[i].ordered[probe->id] = *probe;
        }
        sensors_[i].model->Accept(order, NowAt(i));
      }
      Turn(i);
    });
  }
}

}  // namespace parallax::sim
