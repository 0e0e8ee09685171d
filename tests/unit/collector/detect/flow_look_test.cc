#include "collector/detect/flow_look.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>

namespace parallax::collector {
namespace {

constexpr VantageId kSensor = 3;
const IpAddress kHost = *IpAddress::Parse("198.51.100.1");

FlowLook Look(bool brief = false) {
  return {kHost, kSensor, {ProbeMethod::kTcpSyn, 443, 0}, brief};
}

// One round, in which a try brings what `says` makes of its flow and its place in the order.
void Round(FlowLook& look, const std::function<ProbeState(uint16_t flow, size_t place)>& says) {
  ProbeReport report;
  report.target = kHost;
  for (const ProbeTry& attempt : look.Ask(7)) {
    ProbeTryResult result;
    result.attempt = attempt;
    result.state = says(attempt.flow, report.tries.size());
    report.tries.push_back(result);
  }
  look.Take({{kSensor, report}});
}

ProbeState Answered(uint16_t, size_t) { return ProbeState::kAnswered; }
ProbeState Silent(uint16_t, size_t) { return ProbeState::kSilent; }
ProbeState OddFlows(uint16_t flow, size_t) {
  return flow % 2 == 1 ? ProbeState::kSilent : ProbeState::kAnswered;
}

TEST(FlowLook, AsksEachFlowOnceInARoundAndNoneThatOthersUse) {
  FlowLook look = Look();
  std::set<uint16_t> first;
  std::vector<uint16_t> orders[2];
  for (auto& order : orders) {
    for (const ProbeTry& attempt : look.Ask(1)) {
      EXPECT_EQ(attempt.port, 443);
      EXPECT_NE(attempt.flow, 0);
      order.push_back(attempt.flow);
    }
    look.Take({});
    EXPECT_EQ(std::set(order.begin(), order.end()).size(), FlowLook::kFlows);
  }
  EXPECT_NE(orders[0], orders[1]);
}

TEST(FlowLook, IsUnderWayBetweenAskAndTake) {
  FlowLook look = Look();
  EXPECT_EQ(look.round(), 0U);
  const auto tries = look.Ask(9);
  EXPECT_EQ(look.round(), 9U);
  look.Take({});
  EXPECT_EQ(look.round(), 0U);
}

TEST(FlowLook, SomeFlowsFail) {
  FlowLook look = Look(true);
  Round(look, OddFlows);
  Round(look, OddFlows);
  EXPECT_FALSE(look.Verdict()) << "two rounds are not enough";
  Round(look, OddFlows);
  ASSERT_TRUE(look.IsDone());
  ASSERT_TRUE(look.Verdict());
  EXPECT_EQ(look.Verdict()->pattern, FlowPattern::kPerFlow);
  EXPECT_NEAR(look.Verdict()->share.value, 0.5, 0.1);
}

TEST(FlowLook, AllFail) {
  FlowLook look = Look(true);
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(look.IsDone());
    Round(look, Silent);
  }
  ASSERT_TRUE(look.Verdict());
  EXPECT_EQ(look.Verdict()->pattern, FlowPattern::kAllDown);
}

TEST(FlowLook, ABriefOneIsDoneOnceAllGetThrough) {
  FlowLook brief = Look(true);
  Round(brief, Answered);
  ASSERT_TRUE(brief.IsDone());
  ASSERT_TRUE(brief.Verdict());
  EXPECT_EQ(brief.Verdict()->pattern, FlowPattern::kAllUp);
  FlowLook whole = Look(false);
  Round(whole, Answered);
  EXPECT_FALSE(whole.IsDone());
}

TEST(FlowLook, WhatComesAndGoesForAllFlowsIsBoundToNone) {
  FlowLook look = Look();
  Round(look, Answered);
  Round(look, Silent);
  Round(look, Answered);
  EXPECT_TRUE(look.IsDone());
  EXPECT_FALSE(look.Verdict());
  FlowLook torn = Look();
  Round(torn, Answered);
  Round(torn, [](uint16_t, size_t place) {
    return place < 4 ? ProbeState::kAnswered : ProbeState::kSilent;
  });
  Round(torn, Silent);
  EXPECT_FALSE(torn.Verdict());
}

TEST(FlowLook, WhatWasNeverSentSaysNothing) {
  FlowLook look = Look();
  for (int i = 0; i < 3; ++i) {
    Round(look, [](uint16_t flow, size_t) {
      return flow % 2 == 1 ? ProbeState::kNotSent : ProbeState::kAnswered;
    });
  }
  ASSERT_TRUE(look.Verdict());
  EXPECT_EQ(look.Verdict()->pattern, FlowPattern::kAllUp);
}

}  // namespace
}  // namespace parallax::collector
