#include "tests/sim/scenario_run.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "common/address_offset.h"
#include "tests/sim/world.h"

namespace parallax::sim {
namespace {

using namespace std::chrono_literals;
using collector::IncidentRecord;

constexpr Duration kHostCable = std::chrono::microseconds(100);
constexpr Duration kPeaceStep = 10s;  // how often targets are counted

class Theatre {
 public:
  Theatre(const Scenario& scenario, uint64_t seed)
      : scenario_(scenario), world_(Options(seed)), begin_(world_.now()) {
    score_.seed = seed;
    BuildNetwork();
    BuildSensors();
    BuildRemotes();
    world_.on_lost_syn_ack = [this](const IpAddress&, const Passage&) {
      lost_.push_back(world_.now().mono - begin_.mono);
    };
  }

  RunScore Play() {
    world_.Start();
    first_fault_ = scenario_.length;
    for (const ScenarioFault& fault : scenario_.faults) {
      // Where nothing is expected, what is wrong is no incident: that is peace, too.
      first_fault_ = scenario_.expected.empty() ? first_fault_ : std::min(first_fault_, fault.at);
      world_.events().After(fault.at, [this, &fault] { Break(fault); });
      if (fault.until) {
        world_.events().After(*fault.until, [this, &fault] { Mend(fault); });
      }
    }
    for (Duration done{}; done < scenario_.length; done += kPeaceStep) {
      const Duration step = std::min(kPeaceStep, scenario_.length - done);
      world_.Run(step);
      const double hours = ToSeconds(step) / 3600;
      const auto targets = static_cast<double>(world_.store().targets().size());
      score_.target_hours += targets * hours;
      if (done + step <= first_fault_) {
        score_.target_hours_in_peace += targets * hours;
        score_.probes_in_peace = world_.counts().probes;
      }
    }
    Score();
    return std::move(score_);
  }

 private:
  static WorldOptions Options(uint64_t seed) {
    WorldOptions options;
    options.seed = seed;
    return options;
  }

  NodeId At(const std::string& name) { return *world_.network().Find(name); }

  void BuildNetwork() {
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

  NodeId AddHost(const std::string& name, const std::string& at) {
    NodeOptions host;
    host.name = name;
    host.forwards = false;
    const NodeId node = world_.network().AddNode(host);
    LinkOptions cable;
    cable.delay = kHostCable;
    world_.network().AddLink(node, At(at), cable);
    return node;
  }

  void BuildSensors() {
    for (const ScenarioSensor& sensor : scenario_.sensors) {
      SensorModelOptions options;
      options.name = sensor.name;
      options.group = sensor.group;
      options.addresses = sensor.addresses;
      options.clock_ahead = sensor.clock_ahead;
      for (const ScenarioSensor& other : scenario_.sensors) {
        for (const IpAddress& address : other.addresses) {
          options.local_networks.emplace_back(address, address.bits());
        }
      }
      sensors_[sensor.name] = world_.AddSensor(options, AddHost(sensor.name, sensor.at));
    }
    world_.SetCollector(AddHost("collector", scenario_.collector_at),
                        scenario_.collector_addresses);
  }

  void BuildRemotes() {
    for (const ScenarioRemotes& group : scenario_.remotes) {
      for (const std::string& at : group.at) {
        for (const Prefix& prefix : group.prefixes) {
          world_.network().Own(At(at), prefix, group.announced);
        }
      }
      std::uniform_real_distribution<double> share(0, 1);
      for (size_t i = 0; i < group.count; ++i) {
        Remote remote;
        const size_t prefixes = group.prefixes.size();
        remote.address = Plus(group.prefixes[i % prefixes].address(), 1 + i / prefixes);
        remote.node = At(group.at[i % group.at.size()]);
        remote.icmp = share(world_.random()) < group.icmp;
        remote.tcp = share(world_.random()) < group.tcp;
        remote.udp = share(world_.random()) < group.udp;
        remote.attempt_every = group.attempt_every;
        remotes_[group.name].push_back(world_.AddRemote(remote));
      }
    }
  }

  HashPolicy HashOf(const std::string& router) const {
    return std::find_if(scenario_.routers.begin(), scenario_.routers.end(),
                        [&](const NodeOptions& r) { return r.name == router; })
        ->hash;
  }

  void SetLinkUp(const ScenarioFault& fault, bool up) {
    Network& network = world_.network();
    network.SetLinkUp(*network.LinkBetween(At(fault.from), At(fault.to)), up);
    ConvergeAfter(fault);
  }

  void ConvergeAfter(const ScenarioFault& fault) {
    if (fault.converge_after > 0s) {
      world_.events().After(fault.converge_after, [this] { world_.network().Converge(); });
    }
  }

  void SetLoss(const ScenarioFault& fault, const Loss& loss) {
    Network& network = world_.network();
    const LinkId link = *network.LinkBetween(At(fault.from), At(fault.to));
    network.SetLoss(link, At(fault.from), loss);
    if (fault.both_ways) {
      network.SetLoss(link, At(fault.to), loss);
    }
  }

  void Break(const ScenarioFault& fault) {
    Network& network = world_.network();
    switch (fault.kind) {
      case FaultKind::kRoute: {
        std::vector<NodeId> via;
        for (const std::string& name : fault.via) {
          via.push_back(At(name));
        }
        for (const Prefix& prefix : fault.prefixes) {
          network.Override(At(fault.node), prefix, via, fault.beside);
        }
        if (fault.hash) {
          network.SetHash(At(fault.node), *fault.hash);
        }
        break;
      }
      case FaultKind::kLinkDown:
        SetLinkUp(fault, false);
        break;
      case FaultKind::kLoss:
        SetLoss(fault, fault.loss);
        break;
      case FaultKind::kFilter:
        network.AddFilter(At(fault.node), fault.filter);
        break;
      case FaultKind::kNodeDown:
        network.SetNodeUp(At(fault.node), false);
        ConvergeAfter(fault);
        break;
      case FaultKind::kRemotes:
        for (const size_t remote : remotes_.at(fault.node)) {
          std::uniform_real_distribution<double> share(0, 1);
          world_.remotes()[remote].alive = share(world_.random()) >= fault.share;
        }
        break;
      case FaultKind::kSensor:
        world_.StopSensor(sensors_.at(fault.node), fault.goodbye);
        break;
      case FaultKind::kCollector:
        world_.StopCollector();
        break;
      case FaultKind::kFlood:
        world_.SetFlood(sensors_.at(fault.node), At(fault.from), fault.per_second);
        break;
    }
  }

  void Mend(const ScenarioFault& fault) {
    Network& network = world_.network();
    switch (fault.kind) {
      case FaultKind::kRoute:
        for (const Prefix& prefix : fault.prefixes) {
          network.ClearOverride(At(fault.node), prefix);
        }
        if (fault.hash) {
          network.SetHash(At(fault.node), HashOf(fault.node));
        }
        break;
      case FaultKind::kLinkDown:
        SetLinkUp(fault, true);
        break;
      case FaultKind::kLoss:
        SetLoss(fault, Loss{});
        break;
      case FaultKind::kFilter:
        network.ClearFilters(At(fault.node));
        break;
      case FaultKind::kNodeDown:
        network.SetNodeUp(At(fault.node), true);
        ConvergeAfter(fault);
        break;
      case FaultKind::kRemotes:
        for (const size_t remote : remotes_.at(fault.node)) {
          world_.remotes()[remote].alive = true;
        }
        break;
      case FaultKind::kSensor:
        world_.StartSensor(sensors_.at(fault.node));
        break;
      case FaultKind::kCollector:
        world_.StartCollector();
        break;
      case FaultKind::kFlood:
        world_.SetFlood(sensors_.at(fault.node), At(fault.from), 0);
        break;
    }
  }

  // --- what Parallax said ------------------------------------------------------------------------

  Duration Since(WallTime at) const { return at - begin_.wall; }

  bool Fits(const ScenarioExpectation& expected, const IncidentRecord& incident) const {
    const Duration opened = Since(incident.opened_at);
    const auto fails = [&](const std::string& name) {
      return std::find(incident.failing_sensors.begin(), incident.failing_sensors.end(), name) !=
             incident.failing_sensors.end();
    };
    return ToString(incident.verdict) == expected.verdict && opened >= expected.after &&
           opened <= expected.by &&
           (expected.family.empty() || expected.family == incident.family) &&
           std::all_of(expected.failing.begin(), expected.failing.end(), fails);
  }

  // The name of the node that an incident speaks of: by its address on a link, or by name.
  std::string NodeNamed(const std::string& text) {
    const auto address = IpAddress::Parse(text);
    const auto node = address ? world_.network().NodeWith(*address) : std::nullopt;
    return node ? world_.network().NameOf(*node) : text;
  }

  Met Judge(const ScenarioExpectation& expected, const IncidentRecord& incident) {
    Met met;
    met.found = true;
    const auto first_lost =
        std::find_if(lost_.begin(), lost_.end(), [&](Duration at) { return at >= expected.after; });
    const Duration opened = Since(incident.opened_at);
    const Duration began =
        first_lost != lost_.end() && *first_lost <= opened ? *first_lost : expected.after;
    met.to_open = opened - began;
    if (!expected.direction.empty()) {
      met.direction = incident.direction == expected.direction;
    }
    if (!expected.split.empty()) {
      met.split = incident.split == expected.split;
    }
    if (expected.has_suspect) {
      const bool first = incident.suspect &&
                         NodeNamed(incident.suspect->from) == expected.suspect_from &&
                         NodeNamed(incident.suspect->to) == expected.suspect_to;
      met.suspect_first = first;
      met.suspect_in_three = first;
    }
    if (expected.closed_by) {
      met.closed = incident.state == collector::IncidentState::kClosed &&
                   Since(incident.closed_at) <= *expected.closed_by;
    }
    return met;
  }

  void Score() {
    // As each incident was when it opened, and as it ended.
    std::map<uint64_t, std::pair<IncidentRecord, IncidentRecord>> opened;
    for (const collector::IncidentChange& change : world_.store().changes()) {
      if (change.change == "opened") {
        opened.try_emplace(change.incident.number, change.incident, change.incident);
      } else if (const auto it = opened.find(change.incident.number); it != opened.end()) {
        it->second.second = change.incident;
      }
    }
    for (const ScenarioExpectation& expected : scenario_.expected) {
      const auto found = std::find_if(opened.begin(), opened.end(), [&](const auto& incident) {
        return Fits(expected, incident.second.first) || Fits(expected, incident.second.second);
      });
      if (found != opened.end()) {
        score_.incidents.push_back(found->second.second);
      }
      if (!expected.optional) {
        score_.met.push_back(found == opened.end() ? Met{} : Judge(expected, found->second.second));
      }
      if (found != opened.end()) {
        opened.erase(found);
      }
    }
    for (auto& [number, incident] : opened) {
      score_.incidents.push_back(incident.second);
      score_.unexpected.push_back(std::move(incident.second));
    }
    score_.probes = world_.counts().probes;
    score_.attempts = world_.counts().attempts;
    score_.events = world_.events().planned();
  }

  const Scenario& scenario_;
  World world_;
  const Moment begin_;
  Duration first_fault_{};
  std::map<std::string, size_t> sensors_;
  std::map<std::string, std::vector<size_t>> remotes_;
  std::vector<Duration> lost_;  // when SYN-ACKs were lost
  RunScore score_;
};

}  // namespace

RunScore Play(const Scenario& scenario, uint64_t seed) { return Theatre(scenario, seed).Play(); }

}  // namespace parallax::sim
