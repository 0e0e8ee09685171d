// What every backend of Store must do. A backend joins by a factory in the list at the end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <memory>

#include "collector/store/reader.h"
#include "collector/store/sqlite_store.h"
#include "tests/unit/collector/store/sample_records.h"
#include "tests/unit/temp_dir.h"

namespace parallax::collector {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

struct Backend {
  const char* name;
  std::function<Result<std::unique_ptr<Store>>(const std::string& place)> open;
  // Attempts and probe reports stored; what operators would be told.
  std::function<StatusCounts(const std::string& place)> counts;
  // The latest of each server and sensor.
  std::function<std::vector<ServerReportView>(const std::string& place)> servers;
};

class StoreContract : public ::testing::TestWithParam<Backend> {
 protected:
  void SetUp() override { Reopen(); }
  void Reopen() {
    store_.reset();
    auto opened = GetParam().open(dir_.Path("db"));
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
  }
  void Apply(std::vector<StoreOp> ops) {
    const auto applied = store_->Apply(ops);
    ASSERT_TRUE(applied) << applied.error().message;
    EXPECT_EQ(store_->refused_rows(), 0u);
  }
  SavedState Load() {
    auto state = store_->Load();
    EXPECT_TRUE(state) << state.error().message;
    return *state;
  }
  StatusCounts Counts() { return GetParam().counts(dir_.Path("db")); }
  std::vector<ServerReport> Servers() {
    std::vector<ServerReport> reports;
    for (ServerReportView& view : GetParam().servers(dir_.Path("db"))) {
      reports.push_back(std::move(view.report));
    }
    return reports;
  }

  TempDir dir_;
  std::unique_ptr<Store> store_;
};

TEST_P(StoreContract, StartsEmpty) {
  const SavedState state = Load();
  EXPECT_THAT(state.sensors, IsEmpty());
  EXPECT_THAT(state.targets, IsEmpty());
  EXPECT_THAT(state.cells, IsEmpty());
  EXPECT_THAT(state.live_incidents, IsEmpty());
  EXPECT_THAT(state.marks, IsEmpty());
  EXPECT_EQ(state.last_incident, 0u);
  EXPECT_EQ(store_->HighWater("nobody", 1).value(), 0u);
  EXPECT_TRUE(store_->Apply({}));
}

TEST_P(StoreContract, EverythingComesBackAfterReopening) {
  SensorRecord second = SampleSensor("web-1");
  second.address.reset();
  second.health = {};
  second.health.probing_problem = "no policy";
  second.problem = "no policy";
  second.state = SensorState::kIsolated;
  const TargetRecord target = SampleTarget("198.51.100.7", Verdict::kRouteAnomaly);
  const CellRecord cell = SampleCell("web-1", "198.51.100.7", CellState::kLossy);
  IncidentChange bare = SampleChange("candidate", 9, IncidentState::kCandidate);
  bare.incident.suspect.reset();
  Apply({SampleSensor("mail-1"), second, target, cell,
         SampleChange("opened", 7, IncidentState::kOpen), bare,
         SampleBatch(1, {SampleAttempt(1), SampleReport(5)})});
  Reopen();
  const SavedState state = Load();
  EXPECT_THAT(state.sensors, ElementsAre(SampleSensor("mail-1"), second));
  EXPECT_THAT(state.targets, ElementsAre(target));
  EXPECT_THAT(state.cells, ElementsAre(cell));
  EXPECT_THAT(state.live_incidents,
              ElementsAre(SampleIncident(7, IncidentState::kOpen), bare.incident));
  EXPECT_EQ(state.last_incident, 9u);
  EXPECT_THAT(state.marks, ElementsAre(HighWaterMark{"mail-1", 42, 2}));
}

TEST_P(StoreContract, LaterWordsReplaceEarlierOnes) {
  Apply({SampleSensor("mail-1"), SampleTarget("198.51.100.7"),
         SampleCell("mail-1", "198.51.100.7", CellState::kUp)});
  SensorRecord sensor = SampleSensor("mail-1");
  sensor.state = SensorState::kLost;
  sensor.health.interfaces.pop_back();
  sensor.health.gateways.clear();
  const CellRecord cell = SampleCell("mail-1", "198.51.100.7", CellState::kDown);
  const TargetRecord target = SampleTarget("198.51.100.7", Verdict::kTargetDown);
  Apply({sensor, cell, target});
  const SavedState state = Load();
  EXPECT_THAT(state.sensors, ElementsAre(sensor));
  EXPECT_THAT(state.targets, ElementsAre(target));
  EXPECT_THAT(state.cells, ElementsAre(cell));
}

TEST_P(StoreContract, AForgottenTargetTakesItsCellsAlong) {
  Apply({SampleSensor("mail-1"), SampleTarget("198.51.100.7"), SampleTarget("2001:db8::7"),
         SampleCell("mail-1", "198.51.100.7", CellState::kUp),
         SampleCell("mail-1", "2001:db8::7", CellState::kUp)});
  // A cell that comes after its target went is not kept either.
  Apply({TargetForgotten{Ip("198.51.100.7")},
         SampleCell("mail-1", "198.51.100.7", CellState::kDown)});
  const SavedState state = Load();
  EXPECT_THAT(state.targets, ElementsAre(SampleTarget("2001:db8::7")));
  EXPECT_THAT(state.cells, ElementsAre(SampleCell("mail-1", "2001:db8::7", CellState::kUp)));
}

TEST_P(StoreContract, ResendsAndOverlapsAreStoredOnce) {
  Apply({SampleBatch(1, {SampleAttempt(1), SampleAttempt(2), SampleReport(1)})});
  Apply({SampleBatch(1, {SampleAttempt(1), SampleAttempt(2), SampleReport(1)})});
  EXPECT_EQ(Counts().attempts_total, 2u);
  EXPECT_EQ(Counts().reports_total, 1u);
  // 3 again, 4 and 5 new, in one transaction with another re-send.
  Apply({SampleBatch(3, {SampleReport(1), SampleReport(2), SampleAttempt(5)}),
         SampleBatch(4, {SampleReport(2), SampleAttempt(5), SampleReport(6)})});
  EXPECT_EQ(Counts().attempts_total, 3u);
  EXPECT_EQ(Counts().reports_total, 3u);
  EXPECT_EQ(store_->HighWater("mail-1", 42).value(), 6u);
  Apply({SampleBatch(2, {SampleAttempt(2)})});
  EXPECT_EQ(store_->HighWater("mail-1", 42).value(), 6u);
}

TEST_P(StoreContract, EpochsAndSensorsHaveTheirOwnMarks) {
  Apply({SampleBatch(1, {SampleReport(1)}), SampleBatch(1, {SampleReport(2)}, "mail-1", 43),
         SampleBatch(10, {SampleReport(3)}, "web-1", 42)});
  EXPECT_EQ(Counts().reports_total, 3u);
  EXPECT_EQ(store_->HighWater("mail-1", 42).value(), 1u);
  EXPECT_EQ(store_->HighWater("mail-1", 43).value(), 1u);
  EXPECT_EQ(store_->HighWater("web-1", 42).value(), 10u);
  EXPECT_EQ(store_->HighWater("web-1", 43).value(), 0u);
}

TEST_P(StoreContract, HugeNumbersAreTakenAsTheyAre) {
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  Apply({SampleBatch(1, {SampleReport(kMost)}, "mail-1", kMost)});
  EXPECT_EQ(store_->HighWater("mail-1", kMost).value(), 1u);
  Apply({SampleBatch(kMost - 1, {SampleReport(1), SampleReport(2), SampleReport(3)}, "mail-1", 7)});
  EXPECT_EQ(store_->HighWater("mail-1", 7).value(), kMost - 1);
  EXPECT_EQ(Counts().reports_total, 2u);
  Apply({SampleBatch(kMost, {SampleReport(1)}, "mail-1", 8)});
  EXPECT_EQ(Counts().reports_total, 2u);
}

TEST_P(StoreContract, TheOutcomeOfAnAttemptJoinsItsFirstReport) {
  Apply({SampleBatch(1, {SampleAttempt(1)})});
  Apply({SampleBatch(2, {SampleAttempt(1, AttemptOutcome::kHalfOpen)})});
  EXPECT_EQ(Counts().attempts_total, 1u);
  // Another sensor's view of the same attempt is another row; so is an outcome without a first.
  Apply({SampleBatch(1, {SampleAttempt(1)}, "web-1"),
         SampleBatch(3, {SampleAttempt(9, AttemptOutcome::kCompleted)})});
  EXPECT_EQ(Counts().attempts_total, 3u);
}

TEST_P(StoreContract, ServerReportsComeBackWithWhatIsAbsentAbsent) {
  const ServerReport quiet = SampleQuietReport("2001:db8:5::25");
  Apply({SampleBatch(1, {SampleAttempt(1), SampleServerReport(), quiet})});
  EXPECT_EQ(store_->HighWater("mail-1", 42).value(), 3u);
  Reopen();
  EXPECT_THAT(Servers(), ElementsAre(SampleServerReport(), quiet));
  EXPECT_EQ(Counts().attempts_total, 1u);
  EXPECT_EQ(Counts().reports_total, 0u);
  // A re-send with something new behind it.
  Apply({SampleBatch(2, {SampleServerReport("203.0.113.1"), SampleServerReport("203.0.113.2"),
                         SampleServerReport("203.0.113.3")})});
  EXPECT_THAT(Servers(),
              ElementsAre(SampleServerReport(), SampleServerReport("203.0.113.3"), quiet));
}

TEST_P(StoreContract, ServerReportsArePruned) {
  IngestedBatch old = SampleBatch(1, {});
  for (int i = 0; i < 6; ++i) {
    old.records.emplace_back(SampleServerReport());
  }
  IngestedBatch recent = SampleBatch(7, {SampleServerReport("203.0.113.1")}, "web-1");
  recent.received = At(5000);
  Apply({old, recent});
  EXPECT_THAT(Servers(), SizeIs(2));
  EXPECT_EQ(store_->Prune(At(1000), 4).value(), 4u);
  EXPECT_THAT(Servers(), SizeIs(2));
  EXPECT_EQ(store_->Prune(At(1000), 4).value(), 2u);
  EXPECT_THAT(Servers(), ElementsAre(SampleServerReport("203.0.113.1")));
  EXPECT_EQ(store_->Prune(At(1000), 4).value(), 0u);
}

TEST_P(StoreContract, ClosedIncidentsAreNotLoadedButTheirNumbersStayTaken) {
  Apply({SampleChange("opened", 3, IncidentState::kOpen)});
  Apply({SampleChange("closed", 3, IncidentState::kClosed)});
  Reopen();
  EXPECT_THAT(Load().live_incidents, IsEmpty());
  EXPECT_EQ(Load().last_incident, 3u);
}

TEST_P(StoreContract, PruneDeletesTheOldInPieces) {
  IngestedBatch old = SampleBatch(1, {});
  for (uint16_t port = 1; port <= 10; ++port) {
    old.records.emplace_back(SampleAttempt(port));
  }
  IngestedBatch recent = SampleBatch(11, {SampleAttempt(99), SampleReport(1)});
  recent.received = At(5000);
  Apply({old, recent});
  EXPECT_EQ(store_->Prune(At(1000), 4).value(), 4u);
  EXPECT_EQ(store_->Prune(At(1000), 4).value(), 4u);
  EXPECT_EQ(store_->Prune(At(1000), 4).value(), 2u);
  EXPECT_EQ(store_->Prune(At(1000), 4).value(), 0u);
  // What is left, and the marks that are still needed.
  EXPECT_EQ(store_->HighWater("mail-1", 42).value(), 12u);
  EXPECT_EQ(Counts().attempts_total, 11u);
  EXPECT_TRUE(store_->Maintain(true));
  EXPECT_TRUE(store_->Maintain(false));
}

Backend Sqlite() {
  return {"sqlite",
          [](const std::string& place) -> Result<std::unique_ptr<Store>> {
            auto store = SqliteStore::Open(place);
            if (!store) {
              return tl::make_unexpected(store.error());
            }
            return std::unique_ptr<Store>(std::move(*store));
          },
          [](const std::string& place) {
            auto reader = Reader::Open(place, std::chrono::seconds(60));
            EXPECT_TRUE(reader) << reader.error().message;
            auto counts = (*reader)->Status(At(0));
            EXPECT_TRUE(counts) << counts.error().message;
            return *counts;
          },
          [](const std::string& place) {
            auto reader = Reader::Open(place, std::chrono::seconds(60));
            EXPECT_TRUE(reader) << reader.error().message;
            auto page = (*reader)->LatestServerReports(At(0), 1000);
            EXPECT_TRUE(page) << page.error().message;
            return page->items;
          }};
}

TEST_P(StoreContract, KeepsWhoMayReport) {
  TokenRecord token;
  token.id = "12ab";
  token.sha256 = "digest";
  token.group = "mail";
  token.network = *Prefix::Parse("2001:db8::/32");
  token.replaces = "mail-0";
  token.uses = 3;
  token.uses_left = 2;
  token.created_at = At(1);
  token.expires_at = At(2);
  token.revoked_at = At(3);
  token.created_by = "operator x";
  TokenRecord other;
  other.id = "34cd";
  const TrustRecord sensor{
      {"mail", "mail-1"}, TrustState::kDrained, "key", At(4), At(5), At(6), At(7), "12ab"};
  const PendingRecord pending{"key2", "web-1", *IpAddress::Parse("192.0.2.1"), At(8)};
  const PendingRecord soon_gone{"key3", "web-2", *IpAddress::Parse("2001:db8::1"), At(7)};
  Apply({TrustChange{1, {token, other, sensor, pending, soon_gone}}});
  Apply({TrustChange{2, {TokenGone{"34cd"}, PendingGone{"key3"}}}});
  Reopen();
  const SavedTrust saved = Load().trust;
  EXPECT_THAT(saved.tokens, ElementsAre(token));
  EXPECT_THAT(saved.sensors, ElementsAre(sensor));
  EXPECT_THAT(saved.pending, ElementsAre(pending));
}

INSTANTIATE_TEST_SUITE_P(Backends, StoreContract, ::testing::Values(Sqlite()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace parallax::collector
