#include "tests/sim/stage.h"

#include <algorithm>
#include <utility>

#include "common/address_offset.h"

namespace parallax::sim {
namespace {

using namespace std::chrono_literals;

constexpr Duration kHostCable = std::chrono::microseconds(100);

bool Chance(double p, std::mt19937_64& random) {
  return std::uniform_real_distribution<double>(0, 1)(random) < p;
}

}  // namespace

WorldOptions Stage::Options(uint64_t seed, collector::Parts without) {
  WorldOptions options;
  options.seed = seed;
  options.engine.without = without;
  return options;
}

Stage::Stage(const Scenario& scenario, uint64_t seed, collector::Parts without)
    : scenario_(scenario), seed_(seed), world_(Options(seed, without)) {
  BuildNetwork();
  BuildSensors();
  BuildRemotes();
}

void Stage::BuildNetwork() {
  Network& network = world_.network();
  for (const NodeOptions& router : scenario_.routers) {
    network.AddNode(router);
  }
  for (const ScenarioLink& link : scenario_.links) {
    const LinkId id = network.AddLink(At(link.a), At(link.b), link.options);
    network.SetLoss(id, At(link.a), link.loss);
    network.SetLoss(id, At(link.b), link.loss);
  }
  for (const auto& [router, prefix] : scenario_.owned) {
    network.Own(At(router), prefix);
  }
}

NodeId Stage::AddHost(const std::string& name, const std::string& at) {
  NodeOptions host;
  host.name = name;
  host.forwards = false;
  const NodeId node = world_.network().AddNode(host);
  LinkOptions cable;
  cable.delay = kHostCable;
  world_.network().AddLink(node, At(at), cable);
  return node;
}

void Stage::BuildSensors() {
  std::vector<Prefix> local;
  for (const ScenarioSensor& sensor : scenario_.sensors) {
    for (const IpAddress& address : sensor.addresses) {
      local.emplace_back(address, address.bits());
    }
  }
  for (const ScenarioSensor& sensor : scenario_.sensors) {
    SensorModelOptions options;
    options.name = sensor.name;
    options.group = sensor.group;
    options.addresses = sensor.addresses;
    options.clock_ahead = sensor.clock_ahead;
    options.local_networks = local;
    sensors_[sensor.name] =
        world_.AddSensor(options, AddHost(sensor.name, sensor.at), sensor.seen_as);
  }
  world_.SetCollector(AddHost("collector", scenario_.collector_at), scenario_.collector_addresses);
}

void Stage::BuildRemotes() {
  for (const ScenarioRemotes& group : scenario_.remotes) {
    for (const std::string& at : group.at) {
      for (const Prefix& prefix : group.prefixes) {
        world_.network().Own(At(at), prefix, group.announced);
      }
    }
    for (size_t i = 0; i < group.count; ++i) {
      Remote remote;
      const size_t prefixes = group.prefixes.size();
      const size_t offset = group.share_address ? 1 : 1 + i / prefixes;
      remote.address = Plus(group.prefixes[i % prefixes].address(), offset);
      remote.node = At(group.at[i % group.at.size()]);
      remote.icmp = Chance(group.icmp, world_.random());
      remote.tcp = Chance(group.tcp, world_.random());
      remote.udp = Chance(group.udp, world_.random());
      if (group.silent > 0 && Chance(group.silent, world_.random())) {
        remote.icmp = remote.tcp = remote.udp = false;
      }
      remote.attempt_every = group.attempt_every;
      remotes_[group.name].push_back(world_.AddRemote(remote));
    }
  }
}

// --- faults
// ---------------------------------------------------------------------------------------

void Stage::PlanFaults() {
  for (size_t i = 0; i < scenario_.faults.size(); ++i) {
    const ScenarioFault& fault = scenario_.faults[i];
    for (size_t n = 0; n < fault.times; ++n) {
      const Duration later = fault.every * static_cast<int64_t>(n);
      world_.events().After(fault.at + later, [this, i] { Break(i); });
      if (fault.until) {
        world_.events().After(*fault.until + later, [this, i] { Mend(i); });
      }
    }
  }
}

const NodeOptions& Stage::RouterNamed(const std::string& name) const {
  return *std::find_if(scenario_.routers.begin(), scenario_.routers.end(),
                       [&](const NodeOptions& r) { return r.name == name; });
}

LinkId Stage::LinkOf(const ScenarioFault& fault) {
  return *world_.network().LinkBetween(At(fault.from), At(fault.to));
}

const ScenarioLink* Stage::Described(const ScenarioFault& fault) const {
  const auto it = std::find_if(scenario_.links.begin(), scenario_.links.end(), [&](const auto& l) {
    return (l.a == fault.from && l.b == fault.to) || (l.a == fault.to && l.b == fault.from);
  });
  return it != scenario_.links.end() ? &*it : nullptr;
}

void Stage::SetLinkUp(const ScenarioFault& fault, bool up) {
  world_.network().SetLinkUp(LinkOf(fault), up);
  ConvergeAfter(fault);
}

void Stage::ConvergeAfter(const ScenarioFault& fault) {
  if (fault.converge_after > 0s) {
    world_.events().After(fault.converge_after, [this] { world_.network().Converge(); });
  }
}

void Stage::SetRoute(const ScenarioFault& fault) {
  std::vector<NodeId> via;
  for (const std::string& name : fault.via) {
    via.push_back(At(name));
  }
  for (const Prefix& prefix : fault.prefixes) {
    world_.network().Override(At(fault.node), prefix, via, fault.beside);
  }
  if (fault.hash) {
    world_.network().SetHash(At(fault.node), *fault.hash);
  }
}

// A NAT that many share stays where it is.
void Stage::SwitchOff(const ScenarioFault& fault, std::mt19937_64& random) {
  const std::vector<size_t>& group = remotes_.at(fault.node);
  const IpAddress* before = nullptr;
  for (const size_t i : group) {
    Remote& remote = world_.remotes()[i];
    const bool nat = group.size() > 1 && before == nullptr &&
                     world_.remotes()[group[1]].address == remote.address;
    before = &remote.address;
    if (nat || !Chance(fault.share, random)) {
      continue;
    }
    if (fault.over == 0s) {
      remote.alive = false;
      continue;
    }
    const double when = std::uniform_real_distribution<double>(0, 1)(random);
    world_.events().After(std::chrono::duration_cast<Duration>(fault.over * when),
                          [this, i] { world_.remotes()[i].alive = false; });
  }
}

void Stage::Silence(const ScenarioFault& fault, std::mt19937_64& random) {
  for (const size_t i : remotes_.at(fault.node)) {
    Remote& remote = world_.remotes()[i];
    if (Chance(fault.share, random)) {
      remote.icmp = remote.tcp = remote.udp = false;
    }
  }
}

void Stage::Break(size_t number) {
  const ScenarioFault& fault = scenario_.faults[number];
  Network& network = world_.network();
  // Its own: it must not depend on what else has happened.
  std::mt19937_64 random(seed_ * 1'000'003 + number);
  switch (fault.kind) {
    case FaultKind::kRoute:
      return SetRoute(fault);
    case FaultKind::kLinkDown:
      return SetLinkUp(fault, false);
    case FaultKind::kLoss:
      network.SetLoss(LinkOf(fault), At(fault.from), fault.loss);
      if (fault.both_ways) {
        network.SetLoss(LinkOf(fault), At(fault.to), fault.loss);
      }
      return;
    case FaultKind::kFilter:
      filters_[number] = network.AddFilter(At(fault.node), fault.filter);
      return;
    case FaultKind::kNodeDown:
      network.SetNodeUp(At(fault.node), false);
      return ConvergeAfter(fault);
    case FaultKind::kRemotes:
      return SwitchOff(fault, random);
    case FaultKind::kSilent:
      for (const size_t i : remotes_.at(fault.node)) {
        silenced_[number].push_back(world_.remotes()[i]);
      }
      return Silence(fault, random);
    case FaultKind::kSensor:
      return world_.StopSensor(sensors_.at(fault.node), fault.goodbye);
    case FaultKind::kCollector:
      return world_.StopCollector();
    case FaultKind::kFlood:
      return world_.SetFlood(sensors_.at(fault.node), At(fault.from), fault.per_second);
    case FaultKind::kMtu:
      return network.SetMtu(LinkOf(fault), fault.mtu);
    case FaultKind::kIcmpLimit: {
      IcmpLimit::Options limit;
      limit.per_second = fault.per_second;
      limit.burst = fault.burst;
      return network.SetIcmpLimit(At(fault.node), limit);
    }
    case FaultKind::kClock:
      return world_.SetClock(sensors_.at(fault.node), fault.ahead);
    case FaultKind::kLiar:
      return world_.SetLie(sensors_.at(fault.node), fault.lie);
  }
}

void Stage::Mend(size_t number) {
  const ScenarioFault& fault = scenario_.faults[number];
  Network& network = world_.network();
  switch (fault.kind) {
    case FaultKind::kRoute:
      for (const Prefix& prefix : fault.prefixes) {
        network.ClearOverride(At(fault.node), prefix);
      }
      if (fault.hash) {
        network.SetHash(At(fault.node), RouterNamed(fault.node).hash);
      }
      return;
    case FaultKind::kLinkDown:
      return SetLinkUp(fault, true);
    case FaultKind::kLoss: {
      const ScenarioLink* const link = Described(fault);
      for (const std::string& end : {fault.from, fault.to}) {
        network.SetLoss(LinkOf(fault), At(end), link != nullptr ? link->loss : Loss{});
      }
      return;
    }
    case FaultKind::kFilter:
      return network.RemoveFilter(At(fault.node), filters_.at(number));
    case FaultKind::kNodeDown:
      network.SetNodeUp(At(fault.node), true);
      return ConvergeAfter(fault);
    case FaultKind::kRemotes:
      for (const size_t remote : remotes_.at(fault.node)) {
        world_.remotes()[remote].alive = true;
      }
      return;
    case FaultKind::kSilent:
      for (size_t i = 0; i < silenced_[number].size(); ++i) {
        Remote& remote = world_.remotes()[remotes_.at(fault.node)[i]];
        const Remote& was = silenced_[number][i];
        remote.icmp = was.icmp;
        remote.tcp = was.tcp;
        remote.udp = was.udp;
      }
      silenced_.erase(number);
      return;
    case FaultKind::kSensor:
      return world_.StartSensor(sensors_.at(fault.node));
    case FaultKind::kCollector:
      return world_.StartCollector();
    case FaultKind::kFlood:
      return world_.SetFlood(sensors_.at(fault.node), At(fault.from), 0);
    case FaultKind::kMtu: {
      const ScenarioLink* const link = Described(fault);
      return network.SetMtu(LinkOf(fault), link != nullptr ? link->options.mtu : LinkOptions{}.mtu);
    }
    case FaultKind::kIcmpLimit:
      return network.SetIcmpLimit(At(fault.node), RouterNamed(fault.node).icmp_limit);
    case FaultKind::kClock:
      return world_.SetClock(sensors_.at(fault.node), 0s);
    case FaultKind::kLiar:
      return world_.SetLie(sensors_.at(fault.node), {});
  }
}

}  // namespace parallax::sim
