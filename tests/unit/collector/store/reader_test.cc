#include "collector/store/reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "collector/store/sqlite_store.h"
#include "tests/unit/collector/store/sample_records.h"
#include "tests/unit/temp_dir.h"

namespace parallax::collector {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using namespace std::chrono_literals;

class ReaderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto store = SqliteStore::Open(path_);
    ASSERT_TRUE(store) << store.error().message;
    store_ = std::move(*store);
    auto reader = Reader::Open(path_, 60s);
    ASSERT_TRUE(reader) << reader.error().message;
    reader_ = std::move(*reader);
  }
  void Apply(std::vector<StoreOp> ops) {
    const auto applied = store_->Apply(ops);
    ASSERT_TRUE(applied) << applied.error().message;
  }

  TempDir dir_;
  const std::string path_ = dir_.Path("parallax.db");
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<Reader> reader_;
};

TEST_F(ReaderTest, AnEmptyDatabaseHasEmptyAnswers) {
  EXPECT_THAT(reader_->Status(At(0))->sensors, IsEmpty());
  EXPECT_THAT(*reader_->Sensors(std::nullopt), IsEmpty());
  EXPECT_THAT(reader_->Targets(std::nullopt, 10)->items, IsEmpty());
  EXPECT_THAT(reader_->Incidents({}, 10)->items, IsEmpty());
  EXPECT_THAT(*reader_->EventsAfter(0, 10), IsEmpty());
  EXPECT_THAT(reader_->TopSyns(SynKey::kSource, At(0), 10)->items, IsEmpty());
  EXPECT_THAT(reader_->LatestServerReports(At(0), 10)->items, IsEmpty());
}

TEST_F(ReaderTest, StatusCounts) {
  SensorRecord lost = SampleSensor("web-1");
  lost.state = SensorState::kLost;
  IngestedBatch late = SampleBatch(2, {SampleAttempt(2, AttemptOutcome::kHalfOpen)});
  late.received = At(170);
  Apply({SampleSensor("mail-1"), lost, SampleTarget("198.51.100.7"),
         SampleTarget("198.51.100.8", Verdict::kRouteAnomaly),
         SampleChange("opened", 1, IncidentState::kOpen),
         SampleChange("closed", 2, IncidentState::kClosed), SampleBatch(1, {SampleAttempt(1)}),
         late});
  const auto counts = reader_->Status(At(200));
  ASSERT_TRUE(counts) << counts.error().message;
  EXPECT_THAT(counts->sensors, ElementsAre(Pair("connected", 1), Pair("lost", 1)));
  EXPECT_THAT(counts->targets, ElementsAre(Pair("healthy", 1), Pair("route_anomaly", 1)));
  EXPECT_THAT(counts->incidents, ElementsAre(Pair("route_anomaly", 1)));
  EXPECT_EQ(counts->attempts_total, 2u);
  EXPECT_EQ(counts->attempts_last_minute, 1u);
  EXPECT_EQ(counts->half_open_last_minute, 1u);
  EXPECT_GT(counts->database_bytes, 4096u);
}

TEST_F(ReaderTest, ReachNamesEveryKnownSensor) {
  Apply({SampleSensor("a-1"), SampleSensor("b-1"), SampleSensor("c-1"),
         SampleTarget("198.51.100.7"), SampleTarget("2001:db8::7"), SampleTarget("9.9.9.9"),
         SampleCell("c-1", "198.51.100.7", CellState::kDown),
         SampleCell("a-1", "198.51.100.7", CellState::kUp),
         SampleCell("b-1", "2001:db8::7", CellState::kPolicy),
         SampleCell("unregistered", "2001:db8::7", CellState::kUp)});
  const auto page = reader_->Targets(std::nullopt, 10);
  ASSERT_TRUE(page) << page.error().message;
  EXPECT_EQ(page->total, 3u);
  const auto states = [](const TargetView& view) {
    std::string text = view.target.address.ToString();
    for (const auto& cell : view.cells) {
      text += " " + cell.sensor + "=" + std::string(ToString(cell.state));
    }
    return text;
  };
  ASSERT_EQ(page->items.size(), 3u);
  EXPECT_EQ(states(page->items[0]), "9.9.9.9 a-1=unknown b-1=unknown c-1=unknown");
  EXPECT_EQ(states(page->items[1]), "198.51.100.7 a-1=up b-1=unknown c-1=down");
  EXPECT_EQ(states(page->items[2]), "2001:db8::7 a-1=unknown b-1=policy c-1=unknown");

  const auto one = reader_->Targets(Ip("198.51.100.7"), 10);
  ASSERT_EQ(one->items.size(), 1u);
  EXPECT_EQ(states(one->items[0]), states(page->items[1]));
  EXPECT_THAT(reader_->Targets(Ip("203.0.113.1"), 10)->items, IsEmpty());
}

TEST_F(ReaderTest, IncidentsNewestFirstAndFiltered) {
  Apply({SampleChange("closed", 1, IncidentState::kClosed),
         SampleChange("opened", 2, IncidentState::kOpen),
         SampleChange("monitoring", 3, IncidentState::kMonitoring)});
  const auto numbers = [&](const IncidentFilter& filter, uint64_t limit = 10) {
    std::vector<uint64_t> out;
    const auto page = reader_->Incidents(filter, limit);
    EXPECT_TRUE(page) << page.error().message;
    for (const auto& incident : page->items) {
      out.push_back(incident.number);
    }
    return out;
  };
  EXPECT_THAT(numbers({}), ElementsAre(3, 2, 1));
  EXPECT_THAT(numbers({}, 2), ElementsAre(3, 2));
  EXPECT_EQ(reader_->Incidents({}, 2)->total, 3u);
  EXPECT_THAT(numbers({{}, IncidentState::kClosed, false}), ElementsAre(1));
  EXPECT_THAT(numbers({{}, {}, true}), ElementsAre(3, 2));
  EXPECT_THAT(numbers({2, {}, false}), ElementsAre(2));
  EXPECT_THAT(numbers({99, {}, false}), IsEmpty());
  EXPECT_EQ(reader_->Incidents({}, 10)->last_event, 3u);
}

TEST_F(ReaderTest, EventsTellTheIncidentAsItWas) {
  Apply({SampleChange("candidate", 1, IncidentState::kCandidate)});
  Apply({SampleChange("opened", 1, IncidentState::kOpen)});
  Apply({SampleChange("closed", 1, IncidentState::kClosed)});
  const auto events = reader_->EventsAfter(1, 10);
  ASSERT_TRUE(events) << events.error().message;
  ASSERT_EQ(events->size(), 2u);
  EXPECT_EQ((*events)[0].event, 2u);
  EXPECT_EQ((*events)[0].change, SampleChange("opened", 1, IncidentState::kOpen));
  EXPECT_EQ((*events)[1].change, SampleChange("closed", 1, IncidentState::kClosed));
  EXPECT_EQ(reader_->EventsAfter(0, 1)->size(), 1u);
}

TEST_F(ReaderTest, OfARunOfUpdatesTheLastIsKept) {
  Apply({SampleChange("opened", 1, IncidentState::kOpen)});
  for (int i = 0; i < 100; ++i) {
    Apply({SampleChange("updated", 1, IncidentState::kOpen)});
    Apply({SampleChange("updated", 2, IncidentState::kOpen)});
  }
  const auto events = reader_->EventsAfter(0, 1000);
  ASSERT_EQ(events->size(), 3u);
  EXPECT_EQ((*events)[0].change.change, "opened");
  EXPECT_EQ((*events)[2].event, 201u);
}

TEST_F(ReaderTest, EventNumbersAreNotUsedAgainAfterPruning) {
  Apply({SampleChange("closed", 1, IncidentState::kClosed)});
  ASSERT_TRUE(store_->Prune(At(1'000'000), 100));
  EXPECT_THAT(*reader_->EventsAfter(0, 10), IsEmpty());
  Apply({SampleChange("opened", 2, IncidentState::kOpen)});
  EXPECT_EQ(reader_->EventsAfter(0, 10)->front().event, 2u);
}

TEST_F(ReaderTest, TopSyns) {
  IngestedBatch old = SampleBatch(1, {SampleAttempt(50, AttemptOutcome::kPending, "9.9.9.9")});
  old.received = At(0);
  IngestedBatch batch = SampleBatch(2, {SampleAttempt(1), SampleAttempt(2),
                                        SampleAttempt(3, AttemptOutcome::kRefused, "2001:db8::7"),
                                        SampleAttempt(2, AttemptOutcome::kHalfOpen)});
  Apply({old, batch, SampleBatch(1, {SampleAttempt(1, AttemptOutcome::kCompleted)}, "web-1")});
  const auto top = reader_->TopSyns(SynKey::kSource, At(50), 10);
  ASSERT_TRUE(top) << top.error().message;
  ASSERT_EQ(top->items.size(), 2u);
  EXPECT_EQ(top->total, 2u);
  EXPECT_FALSE(top->truncated);
  const SynTopRow& first = top->items[0];
  EXPECT_EQ(first.key, "198.51.100.7");
  EXPECT_EQ(first.attempts, 3u);
  EXPECT_EQ(first.pending, 1u);
  EXPECT_EQ(first.half_open, 1u);
  EXPECT_EQ(first.completed, 1u);
  EXPECT_EQ(first.sensors, 2u);
  EXPECT_EQ(first.last_seen, At(100));
  EXPECT_EQ(top->items[1].key, "2001:db8::7");
  EXPECT_EQ(top->items[1].refused, 1u);

  EXPECT_EQ(reader_->TopSyns(SynKey::kSource, At(-10), 10)->total, 3u);
  EXPECT_EQ(reader_->TopSyns(SynKey::kSource, At(-10), 1)->items.size(), 1u);
  EXPECT_EQ(reader_->TopSyns(SynKey::kPort, At(50), 10)->items.front().key, "25");
  EXPECT_EQ(reader_->TopSyns(SynKey::kDestination, At(50), 10)->items.front().key, "192.0.2.25");
  EXPECT_THAT(reader_->TopSyns(SynKey::kSource, At(101), 10)->items, IsEmpty());
}

TEST_F(ReaderTest, LatestServerReports) {
  const auto batch = [](uint64_t sequence, int received, const ServerReport& report,
                        const std::string& sensor) {
    IngestedBatch out = SampleBatch(sequence, {report}, sensor);
    out.received = At(received);
    return out;
  };
  ServerReport later = SampleServerReport("192.0.2.25", 5);
  later.syns = 77;
  ServerReport backlog = SampleServerReport("192.0.2.25", 9'000);
  backlog.age = 45s;  // arrives after one that is younger
  Apply({batch(1, 40, SampleServerReport("203.0.113.9", 1e6), "mail-1"),
         batch(2, 100, SampleServerReport("192.0.2.25", 1000), "mail-1"),
         batch(3, 110, later, "mail-1"), batch(4, 120, backlog, "mail-1"),
         batch(1, 105, SampleServerReport("192.0.2.25", 50), "web-1"),
         batch(2, 105, SampleQuietReport("2001:db8:5::25"), "web-1")});
  const auto page = reader_->LatestServerReports(At(50), 10);
  ASSERT_TRUE(page) << page.error().message;
  EXPECT_FALSE(page->truncated);
  EXPECT_EQ(page->total, 3u);
  ASSERT_EQ(page->items.size(), 3u);
  EXPECT_EQ(page->items[0].sensor, "web-1");
  EXPECT_EQ(page->items[0].report, SampleServerReport("192.0.2.25", 50));
  EXPECT_EQ(page->items[1].sensor, "mail-1");
  EXPECT_EQ(page->items[1].report, later);
  EXPECT_EQ(page->items[1].window_end, At(108));
  EXPECT_EQ(page->items[2].report, SampleQuietReport("2001:db8:5::25"));

  const auto first = reader_->LatestServerReports(At(50), 1);
  EXPECT_EQ(first->items.size(), 1u);
  EXPECT_EQ(first->total, 3u);
  EXPECT_EQ(reader_->LatestServerReports(At(38), 10)->items[0].report.server, Ip("203.0.113.9"));
  // Received since, but of before.
  EXPECT_EQ(reader_->LatestServerReports(At(39), 10)->total, 3u);
  EXPECT_THAT(reader_->LatestServerReports(At(109), 10)->items, IsEmpty());
}

TEST_F(ReaderTest, AQuestionThatTakesTooLongIsCutShortAndTheNextWorks) {
  IngestedBatch batch = SampleBatch(1, {});
  for (uint16_t port = 1; port <= 20'000; ++port) {
    batch.records.emplace_back(SampleAttempt(port));
  }
  Apply({batch});
  auto hasty = Reader::Open(path_, 1ns);
  ASSERT_TRUE(hasty);
  const auto answer = (*hasty)->TopSyns(SynKey::kSource, At(-100), 10);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kUnavailable);
  EXPECT_TRUE((*hasty)->Sensors(std::nullopt));
  EXPECT_TRUE(store_->Maintain(true));  // no snapshot is left behind
  EXPECT_EQ(reader_->TopSyns(SynKey::kSource, At(-100), 10)->items.front().attempts, 20'000u);
}

TEST_F(ReaderTest, SensorsByName) {
  Apply({SampleSensor("mail-1"), SampleSensor("web-1")});
  EXPECT_THAT(*reader_->Sensors("web-1"), ElementsAre(SampleSensor("web-1")));
  EXPECT_THAT(*reader_->Sensors("nobody"), IsEmpty());
  EXPECT_THAT(*reader_->Sensors(""), IsEmpty());
}

TEST_F(ReaderTest, CannotWrite) {
  auto db = Database::Open(path_, Database::Mode::kReadOnly);
  ASSERT_TRUE(db);
  EXPECT_FALSE((*db)->Execute("DELETE FROM targets"));
}

}  // namespace
}  // namespace parallax::collector
