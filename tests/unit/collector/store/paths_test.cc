// Ways and announcements: what is logged, what is remembered, and what is forgotten.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "collector/store/list_text.h"
#include "collector/store/reader.h"
#include "collector/store/sqlite_store.h"
#include "tests/unit/collector/store/sample_records.h"
#include "tests/unit/temp_dir.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

PathReport SamplePath(TraceEnd end, PathHops hops) {
  PathReport report;
  report.order_id = 9;
  report.target = Ip("198.51.100.7");
  report.attempt = {ProbeMethod::kTcpSyn, 443, 2};
  report.started_at = At(50);
  report.age = 2s;
  report.end = end;
  report.reporter = Ip("10.0.0.1");
  report.changed = true;
  report.hops = std::move(hops);
  return report;
}

Announcement SampleAnnouncement() {
  Announcement announcement;
  announcement.speaker = announcement.gateway = Ip("10.0.0.66");
  announcement.speaker_link = "02:00:00:00:00:66";
  announcement.prefix = *Prefix::Parse("0.0.0.0/0");
  announcement.metric = 1;
  announcement.interface = "eth0";
  announcement.first_heard = At(40);
  announcement.times = 3;
  return announcement;
}

TEST(HopsText, ComesBackAsItWas) {
  const PathHops hops = {{Ip("10.0.0.1")}, {}, {Ip("10.0.1.1"), Ip("2001:db8::1")}};
  EXPECT_EQ(DecodeHops(EncodeHops(hops)), hops);
  EXPECT_EQ(DecodeHops(""), PathHops());
  EXPECT_EQ(DecodeHops("nonsense 10.0.0.1\n"), PathHops({{Ip("10.0.0.1")}}));
}

TEST(Paths, AreReadNewestFirstAndThenWhatIsRemembered) {
  TempDir dir;
  const std::string path = dir.Path("parallax.db");
  auto store = SqliteStore::Open(path);
  ASSERT_TRUE(store);
  const PathHops good = {{Ip("10.0.0.1")}, {}, {Ip("198.51.100.7")}};
  const PathHops bad = {{Ip("10.0.0.1")}, {Ip("10.0.0.66")}};
  const PathRecord remembered{"mail-1", Ip("198.51.100.7"), At(30), good};
  ASSERT_TRUE((*store)->Apply(std::vector<StoreOp>{
      SampleSensor("mail-1"), SampleSensor("web-1"), SampleTarget("198.51.100.7"), remembered,
      SampleBatch(1, {SamplePath(TraceEnd::kReached, good), SamplePath(TraceEnd::kSilent, bad),
                      SampleAnnouncement()})}));
  EXPECT_EQ((*store)->refused_rows(), 0u);

  auto reader = Reader::Open(path, 60s);
  ASSERT_TRUE(reader);
  const auto page = (*reader)->Paths(Ip("198.51.100.7"), std::nullopt, 10);
  ASSERT_TRUE(page) << page.error().message;
  ASSERT_EQ(page->items.size(), 3u);
  EXPECT_EQ(page->total, 2u);
  EXPECT_EQ(page->items[0].report.end, TraceEnd::kSilent);
  EXPECT_EQ(page->items[0].report.hops, bad);
  EXPECT_EQ(page->items[0].report.attempt, (ProbeTry{ProbeMethod::kTcpSyn, 443, 2}));
  EXPECT_EQ(page->items[0].report.reporter, Ip("10.0.0.1"));
  EXPECT_TRUE(page->items[0].report.changed);
  EXPECT_FALSE(page->items[0].remembered);
  EXPECT_TRUE(page->items[2].remembered);
  EXPECT_EQ(page->items[2].report.hops, good);
  EXPECT_EQ(page->items[2].at, At(30));
  EXPECT_EQ((*reader)->Paths(Ip("198.51.100.7"), std::nullopt, 1)->items.size(), 2u);
  EXPECT_TRUE((*reader)->Paths(Ip("198.51.100.7"), "web-1", 10)->items.empty());
  EXPECT_TRUE((*reader)->Paths(Ip("198.51.100.8"), std::nullopt, 10)->items.empty());

  // The last way is what a restart begins with, until the target is forgotten.
  EXPECT_THAT((*store)->Load()->paths, testing::ElementsAre(remembered));
  ASSERT_TRUE((*store)->Apply(std::vector<StoreOp>{TargetForgotten{Ip("198.51.100.7")}}));
  EXPECT_TRUE((*store)->Load()->paths.empty());
}

}  // namespace
}  // namespace parallax::collector
