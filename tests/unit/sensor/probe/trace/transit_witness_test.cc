#include "sensor/probe/trace/transit_witness.h"

#include <gtest/gtest.h>

#include "tests/unit/sensor/probe/trace/trace_world.h"

namespace parallax::sensor::test {
namespace {

constexpr const char* kTarget = "198.51.100.7";

TraceOrder Past(const char* hop, uint8_t hint = 0) {
  TraceOrder order = OrderTo(kTarget);
  order.past = TransitHop{{Ip(hop)}, hint};
  return order;
}

TEST(TransitWitnessTest, ASilentTargetIsNoObstacle) {
  for (const uint8_t hint : std::vector<uint8_t>{0, 3}) {
    TraceWorld world;
    world.net.AddChain(6);
    world.net.Get("target").silent = true;
    const TransitResult result = *world.Trace(Past("10.0.0.3", hint)).transit;
    EXPECT_EQ(result.verdict, TransitVerdict::kProven);
    EXPECT_EQ(result.reason, TransitReason::kRouterBeyond);
    EXPECT_EQ(result.hop_ttl, 3);
    EXPECT_EQ(result.witness, Ip("10.0.0.4"));
    EXPECT_EQ(result.witness_ttl, 4);
    EXPECT_LE(result.sent, hint == 0 ? 7u : 4u);
    EXPECT_EQ(result.sent, world.sent.size());
    EXPECT_EQ(world.ledger.in_flight(), 0u);
  }
}

TEST(TransitWitnessTest, AWrongHintCostsProbesOnly) {
  for (const uint8_t hint : std::vector<uint8_t>{1, 2, 4, 5, 6, 7, 29, 30, 200}) {
    TraceWorld world;
    world.net.AddChain(6);
    world.net.Get("target").silent = true;
    const TransitResult result = *world.Trace(Past("10.0.0.3", hint)).transit;
    EXPECT_EQ(result.verdict, TransitVerdict::kProven) << int{hint};
    EXPECT_EQ(result.hop_ttl, 3);
    EXPECT_LE(result.sent, 14u);
  }
}

TEST(TransitWitnessTest, TheTargetsAnswerProvesItToo) {
  TraceWorld world;
  world.net.AddChain(3);
  const TransitResult result = *world.Trace(Past("10.0.0.3", 3)).transit;
  EXPECT_EQ(result.verdict, TransitVerdict::kProven);
  EXPECT_EQ(result.reason, TransitReason::kTargetAnswered);
  EXPECT_EQ(result.witness, Ip(kTarget));
}

TEST(TransitWitnessTest, ASilentRouterPastTheHopIsSteppedOver) {
  TraceWorld world;
  world.net.AddChain(8);
  world.net.Get("target").silent = true;
  world.net.Get("r4").silent = true;
  EXPECT_EQ(world.Trace(Past("10.0.0.3", 3)).transit->witness, Ip("10.0.0.5"));
  world.net.Get("r5").silent = true;
  EXPECT_EQ(world.Trace(Past("10.0.0.3", 3)).transit->witness, Ip("10.0.0.6"));
  world.net.Get("r6").silent = true;
  const TransitResult result = *world.Trace(Past("10.0.0.3", 3)).transit;
  EXPECT_EQ(result.verdict, TransitVerdict::kUnknown);
  EXPECT_EQ(result.reason, TransitReason::kSilence);
  EXPECT_EQ(result.hop_ttl, 3);
}

TEST(TransitWitnessTest, ABlackHoleAtTheHopIsSilence) {
  TraceWorld world;
  world.net.AddChain(6);
  world.net.Get("r3").drops = true;
  const TransitResult result = *world.Trace(Past("10.0.0.3", 3)).transit;
  EXPECT_EQ(result.verdict, TransitVerdict::kUnknown);
  EXPECT_EQ(result.reason, TransitReason::kSilence);
}

TEST(TransitWitnessTest, ANullRouteAtTheHopRefutes) {
  for (const bool before_ttl : {true, false}) {
    TraceWorld world;
    world.net.AddChain(6);
    world.net.Get("r3").refuses = {uint8_t{3}, uint8_t{1}};
    world.net.Get("r3").before_ttl = before_ttl;
    const TransitResult result = *world.Trace(Past("10.0.0.3", 3)).transit;
    EXPECT_EQ(result.verdict, TransitVerdict::kRefuted);
    EXPECT_EQ(result.reason, TransitReason::kUnreachable);
    EXPECT_EQ(result.witness, Ip("10.0.0.3"));
    EXPECT_EQ(result.icmp_type, 3);
    EXPECT_EQ(result.icmp_code, 1);
  }
}

TEST(TransitWitnessTest, ANullRouteBeforeTheHopRefutes) {
  TraceWorld world;
  world.net.AddChain(6);
  world.net.Get("r2").refuses = {uint8_t{3}, uint8_t{1}};
  world.net.Get("r2").before_ttl = true;
  EXPECT_EQ(world.Trace(Past("10.0.0.3", 3)).transit->reason, TransitReason::kUnreachable);
  // Without a hint nobody knows whether the hop was before or after.
  EXPECT_EQ(world.Trace(Past("10.0.0.3")).transit->reason, TransitReason::kHopNotFound);
  EXPECT_EQ(world.results.back().path.end, TraceEnd::kUnreachable);
}

TEST(TransitWitnessTest, AnErrorFromBeyondProves) {
  TraceWorld world;
  world.net.AddChain(6);
  world.net.Get("r4").refuses = {uint8_t{3}, uint8_t{13}};
  world.net.Get("r4").before_ttl = true;
  const TransitResult result = *world.Trace(Past("10.0.0.3", 3)).transit;
  EXPECT_EQ(result.verdict, TransitVerdict::kProven);
  EXPECT_EQ(result.witness, Ip("10.0.0.4"));
  EXPECT_EQ(result.icmp_code, 13);
}

TEST(TransitWitnessTest, AWayBackIntoTheCampusRefutes) {
  for (const uint8_t hint : std::vector<uint8_t>{0, 3}) {
    TraceWorld world;
    world.net.AddChain(6);
    world.net.Get("r3").next = {"r2"};
    const TransitResult result = *world.Trace(Past("10.0.0.3", hint)).transit;
    EXPECT_EQ(result.verdict, TransitVerdict::kRefuted);
    EXPECT_EQ(result.reason, TransitReason::kLoop);
  }
}

TEST(TransitWitnessTest, ALoopPastTheHopThatComesBackRefutes) {
  TraceWorld world;
  world.net.AddChain(3);
  // Unknown from the way there: a router that sends everything back to the border.
  world.net.Add("back", "10.0.9.9", {"r3"});
  world.net.Get("r3").next = {"back"};
  EXPECT_EQ(world.Trace(Past("10.0.0.3", 3)).transit->reason, TransitReason::kLoop);
  world.net.Get("back").silent = true;
  EXPECT_EQ(world.Trace(Past("10.0.0.3", 3)).transit->reason, TransitReason::kLoop);
}

TEST(TransitWitnessTest, ALoopBeforeTheHopRefutes) {
  TraceWorld world;
  world.net.AddChain(5);
  world.net.Get("r2").next = {"r1"};
  const TransitResult result = *world.Trace(Past("10.0.0.3")).transit;
  EXPECT_EQ(result.reason, TransitReason::kLoop);
  EXPECT_LE(result.sent, 10u);
}

TEST(TransitWitnessTest, AHopThatIsNotOnThePathIsNotFound) {
  TraceWorld world;
  world.net.AddChain(5);
  const TransitResult result = *world.Trace(Past("10.9.9.9")).transit;
  EXPECT_EQ(result.verdict, TransitVerdict::kUnknown);
  EXPECT_EQ(result.reason, TransitReason::kHopNotFound);
  EXPECT_EQ(result.hop_ttl, 0);
}

TEST(TransitWitnessTest, TheHopItselfHasNothingBeyond) {
  TraceWorld world;
  world.net.AddChain(3);
  const TransitResult result = *world.Trace(Past(kTarget, 4)).transit;
  EXPECT_EQ(result.verdict, TransitVerdict::kRefuted);
  EXPECT_EQ(result.reason, TransitReason::kHopIsTarget);
}

TEST(TransitWitnessTest, OneLostProbeIsNoSilence) {
  TraceWorld world;
  world.net.AddChain(6);
  world.net.Get("target").silent = true;
  world.net.Get("r4").tokens = 0;
  world.net.Get("r4").filled = world.now.mono;
  const TransitResult result = *world.Trace(Past("10.0.0.3", 3)).transit;
  EXPECT_EQ(result.verdict, TransitVerdict::kProven);
}

TEST(TransitWitnessTest, ManyTargetsShareTheRoutersBudget) {
  TraceWorld world;
  world.net.AddChain(6);
  for (int i = 1; i <= 10; ++i) {
    TraceOrder order = Past("10.0.0.3", 3);
    order.id = static_cast<uint64_t>(i);
    order.target = Ip("198.51.100." + std::to_string(i));
    world.client.Add(order);
  }
  world.Run();
  ASSERT_EQ(world.results.size(), 10u);
  for (const TraceResult& result : world.results) {
    EXPECT_EQ(result.transit->verdict, TransitVerdict::kProven);
  }
  EXPECT_EQ(world.net.suppressed(), 0u);
}

TEST(TransitWitnessTest, ARefusedTargetIsNotAsked) {
  Policy policy = TracePolicy();
  policy.deny.Add(*Prefix::Parse("198.51.100.0/24"));
  TraceWorld world(policy);
  world.net.AddChain(6);
  const TraceResult result = world.Trace(Past("10.0.0.3", 3));
  EXPECT_EQ(result.transit->reason, TransitReason::kNotAsked);
  EXPECT_EQ(result.path.end, TraceEnd::kRefused);
  EXPECT_TRUE(world.sent.empty());
}

}  // namespace
}  // namespace parallax::sensor::test
