#include "tests/sim/ablation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace parallax::sim {
namespace {

using namespace std::chrono_literals;
using collector::Part;
using testing::HasSubstr;

Scenario RogueRoute() {
  auto scenario =
      LoadScenario(std::string(PARALLAX_SCENARIOS) + "/rogue_default_per_destination.toml");
  scenario->length = 170s;
  return *std::move(scenario);
}

TEST(Ablation, APartThatIsMissingCostsWhatItIsFor) {
  const Scenario scenario = RogueRoute();
  const std::vector<AblationRun> runs = {{&scenario, 1}, {&scenario, 2}};
  Ablation ablation{"scenarios", {}};
  AddLine(ablation, runs, std::nullopt);
  AddLine(ablation, runs, Part::kFlows);
  AddLine(ablation, runs, Part::kFloods);
  const ScenarioScore& whole = ablation.lines[0].score;
  EXPECT_EQ(whole.runs, 2u);
  EXPECT_EQ(whole.recall.right, 2u);
  EXPECT_EQ(whole.split.right, 2u);
  EXPECT_EQ(ablation.lines[1].score.recall.right, 2u);
  EXPECT_EQ(ablation.lines[1].score.split.right, 0u) << "nobody asks over other flows";
  EXPECT_EQ(ablation.lines[1].changed, 2u);
  EXPECT_EQ(ablation.lines[2].changed, 0u) << "there is no flood";
  EXPECT_EQ(ablation.lines[2].score.probes, whole.probes);
}

Ablation Measured() {
  Ablation ablation{"scenarios", {}};
  for (const std::optional<Part> without : {std::optional<Part>(), std::optional(Part::kSweeps)}) {
    AblationLine line;
    line.without = without;
    line.score.runs = 8;
    line.score.precision = {without ? 7u : 8u, 8};
    line.score.seconds_to_open = {without ? 14.25 : 12.0};
    line.changed = without ? 3 : 0;
    ablation.lines.push_back(line);
  }
  return ablation;
}

TEST(Ablation, TheTableShowsDifferences) {
  const std::string table = AblationTable({Measured()});
  EXPECT_THAT(
      table,
      HasSubstr("scenarios, 8 runs\nWITHOUT               CHANGED    PRECISION       RECALL"));
  EXPECT_THAT(table, HasSubstr("\nnothing                       1.000            -         12.0"));
  EXPECT_THAT(table,
              HasSubstr("\nsweeps                      3 0.875 -0.125     -      =  14.2   +2.2"));
}

TEST(Ablation, JsonSaysTheSame) {
  const std::string json = AblationJson({Measured()});
  EXPECT_THAT(json, HasSubstr(R"({"of":"scenarios","without":null,"runs":8,"changed":0,)"
                              R"("precision":{"value":1.0000,"difference":0.0000},)"
                              R"("recall":{"value":null,"difference":null})"));
  EXPECT_THAT(json, HasSubstr(R"({"of":"scenarios","without":"sweeps","runs":8,"changed":3,)"
                              R"("precision":{"value":0.8750,"difference":-0.1250})"));
}

}  // namespace
}  // namespace parallax::sim
