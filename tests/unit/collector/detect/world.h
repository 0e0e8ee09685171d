// The campus that the engine's tests share: four departments with a sensor each, remote hosts of
// both families and of every temper, and the faults of the seed incident.
#pragma once

#include <bit>
#include <cstdio>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/campus.h"

namespace parallax::collector {

struct WorldOptions {
  uint64_t seed = 1;
  size_t sensors = 4;
  size_t both = 40;     // IPv4 hosts that answer ICMP and TCP
  size_t both_v6 = 20;  // the same, IPv6
  size_t icmp_only = 10;
  size_t tcp_only = 10;
  size_t silent = 10;
  double loss = 0;
  Duration attempt_every = std::chrono::seconds(30);
  EngineOptions engine = {};
};

class World : public sim::Campus {
 public:
  explicit World(const WorldOptions& options)
      : Campus({options.seed, options.attempt_every, options.engine}) {
    static const char* const kNames[] = {"mail", "web", "library", "noc"};
    for (size_t i = 0; i < options.sensors; ++i) {
      const std::string name = i < 4 ? kNames[i] : "extra" + std::to_string(i);
      AddSensor(name + "1", name);
      sensors()[i].loss = options.loss;
    }
    AddRemotes(options.both);
    AddRemotes(options.both_v6, true, true, Family::kV6);
    AddRemotes(options.icmp_only, true, false);
    AddRemotes(options.tcp_only, false, true);
    AddRemotes(options.silent, false, false);
  }
};

// Half of the destinations, as a router with two default routes sees them.
inline bool Half(const sim::Remote& remote) {
  uint32_t h = 2166136261;
  for (const uint8_t byte : remote.address.bytes()) {
    h = (h ^ byte) * 16777619;
  }
  return std::popcount(h) % 2 != 0;
}

// One department's router sends every other destination into the void.
inline auto RogueAt(const std::string& group) {
  return [group](const sim::Place& place, const sim::Remote& remote) {
    return place.group == group && Half(remote);
  };
}

inline std::set<std::string> FailingIn(const IncidentRecord& incident) {
  std::set<std::string> failing;
  for (const IncidentTarget& target : incident.targets) {
    if (target.failing) {
      failing.insert(target.address.ToString());
    }
  }
  return failing;
}

// The remote hosts that a probe can find out about, among those for which `fails` holds.
template <typename Predicate>
std::set<std::string> Telling(sim::Campus& campus, Predicate fails) {
  std::set<std::string> telling;
  for (const sim::Remote& remote : campus.remotes()) {
    if ((remote.icmp || remote.tcp) && fails(remote)) {
      telling.insert(remote.address.ToString());
    }
  }
  return telling;
}

inline std::vector<std::string> Story(const sim::Campus& campus) {
  std::vector<std::string> story;
  for (const IncidentChange& change : campus.store().changes()) {
    if (change.change != "updated") {
      story.push_back(IncidentId(change.incident.number) + " " +
                      std::string(ToString(change.incident.verdict)) + " " + change.change);
    }
  }
  return story;
}

// One line of the table that the tests print.
template <typename... Args>
void Tell(const char* format, Args... args) {
  std::printf("  | ");
  std::printf(format, args...);  // NOLINT: literals only
  std::printf("\n");
}

}  // namespace parallax::collector
