// A scenario's network and faults, without Parallax on it.
#include "tests/sim/stage.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "sensor/probe/wire/packet.h"

namespace parallax::sim {
namespace {

using namespace std::chrono_literals;

IpAddress Ip(std::string_view text) { return *IpAddress::Parse(text); }
Prefix Net(std::string_view text) { return *Prefix::Parse(text); }

// sensor - edge - core - world, with forty remotes in the world.
class StageTest : public testing::Test {
 protected:
  StageTest() {
    for (const char* name : {"edge", "core", "world"}) {
      NodeOptions router;
      router.name = name;
      scenario.routers.push_back(router);
    }
    scenario.links = {{"edge", "core", {}, {.random = 0.25}}, {"core", "world", {}, {}}};
    scenario.owned = {{"world", Net("0.0.0.0/0")}};
    scenario.sensors = {{.name = "mail",
                         .group = "a",
                         .at = "edge",
                         .addresses = {Ip("192.168.0.2")},
                         .clock_ahead = {},
                         .seen_as = {}}};
    scenario.collector_at = "core";
    scenario.collector_addresses = {Ip("10.0.0.9")};
    ScenarioRemotes remotes;
    remotes.name = "clients";
    remotes.at = {"world"};
    remotes.prefixes = {Net("11.1.0.0/16"), Net("11.2.0.0/16")};
    remotes.count = 40;
    remotes.attempt_every = 0s;
    scenario.remotes = {remotes};
  }
  ScenarioFault& AddFault(FaultKind kind, Duration at, std::optional<Duration> until = {}) {
    ScenarioFault fault;
    fault.kind = kind;
    fault.at = at;
    fault.until = until;
    return scenario.faults.emplace_back(fault);
  }
  static Passage Send(Stage& stage, const char* from_node, const char* from, const char* to,
                      uint8_t protocol = sensor::kProtocolTcp, uint16_t port = 80) {
    return stage.world().network().Carry({Ip(from), Ip(to), protocol, 40000, port},
                                         stage.At(from_node), stage.world().now().mono);
  }
  static size_t Alive(Stage& stage) {
    const auto& remotes = stage.world().remotes();
    return static_cast<size_t>(
        std::count_if(remotes.begin(), remotes.end(), [](const Remote& r) { return r.alive; }));
  }
  Scenario scenario;
};

TEST_F(StageTest, FaultsComeAndGoAgainAndAgain) {
  scenario.links[0].loss = {};
  ScenarioFault& fault = AddFault(FaultKind::kRoute, 10s, 20s);
  fault.node = "core";
  fault.prefixes = {Net("0.0.0.0/0")};
  fault.every = 30s;
  fault.times = 2;
  Stage stage(scenario, 1);
  stage.world().network().Converge();
  stage.PlanFaults();
  std::string seen;
  for (int i = 0; i < 9; ++i) {
    stage.world().events().RunUntil(stage.world().now().mono + (i == 0 ? 5s : 10s));
    const bool up = Send(stage, "mail", "192.168.0.2", "11.1.0.1").end == End::kDelivered;
    seen += up ? '+' : '-';
  }
  EXPECT_EQ(seen, "+-++-++++");  // at 5 s, 15 s, ...
}

TEST_F(StageTest, WhatIsMendedIsAsItWas) {
  ScenarioFault& loss = AddFault(FaultKind::kLoss, 0s, 1s);
  loss.from = "edge";
  loss.to = "core";
  ScenarioFault& mtu = AddFault(FaultKind::kMtu, 0s, 1s);
  mtu.from = "core";
  mtu.to = "world";
  mtu.mtu = 70;
  Stage stage(scenario, 1);
  stage.world().network().Converge();
  stage.Break(0);
  stage.Break(1);
  EXPECT_EQ(Send(stage, "core", "10.0.0.9", "11.1.0.1").end, End::kLost);
  stage.Mend(0);
  stage.Mend(1);
  int lost = 0;
  for (int i = 0; i < 400; ++i) {
    lost += Send(stage, "mail", "192.168.0.2", "11.1.0.1").end == End::kLost ? 1 : 0;
  }
  EXPECT_NEAR(lost, 100, 40);  // the link's own loss is back
}

TEST_F(StageTest, OnlyItsOwnFilterIsTakenAway) {
  scenario.links[0].loss = {};
  AddFault(FaultKind::kFilter, 0s).node = "core";
  scenario.faults[0].filter.to = Net("11.1.0.0/16");
  AddFault(FaultKind::kFilter, 0s).node = "core";
  scenario.faults[1].filter.to = Net("11.2.0.0/16");
  Stage stage(scenario, 1);
  stage.world().network().Converge();
  stage.Break(0);
  stage.Break(1);
  stage.Mend(0);
  EXPECT_EQ(Send(stage, "mail", "192.168.0.2", "11.1.0.1").end, End::kDelivered);
  EXPECT_EQ(Send(stage, "mail", "192.168.0.2", "11.2.0.1").end, End::kLost);
}

TEST_F(StageTest, FiltersByRate) {
  scenario.links[0].loss = {};
  ScenarioFault& fault = AddFault(FaultKind::kFilter, 0s);
  fault.node = "world";
  fault.filter.above_per_second = 1;
  Stage stage(scenario, 1);
  stage.world().network().Converge();
  stage.Break(0);
  EXPECT_EQ(Send(stage, "world", "11.1.0.1", "192.168.0.2").end, End::kDelivered);
  EXPECT_EQ(Send(stage, "world", "11.1.0.1", "192.168.0.2").end, End::kLost);
  EXPECT_EQ(Send(stage, "world", "11.1.0.2", "192.168.0.2").end, End::kDelivered);
  stage.world().events().RunUntil(stage.world().now().mono + 2s);
  EXPECT_EQ(Send(stage, "world", "11.1.0.1", "192.168.0.2").end, End::kDelivered);
}

TEST_F(StageTest, TranslatedAddressesAreReachedByAnswersAndForwardedPorts) {
  scenario.links[0].loss = {};
  scenario.routers[0].nat = {{Net("192.168.0.0/24")}, {25}};
  Stage stage(scenario, 1);
  stage.world().network().Converge();
  EXPECT_EQ(Send(stage, "world", "11.1.0.1", "192.168.0.2").end, End::kLost);
  EXPECT_EQ(Send(stage, "world", "11.1.0.1", "192.168.0.2", sensor::kProtocolTcp, 25).end,
            End::kDelivered);
  EXPECT_EQ(Send(stage, "mail", "192.168.0.2", "11.1.0.1").end, End::kDelivered);
  EXPECT_EQ(Send(stage, "world", "11.1.0.1", "192.168.0.2").end, End::kDelivered);
  EXPECT_EQ(Send(stage, "world", "11.1.0.2", "192.168.0.2").end, End::kLost);
}

TEST_F(StageTest, HostsGoOneAfterTheOther) {
  ScenarioFault& fault = AddFault(FaultKind::kRemotes, 0s);
  fault.node = "clients";
  fault.over = 100s;
  Stage stage(scenario, 1);
  stage.PlanFaults();
  stage.world().events().RunUntil(stage.world().now().mono + 50s);
  EXPECT_GT(Alive(stage), 8u);
  EXPECT_LT(Alive(stage), 32u);
  stage.world().events().RunUntil(stage.world().now().mono + 50s);
  EXPECT_EQ(Alive(stage), 0u);
}

TEST_F(StageTest, ASharedAddressAnswersWhoeverBehindItIsOff) {
  scenario.remotes[0].share_address = true;
  scenario.remotes[0].prefixes.resize(1);
  AddFault(FaultKind::kRemotes, 0s).node = "clients";
  Stage stage(scenario, 1);
  stage.Break(0);
  EXPECT_EQ(Alive(stage), 1u);
  EXPECT_TRUE(stage.world().remotes()[0].alive);
  EXPECT_EQ(stage.world().remotes()[39].address, Ip("11.1.0.1"));
}

TEST_F(StageTest, TwoOfOneSeedAreTheSame) {
  scenario.remotes[0].silent = 0.5;
  AddFault(FaultKind::kRemotes, 0s).node = "clients";
  scenario.faults[0].share = 0.5;
  Stage one(scenario, 7);
  Stage other(scenario, 7);
  other.world().random()();  // whatever else happens there
  one.Break(0);
  other.Break(0);
  for (size_t i = 0; i < 40; ++i) {
    EXPECT_EQ(one.world().remotes()[i].alive, other.world().remotes()[i].alive);
    EXPECT_EQ(one.world().remotes()[i].icmp, other.world().remotes()[i].icmp);
  }
}

}  // namespace
}  // namespace parallax::sim
