// Scenario files: what they may say, and that playing one twice gives the same.
#include "tests/sim/scenario.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/scenario_run.h"
#include "tests/unit/temp_dir.h"

namespace parallax::sim {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

const std::string kFolder = PARALLAX_SCENARIOS;

TEST(ScenarioFile, AllOfOursAreInOrder) {
  const std::set<std::string> networks = {"campus.toml", "twelve_sensors.toml"};
  size_t count = 0;
  for (const auto& file : std::filesystem::directory_iterator(kFolder)) {
    const auto scenario = LoadScenario(file.path());
    EXPECT_TRUE(scenario) << scenario.error().message;
    EXPECT_TRUE(!scenario || !scenario->title.empty() || networks.contains(file.path().filename()));
    ++count;
  }
  EXPECT_GE(count, 40u);
}

TEST(ScenarioFile, BuildsOnABase) {
  const auto scenario = LoadScenario(kFolder + "/rogue_default_per_destination.toml");
  ASSERT_TRUE(scenario);
  EXPECT_EQ(scenario->sensors.size(), 6u);
  EXPECT_EQ(scenario->collector_at, "core");
  ASSERT_EQ(scenario->faults.size(), 1u);
  EXPECT_EQ(scenario->faults[0].kind, FaultKind::kRoute);
  EXPECT_EQ(scenario->faults[0].via, std::vector<std::string>{"student"});
  EXPECT_TRUE(scenario->faults[0].beside);
  EXPECT_EQ(scenario->faults[0].at, 2min);
  ASSERT_EQ(scenario->expected.size(), 1u);
  EXPECT_EQ(scenario->expected[0].suspect_to, "student");
}

TEST(ScenarioFile, SaysAllThatIsWrongAndWhere) {
  TempDir dir;
  const auto file = dir.Write("wrong.toml", R"(title = "wrong"
[collector]
at = "nowhere"
addresses = ["10.0.0.1"]
[[router]]
name = "core"
hash = "color"
[[router]]
name = "core"
[[link]]
between = ["core"]
[[sensor]]
name = "one"
at = "core"
addresses = ["10.0.0.300"]
[[fault]]
kind = "route"
at = "2m"
until = "1m"
router = "core"
prefixes = ["0.0.0.0/0"]
via = ["one"]
[[fault]]
kind = "loss"
at = "5 parsecs"
from = "core"
to = "one"
[[fault]]
kind = "clock"
at = "1h"
sensor = "one"
[[expect]]
failing = ["two"]
suspekt = "x"
verdict = "whatever"
also_right = ["nothing"]
)");
  const auto scenario = LoadScenario(file);
  ASSERT_FALSE(scenario);
  EXPECT_EQ(scenario.error().code, ErrorCode::kBadConfig);
  const std::string& message = scenario.error().message;
  EXPECT_THAT(message, HasSubstr(":3:6: collector.at: there is no router \"nowhere\""));
  EXPECT_THAT(message, HasSubstr(":7:8: router.hash: \"color\" is none of \"flow\""));
  EXPECT_THAT(message, HasSubstr(":9:8: router.name: \"core\" is there twice"));
  EXPECT_THAT(message, HasSubstr(":11:11: link.between: must name two routers"));
  EXPECT_THAT(message, HasSubstr("\"10.0.0.300\" is no address"));
  EXPECT_THAT(message, HasSubstr(":19:9: fault.until: must be later than `at`"));
  EXPECT_THAT(message, HasSubstr("there is no router \"one\""));
  EXPECT_THAT(message, HasSubstr("there is no sensor \"two\""));
  EXPECT_THAT(message, HasSubstr(":25:6: fault.at: "));
  EXPECT_THAT(message, HasSubstr(":30:6: fault.at: is later than the end of the scenario"));
  EXPECT_THAT(message, HasSubstr(":34:1: unknown key expect.suspekt"));
  EXPECT_THAT(message, HasSubstr(":35:11: expect.verdict: \"whatever\" is none of route_anomaly"));
  EXPECT_THAT(message, HasSubstr("there is no verdict \"nothing\""));
}

TEST(ScenarioFile, BasesMayHaveBasesAndSensorsComeInNumbers) {
  const auto scenario = LoadScenario(kFolder + "/liar_unanswered.toml");
  ASSERT_TRUE(scenario) << scenario.error().message;
  ASSERT_EQ(scenario->sensors.size(), 12u);
  EXPECT_EQ(scenario->sensors.back().name, "med-2");
  EXPECT_EQ(scenario->sensors.back().addresses[0].ToString(), "10.20.6.11");
  TempDir dir;
  const auto itself = LoadScenario(dir.Write("itself.toml", "base = \"itself.toml\"\n"));
  ASSERT_FALSE(itself);
  EXPECT_THAT(itself.error().message, HasSubstr("its base has a base"));
}

TEST(ScenarioRun, TheSameSeedGivesTheSameRun) {
  auto scenario = LoadScenario(kFolder + "/rogue_default_per_destination.toml");
  ASSERT_TRUE(scenario);
  scenario->length = 150s;
  const RunScore first = Play(*scenario, 3);
  const RunScore again = Play(*scenario, 3);
  const RunScore other = Play(*scenario, 4);
  EXPECT_EQ(first.events, again.events);
  EXPECT_EQ(first.probes, again.probes);
  EXPECT_EQ(first.incidents, again.incidents);
  EXPECT_NE(first.events, other.events);
}

void ExpectFound(const char* file, uint64_t seeds) {
  const auto scenario = LoadScenario(kFolder + "/" + file);
  ASSERT_TRUE(scenario) << scenario.error().message;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    const RunScore run = Play(*scenario, seed);
    for (const Met& met : run.met) {
      EXPECT_TRUE(met.found) << file << ", seed " << seed;
      EXPECT_TRUE(met.direction.value_or(true)) << file << ", seed " << seed;
    }
    EXPECT_TRUE(run.unexpected.empty())
        << file << ", seed " << seed << ": " << run.unexpected.front().summary;
  }
}

TEST(ScenarioRun, RogueDefaultRoutes) {
  ExpectFound("rogue_default_per_destination.toml", 5);
  ExpectFound("rogue_default_per_flow.toml", 5);
  ExpectFound("cold_start_rogue_default.toml", 5);
  ExpectFound("ipv6_only.toml", 5);
}

// Whoever connects first has nobody yet who could learn that its host answers.
TEST(ScenarioRun, ASensorThatIsCutOff) { ExpectFound("sensor_uplink_down.toml", 10); }

TEST(ScenarioRun, NothingToSay) {
  ExpectFound("icmp_filtered_from_the_start.toml", 3);
  ExpectFound("short_outage.toml", 3);
  ExpectFound("quiet.toml", 1);
  ExpectFound("mtu_black_hole.toml", 1);
  ExpectFound("behind_nat.toml", 1);
  ExpectFound("collector_cut_off_from_sensor.toml", 1);
}

// It is no routing fault, whatever else is said of it.
TEST(ScenarioRun, AFloodAccusesNobody) {
  const auto scenario = LoadScenario(kFolder + "/syn_flood.toml");
  ASSERT_TRUE(scenario);
  const RunScore run = Play(*scenario, 1);
  EXPECT_TRUE(run.unexpected.empty()) << run.unexpected.front().summary;
}

TEST(ScenarioRun, TheCollectorComesBackToTheSameIncident) {
  const auto scenario = LoadScenario(kFolder + "/collector_killed_for_30_seconds.toml");
  ASSERT_TRUE(scenario);
  const RunScore run = Play(*scenario, 1);
  ASSERT_EQ(run.met.size(), 1u);
  EXPECT_TRUE(run.met[0].found);
  EXPECT_EQ(run.met[0].further, (std::vector<bool>{true, true}));
  EXPECT_TRUE(run.unexpected.empty());
}

}  // namespace
}  // namespace parallax::sim
