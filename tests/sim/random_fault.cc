// One fault or none, at a random time and place.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "sensor/probe/wire/packet.h"
#include "tests/sim/dice.h"
#include "tests/sim/random_campus.h"

namespace parallax::sim {
namespace {

using namespace std::chrono_literals;

constexpr Duration kAfter = 4min;  // how long it lasts

class Saboteur {
 public:
  Saboteur(Dice& dice, Scenario& scenario)
      : dice_(dice), scenario_(scenario), at_(dice.Time(150s, 240s)) {
    scenario.length = at_ + kAfter;
  }

  RandomFault Sabotage() {
    using Way = std::string (Saboteur::*)();
    static const std::vector<std::pair<const char*, Way>> kWays = {
        {"nothing", &Saboteur::Nothing},
        {"rogue route", &Saboteur::RogueRoute},
        {"rogue route", &Saboteur::RogueRoute},
        {"rogue route", &Saboteur::RogueRoute},
        {"null route", &Saboteur::NullRoute},
        {"null route", &Saboteur::NullRoute},
        {"way in broken", &Saboteur::WayIn},
        {"link down", &Saboteur::LinkDown},
        {"router down", &Saboteur::RouterDown},
        {"lossy link", &Saboteur::LossyLink},
        {"ICMP filtered", &Saboteur::IcmpFiltered},
        {"hosts off", &Saboteur::HostsOff},
        {"sensor cut off", &Saboteur::SensorCutOff},
        {"sensor lossy", &Saboteur::SensorLossy},
        {"border down", &Saboteur::BorderDown},
        {"flood", &Saboteur::Flood},
        {"flood and rogue", &Saboteur::FloodAndRogue},
        {"liar", &Saboteur::Liar},
        {"collector away", &Saboteur::CollectorAway},
        {"short outage", &Saboteur::ShortOutage},
        {"sensor stopped", &Saboteur::SensorStopped},
        {"clock jumps", &Saboteur::ClockJumps}};
    const auto& [kind, way] = dice_.OneOf(kWays);
    std::string description = (this->*way)();
    return {kind, fmt::format("{} s: {}", std::chrono::floor<std::chrono::seconds>(at_).count(),
                              description)};
  }

 private:
  ScenarioFault& Add(FaultKind kind) {
    ScenarioFault fault;
    fault.kind = kind;
    fault.at = at_;
    return scenario_.faults.emplace_back(std::move(fault));
  }
  std::vector<std::string> RoutersOf(std::string_view kind) const {
    std::vector<std::string> names;
    for (const NodeOptions& router : scenario_.routers) {
      if (router.name.starts_with(kind)) {
        names.push_back(router.name);
      }
    }
    return names;
  }
  const ScenarioSensor& Sensor() { return dice_.OneOf(scenario_.sensors); }
  // Prefixes of clients: of one family or of both.
  std::vector<Prefix> ClientPrefixes(double share) {
    std::vector<Prefix> all;
    const size_t only = dice_.Number(0, 3);
    for (size_t i = 0; i < scenario_.remotes.size(); ++i) {
      if (only >= 2 || i == only) {
        const auto& own = scenario_.remotes[i].prefixes;
        all.insert(all.end(), own.begin(), own.end());
      }
    }
    const auto count = static_cast<size_t>(share * static_cast<double>(all.size()));
    return dice_.Some(all, std::max<size_t>(1, count));
  }
  std::vector<Prefix> Defaults() {
    const Prefix v4 = *Prefix::Parse("0.0.0.0/0");
    const Prefix v6 = *Prefix::Parse("::/0");
    return dice_.OneOf<std::vector<Prefix>>({{v4}, {v4}, {v6}, {v4, v6}});
  }
  // Links between campus routers, or to the Internet; none to a box.
  ScenarioLink Line() {
    std::vector<ScenarioLink> lines;
    std::copy_if(scenario_.links.begin(), scenario_.links.end(), std::back_inserter(lines),
                 [](const ScenarioLink& link) { return !link.a.starts_with("box"); });
    return dice_.OneOf(lines);
  }
  Duration Converge() {
    return dice_.OneOf<Duration>({0s, 0s, dice_.Time(1s, 4s), dice_.Time(20s, 50s)});
  }

  std::string Nothing() { return "nothing"; }

  std::string RogueRoute() {
    const std::string box = dice_.OneOf(RoutersOf("box"));
    ScenarioFault& fault = Add(FaultKind::kRoute);
    fault.node = "dept" + box.substr(3);
    fault.via = {box};
    const bool some = dice_.Chance(0.25);
    fault.prefixes = some ? ClientPrefixes(dice_.Real(0.2, 0.8)) : Defaults();
    fault.beside = !some && dice_.Chance(0.8);
    if (fault.beside) {
      fault.hash = dice_.OneOf<HashPolicy>({HashPolicy::kDestination, HashPolicy::kDestination,
                                            HashPolicy::kSourceDestination, HashPolicy::kFlow,
                                            HashPolicy::kFlow, HashPolicy::kPacket});
    }
    constexpr const char* kHashes[] = {"destination", "source and destination", "flow", "packet"};
    return fmt::format("{} sends {} prefixes to {}{}{}", fault.node, fault.prefixes.size(), box,
                       fault.beside ? " beside the right way, by " : "",
                       fault.hash ? kHashes[static_cast<size_t>(*fault.hash)] : "");
  }

  std::string NullRoute() {
    ScenarioFault& fault = Add(FaultKind::kRoute);
    fault.node =
        dice_.OneOf(RoutersOf(dice_.OneOf<std::string>({"dept", "dept", "core", "border"})));
    fault.prefixes = ClientPrefixes(dice_.Real(0.1, 0.7));
    return fmt::format("{} has a null route for {} prefixes", fault.node, fault.prefixes.size());
  }

  std::string WayIn() {
    const ScenarioSensor sensor = Sensor();
    const std::vector<Prefix> from = ClientPrefixes(dice_.Real(0.2, 0.7));
    for (const Prefix& prefix : from) {
      ScenarioFault& fault = Add(FaultKind::kFilter);
      fault.node = sensor.at;
      fault.filter.from = prefix;
      const IpAddress& one = sensor.addresses[prefix.address().is_v4() ? 0 : 1];
      fault.filter.to = Prefix(one, one.is_v4() ? 24 : 48);
    }
    return fmt::format("{} drops what comes from {} prefixes", sensor.at, from.size());
  }

  std::string LinkDown() {
    const ScenarioLink line = Line();
    ScenarioFault& fault = Add(FaultKind::kLinkDown);
    fault.from = line.a;
    fault.to = line.b;
    fault.converge_after = Converge();
    return fmt::format("{} - {} is down, routes follow after {:.0f} s", line.a, line.b,
                       ToSeconds(fault.converge_after));
  }

  std::string RouterDown() {
    ScenarioFault& fault = Add(FaultKind::kNodeDown);
    fault.node = dice_.OneOf(RoutersOf(dice_.OneOf<std::string>({"dept", "core", "border"})));
    fault.converge_after = Converge();
    return fmt::format("{} is down, routes follow after {:.0f} s", fault.node,
                       ToSeconds(fault.converge_after));
  }

  std::string LossyLink() {
    const ScenarioLink line = Line();
    ScenarioFault& fault = Add(FaultKind::kLoss);
    fault.from = line.a;
    fault.to = line.b;
    fault.both_ways = dice_.Chance(0.5);
    fault.loss.random = dice_.Real(0.15, 0.4);
    return fmt::format("{} - {} loses {:.0f} %{}", line.a, line.b, 100 * fault.loss.random,
                       fault.both_ways ? " both ways" : "");
  }

  std::string IcmpFiltered() {
    const std::string node = dice_.OneOf(RoutersOf("dept"));
    for (const uint8_t protocol : {sensor::kProtocolIcmp, sensor::kProtocolIcmpv6}) {
      ScenarioFault& fault = Add(FaultKind::kFilter);
      fault.node = node;
      fault.filter.protocol = protocol;
    }
    return fmt::format("{} drops ICMP", node);
  }

  std::string HostsOff() {
    ScenarioFault& fault = Add(FaultKind::kRemotes);
    fault.node = dice_.OneOf(scenario_.remotes).name;
    fault.share = dice_.Real(0.2, 0.6);
    return fmt::format("{:.0f} % of {} are off", 100 * fault.share, fault.node);
  }

  std::string SensorCutOff() {
    const ScenarioSensor sensor = Sensor();
    ScenarioFault& fault = Add(FaultKind::kLinkDown);
    fault.from = sensor.name;
    fault.to = sensor.at;
    return fmt::format("{} is cut off", sensor.name);
  }

  std::string SensorLossy() {
    const ScenarioSensor sensor = Sensor();
    ScenarioFault& fault = Add(FaultKind::kLoss);
    fault.from = sensor.name;
    fault.to = sensor.at;
    fault.loss.random = dice_.Real(0.2, 0.5);
    return fmt::format("the cable of {} loses {:.0f} % both ways", sensor.name,
                       100 * fault.loss.random);
  }

  std::string BorderDown() {
    for (const std::string& border : RoutersOf("border")) {
      ScenarioFault& fault = Add(FaultKind::kLinkDown);
      fault.from = border;
      fault.to = "internet";
    }
    return "every line to the Internet is down";
  }

  std::string Flood() {
    ScenarioFault& fault = Add(FaultKind::kFlood);
    fault.node = Sensor().name;
    fault.from = "internet";
    fault.per_second = dice_.Real(500, 3000);
    fault.until = at_ + 2min;
    return fmt::format("{:.0f} forged SYNs a second to {}", fault.per_second, fault.node);
  }

  std::string FloodAndRogue() {
    std::string rogue = RogueRoute();
    const std::string flooded = scenario_.faults.back().node;
    std::string flood = Flood();
    for (const ScenarioSensor& sensor : scenario_.sensors) {
      if (sensor.at == flooded) {  // a server behind the router that fails
        scenario_.faults.back().node = sensor.name;
      }
    }
    return fmt::format("{}; a flood to {}", rogue, scenario_.faults.back().node);
  }

  std::string Liar() {
    ScenarioFault& fault = Add(FaultKind::kLiar);
    fault.node = Sensor().name;
    fault.lie = dice_.Chance(0.7) ? Lie::kUnanswered : Lie::kAnswered;
    return fmt::format("{} says of everything that it is {}", fault.node,
                       fault.lie == Lie::kUnanswered ? "unanswered" : "answered");
  }

  std::string CollectorAway() {
    ScenarioFault& fault = Add(FaultKind::kCollector);
    fault.until = at_ + dice_.Time(10s, 2min);
    return "the collector is killed, and comes back";
  }

  std::string ShortOutage() {
    ScenarioFault& fault = Add(FaultKind::kRoute);
    fault.node = dice_.OneOf(RoutersOf(dice_.OneOf<std::string>({"dept", "core", "border"})));
    fault.prefixes = Defaults();
    fault.until = at_ + dice_.Time(500ms, 3s);
    return fmt::format("{} has no default route for {:.1f} s", fault.node,
                       ToSeconds(*fault.until - at_));
  }

  std::string SensorStopped() {
    ScenarioFault& fault = Add(FaultKind::kSensor);
    fault.node = Sensor().name;
    fault.goodbye = dice_.Chance(0.5);
    if (dice_.Chance(0.5)) {
      fault.until = at_ + dice_.Time(5s, 100s);
    }
    return fmt::format("{} is {}{}", fault.node, fault.goodbye ? "stopped" : "killed",
                       fault.until ? ", and started again" : "");
  }

  std::string ClockJumps() {
    ScenarioFault& fault = Add(FaultKind::kClock);
    fault.node = Sensor().name;
    fault.ahead = dice_.Time(-1h, 1h);
    return fmt::format("the clock of {} jumps by {:.0f} s", fault.node, ToSeconds(fault.ahead));
  }

  Dice& dice_;
  Scenario& scenario_;
  const Duration at_;
};

}  // namespace

RandomFault AddRandomFault(Dice& dice, Scenario& scenario) {
  return Saboteur(dice, scenario).Sabotage();
}

}  // namespace parallax::sim
