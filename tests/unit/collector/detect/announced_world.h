// The shared campus with routers that can be traced and wires on which somebody may announce
// itself. Each department has a router of its own, and one wire behind it:
//
//   mail1 (and others of "mail") -- 10.30.0.1 --+
//   web1 -------------------------- 10.30.1.1 --+-- core 10.9.0.1 -- border 10.9.0.2 -- remote
//   hosts
//   ...                                         |
//
// What the black hole swallows is last seen at `swallows_at`.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/collector/detect/world.h"

namespace parallax::collector {

inline IpAddress Ip(const std::string& text) { return *IpAddress::Parse(text); }

// On the wire of the first department: nobody's gateway.
inline constexpr const char* kRogue = "10.30.0.66";
inline constexpr const char* kRogueLink = "02:00:00:00:00:66";
inline constexpr const char* kRogue6 = "fe80::66";

// A default route by RIP or RIPng.
inline Announcement DefaultRoute(const std::string& gateway) {
  Announcement said;
  said.speaker = said.gateway = Ip(gateway);
  said.speaker_link = kRogueLink;
  said.prefix = Prefix(said.gateway.is_v4() ? Ip("0.0.0.0") : Ip("::"), 0);
  said.metric = 1;
  said.interface = "eth0";
  said.times = 1;
  return said;
}

// The same box takes over a part of the world only.
inline Announcement PartOf(Announcement said) {
  said.prefix = *Prefix::Parse("10.0.0.0/8");
  return said;
}

inline Announcement Withdrawn(Announcement said) {
  said.withdrawn = true;
  said.metric = 16;
  return said;
}

class AnnouncedWorld : public World {
 public:
  enum class At { kGateway, kCore, kNextHop };
  At swallows_at = At::kGateway;
  std::vector<std::string> notes;

  explicit AnnouncedWorld(uint64_t seed = 1, const EngineOptions& engine = {})
      : World({.seed = seed,
               .both = 20,
               .both_v6 = 20,
               .icmp_only = 0,
               .tcp_only = 0,
               .silent = 0,
               .attempt_every = std::chrono::seconds(10),
               .engine = engine}) {
    on_actions = [this](const Actions& actions) {
      notes.insert(notes.end(), actions.notes.begin(), actions.notes.end());
      for (const SensorOrders& to : actions.orders) {
        for (const Order& order : to.orders) {
          if (const auto* path = std::get_if<PathOrder>(&order)) {
            Inject(IndexOf(to.sensor), {Traced(IndexOf(to.sensor), *path)});
          }
        }
      }
    };
  }

  size_t IndexOf(const SensorName& name) {
    size_t i = 0;
    while (sensors()[i].name != name) {
      ++i;
    }
    return i;
  }

  // Each of them hears it now.
  void Hear(const std::vector<SensorName>& sensors, Announcement said) {
    said.first_heard = now().wall;
    for (const SensorName& sensor : sensors) {
      Inject(IndexOf(sensor), {said});
    }
  }
  // For so long, told once a minute, as sensors do.
  void HearFor(Duration time, const std::vector<SensorName>& sensors, const Announcement& said) {
    for (Duration done{}; done < time; done += std::chrono::minutes(1)) {
      Hear(sensors, said);
      Run(std::min<Duration>(time - done, std::chrono::minutes(1)));
    }
  }

  // The router of the first department sends every other host of that family into the void.
  void BeginTrouble(Family family = Family::kV4) {
    black_hole = [family](const sim::Place& place, const sim::Remote& remote) {
      return place.group == "mail" && remote.address.family() == family && Half(remote);
    };
  }

  const IncidentRecord& incident() const { return store().incidents().begin()->second; }
  // "from -> to", and how sure that is.
  std::string Where() const {
    if (store().incidents().empty() || !incident().suspect) {
      return "nowhere";
    }
    const Suspect& suspect = *incident().suspect;
    return suspect.from + " -> " + suspect.to + ", " + suspect.confidence;
  }
  std::string Heard() const {
    const auto it = incident().evidence.find("announcement");
    return it == incident().evidence.end() ? std::string() : it->second;
  }
  size_t NotesOf(const std::string& word) const {
    size_t n = 0;
    for (const std::string& note : notes) {
      n += note.find(word) != std::string::npos ? 1 : 0;
    }
    return n;
  }

 private:
  PathReport Traced(size_t sensor, const PathOrder& order) {
    const bool v4 = order.target.is_v4();
    const size_t department = DepartmentOf(sensor);
    const std::string number = std::to_string(department);
    PathReport report;
    report.order_id = order.id;
    report.target = order.target;
    report.attempt = order.attempt;
    report.started_at = now().wall;
    report.end = TraceEnd::kReached;
    report.hops = {{Ip(v4 ? "10.30." + number + ".1" : "2001:db8:30:" + number + "::1")},
                   {Ip(v4 ? "10.9.0.1" : "2001:db8:9::1")},
                   {Ip(v4 ? "10.9.0.2" : "2001:db8:9::2")},
                   {order.target}};
    for (const sim::Remote& remote : remotes()) {
      if (remote.address == order.target && black_hole && black_hole(sensors()[sensor], remote)) {
        report.end = TraceEnd::kSilent;
        report.hops.resize(swallows_at == At::kCore ? 2 : 1);
        if (swallows_at == At::kNextHop) {
          report.hops.push_back({Ip(kRogue)});
        }
      }
    }
    return report;
  }
  size_t DepartmentOf(size_t sensor) {
    size_t first = 0;
    while (sensors()[first].group != sensors()[sensor].group) {
      ++first;
    }
    return first;
  }
};

}  // namespace parallax::collector
