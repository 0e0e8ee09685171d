// Restarts, floods and limits: what must hold whatever happens.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/unit/collector/detect/world.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(Restart, GoesOnWithTheSameIncident) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    World campus({.seed = seed});
    campus.Run(5min);
    campus.black_hole = RogueAt("mail");
    campus.Run(30s + seed * 3s);
    ASSERT_THAT(Story(campus), ElementsAre("INC-1 route_anomaly opened"));
    const IncidentRecord before = campus.store().incidents().at(1);
    campus.RestartCollector();
    campus.Run(5min);
    ASSERT_THAT(Story(campus), ElementsAre("INC-1 route_anomaly opened"));
    const IncidentRecord after = campus.store().incidents().at(1);
    EXPECT_EQ(after.opened_at, before.opened_at);
    EXPECT_EQ(after.started_at, before.started_at);
    EXPECT_THAT(after.failing_sensors, ElementsAre("mail1"));
    EXPECT_EQ(FailingIn(after), Telling(campus, Half));
    campus.black_hole = nullptr;
    campus.RestartCollector();
    campus.Run(5min);
    EXPECT_THAT(Story(campus),
                ElementsAre("INC-1 route_anomaly opened", "INC-1 route_anomaly monitoring",
                            "INC-1 route_anomaly closed"));
  }
}

TEST(Restart, OfAnIsolatedSensorsIncident) {
  World campus({});
  campus.Run(5min);
  campus.sensors()[2].uplink_up = false;
  campus.Run(1min);
  campus.RestartCollector();
  campus.Run(5min);
  EXPECT_THAT(Story(campus), ElementsAre("INC-1 sensor_isolated opened"));
  campus.sensors()[2].uplink_up = true;
  campus.Run(3min);
  EXPECT_THAT(Story(campus),
              ElementsAre("INC-1 sensor_isolated opened", "INC-1 sensor_isolated monitoring",
                          "INC-1 sensor_isolated closed"));
}

// An operator's word: the sensor keeps reporting and is asked nothing, whatever happens.
TEST(Drained, IsAskedNothingAndTheOthersGoOn) {
  World campus({.sensors = 5});
  campus.Run(5min);
  size_t asked = 0;
  size_t others = 0;
  campus.on_actions = [&](const Actions& actions) {
    for (const SensorOrders& to : actions.orders) {
      (to.sensor == "web1" ? asked : others) += to.orders.size();
    }
  };
  campus.SetDrained({"web1", "nobody"});
  campus.Run(2min);
  campus.sensors()[1].uplink_up = false;  // it is not even asked for controls
  campus.Run(10s);
  campus.sensors()[1].uplink_up = true;
  campus.black_hole = RogueAt("mail");
  campus.Run(2min);
  EXPECT_EQ(asked, 0u);
  EXPECT_GT(others, 0u);
  EXPECT_THAT(campus.store().incidents().at(1).failing_sensors, ElementsAre("mail1"));
  campus.SetDrained({});
  campus.Run(10min);
  EXPECT_GT(asked, 0u);
  campus.on_actions = nullptr;
}

TEST(Restart, InPeaceIsPeaceful) {
  World campus({});
  campus.Run(5min);
  for (int i = 0; i < 10; ++i) {
    campus.RestartCollector();
    campus.Run(1min);
  }
  EXPECT_THAT(Story(campus), IsEmpty());
  EXPECT_EQ(campus.engine().targets().all().size(), campus.remotes().size());
}

Attempt LoneSyn(std::mt19937_64& random, const Moment& now) {
  std::array<uint8_t, 4> bytes = {static_cast<uint8_t>(1 + random() % 100),
                                  static_cast<uint8_t>(random()), static_cast<uint8_t>(random()),
                                  static_cast<uint8_t>(random())};
  Attempt attempt;
  attempt.client = {IpAddress::V4(bytes), static_cast<uint16_t>(random())};
  attempt.server = {*IpAddress::Parse("10.20.1.10"), 25};
  attempt.isn = static_cast<uint32_t>(random());
  attempt.first_seen = now.wall;
  attempt.syns = 1;
  return attempt;
}

TEST(Flood, EarnsNothing) {
  World campus({});
  campus.Run(5min);
  std::mt19937_64 random(7);
  const size_t targets = campus.engine().targets().all().size();
  const uint64_t probes = campus.probes();
  for (int second = 0; second < 20; ++second) {
    std::vector<Record> records;
    for (int i = 0; i < 2500; ++i) {
      Attempt attempt = LoneSyn(random, campus.now());
      records.emplace_back(attempt);
      // The server repeats its SYN-ACK to nobody: half-open, and the SYN came once.
      attempt.outcome = i % 2 == 0 ? AttemptOutcome::kHalfOpen : AttemptOutcome::kUnanswered;
      attempt.syn_acks = 2;
      records.emplace_back(attempt);
    }
    campus.Inject(0, std::move(records));
    campus.Run(1s);
  }
  EXPECT_EQ(campus.engine().targets().all().size(), targets);
  EXPECT_LE(campus.probes() - probes, 40 * campus.remotes().size() / 100);
  EXPECT_THAT(Story(campus), IsEmpty());
}

TEST(Flood, UnderSynCookiesEarnsNothing) {
  World campus({});
  campus.Run(5min);
  std::mt19937_64 random(7);
  const size_t targets = campus.engine().targets().all().size();
  for (int second = 0; second < 20; ++second) {
    std::vector<Record> records;
    for (int i = 0; i < 500; ++i) {
      Attempt attempt = LoneSyn(random, campus.now());
      attempt.sampling = 64;
      attempt.outcome = AttemptOutcome::kCompleted;  // as it looks: the SYN-ACK is never repeated
      attempt.syn_acks = 1;
      records.emplace_back(attempt);
    }
    campus.Inject(0, std::move(records));
    campus.Run(1s);
  }
  EXPECT_EQ(campus.engine().targets().all().size(), targets);
  EXPECT_THAT(Story(campus), IsEmpty());
}

TEST(Flood, OfEarnedTargetsStopsAtTheCapacityAndTheBudget) {
  WorldOptions options;
  options.engine.targets.capacity = 500;
  options.engine.max_rounds_per_second = 7;
  World campus(options);
  campus.Run(1min);
  std::mt19937_64 random(7);
  for (int second = 0; second < 60; ++second) {
    std::vector<Record> records;
    for (int i = 0; i < 200; ++i) {
      Attempt attempt = LoneSyn(random, campus.now());
      attempt.outcome = AttemptOutcome::kHalfOpen;
      attempt.syns = 2;
      records.emplace_back(attempt);
    }
    campus.Inject(0, std::move(records));
    campus.Run(1s);
  }
  campus.Run(5min);
  EXPECT_LE(campus.engine().targets().all().size(), 500u);
  EXPECT_GE(campus.engine().targets().all().size(), 430u) << "a tenth makes room for the next";
  EXPECT_GT(campus.engine().targets().refused(), 0u);
  EXPECT_THAT(Story(campus), IsEmpty());
}

TEST(Targets, AreNeverLocalDeniedOrSensors) {
  WorldOptions options;
  options.engine.targets.local_networks.Add(*Prefix::Parse("10.0.0.0/8"));
  options.engine.targets.deny.Add(*Prefix::Parse("203.0.113.0/24"));
  options.both = 2;
  World campus(options);
  campus.Run(10s);
  std::vector<Record> records;
  std::mt19937_64 random(1);
  for (const char* text : {"10.9.9.9", "203.0.113.5", "127.0.0.1", "224.0.0.5", "fe80::1", "::1"}) {
    Attempt attempt = LoneSyn(random, campus.now());
    attempt.client.address = *IpAddress::Parse(text);
    attempt.outcome = AttemptOutcome::kCompleted;
    records.emplace_back(attempt);
  }
  Attempt attempt = LoneSyn(random, campus.now());
  attempt.client.address = campus.sensors()[1].address;
  attempt.outcome = AttemptOutcome::kCompleted;
  records.emplace_back(attempt);
  campus.Inject(0, records);
  campus.Run(10min);
  for (const auto& [address, target] : campus.engine().targets().all()) {
    EXPECT_NE(std::find_if(campus.remotes().begin(), campus.remotes().end(),
                           [&](const sim::Remote& r) { return r.address == address; }),
              campus.remotes().end())
        << address.ToString();
  }
}

TEST(Targets, ASensorThatComesLaterIsNone) {
  World campus({.sensors = 2});
  campus.Run(1min);
  const size_t late = campus.AddSensor("late1", "late");
  campus.KillSensor(late);
  std::mt19937_64 random(1);
  Attempt attempt = LoneSyn(random, campus.now());
  attempt.client.address = campus.sensors()[late].address;
  attempt.outcome = AttemptOutcome::kCompleted;
  campus.Inject(0, {attempt});
  campus.Run(1min);
  ASSERT_NE(campus.engine().targets().Find(campus.sensors()[late].address), nullptr);
  campus.StartSensor(late);
  campus.Run(2min);
  EXPECT_EQ(campus.engine().targets().Find(campus.sensors()[late].address), nullptr);
}

TEST(Budget, IsNeverExceeded) {
  for (const double rate : {1.0, 5.0, 20.0}) {
    for (uint64_t seed = 1; seed <= 3; ++seed) {
      WorldOptions options;
      options.seed = seed;
      options.loss = 0.03;
      options.attempt_every = 5s;
      options.both = 200;
      options.engine.max_rounds_per_second = rate;
      World campus(options);
      campus.Run(2min);
      campus.black_hole = RogueAt("mail");
      campus.Run(2min);
      campus.sensors()[2].uplink_up = false;
      campus.Run(1min);
      campus.RestartCollector();  // it starts with a full bucket, like any other
      campus.black_hole = nullptr;
      campus.sensors()[2].uplink_up = true;
      campus.Run(2min);
      for (const auto& [second, rounds] : campus.rounds()) {
        EXPECT_LE(static_cast<double>(rounds.size()), 2 * rate + 1) << second;
      }
      for (const size_t window : {10u, 60u}) {
        std::vector<int64_t> when;
        for (const auto& [second, rounds] : campus.rounds()) {
          when.insert(when.end(), rounds.size(), second);
        }
        for (size_t i = 0; i < when.size(); ++i) {
          const auto end =
              std::lower_bound(when.begin(), when.end(), when[i] + static_cast<int64_t>(window));
          const auto count = static_cast<double>(end - when.begin()) - static_cast<double>(i);
          EXPECT_LE(count, rate * (static_cast<double>(window) + 2) + 1);
        }
      }
    }
  }
}

TEST(Budget, SmallOnesStillFindTheFault) {
  WorldOptions options;
  options.engine.max_rounds_per_second = 1;
  World campus(options);
  campus.Run(10min);
  campus.black_hole = RogueAt("mail");
  campus.Run(20min);
  ASSERT_THAT(Story(campus), ElementsAre("INC-1 route_anomaly opened"));
  EXPECT_EQ(FailingIn(campus.store().incidents().at(1)), Telling(campus, Half));
  campus.black_hole = nullptr;
  campus.Run(20min);
  EXPECT_EQ(campus.store().incidents().at(1).state, IncidentState::kClosed);
}

TEST(Simulation, OneSeedOneResult) {
  const auto run = [] {
    World campus({.seed = 42, .loss = 0.02});
    campus.Run(5min);
    campus.black_hole = RogueAt("web");
    campus.Run(5min);
    return std::pair(campus.probes(), campus.store().incidents());
  };
  EXPECT_EQ(run(), run());
}

}  // namespace
}  // namespace parallax::collector
