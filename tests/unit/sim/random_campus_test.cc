// Random campuses with random faults, and what is right to say of them.
#include "tests/sim/random_campus.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "tests/sim/scenario_run.h"
#include "tests/sim/truth.h"

namespace parallax::sim {
namespace {

constexpr uint64_t kSeeds = 150;

// One of each seed, made once.
const std::vector<RandomWorld>& Worlds() {
  static const std::vector<RandomWorld> all = [] {
    std::vector<RandomWorld> worlds;
    for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
      worlds.push_back(MakeRandomWorld(seed));
    }
    return worlds;
  }();
  return all;
}

std::vector<ScenarioExpectation> Required(const RandomWorld& world) {
  std::vector<ScenarioExpectation> required;
  std::copy_if(world.scenario.expected.begin(), world.scenario.expected.end(),
               std::back_inserter(required), [](const auto& e) { return !e.optional; });
  return required;
}

TEST(RandomWorlds, AreAllThereAndWithinTheirBounds) {
  std::map<std::string, size_t> kinds;
  for (const RandomWorld& world : Worlds()) {
    const Scenario& s = world.scenario;
    ++kinds[world.kind];
    EXPECT_GE(s.sensors.size(), 3u);
    EXPECT_LE(s.sensors.size(), 24u);
    EXPECT_GE(s.remotes[0].count + s.remotes[1].count, 40u);
    EXPECT_LE(s.remotes[0].count + s.remotes[1].count, 400u);
    for (const ScenarioLink& link : s.links) {
      EXPECT_LE(link.loss.Mean(), 0.0055);
    }
    for (const ScenarioFault& fault : s.faults) {
      EXPECT_LT(fault.at, s.length);
    }
    EXPECT_LE(Required(world).size(), 1u) << world.description;  // one cause
  }
  EXPECT_EQ(kinds.size(), 19u);
}

TEST(RandomWorlds, OneSeedGivesOneWorld) {
  const RandomWorld again = MakeRandomWorld(7);
  const RandomWorld& first = Worlds()[6];
  EXPECT_EQ(again.description, first.description);
  const RunScore one = Play(first.scenario, 7);
  const RunScore other = Play(again.scenario, 7);
  EXPECT_EQ(one.events, other.events);
  EXPECT_EQ(one.incidents, other.incidents);
}

TEST(RandomWorlds, ADepartmentsRogueRouteIsTheDepartments) {
  size_t seen = 0;
  for (const RandomWorld& world : Worlds()) {
    if (world.kind != "rogue route" || Required(world).empty()) {
      continue;
    }
    ++seen;
    const ScenarioExpectation e = Required(world).front();
    const ScenarioFault& fault = world.scenario.faults.front();
    EXPECT_EQ(e.verdict, fault.hash == HashPolicy::kPacket ? "lossy_path" : "route_anomaly");
    EXPECT_EQ(e.direction, "outbound") << world.description;
    EXPECT_FALSE(e.failing.empty());
    for (const ScenarioSensor& sensor : world.scenario.sensors) {
      EXPECT_EQ(std::count(e.failing.begin(), e.failing.end(), sensor.name),
                sensor.at == fault.node ? 1 : 0)
          << world.description << ": " << sensor.name;
    }
    if (e.has_suspect) {
      EXPECT_EQ(e.suspect_from, fault.node);
      EXPECT_EQ(e.suspect_to, fault.via.front());
    }
    if (fault.hash == HashPolicy::kFlow) {
      EXPECT_EQ(e.split, "per_flow");
    }
  }
  EXPECT_GE(seen, 8u);
}

TEST(RandomWorlds, EachKindHasItsVerdict) {
  const std::map<std::string, std::string> verdicts = {{"nothing", ""},
                                                       {"clock jumps", ""},
                                                       {"collector away", ""},
                                                       {"short outage", ""},
                                                       {"sensor stopped", ""},
                                                       {"liar", ""},
                                                       {"flood", "syn_flood"},
                                                       {"sensor cut off", "sensor_isolated"},
                                                       {"ICMP filtered", "policy"},
                                                       {"sensor lossy", "sensor_degraded"},
                                                       {"border down", "border_outage"}};
  for (const RandomWorld& world : Worlds()) {
    const auto verdict = verdicts.find(world.kind);
    if (verdict == verdicts.end()) {
      continue;
    }
    const auto required = Required(world);
    EXPECT_EQ(required.empty() ? "" : required.front().verdict, verdict->second)
        << world.description;
  }
}

TEST(RandomWorlds, TheWayInIsInbound) {
  for (const RandomWorld& world : Worlds()) {
    for (const ScenarioExpectation& e : world.scenario.expected) {
      if (world.kind == "way in broken") {
        EXPECT_EQ(e.direction, "inbound") << world.description;
        EXPECT_FALSE(e.has_suspect);
      }
    }
  }
}

// A link that nobody's packets take may be down.
TEST(Truth, WhatNobodyFeelsIsNothing) {
  RandomWorld world = Worlds()[0];
  ScenarioFault fault;
  fault.kind = FaultKind::kLinkDown;
  fault.from = "box-1";
  fault.to = "dept-1";
  world.scenario.faults = {fault};
  EXPECT_TRUE(WhatIsRight(world.scenario, 1).empty());
}

}  // namespace
}  // namespace parallax::sim
