// A served database for tests: three sensors, three targets, incidents in several states; a clock
// that stands still, so that answers are the same every time.
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "collector/operate/operator_server.h"
#include "collector/store/sqlite_store.h"
#include "tests/unit/collector/store/sample_records.h"
#include "tests/unit/temp_dir.h"

namespace parallax::collector {

class OperatorFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    auto store = SqliteStore::Open(database_);
    ASSERT_TRUE(store) << store.error().message;
    store_ = std::move(*store);
  }
  void Apply(std::vector<StoreOp> ops) {
    const auto applied = store_->Apply(ops);
    ASSERT_TRUE(applied) << applied.error().message;
  }
  OperatorServerOptions ServerOptions() const {
    return {socket_, database_, At(-4000), [] { return At(200); }};
  }
  void Serve() {
    auto server = OperatorServer::Start(ServerOptions());
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
  }

  void Seed() {
    SensorRecord web = SampleSensor("web-1");
    web.group = "library";
    web.state = SensorState::kLost;
    web.health = {};
    web.health.probing_problem = "policy.toml: no such file";
    web.problem = "unheard for 1m50s";
    web.address.reset();
    Apply({SampleSensor("library-1"), SampleSensor("mail-1"), web,
           SampleTarget("198.51.100.7", Verdict::kRouteAnomaly), SampleTarget("203.0.113.9"),
           SampleTarget("2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff", Verdict::kTargetDown),
           SampleCell("library-1", "198.51.100.7", CellState::kUp),
           SampleCell("mail-1", "198.51.100.7", CellState::kDown),
           SampleCell("library-1", "203.0.113.9", CellState::kUp),
           SampleCell("mail-1", "203.0.113.9", CellState::kPolicy),
           SampleCell("mail-1", "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff", CellState::kLossy)});
    IncidentChange isolated = SampleChange("monitoring", 2, IncidentState::kMonitoring);
    isolated.incident.verdict = Verdict::kSensorIsolated;
    isolated.incident.severity = "warning";
    isolated.incident.failing_sensors = {"web-1"};
    isolated.incident.reaching_sensors.clear();
    isolated.incident.targets.clear();
    isolated.incident.suspect.reset();
    isolated.incident.evidence.clear();
    isolated.incident.summary = "web-1 has not been heard for 1m50s";
    IncidentChange candidate = SampleChange("candidate", 4, IncidentState::kCandidate);
    candidate.incident.suspect.reset();
    IncidentChange open = SampleChange("opened", 3, IncidentState::kOpen);
    for (int i = 0; i < 30; ++i) {
      open.incident.targets.push_back({Ip("203.0.113." + std::to_string(100 + i)), true});
    }
    open.incident.suspect->ambiguity.pop_back();
    Apply({SampleChange("closed", 1, IncidentState::kClosed), isolated, open, candidate});
    IngestedBatch batch =
        SampleBatch(1, {SampleAttempt(1, AttemptOutcome::kHalfOpen), SampleAttempt(2),
                        SampleReport(1), SampleAttempt(3, AttemptOutcome::kCompleted, "9.9.9.9")});
    batch.received = At(180);
    Apply({batch, SampleBatch(1, {SampleAttempt(1, AttemptOutcome::kHalfOpen)}, "library-1")});
  }

  // A flood at one server, as two sensors see it, and one that is slow to answer.
  void SeedServers() {
    ServerReport elsewhere = SampleServerReport("192.0.2.25", 950.4);
    elsewhere.window_start = At(61);
    elsewhere.aggregate = false;
    elsewhere.sampling = 1;
    elsewhere.half_open_repeated.reset();
    elsewhere.listen_overflows.reset();
    elsewhere.syn_cookies_sent.reset();
    ServerReport before = SampleServerReport("192.0.2.25", 90'000);
    before.age = std::chrono::seconds(12);
    ServerReport slow = SampleQuietReport("2001:db8:5::25");
    slow.window_start = At(169);
    IngestedBatch late = SampleBatch(1, {slow}, "web-1");
    late.received = At(199);
    // In an epoch of its own, beside what Seed() stores.
    Apply({SampleBatch(1, {before, SampleServerReport()}, "mail-1", 43),
           SampleBatch(1, {elsewhere}, "library-1", 43), late});
  }

  TempDir dir_;
  const std::string database_ = dir_.Path("parallax.db");
  const std::string socket_ = dir_.Path("operator.sock");
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<OperatorServer> server_;
};

}  // namespace parallax::collector
