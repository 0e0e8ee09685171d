// A target asked over several flows.
#include <gtest/gtest.h>

#include <cerrno>

#include "sensor/probe/sweep.h"
#include "tests/unit/sensor/probe/sweep_world.h"

namespace parallax::sensor {
namespace {

using namespace test;

constexpr const char* kTarget = "198.51.100.7";

SweepOptions Flows(uint16_t flows) { return {.flows = flows, .timeout = 300ms}; }

TEST(SweepFlows, AllUp) {
  SweepWorld world(Targets({kTarget}), Flows(16));
  world.world = [](const Probe& probe) { return Answered(probe, 3ms); };
  world.Run();
  const SweepResult& result = world.ResultOf(kTarget);
  EXPECT_EQ(result.state, SweepState::kUp);
  ASSERT_TRUE(result.flows);
  EXPECT_EQ(result.flows->pattern, FlowPattern::kAllUp);
  EXPECT_EQ(result.sent, result.received);
  std::map<uint16_t, int> flows;
  for (const Probe& probe : world.sends) {
    ++flows[probe.attempt.flow];
  }
  EXPECT_EQ(flows.size(), 16u);
}

TEST(SweepFlows, OneDeadBranchIsPartial) {
  SweepWorld world(Targets({kTarget}), Flows(48));
  world.world = [](const Probe& probe) {
    return probe.attempt.flow % 8 == 3 ? Fate() : Answered(probe, 3ms);
  };
  world.Run();
  const SweepResult& result = world.ResultOf(kTarget);
  EXPECT_EQ(result.state, SweepState::kPartial);
  ASSERT_TRUE(result.flows);
  EXPECT_EQ(result.flows->pattern, FlowPattern::kPerFlow);
  EXPECT_EQ(result.flows->failing, (std::vector<uint16_t>{3, 11, 19, 27, 35, 43}));
  EXPECT_EQ(world.sweep.progress().up, 0u);
  EXPECT_EQ(world.ledger.in_flight(), 0u);
}

TEST(SweepFlows, AllDown) {
  SweepWorld world(Targets({kTarget}), Flows(48));
  world.Run();
  EXPECT_EQ(world.ResultOf(kTarget).state, SweepState::kDown);
  ASSERT_TRUE(world.ResultOf(kTarget).flows);
  EXPECT_EQ(world.ResultOf(kTarget).flows->pattern, FlowPattern::kAllDown);
}

TEST(SweepFlows, SinglePacketsLostIsLossy) {
  SweepWorld world(Targets({kTarget}), Flows(48));
  world.world = Nth([](size_t n, const Probe& probe) {
    return n * 7919 % 5 == 0 ? Fate() : Answered(probe, 3ms);
  });
  world.Run();
  ASSERT_TRUE(world.ResultOf(kTarget).flows);
  EXPECT_EQ(world.ResultOf(kTarget).flows->pattern, FlowPattern::kPerPacket);
  EXPECT_EQ(world.ResultOf(kTarget).state, SweepState::kLossy);
  EXPECT_LT(world.ResultOf(kTarget).received, world.ResultOf(kTarget).sent);
}

// A closed UDP port: the host says so by ICMP errors, and limits them as Linux does, to 6 at once
// and then one a second. What is missing is neither loss nor a dead branch.
TEST(SweepFlows, HostThatLimitsItsErrorsIsNotCalledLossy) {
  for (const uint32_t count : {0u, 3u}) {
    SweepOptions options = Flows(48);
    options.method = ProbeMethod::kUdp;
    options.port = 33434;
    options.count = count;
    SweepWorld world(Targets({kTarget}), options);
    double tokens = 6;
    MonoTime last = world.now.mono;
    world.world = [&](const Probe& probe) {
      tokens = std::min(6.0, tokens + ToSeconds(world.now.mono - last));
      last = world.now.mono;
      if (tokens < 1) {
        return Fate();
      }
      tokens -= 1;
      return RouterError(probe, kTarget, ErrorMeaning::kProhibited);
    };
    world.Run();
    const SweepResult& result = world.ResultOf(kTarget);
    EXPECT_EQ(result.state, SweepState::kUp) << count;
    EXPECT_LT(result.received, result.sent);
    EXPECT_NE(result.flows->pattern, FlowPattern::kPerPacket);
    EXPECT_NE(result.flows->pattern, FlowPattern::kPerFlow);
  }
}

TEST(SweepFlows, CountAsksEachFlowSoOften) {
  SweepWorld world(Targets({kTarget}), {.flows = 6, .count = 4, .timeout = 300ms});
  world.world = [](const Probe& probe) {
    return probe.attempt.flow == 2 ? Fate() : Answered(probe, 3ms);
  };
  world.Run();
  std::map<uint16_t, int> flows;
  for (const Probe& probe : world.sends) {
    ++flows[probe.attempt.flow];
  }
  EXPECT_EQ(flows.size(), 6u);
  for (const auto& [flow, count] : flows) {
    EXPECT_EQ(count, 4) << flow;
  }
  EXPECT_EQ(world.ResultOf(kTarget).received, 20u);
  EXPECT_EQ(world.ResultOf(kTarget).sent, 24u);
}

TEST(SweepFlows, SendErrorsAndRouterErrorsAndRefusalsEnd) {
  SweepWorld not_sent(Targets({kTarget}), Flows(8));
  not_sent.world = [](const Probe&) { return Fate{.replies = {}, .send_error = ENETUNREACH}; };
  not_sent.Run(10min);
  EXPECT_EQ(not_sent.ResultOf(kTarget).state, SweepState::kNotSent);
  EXPECT_EQ(not_sent.ResultOf(kTarget).sent, 0u);
  EXPECT_FALSE(not_sent.ResultOf(kTarget).flows) << "nothing is known of them";
  EXPECT_TRUE(not_sent.sweep.done());
  EXPECT_LE(not_sent.sends.size(), 8u) << "there is no use in asking again";
  SweepWorld errors(Targets({kTarget}), Flows(8));
  errors.world = [](const Probe& probe) {
    return RouterError(probe, "203.0.113.1", ErrorMeaning::kUnreachable);
  };
  errors.Run(10min);
  EXPECT_EQ(errors.ResultOf(kTarget).state, SweepState::kUnreachable);
  SweepWorld::Options options;
  options.policy.icmp = false;
  SweepWorld refused(Targets({kTarget}), Flows(8), options);
  refused.Run(10min);
  EXPECT_EQ(refused.ResultOf(kTarget).state, SweepState::kRefused);
  EXPECT_EQ(refused.ResultOf(kTarget).error.refusal, Refusal::kMethod);
}

// The per-target rate spreads the flows of a target in time; nothing is lost by it.
TEST(SweepFlows, SlowTargetRate) {
  SweepWorld::Options options;
  options.policy = OpenPolicy(1000, 1000, 5);
  SweepWorld world(Targets({kTarget, "198.51.100.8"}), Flows(10), options);
  world.world = [](const Probe& probe) { return Answered(probe, 3ms); };
  world.Run();
  for (const char* target : {kTarget, "198.51.100.8"}) {
    EXPECT_EQ(world.ResultOf(target).state, SweepState::kUp);
    EXPECT_GE(world.ResultOf(target).sent, 10u);
    EXPECT_GE(world.TimesOf(target).back(), 1700ms);
  }
  EXPECT_LE(world.turns, 5 * world.sends.size());
}

}  // namespace
}  // namespace parallax::sensor
