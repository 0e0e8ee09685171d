#include "sensor/probe/flows/flow_check.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/unit/sensor/probe/flows/flow_world.h"

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;
using test::Branches;
using test::Chance;
using test::FlowRun;
using test::FlowTimes;
using test::kFlowStart;
using test::RunFlows;

size_t Budget(size_t flows) { return flows + 6 * std::min<size_t>(flows, 16); }

std::vector<uint16_t> FirstRound(FlowCheck& check) {
  std::vector<uint16_t> order;
  while (const auto flow = check.Next(kFlowStart)) {
    order.push_back(*flow);
  }
  return order;
}

TEST(FlowCheck, AsksEveryFlowOnceFirstInAnOrderOfItsOwn) {
  FlowCheck one(48, 1);
  FlowCheck two(48, 2);
  FlowCheck same(48, 1);
  const std::vector<uint16_t> order = FirstRound(one);
  EXPECT_EQ(std::set<uint16_t>(order.begin(), order.end()).size(), 48u);
  EXPECT_EQ(order.size(), 48u);
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
  EXPECT_NE(order, FirstRound(two));
  EXPECT_EQ(order, FirstRound(same));
  EXPECT_FALSE(one.NextTime());
  EXPECT_FALSE(one.done());
}

TEST(FlowCheck, AllAnsweredTakesOneProbeEach) {
  FlowCheck check(48, 1);
  const FlowRun run = RunFlows(check, [](uint16_t, Duration) { return false; });
  EXPECT_TRUE(run.done);
  EXPECT_EQ(run.sent, 48u);
  EXPECT_EQ(check.answered(), 48u);
  EXPECT_EQ(run.verdict.pattern, FlowPattern::kAllUp);
  EXPECT_FALSE(check.Next(kFlowStart + 1h));
  EXPECT_FALSE(check.NextTime());
}

TEST(FlowCheck, NoFlowsAreDoneAtOnce) {
  FlowCheck check(0, 1);
  EXPECT_TRUE(check.done());
  EXPECT_FALSE(check.Next(kFlowStart));
  EXPECT_EQ(check.Verdict().pattern, FlowPattern::kUnclear);
}

TEST(FlowCheck, FlowsBeyondTheMostAreNotAsked) {
  EXPECT_EQ(FlowCheck(100000, 1).flows(), FlowCheck::kMaxFlows);
}

// One of 8 branches swallows all: found within the budget, with the right share and flows, by
// asking those again that failed, and others beside them, well apart in time.
TEST(FlowCheck, FindsADeadBranchOfEight) {
  size_t holds = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    FlowCheck check(48, seed);
    Branches branches(seed, 8, 1, 0);
    std::vector<std::vector<Duration>> asked(48);
    const FlowRun run = RunFlows(check, [&](uint16_t flow, Duration at) {
      asked[flow].push_back(at);
      return branches(flow, at);
    });
    std::vector<uint16_t> dead;
    size_t retries = 0;
    size_t controls = 0;
    for (uint16_t flow = 0; flow < 48; ++flow) {
      const bool bad = branches.BranchOf(flow) == 0;
      if (bad) {
        dead.push_back(flow);
      }
      (bad ? retries : controls) += asked[flow].size() - 1;
      for (size_t i = 1; i < asked[flow].size(); ++i) {
        EXPECT_GE(asked[flow][i] - asked[flow][i - 1], 400ms);
      }
    }
    EXPECT_EQ(retries, controls) << seed;
    EXPECT_EQ(run.verdict.pattern, FlowPattern::kPerFlow) << seed;
    EXPECT_GE(run.verdict.confidence, 0.99) << seed;
    EXPECT_EQ(run.verdict.failing, dead) << seed;
    EXPECT_FALSE(run.verdict.changing) << seed;
    EXPECT_LE(run.sent, Budget(48)) << seed;
    holds += run.verdict.share.low <= 0.125 && 0.125 <= run.verdict.share.high;
  }
  EXPECT_GE(holds, 91u);  // of 100: it is a 95 % interval
}

TEST(FlowCheck, AnOutageTakesAFewControlsOnly) {
  FlowCheck check(48, 3);
  const FlowRun run = RunFlows(check, [](uint16_t, Duration) { return true; });
  EXPECT_EQ(run.verdict.pattern, FlowPattern::kAllDown);
  EXPECT_GE(run.verdict.confidence, 0.99);
  EXPECT_EQ(run.sent, 48u + 8u);
  EXPECT_LT(run.took, 4s);
}

// At the usual 5 probes a second a thousand flows take minutes; an outage is known before.
TEST(FlowCheck, AnOutageEndsALongFirstRound) {
  const FlowTimes slow{.gap = 200ms};
  FlowCheck down(1024, 4);
  const FlowRun run = RunFlows(
      down, [](uint16_t, Duration) { return true; }, slow);
  EXPECT_EQ(run.verdict.pattern, FlowPattern::kAllDown);
  EXPECT_LT(run.sent, 90u);

  // If it was no outage after all, the other flows are asked too.
  FlowCheck up(1024, 5);
  const FlowRun recovered = RunFlows(
      up, [](uint16_t, Duration at) { return at < 15s; }, slow);
  EXPECT_NE(recovered.verdict.pattern, FlowPattern::kPerFlow);
  EXPECT_TRUE(recovered.verdict.changing);
  EXPECT_GE(up.answered(), 1024u);
}

TEST(FlowCheck, WhatComesAndGoesWithTimeIsNoBranch) {
  for (const Duration gap : {Duration(1ms), Duration(20ms), Duration(200ms)}) {
    for (uint64_t seed = 0; seed < 25; ++seed) {
      Chance chance(seed);
      const Duration phase(static_cast<int64_t>(chance.Share() * 4e9));
      const FlowTimes times{.gap = gap};
      FlowCheck once(48, seed);
      const FlowRun outage = RunFlows(
          once, [&](uint16_t, Duration at) { return at + 2s >= phase && at < phase; }, times);
      EXPECT_NE(outage.verdict.pattern, FlowPattern::kPerFlow) << gap.count() << " " << seed;
      FlowCheck again(48, seed);
      const FlowRun flapping = RunFlows(
          again, [&](uint16_t, Duration at) { return (at + phase) % 4s < 2s; }, times);
      EXPECT_NE(flapping.verdict.pattern, FlowPattern::kPerFlow) << gap.count() << " " << seed;
    }
  }
}

// The first two seconds are an outage, and one of 4 branches stays dead after it.
TEST(FlowCheck, FindsTheBranchBehindAnOutage) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    FlowCheck check(48, seed);
    Branches branches(seed, 4, 1, 0);
    const FlowRun run =
        RunFlows(check, [&](uint16_t flow, Duration at) { return at < 2s || branches(flow, at); });
    EXPECT_EQ(run.verdict.pattern, FlowPattern::kPerFlow) << seed;
    EXPECT_TRUE(run.verdict.changing) << seed;
    EXPECT_LE(run.sent, Budget(48) + 48);
  }
}

// A host that limits its answers (Linux: 6, then one a second) has no broken branches.
TEST(FlowCheck, ALimitOnAnswersIsNoBranch) {
  size_t wrong = 0;
  for (const Duration gap : {Duration(1ms), Duration(20ms), Duration(200ms)}) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
      double tokens = 6;
      Duration last{};
      FlowCheck check(48, seed);
      const FlowRun run = RunFlows(
          check,
          [&](uint16_t, Duration at) {
            tokens = std::min(6.0, tokens + ToSeconds(at - last));
            last = at;
            if (tokens < 1) {
              return true;
            }
            tokens -= 1;
            return false;
          },
          FlowTimes{.gap = gap});
      wrong += run.verdict.pattern == FlowPattern::kPerFlow;
    }
  }
  EXPECT_LE(wrong, 1u);
}

TEST(FlowCheck, AFlowHasOneProbeInFlight) {
  FlowCheck check(2, 1);
  check.OnAnswer(0, kFlowStart);  // of nothing
  check.OnLost(17, kFlowStart);   // of nobody
  EXPECT_EQ(check.sent(), 0u);
  const uint16_t first = check.Next(kFlowStart).value();
  const uint16_t second = check.Next(kFlowStart).value();
  EXPECT_NE(first, second);
  EXPECT_FALSE(check.Next(kFlowStart));
  check.OnLost(first, kFlowStart + 1s);
  check.OnAnswer(first, kFlowStart + 1s);  // too late
  check.OnAnswer(first, kFlowStart + 1s);  // and twice
  EXPECT_EQ(check.answered(), 0u);
  EXPECT_FALSE(check.NextTime());
  check.OnAnswer(second, kFlowStart + 1s);
  EXPECT_EQ(check.answered(), 1u);
  ASSERT_FALSE(check.done());
  ASSERT_TRUE(check.NextTime());
  EXPECT_GE(*check.NextTime(), kFlowStart + 1s);
  EXPECT_LE(*check.NextTime(), kFlowStart + 1250ms);
  EXPECT_TRUE(check.Next(*check.NextTime()));
}

TEST(FlowCheck, WhatCannotBeSentEndsUnclear) {
  FlowCheck check(16, 1);
  MonoTime now = kFlowStart;
  size_t offered = 0;
  while (!check.done() && offered < 10000) {
    if (const auto flow = check.Next(now)) {
      ++offered;
      check.OnNotSent(*flow, now);
    } else {
      now = check.NextTime().value();
    }
  }
  EXPECT_TRUE(check.done());
  EXPECT_LE(offered, Budget(16));
  EXPECT_EQ(check.sent(), 0u);
  EXPECT_EQ(check.Verdict().pattern, FlowPattern::kUnclear);
}

TEST(FlowCheck, ACountIsKeptWhateverIsAnswered) {
  for (const double loss : {0.0, 0.3, 1.0}) {
    std::vector<size_t> asked(24);
    FlowCheck check(24, 1, 5);
    Chance chance(2);
    const FlowRun run = RunFlows(check, [&](uint16_t flow, Duration) {
      ++asked[flow];
      return chance.Is(loss);
    });
    EXPECT_TRUE(run.done);
    EXPECT_EQ(asked, std::vector<size_t>(24, 5)) << loss;
    EXPECT_EQ(run.verdict.pattern, loss == 0   ? FlowPattern::kAllUp
                                   : loss == 1 ? FlowPattern::kAllDown
                                               : FlowPattern::kPerPacket);
  }
}

TEST(FlowCheck, ALargeCountStaysSmall) {
  FlowCheck check(3, 1, 40000);
  const FlowRun run = RunFlows(
      check, [](uint16_t flow, Duration) { return flow == 1; },
      FlowTimes{.gap = 1us, .rtt = 1us, .timeout = 1us});
  // 40,000 rounds of 0.4 s are more than the hour that the world lasts.
  EXPECT_FALSE(run.done);
  EXPECT_EQ(run.verdict.pattern, FlowPattern::kPerFlow);
  EXPECT_EQ(run.verdict.failing, std::vector<uint16_t>{1});
}

TEST(FlowCheck, NeverAsksMoreThanItsBudget) {
  for (const size_t flows : {1u, 2u, 3u, 8u, 16u, 17u, 48u, 200u}) {
    for (const double loss : {0.02, 0.3, 0.5, 0.9}) {
      for (uint64_t seed = 0; seed < 4; ++seed) {
        FlowCheck check(flows, seed);
        const FlowRun run = RunFlows(check, Branches(seed, 1, loss, loss));
        EXPECT_TRUE(run.done);
        EXPECT_LE(run.sent, Budget(flows) + (run.verdict.changing ? flows : 0));
      }
    }
  }
}

}  // namespace
}  // namespace parallax::sensor
