// The seed incident and its relatives.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/collector/detect/world.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

bool IsOpen(const sim::Campus& campus) { return !campus.store().incidents().empty(); }

TEST(Rogue, OneIncident) {
  std::vector<double> times;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    WorldOptions options;
    options.seed = seed;
    options.loss = seed % 2 == 0 ? 0.005 : 0;
    World campus(options);
    campus.Run(5min);
    campus.black_hole = RogueAt("mail");
    ASSERT_TRUE(campus.RunUntil([&] { return IsOpen(campus); }, 2min));
    times.push_back(ToSeconds(campus.now().mono - *campus.first_affected));
    campus.Run(5min);
    ASSERT_EQ(campus.store().incidents().size(), 1u) << testing::PrintToString(Story(campus));
    const IncidentRecord incident = campus.store().incidents().begin()->second;
    EXPECT_EQ(incident.verdict, Verdict::kRouteAnomaly);
    EXPECT_EQ(incident.state, IncidentState::kOpen);
    EXPECT_EQ(incident.direction, "outbound");
    EXPECT_EQ(incident.family, "both");
    EXPECT_THAT(incident.failing_sensors, ElementsAre("mail1"));
    EXPECT_THAT(incident.reaching_sensors, ElementsAre("library1", "noc1", "web1"));
    EXPECT_EQ(FailingIn(incident), Telling(campus, Half)) << seed;
    campus.black_hole = nullptr;
    campus.Run(4min);
    EXPECT_THAT(Story(campus),
                ElementsAre("INC-1 route_anomaly opened", "INC-1 route_anomaly monitoring",
                            "INC-1 route_anomaly closed"));
  }
  std::sort(times.begin(), times.end());
  Tell("rogue, warm: first affected SYN to opened p50 %.1f s, p95 %.1f s", times[10], times[18]);
}

TEST(Rogue, ColdStartInMidFault) {
  std::vector<double> times;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    World campus({.seed = seed, .loss = seed % 2 == 0 ? 0.005 : 0.0});
    campus.black_hole = RogueAt("mail");
    ASSERT_TRUE(campus.RunUntil([&] { return IsOpen(campus); }, 2min));
    times.push_back(ToSeconds(campus.now().mono - *campus.first_affected));
    campus.Run(10min);
    ASSERT_EQ(Story(campus), std::vector<std::string>{"INC-1 route_anomaly opened"});
    const IncidentRecord incident = campus.store().incidents().at(1);
    EXPECT_EQ(incident.direction, "outbound");
    EXPECT_THAT(incident.failing_sensors, ElementsAre("mail1"));
    EXPECT_EQ(FailingIn(incident), Telling(campus, Half)) << seed;
  }
  std::sort(times.begin(), times.end());
  Tell("rogue, cold start: first affected SYN to opened p50 %.1f s, p95 %.1f s", times[10],
       times[18]);
}

TEST(Rogue, AgainIsTheSameIncident) {
  World campus({});
  campus.Run(5min);
  campus.black_hole = RogueAt("mail");
  campus.Run(3min);
  campus.black_hole = nullptr;
  campus.Run(10min);
  campus.black_hole = RogueAt("mail");
  campus.Run(3min);
  campus.black_hole = nullptr;
  campus.Run(5min);
  EXPECT_THAT(Story(campus),
              ElementsAre("INC-1 route_anomaly opened", "INC-1 route_anomaly monitoring",
                          "INC-1 route_anomaly closed", "INC-1 route_anomaly reopened",
                          "INC-1 route_anomaly monitoring", "INC-1 route_anomaly closed"));
  campus.Run(40min);
  campus.black_hole = RogueAt("mail");
  campus.Run(3min);
  EXPECT_EQ(Story(campus).back(), "INC-2 route_anomaly opened");
}

TEST(Rogue, ShortTransientsOpenNothing) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    World campus({.seed = seed, .attempt_every = 10s});
    campus.Run(5min);
    for (int i = 0; i < 20; ++i) {
      campus.black_hole = RogueAt("mail");
      campus.Run(500ms * static_cast<int>(1 + (seed + i) % 12));
      campus.black_hole = nullptr;
      campus.Run(20s + 130ms * i);
    }
    EXPECT_THAT(Story(campus), IsEmpty()) << seed;
  }
}

TEST(Rogue, TwoSensorsSuffice) {
  World campus({.sensors = 2});
  campus.Run(5min);
  campus.black_hole = RogueAt("mail");
  campus.Run(3min);
  ASSERT_THAT(Story(campus), ElementsAre("INC-1 route_anomaly opened"));
  EXPECT_EQ(FailingIn(campus.store().incidents().at(1)), Telling(campus, Half));
}

TEST(Rogue, OneSensorAloneSaysNothing) {
  World campus({.sensors = 1});
  campus.Run(5min);
  campus.black_hole = RogueAt("mail");
  campus.Run(10min);
  EXPECT_THAT(Story(campus), IsEmpty());
}

TEST(WholeOutside, UnreachableIsNoIsolation) {
  for (const bool warm : {true, false}) {
    World campus({});
    campus.Run(warm ? 5min : 0min);
    campus.black_hole = [](const sim::Place& place, const sim::Remote&) {
      return place.group == "mail";
    };
    campus.Run(6min);
    ASSERT_THAT(Story(campus), ElementsAre("INC-1 route_anomaly opened"));
    const IncidentRecord incident = campus.store().incidents().at(1);
    EXPECT_THAT(incident.failing_sensors, ElementsAre("mail1"));
    // Cold, nothing proves that TCP ever got out of there: what answers TCP alone stays open.
    EXPECT_EQ(FailingIn(incident),
              Telling(campus, [&](const sim::Remote& remote) { return warm || remote.icmp; }));
  }
}

TEST(Silence, OfMostHostsHidesNothing) {
  World campus({.both = 15, .both_v6 = 5, .icmp_only = 5, .tcp_only = 5, .silent = 70});
  campus.Run(10min);
  EXPECT_THAT(Story(campus), IsEmpty());
  campus.black_hole = RogueAt("noc");
  campus.Run(5min);
  ASSERT_THAT(Story(campus), ElementsAre("INC-1 route_anomaly opened"));
  EXPECT_EQ(FailingIn(campus.store().incidents().at(1)), Telling(campus, Half));
}

TEST(TwoFaults, AreTwoIncidents) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    World campus({.seed = seed, .both = 100});
    campus.Run(5min);
    campus.black_hole = [](const sim::Place& place, const sim::Remote& remote) {
      const uint8_t last = remote.address.bytes().back();
      return (place.group == "mail" && Half(remote)) || (place.group == "web" && last % 2 == 0);
    };
    campus.Run(5min);
    ASSERT_THAT(Story(campus),
                UnorderedElementsAre("INC-1 route_anomaly opened", "INC-2 route_anomaly opened"));
    std::set<std::vector<SensorName>> failing;
    for (const auto& [number, incident] : campus.store().incidents()) {
      failing.insert(incident.failing_sensors);
    }
    EXPECT_THAT(failing, UnorderedElementsAre(ElementsAre("mail1"), ElementsAre("web1")));
    campus.black_hole = nullptr;
    campus.Run(4min);
    for (const auto& [number, incident] : campus.store().incidents()) {
      EXPECT_EQ(incident.state, IncidentState::kClosed);
    }
  }
}

TEST(OneRouter, ThatPicksOtherVictimsForEachOfItsSensorsIsOneIncident) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    World campus({.seed = seed});
    campus.AddSensor("mail2", "mail");
    campus.Run(5min);
    campus.black_hole = [](const sim::Place& place, const sim::Remote& remote) {
      const uint8_t last = remote.address.bytes().back();
      return (place.name == "mail1" && Half(remote)) || (place.name == "mail2" && last % 2 == 0);
    };
    campus.Run(5min);
    ASSERT_THAT(Story(campus), ElementsAre("INC-1 route_anomaly opened"));
    const IncidentRecord incident = campus.store().incidents().at(1);
    EXPECT_THAT(incident.failing_sensors, ElementsAre("mail1", "mail2"));
    EXPECT_EQ(FailingIn(incident), Telling(campus, [](const sim::Remote& remote) {
                return Half(remote) || remote.address.bytes().back() % 2 == 0;
              }));
  }
}

TEST(OneRouter, AboveTwoGroupsEndsAsOneIncident) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    World campus({.seed = seed});
    campus.Run(5min);
    campus.black_hole = [](const sim::Place& place, const sim::Remote& remote) {
      return (place.group == "mail" || place.group == "web") && Half(remote);
    };
    campus.Run(5min);
    std::vector<IncidentRecord> live;
    for (const auto& [number, incident] : campus.store().incidents()) {
      if (incident.state != IncidentState::kClosed) {
        live.push_back(incident);
      }
    }
    ASSERT_EQ(live.size(), 1u) << testing::PrintToString(Story(campus));
    EXPECT_THAT(live[0].failing_sensors, ElementsAre("mail1", "web1"));
    EXPECT_THAT(live[0].reaching_sensors, ElementsAre("library1", "noc1"));
    EXPECT_EQ(FailingIn(live[0]), Telling(campus, Half));
  }
}

TEST(Rogue, GoesOnWhenTheAccuserLosesItsStream) {
  World campus({});
  campus.Run(5min);
  campus.black_hole = RogueAt("mail");
  campus.Run(1min);
  campus.sensors()[0].stream_up = false;
  campus.Run(5min);
  EXPECT_THAT(Story(campus), ElementsAre("INC-1 route_anomaly opened"));
  campus.sensors()[0].stream_up = true;
  campus.black_hole = nullptr;
  campus.Run(5min);
  EXPECT_THAT(Story(campus),
              ElementsAre("INC-1 route_anomaly opened", "INC-1 route_anomaly monitoring",
                          "INC-1 route_anomaly closed"));
}

TEST(Rogue, EndsWhenTheAccuserNeverComesBack) {
  World campus({});
  campus.Run(5min);
  campus.black_hole = RogueAt("mail");
  campus.Run(1min);
  campus.KillSensor(0);
  campus.Run(50min);
  EXPECT_THAT(Story(campus), ElementsAre("INC-1 route_anomaly opened"));
  campus.Run(20min);
  EXPECT_EQ(campus.store().incidents().at(1).state, IncidentState::kClosed);
}

TEST(Rogue, ThatRejectsInsteadOfDroppingIsFound) {
  // A student's box with a firewall says "prohibited" to what it does not forward.
  World campus({});
  campus.Run(15min);  // what was never reached may always have been prohibited
  campus.black_hole = RogueAt("mail");
  campus.black_hole_says = ProbeState::kProhibited;
  campus.Run(3min);
  ASSERT_THAT(Story(campus), ElementsAre("INC-1 route_anomaly opened"));
  EXPECT_EQ(FailingIn(campus.store().incidents().at(1)), Telling(campus, Half));
}

TEST(Rogue, ThatSaysUnreachableMakesNoSilentHostGone) {
  // A student's Linux box without a route of its own says so. Two sensors behind that router hear
  // it of hosts that answer nobody, and that go on talking to the other departments.
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    World campus({.seed = seed, .silent = 40});
    campus.AddSensor("mail2", "mail");
    campus.Run(5min);
    campus.black_hole = RogueAt("mail");
    campus.black_hole_says = ProbeState::kUnreachable;
    campus.Run(4min);
    ASSERT_THAT(Story(campus), ElementsAre("INC-1 route_anomaly opened")) << seed;
    EXPECT_THAT(campus.store().incidents().at(1).failing_sensors, ElementsAre("mail1", "mail2"));
    EXPECT_EQ(FailingIn(campus.store().incidents().at(1)), Telling(campus, Half)) << seed;
    campus.black_hole = {};
    campus.Run(60min);  // every host connects to every sensor a few times
    EXPECT_THAT(Story(campus),
                ElementsAre("INC-1 route_anomaly opened", "INC-1 route_anomaly monitoring",
                            "INC-1 route_anomaly closed"))
        << seed;
    for (const sim::Remote& remote : campus.remotes()) {
      const Target* target = campus.engine().targets().Find(remote.address);
      ASSERT_NE(target, nullptr);
      for (const auto& [sensor, cell] : target->cells) {
        EXPECT_FALSE(cell.down()) << seed << " " << remote.address.ToString();
      }
    }
  }
}

TEST(WholeOutside, UnreachableBehindAFilterOfIcmpIsSeenByTcp) {
  // Its echo requests have been filtered for a while when the department loses its way out: what
  // the hosts answer by TCP was learnt by the others.
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    World campus({.seed = seed, .icmp_only = 0});
    campus.Run(5min);
    campus.sensors()[0].drops_icmp = true;
    campus.Run(4min);
    campus.black_hole = [](const sim::Place& place, const sim::Remote&) {
      return place.group == "mail";
    };
    campus.Run(3min);
    const auto anomalies = campus.store().With(Verdict::kRouteAnomaly);
    ASSERT_EQ(anomalies.size(), 1u) << seed;
    EXPECT_EQ(campus.store().incidents().size(), 1 + campus.store().With(Verdict::kPolicy).size())
        << seed;
    EXPECT_EQ(FailingIn(anomalies[0]), Telling(campus, [](const sim::Remote&) { return true; }))
        << seed;
  }
}

TEST(ManySensors, OnlyTheFailingOneIsAccused) {
  WorldOptions options;
  options.sensors = 20;
  World campus(options);
  campus.Run(5min);
  campus.black_hole = RogueAt("extra7");
  campus.Run(6min);
  ASSERT_THAT(Story(campus), ElementsAre("INC-1 route_anomaly opened"));
  const IncidentRecord incident = campus.store().incidents().at(1);
  EXPECT_THAT(incident.failing_sensors, ElementsAre("extra71"));
  EXPECT_EQ(FailingIn(incident), Telling(campus, Half));
}

}  // namespace
}  // namespace parallax::collector
