#include "tests/sim/scoreboard.h"

#include <gtest/gtest.h>

#include <cmath>

namespace parallax::sim {
namespace {

using namespace std::chrono_literals;

// Wilson (1927), as in the tables of the design: 100 of 100 is .963 at the least, 30 of 30 .886.
TEST(Share, WilsonsInterval) {
  EXPECT_NEAR((Share{100, 100}).low(), 0.963, 0.0005);
  EXPECT_NEAR((Share{30, 30}).low(), 0.886, 0.0006);
  EXPECT_NEAR((Share{0, 300}).high(), 0.0126, 0.0005);
  EXPECT_NEAR((Share{50, 100}).low(), 0.4038, 0.0005);
  EXPECT_NEAR((Share{50, 100}).high(), 0.5962, 0.0005);
  EXPECT_EQ((Share{0, 0}).low(), 0);
  EXPECT_EQ((Share{0, 0}).high(), 1);
}

TEST(ScenarioScore, CountsRuns) {
  ScenarioScore score;
  RunScore run;
  run.met.resize(2);
  run.met[0].found = true;
  run.met[0].to_open = 4s;
  run.met[0].direction = true;
  run.met[0].suspect_first = false;
  run.unexpected.emplace_back();
  run.probes_in_peace = 30;
  run.target_hours_in_peace = 2;
  run.met[0].further = {true, false};
  run.probes = 130;
  run.incident_targets = 4;
  run.flood_confused = true;
  score.Add(run, 600, 0.1);
  run.met[0].to_open = 8s;
  run.unexpected.clear();
  score.Add(run, 600, 0.1);
  EXPECT_EQ(score.recall.right, 2u);
  EXPECT_EQ(score.recall.of, 4u);
  EXPECT_EQ(score.precision.right, 2u);
  EXPECT_EQ(score.precision.of, 3u);
  EXPECT_EQ(score.direction.right, 2u);
  EXPECT_EQ(score.suspect_first.right, 0u);
  EXPECT_EQ(score.suspect_first.of, 2u);
  EXPECT_EQ(score.split.of, 0u);
  EXPECT_EQ(score.further.right, 2u);
  EXPECT_EQ(score.further.of, 4u);
  EXPECT_EQ(score.flood_confused.right, 2u);
  EXPECT_EQ(score.ProbesPerIncidentTarget(), 25);
  EXPECT_EQ(score.Quantile(0), 4);
  EXPECT_EQ(score.Quantile(1), 8);
  EXPECT_EQ(score.ProbesPerTargetHour(), 15);
  ScenarioScore sum;
  sum.Add(score);
  sum.Add(score);
  EXPECT_EQ(sum.runs, 4u);
  EXPECT_EQ(sum.seconds_to_open, (std::vector<double>{4, 4, 8, 8}));
  EXPECT_TRUE(std::isnan(ScenarioScore().Quantile(0.5)));
  EXPECT_TRUE(std::isnan(ScenarioScore().ProbesPerTargetHour()));
}

TEST(Scores, JsonHoldsWhateverTheTitleSays) {
  ScenarioScore score;
  score.title = "a \"title\" \\ with\nmore";
  const std::string json = ScoreJson({score});
  EXPECT_NE(json.find(R"("scenario":"a \"title\" \\ with\u000amore")"), std::string::npos) << json;
}

}  // namespace
}  // namespace parallax::sim
