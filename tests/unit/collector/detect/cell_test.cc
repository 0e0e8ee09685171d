#include "collector/detect/cell.h"

#include <gtest/gtest.h>

#include <random>

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;
constexpr ProbeMethod kIcmp = ProbeMethod::kIcmpEcho;
constexpr ProbeMethod kTcp = ProbeMethod::kTcpSyn;

TEST(Cell, MissesNeededAreThoseOfTheSequentialTest) {
  // detection.md section 3.10, alpha 1e-4.
  const std::pair<double, unsigned> kTable[] = {{.02, 3}, {.05, 4}, {.10, 5}, {.20, 6}};
  for (const auto& [loss, misses] : kTable) {
    Cell cell;
    for (unsigned i = 1; i < misses; ++i) {
      cell.Missed(1, MissWeight(loss));
      EXPECT_FALSE(cell.down()) << loss << " after " << i;
    }
    cell.Missed(1, MissWeight(loss));
    EXPECT_TRUE(cell.down()) << loss;
    EXPECT_EQ(cell.state(), CellState::kDown);
  }
}

TEST(Cell, AnAnswerWipesTheSlate) {
  Cell cell;
  EXPECT_EQ(cell.state(), CellState::kUnknown);
  cell.Missed(3, MissWeight(.05));
  EXPECT_EQ(cell.state(), CellState::kUnknown);
  EXPECT_EQ(cell.Answered(kIcmp, 1, 10ms), 4u);
  EXPECT_EQ(cell.rtt(), Duration(10ms));
  cell.Missed(3, MissWeight(.05));
  EXPECT_FALSE(cell.down());
}

TEST(Cell, AfterAnAnswerItTakesAsMuchEvidenceAgainToAccuse) {
  Cell cell;
  cell.Missed(4, MissWeight(.02));
  EXPECT_TRUE(cell.accuses());
  cell.Answered(kIcmp, 0, 1ms);
  EXPECT_TRUE(cell.down());
  EXPECT_FALSE(cell.accuses());
  // By now it is known that packets get lost.
  cell.Missed(4, MissWeight(.3));
  EXPECT_FALSE(cell.accuses());
  cell.Missed(4, MissWeight(.3));
  EXPECT_TRUE(cell.accuses());
}

TEST(Cell, DownIsUpAgainAfterTwoAnsweredRoundsInARow) {
  Cell cell;
  cell.Missed(4, MissWeight(.05));
  ASSERT_TRUE(cell.down());
  EXPECT_EQ(cell.Answered(kIcmp, 1, 1ms), 0u) << "an outage is no loss";
  EXPECT_TRUE(cell.down());
  cell.Missed(1, MissWeight(.05));
  cell.Answered(kIcmp, 0, 1ms);
  EXPECT_TRUE(cell.down());
  cell.Answered(kIcmp, 0, 1ms);
  EXPECT_EQ(cell.state(), CellState::kUp);
  EXPECT_EQ(cell.Answered(kIcmp, 0, 1ms), 0u) << "what was missed while down is forgotten";
}

TEST(Cell, TwoCompletedConnectionsTakeBackADown) {
  Cell cell;
  cell.Completed();
  EXPECT_EQ(cell.state(), CellState::kUnknown);
  cell.Missed(4, MissWeight(.05));
  cell.Completed();
  EXPECT_TRUE(cell.down());
  cell.Completed();
  EXPECT_EQ(cell.state(), CellState::kUnknown) << "nothing has been probed";
}

TEST(Cell, ThreeMissesOfTheLastSixteenAreLossy) {
  Cell cell;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(cell.state(), i == 0 ? CellState::kUnknown : CellState::kUp);
    cell.Answered(kIcmp, 1, 1ms);
  }
  EXPECT_EQ(cell.state(), CellState::kLossy);
  for (int i = 0; i < 16; ++i) {
    cell.Answered(kIcmp, 0, 1ms);
  }
  EXPECT_EQ(cell.state(), CellState::kUp);
}

TEST(Cell, AMethodIsFilteredAfterTwoContradictionsAndUntilItAnswers) {
  Cell cell;
  cell.Answered(kTcp, 0, 1ms);
  cell.Contradicted(kIcmp);
  EXPECT_FALSE(cell.filtered(kIcmp));
  for (int i = 0; i < 300; ++i) {
    cell.Contradicted(kIcmp);
  }
  EXPECT_TRUE(cell.filtered(kIcmp));
  EXPECT_FALSE(cell.filtered(kTcp));
  cell.Answered(kIcmp, 0, 1ms);
  EXPECT_FALSE(cell.filtered(kIcmp));
}

TEST(Cell, ProhibitionIsPolicyButNeverAcquits) {
  Cell cell;
  cell.Prohibited();
  EXPECT_EQ(cell.state(), CellState::kPolicy);
  EXPECT_FALSE(cell.reached());
  cell.Missed(4, MissWeight(.05));
  EXPECT_EQ(cell.state(), CellState::kDown);
  cell.Prohibited();
  EXPECT_EQ(cell.state(), CellState::kDown);
}

TEST(Cell, IsRestoredAsItWas) {
  for (const CellState state :
       {CellState::kUnknown, CellState::kUp, CellState::kDown, CellState::kPolicy}) {
    const Cell cell(state, 7ms);
    EXPECT_EQ(cell.state(), state);
    EXPECT_EQ(cell.rtt(), Duration(7ms));
    EXPECT_EQ(cell.reached(), state == CellState::kUp || state == CellState::kDown);
  }
}

TEST(Cell, FalseAlarmsStayWithinTheStatedRate) {
  // A good path that loses 10 %: how often do five misses in a row come by in a million probes?
  std::mt19937_64 random(3);
  std::bernoulli_distribution lost(0.1);
  int alarms = 0;
  Cell cell;
  for (int i = 0; i < 1'000'000; ++i) {
    if (lost(random)) {
      cell.Missed(1, MissWeight(.1));
    } else {
      cell.Answered(kIcmp, 0, 1ms);
    }
    if (cell.down()) {
      ++alarms;
      cell = Cell();
    }
  }
  EXPECT_LE(alarms, 100);  // Lorden: at least e^9.2 = 10^4 probes between two of them
}

}  // namespace
}  // namespace parallax::collector
