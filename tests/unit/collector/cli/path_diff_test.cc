#include "collector/cli/path_diff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "collector/cli/render.h"

namespace parallax::cli {
namespace {

using testing::HasSubstr;

// "10.0.0.1 * 10.0.0.3": one router per hop, "*" for silence.
void AddPath(v1::PathList& list, const std::string& sensor, uint64_t at, const std::string& end,
             const std::string& hops) {
  v1::TracedPath* path = list.add_items();
  path->set_sensor(sensor);
  path->set_target("198.51.100.7");
  path->set_method("icmp");
  path->set_traced_at(at);
  path->set_end(end);
  path->set_remembered(end.empty());
  std::istringstream words(hops);
  for (std::string word; words >> word;) {
    v1::Hop* hop = path->add_hops();
    if (word != "*") {
      hop->add_routers(word);
    }
  }
}

TEST(PathDiff, NowAgainstTheWayInPeace) {
  v1::PathList list;
  AddPath(list, "mail", 300, "silent", "10.0.0.1 10.0.0.66");
  AddPath(list, "mail", 200, "silent", "10.0.0.1 10.0.0.67");
  AddPath(list, "mail", 100, "reached", "10.0.0.1 10.0.0.2 198.51.100.7");
  AddPath(list, "web", 300, "reached", "10.0.0.5 198.51.100.7");
  AddPath(list, "web", 90, "", "10.0.0.5 198.51.100.7");
  const auto diffs = DiffOf(list, "", "");
  ASSERT_EQ(diffs.size(), 1u) << "web's way is what it was";
  EXPECT_EQ(diffs[0].relation, PathDiff::Relation::kParts);
  EXPECT_EQ(diffs[0].last_common, "10.0.0.1");
  EXPECT_EQ(diffs[0].second.traced_at(), 100u);
  const Page page = RenderDiffs(diffs, 400, {});
  EXPECT_THAT(page.data, HasSubstr("They part behind 10.0.0.1."));
  EXPECT_THAT(page.data, HasSubstr("10.0.0.66"));
  EXPECT_EQ(ToJson(diffs[0])["relation"], "parts");
  EXPECT_EQ(ToJson(diffs[0])["first"]["hops"][1]["routers"][0], "10.0.0.66");
}

TEST(PathDiff, AWayThatEndsEarlierThanTheRememberedOne) {
  v1::PathList list;
  AddPath(list, "mail", 300, "silent", "10.0.0.1 *");
  AddPath(list, "mail", 90, "", "10.0.0.1 10.0.0.2 198.51.100.7");
  const auto diffs = DiffOf(list, "mail", "");
  ASSERT_EQ(diffs.size(), 1u);
  EXPECT_EQ(diffs[0].relation, PathDiff::Relation::kFirstEndsEarlier);
  EXPECT_THAT(RenderDiffs(diffs, 400, {}).data, HasSubstr("Now it ends behind 10.0.0.1."));
}

TEST(PathDiff, AgainstAnotherSensor) {
  v1::PathList list;
  AddPath(list, "mail", 300, "silent", "10.0.0.1");
  AddPath(list, "web", 300, "reached", "10.0.0.5 10.0.0.2 198.51.100.7");
  EXPECT_TRUE(DiffOf(list, "", "").empty());
  const auto diffs = DiffOf(list, "mail", "web");
  ASSERT_EQ(diffs.size(), 1u);
  EXPECT_EQ(diffs[0].relation, PathDiff::Relation::kParts);
  EXPECT_EQ(diffs[0].last_common_ttl, 0);
  EXPECT_THAT(RenderDiffs(diffs, 400, {}).data,
              AllOf(HasSubstr("TTL  mail"), Not(HasSubstr("before")), HasSubstr("\nweb, ")));
  EXPECT_TRUE(DiffOf(list, "mail", "nobody").empty());
  EXPECT_TRUE(DiffOf(list, "nobody", "web").empty());
}

TEST(PathDiff, TheNewestTraceIsShown) {
  v1::PathList list;
  AddPath(list, "mail", 300, "silent", "10.0.0.1");
  AddPath(list, "mail", 200, "reached", "10.0.0.1 198.51.100.7");
  AddPath(list, "web", 90, "", "10.0.0.5 198.51.100.7");
  const auto paths = LatestPaths(list);
  ASSERT_EQ(paths.size(), 2u);
  EXPECT_EQ(paths[0].end(), "silent");
  EXPECT_TRUE(paths[1].remembered());
  const Page page = RenderPaths(paths, 400, {});
  EXPECT_THAT(page.data, HasSubstr("nobody answers beyond"));
  EXPECT_THAT(page.notes, HasSubstr("parallax path diff 198.51.100.7"));
}

}  // namespace
}  // namespace parallax::cli
