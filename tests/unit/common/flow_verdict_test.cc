#include "common/flow_verdict.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/unit/sensor/probe/flows/flow_world.h"

namespace parallax {
namespace {

using sensor::test::Chance;

FlowTally Tally(size_t flow, size_t sent, size_t answered) {
  return {static_cast<uint16_t>(flow), static_cast<uint16_t>(sent),
          static_cast<uint16_t>(answered)};
}

std::vector<FlowTally> Same(size_t flows, size_t sent, size_t answered) {
  std::vector<FlowTally> out;
  for (size_t i = 0; i < flows; ++i) {
    out.push_back(Tally(i, sent, answered));
  }
  return out;
}

// `count` probes of each flow; flows below `bad_flows` lose `bad` of them, the others `good`.
std::vector<FlowTally> Drawn(uint64_t seed, size_t flows, size_t count, size_t bad_flows,
                             double bad, double good) {
  Chance chance(seed);
  std::vector<FlowTally> out;
  for (size_t i = 0; i < flows; ++i) {
    size_t answered = 0;
    for (size_t probe = 0; probe < count; ++probe) {
      answered += chance.Is(i < bad_flows ? bad : good) ? 0 : 1;
    }
    out.push_back(Tally(i, count, answered));
  }
  return out;
}

bool Holds(const Estimate& estimate, double truth) {
  return estimate.low <= truth && truth <= estimate.high;
}

TEST(FlowVerdict, NothingAskedIsUnclear) {
  EXPECT_EQ(JudgeFlows({}).pattern, FlowPattern::kUnclear);
  EXPECT_EQ(JudgeFlows(Same(48, 0, 0)).pattern, FlowPattern::kUnclear);
  EXPECT_EQ(JudgeFlows({}).confidence, 0);
}

TEST(FlowVerdict, EachPatternHasAName) {
  EXPECT_EQ(FlowPatternName(FlowPattern::kAllUp), "all_up");
  EXPECT_EQ(FlowPatternName(FlowPattern::kAllDown), "all_down");
  EXPECT_EQ(FlowPatternName(FlowPattern::kPerFlow), "per_flow");
  EXPECT_EQ(FlowPatternName(FlowPattern::kPerPacket), "per_packet");
  EXPECT_EQ(FlowPatternName(FlowPattern::kUnclear), "unclear");
}

TEST(FlowVerdict, AllAnsweredIsAllUp) {
  for (const size_t flows : {8u, 24u, 48u, 1024u}) {
    const FlowVerdict verdict = JudgeFlows(Same(flows, 1, 1));
    EXPECT_EQ(verdict.pattern, FlowPattern::kAllUp) << flows;
    EXPECT_GE(verdict.confidence, flows < 24 ? 0.95 : 0.98) << flows;
    EXPECT_EQ(verdict.loss.value, 0);
    EXPECT_EQ(verdict.loss.low, 0);
    EXPECT_EQ(verdict.share.value, 0);
    // A dead branch of 4 in `flows` would have been met, with 95 % at least.
    EXPECT_LT(verdict.share.high, 4.0 / static_cast<double>(flows));
    EXPECT_TRUE(verdict.failing.empty());
  }
}

TEST(FlowVerdict, AllLostIsAllDown) {
  const FlowVerdict verdict = JudgeFlows(Same(48, 1, 0));
  EXPECT_EQ(verdict.pattern, FlowPattern::kAllDown);
  EXPECT_GE(verdict.confidence, 0.99);
  EXPECT_EQ(verdict.share.value, 1);
  EXPECT_EQ(verdict.share.high, 1);
  EXPECT_GT(verdict.share.low, 0.9);
  EXPECT_EQ(verdict.loss.value, 1);
}

TEST(FlowVerdict, OneProbeEachCannotTellAFlowFromAPacket) {
  std::vector<FlowTally> tallies = Same(48, 1, 1);
  for (size_t i = 0; i < 6; ++i) {
    tallies[i].answered = 0;
  }
  const FlowVerdict verdict = JudgeFlows(tallies);
  EXPECT_EQ(verdict.pattern, FlowPattern::kUnclear);
  EXPECT_LT(verdict.confidence, 0.99);
  EXPECT_TRUE(verdict.failing.empty());
}

TEST(FlowVerdict, FlowsThatFailAgainAndAgainAreABranch) {
  std::vector<FlowTally> tallies = Same(48, 1, 1);
  std::vector<uint16_t> dead;
  for (size_t i = 5; i < 48; i += 8) {
    tallies[i] = Tally(i, 4, 0);
    tallies[i - 1] = Tally(i - 1, 4, 4);
    dead.push_back(static_cast<uint16_t>(i));
  }
  const FlowVerdict verdict = JudgeFlows(tallies);
  EXPECT_EQ(verdict.pattern, FlowPattern::kPerFlow);
  EXPECT_GE(verdict.confidence, 0.999);
  EXPECT_EQ(verdict.failing, dead);
  EXPECT_NEAR(verdict.share.value, 0.13, 0.01);  // (6 + 1/2) / (48 + 1)
  EXPECT_TRUE(Holds(verdict.share, 1.0 / 8));
  EXPECT_NEAR(verdict.share.low, 0.053, 0.01);  // Beta(6.5, 42.5)
  EXPECT_NEAR(verdict.share.high, 0.237, 0.015);
  EXPECT_LT(verdict.loss.value, 1e-6);
  EXPECT_GT(verdict.failing_loss.value, 0.99);
}

TEST(FlowVerdict, FlowsThatFailedOnceAndThenPassAreLoss) {
  std::vector<FlowTally> tallies = Same(48, 1, 1);
  for (size_t i = 0; i < 6; ++i) {
    tallies[i] = Tally(i, 4, 3);
    tallies[i + 10] = Tally(i + 10, 4, 4);
  }
  const FlowVerdict verdict = JudgeFlows(tallies);
  EXPECT_EQ(verdict.pattern, FlowPattern::kPerPacket);
  EXPECT_NEAR(verdict.loss.value, 6.0 / 84, 1e-9);
  EXPECT_TRUE(verdict.failing.empty());
}

TEST(FlowVerdict, LossBesidesADeadBranchIsBoth) {
  const FlowVerdict verdict = JudgeFlows(Drawn(3, 64, 20, 8, 1, 0.01));
  EXPECT_EQ(verdict.pattern, FlowPattern::kPerFlow);
  EXPECT_EQ(verdict.failing.size(), 8u);
  EXPECT_TRUE(Holds(verdict.share, 1.0 / 8));
  EXPECT_TRUE(Holds(verdict.loss, 0.01));
  EXPECT_LT(verdict.loss.high, 0.02);
}

TEST(FlowVerdict, ABranchThatLosesHalfIsFound) {
  const FlowVerdict verdict = JudgeFlows(Drawn(4, 64, 10, 8, 0.5, 0.001));
  EXPECT_EQ(verdict.pattern, FlowPattern::kPerFlow);
  EXPECT_EQ(verdict.failing.size(), 8u);
  EXPECT_TRUE(Holds(verdict.share, 1.0 / 8));
  EXPECT_TRUE(Holds(verdict.failing_loss, 0.5));
}

TEST(FlowVerdict, RandomLossIsPerPacketAtAnyRate) {
  for (const double loss : {0.05, 0.125, 0.3, 0.5, 0.7, 0.9}) {
    const FlowVerdict verdict = JudgeFlows(Drawn(5, 48, 20, 0, 0, loss));
    EXPECT_EQ(verdict.pattern, FlowPattern::kPerPacket) << loss;
    EXPECT_GE(verdict.confidence, 0.99) << loss;
    EXPECT_NEAR(verdict.loss.value, loss, 0.05) << loss;
    EXPECT_LT(verdict.loss.high - verdict.loss.low, 0.07) << loss;
  }
}

// Not one lost probe of very many is all_up still; a few are loss.
TEST(FlowVerdict, SmallLossIsNamedAsSoonAsItShows) {
  std::vector<FlowTally> tallies = Same(48, 10, 10);
  tallies[7].answered = 9;
  tallies[30].answered = 9;
  EXPECT_EQ(JudgeFlows(tallies).pattern, FlowPattern::kPerPacket);
  std::vector<FlowTally> many = Same(48, 2000, 2000);
  many[7].answered = 1999;
  EXPECT_EQ(JudgeFlows(many).pattern, FlowPattern::kAllUp);
}

TEST(FlowVerdict, OneFlowIsNeverABranch) {
  const std::vector<FlowTally> lossy{Tally(0, 20, 10)};
  EXPECT_EQ(JudgeFlows(lossy).pattern, FlowPattern::kPerPacket);
  EXPECT_EQ(JudgeFlows(lossy).beliefs.per_flow, 0);
  const std::vector<FlowTally> dead{Tally(0, 20, 0)};
  EXPECT_EQ(JudgeFlows(dead).pattern, FlowPattern::kAllDown);
}

TEST(FlowVerdict, MostFlowsDeadIsNotAllDown) {
  std::vector<FlowTally> tallies = Same(48, 3, 0);
  tallies[11] = Tally(11, 4, 4);
  const FlowVerdict verdict = JudgeFlows(tallies);
  EXPECT_EQ(verdict.pattern, FlowPattern::kPerFlow);
  EXPECT_EQ(verdict.failing.size(), 47u);
  EXPECT_GT(verdict.share.low, 0.85);
}

TEST(FlowVerdict, LossOfATimeIsNotLossOfAFlow) {
  // Half of the flows were asked in an outage, first and again.
  std::vector<FlowTally> tallies = Same(48, 1, 1);
  for (size_t i = 0; i < 16; ++i) {
    tallies[i] = Tally(i, 2, 0);
  }
  for (size_t i = 16; i < 32; ++i) {
    tallies[i] = Tally(i, 2, 1);
  }
  const std::vector<StretchTally> stretches{{8, 8}, {8, 8}, {8, 8}, {8, 8}, {8, 0},
                                            {8, 0}, {8, 0}, {8, 0}, {8, 0}, {8, 0}};
  const FlowVerdict verdict = JudgeFlows(tallies, stretches);
  EXPECT_EQ(verdict.pattern, FlowPattern::kUnclear);
  EXPECT_TRUE(verdict.changing);
  EXPECT_GE(verdict.confidence, 0.99);

  // In stretches that are all alike it is nothing of the kind.
  const std::vector<StretchTally> alike(10, StretchTally{8, 3});
  EXPECT_FALSE(JudgeFlows(tallies, alike).changing);
}

TEST(FlowVerdict, StretchesOfOtherProbesAreNotLookedAt) {
  const std::vector<FlowTally> tallies = Drawn(6, 48, 4, 6, 1, 0);
  const std::vector<StretchTally> others{{100, 100}, {100, 0}};
  const FlowVerdict verdict = JudgeFlows(tallies, others);
  EXPECT_EQ(verdict.pattern, FlowPattern::kPerFlow);
  EXPECT_EQ(verdict.beliefs.changing, 0);
}

TEST(FlowVerdict, MoreAnswersThanProbesCountAsAllAnswered) {
  const FlowVerdict verdict = JudgeFlows(Same(48, 2, 5));
  EXPECT_EQ(verdict.pattern, FlowPattern::kAllUp);
  EXPECT_EQ(verdict.loss.value, 0);
}

TEST(FlowVerdict, FlowsKeepTheirNumbersAndUnaskedOnesSayNothing) {
  std::vector<FlowTally> tallies;
  for (size_t i = 0; i < 48; ++i) {
    tallies.push_back(Tally(60000 - 7 * i, 5, i % 8 == 3 ? 0 : 5));
    tallies.push_back(Tally(i, 0, 0));
  }
  const FlowVerdict verdict = JudgeFlows(tallies);
  EXPECT_EQ(verdict.pattern, FlowPattern::kPerFlow);
  ASSERT_EQ(verdict.failing.size(), 6u);
  EXPECT_EQ(verdict.failing.front(), 60000 - 7 * 3);
}

TEST(FlowVerdict, BeliefsAreProbabilitiesWhateverIsCounted) {
  Chance chance(8);
  const auto number = [&](uint64_t most) { return static_cast<size_t>(chance.Next() % most); };
  for (int round = 0; round < 60; ++round) {
    const size_t most = round % 3 == 0 ? 65536 : round % 3 == 1 ? 100 : 4;
    std::vector<FlowTally> tallies;
    for (size_t i = 0; i < 1 + number(60); ++i) {
      const size_t sent = number(most);
      const size_t kind = number(3);
      tallies.push_back(Tally(i, sent, kind == 0 ? 0 : kind == 1 ? sent : number(sent + 1)));
    }
    const FlowVerdict verdict = JudgeFlows(tallies);
    const FlowBeliefs& beliefs = verdict.beliefs;
    double sum = 0;
    for (const double belief : {beliefs.all_up, beliefs.per_packet, beliefs.all_down,
                                beliefs.per_flow, beliefs.changing}) {
      EXPECT_GE(belief, 0);
      sum += belief;
    }
    if (verdict.confidence > 0) {
      EXPECT_NEAR(sum, 1, 1e-9);
    }
    for (const Estimate& each : {verdict.share, verdict.loss, verdict.failing_loss}) {
      EXPECT_GE(each.low, 0);
      EXPECT_LE(each.low, each.value);
      EXPECT_LE(each.value, each.high);
      EXPECT_LE(each.high, 1 + 1e-12);
    }
  }
}

// The share's interval is worth its name: of many drawn trials about 95 % hold the truth.
TEST(FlowVerdict, IntervalsHoldTheTruthAsOftenAsTheySay) {
  Chance chance(9);
  int shares = 0;
  int losses = 0;
  constexpr int kTrials = 300;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<FlowTally> tallies;
    for (size_t i = 0; i < 48; ++i) {
      const bool bad = chance.Is(0.25);
      size_t answered = 0;
      for (int probe = 0; probe < 5; ++probe) {
        answered += chance.Is(bad ? 1 : 0.05) ? 0 : 1;
      }
      tallies.push_back(Tally(i, 5, answered));
    }
    const FlowVerdict verdict = JudgeFlows(tallies);
    ASSERT_EQ(verdict.pattern, FlowPattern::kPerFlow);
    shares += Holds(verdict.share, 0.25);
    losses += Holds(verdict.loss, 0.05);
  }
  EXPECT_GE(shares, kTrials * 91 / 100);
  EXPECT_LT(shares, kTrials);
  EXPECT_GE(losses, kTrials * 91 / 100);
  EXPECT_LT(losses, kTrials);
}

}  // namespace
}  // namespace parallax
