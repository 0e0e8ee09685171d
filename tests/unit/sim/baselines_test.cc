// The rules of others, and how what they say is scored.
#include <gtest/gtest.h>

#include <functional>
#include <utility>

#include "tests/sim/baselines/comparison.h"
#include "tests/sim/baselines/ring_sqa.h"
#include "tests/sim/baselines/taitao.h"
#include "tests/sim/baselines/three_misses.h"
#include "tests/sim/baselines/watch.h"

namespace parallax::sim {
namespace {

using namespace std::chrono_literals;

const std::string kFolder = PARALLAX_SCENARIOS;

// Three sensors, twenty targets; who is reached is up to the test.
class FakeView : public PingView {
 public:
  std::function<bool(size_t, size_t)> reached = [](size_t, size_t) { return true; };
  size_t sensors() const override { return 3; }
  size_t targets() const override { return 20; }
  bool CanPing(size_t, size_t) const override { return true; }
  bool Ping(size_t sensor, size_t target) override { return reached(sensor, target); }
  bool PingUdp(size_t sensor, size_t target) override { return reached(sensor, target); }
};

void Steps(Baseline& baseline, FakeView& view, int steps) {
  for (int i = 0; i < steps; ++i) {
    baseline.Step(view);
  }
}

TEST(RingSqa, IsBlindFor17MinutesAndRaisesAfterThreeLongLists) {
  RingSqaBuffer buffer;
  for (int minute = 0; minute < 16; ++minute) {
    buffer.Push(0);
  }
  for (int minute = 0; minute < 3; ++minute) {
    EXPECT_FALSE(buffer.Raised());
    buffer.Push(20);
  }
  EXPECT_TRUE(buffer.Raised());
  buffer.Push(11);  // not more than m + 1 + 10
  EXPECT_FALSE(buffer.Raised());
}

TEST(RingSqa, ComparesWithTheMedian) {
  RingSqaBuffer buffer;
  for (int minute = 0; minute < 30; ++minute) {
    buffer.Push(100);
  }
  for (int minute = 0; minute < 3; ++minute) {
    buffer.Push(121);  // 1.2 * 101 is 121.2
  }
  EXPECT_FALSE(buffer.Raised());
  for (int minute = 0; minute < 3; ++minute) {
    buffer.Push(122);
  }
  EXPECT_TRUE(buffer.Raised());
}

TEST(RingSqa, CountsEachTargetTwiceAMinute) {
  RingSqa ring;
  FakeView view;
  Steps(ring, view, 40);
  view.reached = [](size_t sensor, size_t target) { return sensor != 1 || target >= 6; };
  Steps(ring, view, 4);
  EXPECT_TRUE(ring.claims().empty());
  Steps(ring, view, 2);
  EXPECT_EQ(ring.claims(), std::set<Claim>{Claim::kNode});
}

TEST(ThreeMisses, OfWhateverHasAnsweredOnce) {
  ThreeMisses loop;
  FakeView view;
  view.reached = [](size_t, size_t target) { return target != 5; };
  Steps(loop, view, 5);
  EXPECT_TRUE(loop.claims().empty());
  view.reached = [](size_t sensor, size_t target) { return sensor != 2 || target != 7; };
  Steps(loop, view, 2);
  EXPECT_TRUE(loop.claims().empty());
  Steps(loop, view, 1);
  EXPECT_EQ(loop.claims(), std::set<Claim>{Claim::kDown});
  view.reached = [](size_t, size_t) { return true; };
  Steps(loop, view, 1);
  EXPECT_TRUE(loop.claims().empty());
}

TEST(Taitao, TellsAPeninsulaFromAnOutage) {
  Taitao taitao;
  FakeView view;
  Steps(taitao, view, 6);
  EXPECT_TRUE(taitao.claims().empty());
  view.reached = [](size_t sensor, size_t target) { return sensor != 0 || target >= 10; };
  Steps(taitao, view, 9);
  EXPECT_EQ(taitao.claims(), std::set<Claim>{Claim::kPartial});
  view.reached = [](size_t, size_t target) { return target >= 10; };
  Steps(taitao, view, 12);
  EXPECT_EQ(taitao.claims(), std::set<Claim>{Claim::kOutage});
}

TEST(Watch, FindsTheRogueRouteAndNothingInPeace) {
  const auto rogue = LoadScenario(kFolder + "/rogue_default_per_destination.toml");
  const auto peace = LoadScenario(kFolder + "/quiet.toml");
  ASSERT_TRUE(rogue && peace);
  for (size_t i = 0; i < AllBaselines().size(); ++i) {
    const auto baseline = std::move(AllBaselines()[i]);
    const RunScore run = Watch(*baseline, *rogue, 1);
    ASSERT_EQ(run.met.size(), 1u);
    EXPECT_TRUE(run.met[0].found) << baseline->name();
    EXPECT_GE(run.met[0].to_open, 30s) << baseline->name();
    EXPECT_LE(run.met[0].to_open, 5min) << baseline->name();
    EXPECT_TRUE(run.unexpected.empty()) << baseline->name();
    const auto fresh = std::move(AllBaselines()[i]);
    EXPECT_TRUE(Watch(*fresh, *peace, 1).unexpected.empty()) << fresh->name();
  }
}

TEST(Watch, ItIsOfNoneOfThemToTellAPolicy) {
  const auto policy = LoadScenario(kFolder + "/icmp_filtered_in_mid_run.toml");
  ASSERT_TRUE(policy);
  ThreeMisses loop;
  const RunScore run = Watch(loop, *policy, 1);
  EXPECT_FALSE(run.met[0].found);
  EXPECT_EQ(run.unexpected.size(), 1u);
}

TEST(Watch, NatsAndSingleStackSensorsAreNoFailure) {
  const auto nat = LoadScenario(kFolder + "/behind_nat.toml");
  ASSERT_TRUE(nat);
  for (const auto& baseline : AllBaselines()) {
    EXPECT_TRUE(Watch(*baseline, *nat, 1).unexpected.empty()) << baseline->name();
  }
}

TEST(Comparison, MeansOverScenarios) {
  Contender contender{"one", std::vector<ScenarioScore>(4)};
  contender.scores[0].precision = {1, 2};  // of two that it named, one was there
  contender.scores[0].recall = {1, 1};
  contender.scores[1].recall = {0, 3};  // it said nothing
  // Nothing was there, and it said nothing in [2]; something in [3].
  contender.scores[3].precision = {0, 1};
  EXPECT_DOUBLE_EQ(contender.MacroPrecision(), 0.5);
  EXPECT_DOUBLE_EQ(contender.MacroRecall(), 0.5);
  EXPECT_NE(ComparisonTable({contender}).find("macro"), std::string::npos);
  EXPECT_NE(ComparisonJson({contender}).find(R"("macro_precision":0.5000)"), std::string::npos);
}

}  // namespace
}  // namespace parallax::sim
