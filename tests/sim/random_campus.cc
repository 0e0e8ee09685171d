#include "tests/sim/random_campus.h"

#include <fmt/format.h>

#include <utility>

#include "tests/sim/dice.h"
#include "tests/sim/truth.h"

namespace parallax::sim {
namespace {

using namespace std::chrono_literals;

class Builder {
 public:
  explicit Builder(Dice& dice) : dice_(dice) {}

  Scenario Build() {
    const size_t borders = dice_.Number(1, 3);
    const size_t cores = dice_.Number(1, 3);
    const size_t departments = dice_.Number(2, 8);
    AddRouter("internet").answers_ttl = true;
    scenario_.owned = {{"internet", *Prefix::Parse("0.0.0.0/0")},
                       {"internet", *Prefix::Parse("::/0")}};
    for (size_t b = 1; b <= borders; ++b) {
      AddRouter(fmt::format("border-{}", b));
      AddLink(fmt::format("border-{}", b), "internet", dice_.Time(5ms, 40ms));
    }
    for (size_t c = 1; c <= cores; ++c) {
      const std::string core = fmt::format("core-{}", c);
      AddRouter(core);
      for (size_t b = 1; b <= borders; ++b) {
        AddLink(core, fmt::format("border-{}", b), 1ms);
      }
      if (c > 1) {
        AddLink(core, fmt::format("core-{}", c - 1), 1ms).options.cost = 2;
      }
    }
    for (size_t d = 1; d <= departments; ++d) {
      AddDepartment(d, cores);
    }
    if (scenario_.sensors.size() < 3) {
      AddSensor(1, 9);
    }
    scenario_.collector_at = fmt::format("core-{}", dice_.Number(1, cores));
    scenario_.collector_addresses = {*IpAddress::Parse("10.20.0.5"),
                                     *IpAddress::Parse("fd00:20::5")};
    AddRemotes();
    return std::move(scenario_);
  }

 private:
  NodeOptions& AddRouter(const std::string& name) {
    NodeOptions router;
    router.name = name;
    router.answers_ttl = !dice_.Chance(0.1);
    router.hash =
        dice_.OneOf<HashPolicy>({HashPolicy::kFlow, HashPolicy::kFlow,
                                 HashPolicy::kSourceDestination, HashPolicy::kDestination});
    return scenario_.routers.emplace_back(std::move(router));
  }

  ScenarioLink& AddLink(const std::string& a, const std::string& b, Duration delay) {
    ScenarioLink link;
    link.a = a;
    link.b = b;
    link.options.delay = delay;
    if (dice_.Chance(0.5)) {  // up to half a percent
      link.loss.random = dice_.Real(0, 0.002);
      link.loss.burst_every = dice_.Time(100s, 300s);
      link.loss.burst_length = dice_.Time(50ms, 300ms);
    }
    return scenario_.links.emplace_back(std::move(link));
  }

  void AddDepartment(size_t d, size_t cores) {
    const std::string name = fmt::format("dept-{}", d);
    AddRouter(name);
    const size_t first = dice_.Number(1, cores);
    AddLink(name, fmt::format("core-{}", first), 1ms);
    if (cores > 1 && dice_.Chance(0.4)) {
      AddLink(name, fmt::format("core-{}", first % cores + 1), 1ms);
    }
    // Somebody's own machine on its network. Nothing goes there unless a fault says so.
    if (d == 1 || dice_.Chance(0.6)) {
      const std::string box = fmt::format("box-{}", d);
      AddRouter(box).forwards = false;
      AddLink(box, name, 1ms).options.cost = 1000;
    }
    const size_t sensors = dice_.Number(1, 3);
    for (size_t i = 1; i <= sensors; ++i) {
      AddSensor(d, i);
    }
  }

  void AddSensor(size_t department, size_t i) {
    ScenarioSensor sensor;
    sensor.name = fmt::format("sensor-{}-{}", department, i);
    sensor.group = sensor.at = fmt::format("dept-{}", department);
    sensor.addresses = {*IpAddress::Parse(fmt::format("10.20.{}.{}", department, 9 + i)),
                        *IpAddress::Parse(fmt::format("fd00:20:{}::{}", department, 9 + i))};
    scenario_.sensors.push_back(std::move(sensor));
  }

  void AddRemotes() {
    const size_t count = dice_.Number(40, 400);
    const size_t v6 = count / dice_.Number(3, 6);
    AddGroup("clients", "11.{}.0.0/16", count - v6);
    AddGroup("clients6", "2a00:{}::/32", v6);
  }
  void AddGroup(const std::string& name, const char* form, size_t count) {
    ScenarioRemotes group;
    group.name = name;
    group.at = {"internet"};
    const size_t prefixes = dice_.Number(5, 30);
    for (size_t i = 1; i <= prefixes; ++i) {
      group.prefixes.push_back(*Prefix::Parse(fmt::format(fmt::runtime(form), i)));
    }
    group.announced = dice_.Chance(0.2);
    group.count = count;
    group.icmp = dice_.Real(0.5, 0.95);
    group.tcp = dice_.Real(0.5, 0.95);
    group.silent = dice_.Real(0, 0.4);
    group.attempt_every = dice_.Time(15s, 60s);
    scenario_.remotes.push_back(std::move(group));
  }

  Dice& dice_;
  Scenario scenario_;
};

}  // namespace

Scenario RandomCampus(Dice& dice) { return Builder(dice).Build(); }

RandomWorld MakeRandomWorld(uint64_t seed) {
  Dice dice(seed * 7919);
  RandomWorld world;
  world.scenario = RandomCampus(dice);
  const RandomFault fault = AddRandomFault(dice, world.scenario);
  world.kind = world.scenario.title = fault.kind;
  Scenario& s = world.scenario;
  size_t hosts = 0;
  for (const ScenarioRemotes& group : s.remotes) {
    hosts += group.count;
  }
  world.description = fmt::format("{} routers, {} sensors, {} hosts; {}", s.routers.size(),
                                  s.sensors.size(), hosts, fault.description);
  s.expected = WhatIsRight(s, seed);
  return world;
}

}  // namespace parallax::sim
