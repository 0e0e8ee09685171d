// Outages that are no route anomaly: targets that are gone, sensors that are cut off, and filters.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/collector/detect/world.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

SensorState StateOf(const sim::Campus& campus, const SensorName& name) {
  return campus.store().sensors().at(name).state;
}

// Every third host of those that answer anything.
std::set<std::string> SwitchOff(sim::Campus& campus) {
  std::set<std::string> off;
  for (size_t i = 0; i < campus.remotes().size(); i += 3) {
    sim::Remote& remote = campus.remotes()[i];
    remote.alive = false;
    if (remote.icmp || remote.tcp) {
      off.insert(remote.address.ToString());
    }
  }
  return off;
}

TEST(TargetOff, IsDownAndNothingElse) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    World campus({.seed = seed, .loss = seed % 2 == 0 ? 0.02 : 0.0});
    campus.Run(5min + seed * 370ms);
    const std::set<std::string> off = SwitchOff(campus);
    campus.Run(10min);
    ASSERT_THAT(Story(campus), ElementsAre("INC-1 target_down opened"));
    EXPECT_EQ(FailingIn(campus.store().incidents().at(1)), off);
    for (const std::string& address : off) {
      EXPECT_EQ(campus.store().targets().at(*IpAddress::Parse(address)).verdict,
                Verdict::kTargetDown);
    }
    for (sim::Remote& remote : campus.remotes()) {
      remote.alive = true;
    }
    campus.Run(10min);
    EXPECT_THAT(Story(campus),
                ElementsAre("INC-1 target_down opened", "INC-1 target_down monitoring",
                            "INC-1 target_down closed"));
  }
}

// So few leave by themselves within minutes; but hardly so many of so few.
TEST(TargetOff, OfOneFamilyIsMoreThanChanceSooner) {
  const auto of_both = [](size_t i) { return i % 2 == 0 ? i : 40 + i; };  // 40 IPv4, then 20 IPv6
  const auto of_one = [](size_t i) { return 40 + i; };
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    World one({.seed = seed});
    World both({.seed = seed});
    for (World* campus : {&one, &both}) {
      campus->Run(5min + seed * 370ms);
      for (size_t i = 0; i < 5; ++i) {
        campus->remotes()[campus == &one ? of_one(i) : of_both(i)].alive = false;
      }
      campus->Run(10min);
    }
    EXPECT_THAT(Story(one), ElementsAre("INC-1 target_down opened")) << seed;
    EXPECT_THAT(Story(both), IsEmpty()) << seed;
  }
}

TEST(TargetOff, InTheMiddleOfAnythingIsNoAnomaly) {
  // One host after the other, at odd moments, comes and goes.
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    World campus({.seed = seed, .loss = 0.01, .attempt_every = 10s});
    campus.Run(3min);
    std::mt19937_64 random(seed);
    for (int i = 0; i < 200; ++i) {
      sim::Remote& remote = campus.remotes()[random() % campus.remotes().size()];
      remote.alive = !remote.alive;
      campus.Run(100ms * static_cast<int>(random() % 60));
    }
    EXPECT_THAT(campus.store().With(Verdict::kRouteAnomaly), IsEmpty());
  }
}

TEST(Uplink, DownIsolatesTheSensor) {
  std::vector<double> times;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    World campus({.seed = seed});
    campus.Run(5min + seed * 130ms);
    campus.sensors()[2].uplink_up = false;
    const MonoTime cut = campus.now().mono;
    ASSERT_TRUE(campus.RunUntil([&] { return !campus.store().incidents().empty(); }, 2min));
    times.push_back(ToSeconds(campus.now().mono - cut));
    campus.Run(3min);
    ASSERT_THAT(Story(campus), ElementsAre("INC-1 sensor_isolated opened"));
    EXPECT_THAT(campus.store().incidents().at(1).failing_sensors, ElementsAre("library1"));
    EXPECT_EQ(StateOf(campus, "library1"), SensorState::kIsolated);
    campus.sensors()[2].uplink_up = true;
    campus.Run(3min);
    EXPECT_EQ(StateOf(campus, "library1"), SensorState::kConnected);
    EXPECT_THAT(Story(campus),
                ElementsAre("INC-1 sensor_isolated opened", "INC-1 sensor_isolated monitoring",
                            "INC-1 sensor_isolated closed"));
  }
  std::sort(times.begin(), times.end());
  Tell("uplink down to sensor_isolated: p50 %.1f s, worst %.1f s", times[5], times[9]);
}

TEST(Uplink, OfAWholeDepartmentDownIsOneIncident) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    World campus({.seed = seed});
    campus.AddSensor("library2", "library");
    campus.Run(5min + seed * 130ms);
    sim::Place& first = campus.sensors()[2];
    sim::Place& second = campus.sensors()[4];
    first.uplink_up = second.uplink_up = false;
    campus.Run(3min);
    ASSERT_THAT(Story(campus), ElementsAre("INC-1 sensor_isolated opened")) << seed;
    EXPECT_THAT(campus.store().incidents().at(1).failing_sensors,
                ElementsAre("library1", "library2"));
    campus.RestartCollector();
    campus.Run(3min);
    first.uplink_up = true;
    campus.Run(3min);
    EXPECT_THAT(campus.store().incidents().at(1).failing_sensors, ElementsAre("library2"));
    second.uplink_up = true;
    campus.Run(3min);
    EXPECT_THAT(Story(campus),
                ElementsAre("INC-1 sensor_isolated opened", "INC-1 sensor_isolated monitoring",
                            "INC-1 sensor_isolated closed"));
    EXPECT_THAT(campus.store().incidents().at(1).summary,
                HasSubstr("library1, library2 were cut off together"));
  }
}

TEST(Gateway, DownWithTheStreamUpIsolatesTheSensor) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    World campus({.seed = seed, .attempt_every = 10s});
    campus.Run(3min + seed * 170ms);
    campus.sensors()[0].gateway_up = false;
    campus.Run(2min);
    ASSERT_THAT(Story(campus), ElementsAre("INC-1 sensor_isolated opened")) << seed;
    EXPECT_EQ(StateOf(campus, "mail1"), SensorState::kIsolated);
    campus.sensors()[0].gateway_up = true;
    campus.Run(3min);
    EXPECT_EQ(StateOf(campus, "mail1"), SensorState::kConnected);
    EXPECT_THAT(Story(campus),
                ElementsAre("INC-1 sensor_isolated opened", "INC-1 sensor_isolated monitoring",
                            "INC-1 sensor_isolated closed"));
  }
}

TEST(Gateway, SilentToPingIsNotDown) {
  World campus({});
  campus.Run(5min);
  campus.sensors()[0].gateway_drops_icmp = true;
  campus.Run(10min);
  EXPECT_THAT(Story(campus), IsEmpty());
  EXPECT_EQ(StateOf(campus, "mail1"), SensorState::kConnected);
  // And it still sees what there is to see.
  campus.black_hole = RogueAt("mail");
  campus.Run(3min);
  EXPECT_THAT(Story(campus), ElementsAre("INC-1 route_anomaly opened"));
}

TEST(Sensor, KilledIsLost) {
  World campus({});
  campus.Run(5min);
  campus.KillSensor(1);
  campus.Run(2min);
  EXPECT_EQ(StateOf(campus, "web1"), SensorState::kLost);
  campus.StartSensor(1);
  campus.Run(1min);
  EXPECT_EQ(StateOf(campus, "web1"), SensorState::kConnected);
  EXPECT_THAT(Story(campus), IsEmpty());
}

TEST(Sensor, StoppedIsStopped) {
  World campus({});
  campus.Run(5min);
  campus.StopSensor(1);
  campus.Run(5min);
  EXPECT_EQ(StateOf(campus, "web1"), SensorState::kStopped);
  EXPECT_THAT(Story(campus), IsEmpty());
}

TEST(Sensor, ShortLossOfTheStreamIsNothing) {
  World campus({});
  campus.Run(5min);
  for (int i = 0; i < 20; ++i) {
    campus.sensors()[1].stream_up = false;
    campus.Run(1s * (i % 8));
    campus.sensors()[1].stream_up = true;
    campus.Run(20s);
  }
  EXPECT_THAT(Story(campus), IsEmpty());
  EXPECT_EQ(StateOf(campus, "web1"), SensorState::kConnected);
}

TEST(Collector, CutOffAccusesNobody) {
  for (const bool local_sensor : {false, true}) {
    World campus({});
    campus.sensors()[3].local = local_sensor;
    campus.Run(5min);
    campus.collector_uplink = false;
    campus.Run(5min);
    EXPECT_THAT(Story(campus), IsEmpty());
    campus.collector_uplink = true;
    campus.Run(5min);
    EXPECT_THAT(Story(campus), IsEmpty());
    EXPECT_EQ(StateOf(campus, "mail1"), SensorState::kConnected);
  }
}

TEST(Filter, OfIcmpAtOneVantageIsPolicyAndNoAnomaly) {
  for (const bool from_start : {true, false}) {
    for (const bool rejects : {false, true}) {
      for (uint64_t seed = 1; seed <= 5; ++seed) {
        World campus({.seed = seed, .icmp_only = 20});
        campus.Run(from_start ? 0s : 5min);
        sim::Place& mail = campus.sensors()[0];
        (rejects ? mail.rejects_icmp : mail.drops_icmp) = true;
        mail.gateway_drops_icmp = seed % 2 == 0;
        campus.Run(10min);
        const uint64_t before = campus.probes();
        campus.Run(20min);
        if (from_start) {
          EXPECT_THAT(Story(campus), IsEmpty()) << rejects << seed;
        } else {
          EXPECT_THAT(Story(campus), Each(HasSubstr("policy"))) << rejects << seed;
        }
        const double rate = static_cast<double>(campus.probes() - before) /
                            static_cast<double>(campus.remotes().size()) * 3;
        if (seed == 1) {
          Tell("ICMP filtered at one vantage (%s, %s): %.1f probes per target-hour",
               from_start ? "from start" : "mid-run", rejects ? "rejected" : "dropped", rate);
        }
        EXPECT_LE(rate, 33);
      }
    }
  }
}

TEST(Filter, IsToldOfBothFamiliesSoon) {
  // Few hosts with IPv6: the trickle alone comes by once in a while.
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    World campus({.seed = seed, .both_v6 = 6});
    campus.Run(30min);
    campus.sensors()[0].drops_icmp = true;
    const auto& incidents = campus.store().incidents();
    for (int second = 0; second < 600 && incidents.empty(); ++second) {
      campus.Run(1s);
    }
    ASSERT_EQ(incidents.size(), 1U) << seed;
    campus.Run(1min);
    EXPECT_EQ(incidents.begin()->second.verdict, Verdict::kPolicy) << seed;
    EXPECT_EQ(incidents.begin()->second.family, "both") << seed;
  }
}

TEST(Filter, OfAllProbesAtOneVantageIsNoAnomaly) {
  // A server zone that lets nothing out but replies, its gateway answering echo requests.
  for (const bool from_start : {true, false}) {
    for (uint64_t seed = 1; seed <= 5; ++seed) {
      World campus({.seed = seed, .attempt_every = 5s});
      campus.Run(from_start ? 0s : 5min);
      campus.sensors()[0].drops_probes = true;
      campus.Run(20min);
      for (const auto& [number, incident] : campus.store().incidents()) {
        EXPECT_EQ(incident.state, IncidentState::kClosed) << from_start << seed;
        EXPECT_LT(incident.closed_at - incident.opened_at, 3min) << from_start << seed;
      }
      if (from_start) {
        EXPECT_THAT(Story(campus), IsEmpty()) << seed;
      }
    }
  }
}

TEST(Filter, OfAllProbesIsTakenBackByConnectionsThatComplete) {
  WorldOptions options{.attempt_every = 5s};
  options.engine.without.Add(Part::kCompletions);
  World campus(options);
  campus.Run(5min);
  campus.sensors()[0].drops_probes = true;
  campus.Run(20min);
  ASSERT_EQ(campus.store().incidents().size(), 1U);
  EXPECT_EQ(campus.store().incidents().begin()->second.state, IncidentState::kOpen);
}

TEST(Filter, DoesNotHideARealFault) {
  World campus({});
  campus.sensors()[0].drops_icmp = true;
  campus.Run(10min);
  campus.black_hole = RogueAt("mail");
  campus.Run(3min);
  ASSERT_THAT(Story(campus), ElementsAre("INC-1 route_anomaly opened"));
  const auto failing = FailingIn(campus.store().incidents().at(1));
  // What answers ICMP alone cannot be told from the filter.
  EXPECT_EQ(failing, Telling(campus, [](const sim::Remote& r) { return r.tcp && Half(r); }));
}

TEST(Filter, NobodyIsToBlameWhereHostsStopToAnswerPings) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    WorldOptions options{.seed = seed, .icmp_only = 0};
    options.engine.baseline_interval = 7s;
    World campus(options);
    campus.Run(5min);
    for (size_t i = 0; i < campus.remotes().size(); ++i) {
      campus.remotes()[i].icmp = i % 10 == 0;
    }
    campus.Run(10min);
    EXPECT_THAT(Story(campus), IsEmpty()) << seed;
  }
}

TEST(Filter, IsToldOfTheWholeDepartment) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    World campus({.seed = seed});
    campus.AddSensor("mail2", "mail");
    campus.Run(6min);
    campus.sensors().front().drops_icmp = campus.sensors().back().drops_icmp = true;
    campus.Run(5min);
    ASSERT_THAT(Story(campus), ElementsAre("INC-1 policy opened")) << seed;
    EXPECT_THAT(campus.store().incidents().at(1).failing_sensors, ElementsAre("mail1", "mail2"));
  }
}

TEST(Family, ASensorWithoutIpv6SaysNothingAboutIt) {
  World campus({});
  campus.sensors()[1].has_v6 = false;
  campus.Run(10min);
  const uint64_t before = campus.probes();
  campus.Run(20min);
  EXPECT_THAT(Story(campus), IsEmpty());
  EXPECT_LE(static_cast<double>(campus.probes() - before) /
                static_cast<double>(campus.remotes().size()) * 3,
            21);
}

}  // namespace
}  // namespace parallax::collector
