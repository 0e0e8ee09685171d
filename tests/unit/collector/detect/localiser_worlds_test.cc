// The localiser in some hundred campuses that a seed makes up, each with one fault.
//
//   sensors -> access router -> department -> core -> border -> provider -> one of its routers ->
//   target
//
// Every router picks the next hop by destination. One edge breaks, or one router sends half of its
// destinations to a rogue that is silent or not. A tenth of the routers never answer a trace, all
// others forget to now and then, and some targets are dead for reasons of their own.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "collector/detect/localise/localiser.h"
#include "common/address_offset.h"

namespace parallax::collector {
namespace {

constexpr size_t kTargets = 500;
constexpr size_t kTracesPerSensor = 40;
constexpr double kSilentRouters = 0.1;
constexpr double kForgottenAnswers = 0.02;
constexpr double kDeadTargets = 0.01;

using Node = size_t;

// Numbers that are the same with every library.
class Dice {
 public:
  explicit Dice(uint64_t seed) : random_(seed) {}
  size_t Below(size_t end) { return static_cast<size_t>(random_() % end); }
  bool Chance(double share) { return static_cast<double>(random_() >> 11) * 0x1p-53 < share; }

 private:
  std::mt19937_64 random_;
};

size_t Hash(size_t a, size_t b) {
  uint64_t hash = (a * 1'000'003 + b) * 0x9e3779b97f4a7c15;
  hash ^= hash >> 29;
  hash *= 0xbf58476d1ce4e5b9;
  return static_cast<size_t>(hash ^ (hash >> 32));
}

struct World {
  explicit World(uint64_t seed) : dice(seed) {
    std::vector<Node> borders;
    for (size_t i = 2 + dice.Below(2); i > 0; --i) {
      borders.push_back(Router());
      const Node provider = Router();
      nexts[borders.back()] = {provider};
      for (size_t k = 0; k < 3; ++k) {
        nexts[provider].push_back(Router());
      }
    }
    std::vector<Node> cores;
    for (size_t i = 1 + dice.Below(2); i > 0; --i) {
      cores.push_back(Router());
      nexts[cores.back()] = borders;
    }
    for (size_t i = 3 + dice.Below(3); i > 0; --i) {
      const Node department = Router();
      nexts[department] = cores;
      const bool has_access = dice.Chance(0.3);
      for (size_t k = 1 + dice.Below(3); k > 0; --k) {
        Node first = department;
        if (has_access) {
          first = Router();
          nexts[first] = {department};
        }
        sensors.push_back({"s" + std::to_string(sensors.size()), "g" + std::to_string(i), first});
      }
    }
    rogue = Router();
    silent[rogue] = dice.Chance(0.5);
    for (size_t i = 0; i < kTargets; ++i) {
      dead.push_back(dice.Chance(kDeadTargets));
    }
    remembers = dice.Chance(0.8);
  }

  void Break() {
    diverts = dice.Chance(0.5);
    // A router on somebody's way.
    Node at = sensors[dice.Below(sensors.size())].first;
    for (size_t i = dice.Below(4); i > 0; --i) {
      at = nexts[at][dice.Below(nexts[at].size())];
    }
    faulty = at;
    broken = nexts[at][dice.Below(nexts[at].size())];
  }

  Node Router() {
    silent.push_back(dice.Chance(kSilentRouters));
    return silent.size() - 1;
  }
  IpAddress Address(Node node) const { return Plus(*IpAddress::Parse("10.0.0.1"), node); }
  IpAddress TargetAddress(size_t target) const {
    return Plus(*IpAddress::Parse("192.0.2.0"), target);
  }

  // The way there, with the fault or in peace, and whether it leads to the target.
  std::pair<std::vector<Node>, bool> Way(Node first, size_t target, bool in_peace) const {
    std::vector<Node> way{first};
    while (true) {
      const auto found = nexts.find(way.back());
      if (found == nexts.end()) {
        return {way, !dead[target] || in_peace};
      }
      const Node next = found->second[Hash(target, way.back()) % found->second.size()];
      if (!in_peace && way.back() == faulty) {
        if (diverts && Hash(target, faulty + 1000) % 2 == 0) {
          way.push_back(rogue);
          return {way, false};
        }
        if (!diverts && next == broken) {
          return {way, false};
        }
      }
      way.push_back(next);
    }
  }

  std::vector<std::optional<IpAddress>> Trace(const std::pair<std::vector<Node>, bool>& way,
                                              size_t target) {
    std::vector<std::optional<IpAddress>> hops;
    for (const Node node : way.first) {
      hops.push_back(silent[node] || dice.Chance(kForgottenAnswers) ? std::nullopt
                                                                    : std::optional(Address(node)));
    }
    hops.push_back(way.second ? std::optional(TargetAddress(target)) : std::nullopt);
    return hops;
  }

  std::vector<ObservedPath> Observe() {
    std::vector<ObservedPath> paths;
    for (const Sensor& sensor : sensors) {
      for (size_t i = 0; i < kTracesPerSensor; ++i) {
        const size_t target = dice.Below(kTargets);
        const auto way = Way(sensor.first, target, false);
        ObservedPath path;
        path.sensor = sensor.name;
        path.group = sensor.group;
        path.target = TargetAddress(target);
        path.failing = !way.second;
        path.reached = way.second;
        path.hops = Trace(way, target);
        if (path.failing && remembers && dice.Chance(0.8)) {
          path.before = Trace(Way(sensor.first, target, true), target);
        }
        struck += path.failing && !dead[target] ? 1 : 0;
        paths.push_back(std::move(path));
      }
    }
    return paths;
  }

  // Is that edge what is broken?
  bool IsFault(const PathPlace& from, const PathPlace& to) const {
    return from == PathPlace::Address(Address(faulty)) &&
           (to == PathPlace::Silence() || to == PathPlace::Address(Address(WrongWay())));
  }
  Node WrongWay() const { return diverts ? rogue : broken; }
  bool Answers() const { return !silent[faulty] && (diverts || !silent[broken]); }

  struct Sensor {
    std::string name;
    std::string group;
    Node first;
  };
  Dice dice;
  std::vector<Sensor> sensors;
  std::vector<bool> silent;  // by Node
  std::map<Node, std::vector<Node>> nexts;
  std::vector<bool> dead;  // by target
  bool remembers = false;
  bool diverts = false;
  Node faulty = 0;
  Node broken = 0;
  Node rogue = 0;
  size_t struck = 0;  // paths that fail because of the fault
};

struct Score {
  size_t worlds = 0;
  size_t first = 0;  // the first suspect is the fault
  size_t named = 0;  // the fault is among the suspects or in their ambiguity

  void Add(const World& world, const std::vector<SuspectEdge>& suspects) {
    ++worlds;
    if (suspects.empty()) {
      return;
    }
    const SuspectEdge& best = suspects.front();
    const auto is_fault = [&](const auto& edge) { return world.IsFault(edge.first, edge.second); };
    // Where peace is not remembered, the edge before the broken one may stand for both.
    first += is_fault(std::pair(best.from, best.to)) ||
                     (!best.ambiguity.empty() && is_fault(best.ambiguity.front()) &&
                      best.ambiguity.front().second != PathPlace::Silence())
                 ? 1
                 : 0;
    named += std::any_of(suspects.begin(), suspects.end(),
                         [&](const SuspectEdge& suspect) {
                           return is_fault(std::pair(suspect.from, suspect.to)) ||
                                  std::any_of(suspect.ambiguity.begin(), suspect.ambiguity.end(),
                                              is_fault);
                         })
                 ? 1
                 : 0;
  }
  static double Share(size_t part, size_t whole) {
    return static_cast<double>(part) / static_cast<double>(whole);
  }
};

TEST(LocaliserWorlds, TheFirstSuspectIsTheFault) {
  Score all;
  Score with_a_past;
  Score silent_routers;  // they stand on the edge that is broken: the fault has no name
  for (uint64_t seed = 1; seed <= 600; ++seed) {
    World world(seed);
    world.Break();
    const std::vector<ObservedPath> paths = world.Observe();
    if (world.struck < 2) {
      continue;
    }
    const std::vector<SuspectEdge> suspects = Localise(paths);
    if (!world.Answers()) {
      silent_routers.Add(world, suspects);
      continue;
    }
    all.Add(world, suspects);
    if (world.remembers) {
      with_a_past.Add(world, suspects);
    }
  }
  RecordProperty("worlds", static_cast<int>(all.worlds));
  RecordProperty("first", static_cast<int>(all.first));
  RecordProperty("named", static_cast<int>(all.named));
  RecordProperty("silent_worlds", static_cast<int>(silent_routers.worlds));
  RecordProperty("silent_first", static_cast<int>(silent_routers.first));
  EXPECT_GE(all.worlds, 400u);
  EXPECT_GE(Score::Share(all.first, all.worlds), 0.95);
  EXPECT_GE(Score::Share(all.named, all.worlds), 0.99);
  EXPECT_GE(Score::Share(with_a_past.first, with_a_past.worlds), 0.99);
}

TEST(LocaliserWorlds, PeaceHasNoFault) {
  size_t accused = 0;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    World world(seed);
    world.faulty = world.rogue;  // where nobody comes by
    for (const SuspectEdge& suspect : Localise(world.Observe())) {
      accused += suspect.failing > 5 ? 1 : 0;
    }
  }
  // Dead targets may make a suspect of the routers before them, but never a big one.
  EXPECT_LE(accused, 10u);
  RecordProperty("accused", static_cast<int>(accused));
}

}  // namespace
}  // namespace parallax::collector
