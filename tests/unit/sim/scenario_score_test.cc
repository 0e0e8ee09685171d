// What an incident must be to be the one that was expected, and which suspects are right.
#include "tests/sim/scenario_score.h"

#include <gtest/gtest.h>

namespace parallax::sim {
namespace {

using namespace std::chrono_literals;
using collector::IncidentChange;
using collector::IncidentRecord;

const std::string kFolder = PARALLAX_SCENARIOS;

class ScenarioScoreTest : public testing::Test {
 protected:
  ScenarioScoreTest() : scenario(*LoadScenario(kFolder + "/rogue_default_per_destination.toml")) {
    incident.number = 1;
    incident.verdict = collector::Verdict::kRouteAnomaly;
    incident.family = "ipv4";
    incident.direction = "outbound";
    incident.split = "per_flow";
    incident.failing_sensors = {"phys-mail", "phys-web"};
  }
  ScenarioExpectation& expected() { return scenario.expected.front(); }
  std::string AddressOf(const char* node, const char* towards) {
    const auto& network = stage.world().network();
    const NodeId id = stage.At(node);
    return network.AddressAt(id, *network.LinkBetween(id, stage.At(towards)), Family::kV4)
        .ToString();
  }
  // As it would be if Parallax had said this, so long after the beginning.
  RunScore Score(std::vector<std::pair<const char*, Duration>> changes) {
    for (const auto& [change, at] : changes) {
      incident.opened_at = stage.world().now().wall + changes.front().second;
      incident.state = std::string_view(change) == "closed" ? collector::IncidentState::kClosed
                                                            : collector::IncidentState::kOpen;
      incident.closed_at = stage.world().now().wall + at;
      history.push_back({change, stage.world().now().wall + at, incident});
    }
    RunScore score;
    ScoreIncidents(stage, history, stage.world().now(), {}, score);
    return score;
  }
  Scenario scenario;
  Stage stage{scenario, 1};
  IncidentRecord incident;
  std::vector<IncidentChange> history;
};

TEST_F(ScenarioScoreTest, TheRightOneInTime) {
  const RunScore score = Score({{"opened", 130s}});
  ASSERT_EQ(score.met.size(), 1u);
  EXPECT_TRUE(score.met[0].found);
  EXPECT_EQ(score.met[0].to_open, 10s);
  EXPECT_TRUE(score.met[0].direction.value());
  EXPECT_FALSE(score.met[0].split.value());
  EXPECT_FALSE(score.met[0].suspect_first.value());
  EXPECT_TRUE(score.unexpected.empty());
}

TEST_F(ScenarioScoreTest, TooLateOrOfAnotherKindIsUnexpected) {
  EXPECT_EQ(Score({{"opened", 200s}}).unexpected.size(), 1u);
  history.clear();
  incident.verdict = collector::Verdict::kTargetDown;
  EXPECT_FALSE(Score({{"opened", 130s}}).met[0].found);
  history.clear();
  expected().also_right = {"target_down"};
  EXPECT_TRUE(Score({{"opened", 130s}}).met[0].found);
  history.clear();
  incident.failing_sensors = {"phys-mail"};
  EXPECT_FALSE(Score({{"opened", 130s}}).met[0].found);
}

TEST_F(ScenarioScoreTest, SuspectsByAddressByNameOrAsSilence) {
  incident.suspect = collector::Suspect{
      AddressOf("physics", "core"), AddressOf("student", "physics"), "likely", {}};
  EXPECT_TRUE(Score({{"opened", 130s}}).met[0].suspect_first.value());
  history.clear();
  incident.suspect->to = "silence";  // a host answers no trace
  EXPECT_TRUE(Score({{"opened", 130s}}).met[0].suspect_first.value());
  history.clear();
  incident.suspect->to = "core";
  EXPECT_FALSE(Score({{"opened", 130s}}).met[0].suspect_first.value());
  history.clear();
  expected().suspect_to = "core";
  incident.suspect->to = "silence";  // the core would answer
  EXPECT_FALSE(Score({{"opened", 130s}}).met[0].suspect_first.value());
}

TEST_F(ScenarioScoreTest, TheFirstThree) {
  incident.suspect = collector::Suspect{"core", "border-1", "likely", {"core -> border-2"}};
  incident.evidence["further_suspects"] = "physics -> student; chemistry -> core";
  const RunScore third = Score({{"opened", 130s}});
  EXPECT_FALSE(third.met[0].suspect_first.value());
  EXPECT_TRUE(third.met[0].suspect_in_three.value());
  history.clear();
  incident.evidence["further_suspects"] = "chemistry -> core; physics -> student";
  EXPECT_FALSE(Score({{"opened", 130s}}).met[0].suspect_in_three.value());
}

TEST_F(ScenarioScoreTest, WhatElseWasAskedFor) {
  expected().notices = 2;
  expected().keeps_start = true;
  expected().closed_by = 5min;
  expected().innocent = {"core"};
  EXPECT_EQ(Score({{"opened", 130s}, {"closed", 200s}}).met[0].further,
            (std::vector<bool>{true, true, true, true}));
  history.clear();
  incident.suspect = collector::Suspect{"core", "silence", "likely", {}};
  EXPECT_EQ(Score({{"opened", 130s}, {"closed", 200s}, {"reopened", 210s}}).met[0].further,
            (std::vector<bool>{false, false, true, false}));
}

TEST_F(ScenarioScoreTest, ConfusionOfFloodsAndFaults) {
  EXPECT_EQ(Score({{"opened", 130s}}).flood_confused, false);
  history.clear();
  scenario.faults.front().kind = FaultKind::kFlood;
  scenario.expected.clear();
  EXPECT_EQ(Score({{"opened", 130s}}).flood_confused, true);
  scenario.faults.clear();
  EXPECT_EQ(Score({}).flood_confused, std::nullopt);
}

}  // namespace
}  // namespace parallax::sim
