#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/sensor/probe/trace/trace_world.h"

namespace parallax::sensor::test {
namespace {

constexpr const char* kTarget = "198.51.100.7";
constexpr const char* kTargetV6 = "2001:db8:99::7";

TEST(TracerTest, FindsEveryHopOfAStraightPath) {
  for (const ProbeTry& attempt : {kIcmpTry, kTcpTry, kUdpTry}) {
    TraceWorld world;
    world.net.AddChain(4);
    const TraceResult result = world.Trace(OrderTo(kTarget, attempt));
    EXPECT_EQ(result.order_id, 42u);
    EXPECT_EQ(result.path.end, TraceEnd::kReached);
    EXPECT_EQ(Short(result.path), "10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 198.51.100.7");
    for (const PathHop& hop : result.path.hops) {
      EXPECT_EQ(hop.state, HopState::kAnswering) << int{hop.ttl};
      EXPECT_EQ(hop.sent, 3u);
      EXPECT_EQ(hop.answered, 3u);
      EXPECT_EQ(hop.nodes[0].sent, 3u);
      EXPECT_EQ(hop.nodes[0].received, 3u);
      EXPECT_EQ(hop.nodes[0].rtt.average(), hop.ttl * 2ms);
    }
    EXPECT_EQ(result.path.target_sent, result.path.target_received);
    EXPECT_EQ(world.net.suppressed(), 0u);
    EXPECT_EQ(world.ledger.in_flight(), 0u);
  }
}

TEST(TracerTest, FindsEveryHopOfAnIpv6Path) {
  for (const ProbeTry& attempt : {kIcmpTry, kTcpTry, kUdpTry}) {
    TraceWorld world;
    world.net.AddChain(2, true);
    const TraceResult result = world.Trace(OrderTo(kTargetV6, attempt));
    EXPECT_EQ(result.path.end, TraceEnd::kReached);
    EXPECT_EQ(Short(result.path), "2001:db8:ff::1 2001:db8:ff::2 2001:db8:99::7");
  }
}

TEST(TracerTest, RepliesOfAUdpServiceNameNoProbeAndMisleadNobody) {
  for (const size_t routers : {1u, 3u, 4u, 5u, 9u}) {
    for (const bool silent_hop : {false, true}) {
      TraceWorld world;
      world.net.AddChain(routers);
      world.net.Get("target").udp_service = true;
      world.net.Get("r1").silent = silent_hop;
      const TraceResult result = world.Trace(OrderTo(kTarget, kUdpTry));
      EXPECT_EQ(result.path.end, TraceEnd::kReached);
      ASSERT_EQ(result.path.hops.size(), routers + 1);
      EXPECT_FALSE(result.path.changed);
      for (size_t i = 0; i < routers; ++i) {
        EXPECT_EQ(result.path.hops[i].nodes.size(), i == 0 && silent_hop ? 0u : 1u);
        EXPECT_NE(result.path.hops[i].state, HopState::kRateLimited);
      }
      EXPECT_EQ(result.path.target_received, result.path.target_sent);
    }
  }
}

TEST(TracerTest, TheTargetNextDoorIsAPathOfOneHop) {
  TraceWorld world;
  world.net.Add("target", kTarget).host = true;
  const TraceResult result = world.Trace(OrderTo(kTarget));
  EXPECT_EQ(result.path.end, TraceEnd::kReached);
  EXPECT_EQ(Short(result.path), kTarget);
}

TEST(TracerTest, AllProbesOfATraceAreOfOneFlow) {
  TraceWorld world;
  world.net.AddChain(6);
  world.Trace(OrderTo(kTarget));
  for (const TraceWorld::Sent& sent : world.sent) {
    EXPECT_EQ(sent.probe.flow_port, world.sent[0].probe.flow_port);
    EXPECT_EQ(sent.probe.flow_checksum, world.sent[0].probe.flow_checksum);
    EXPECT_NE(sent.probe.ttl, 0);
  }
}

TEST(TracerTest, TheRouteIsKnownAfterTwoRoundTrips) {
  TraceWorld world;
  world.net.AddChain(14);
  const TraceResult result = world.Trace(OrderTo(kTarget));
  EXPECT_EQ(result.path.hops.size(), 15u);
  Duration last_first_probe{};
  std::vector<bool> seen(64);
  for (const TraceWorld::Sent& sent : world.sent) {
    if (sent.probe.ttl <= 15 && !seen[sent.probe.ttl]) {
      seen[sent.probe.ttl] = true;
      last_first_probe = sent.at;
    }
  }
  EXPECT_LE(last_first_probe, 30ms + 1ms);  // one round trip to the target
  EXPECT_LE(result.took, 100ms);
}

TEST(TracerTest, AtFiveProbesASecondTheRouteComesFirst) {
  TraceWorld world(TracePolicy(5));
  world.net.AddChain(9);
  const TraceResult result = world.Trace(OrderTo(kTarget));
  EXPECT_EQ(result.path.hops.size(), 10u);
  // One probe with full TTL, then one for each hop, before any hop is asked twice.
  ASSERT_GE(world.sent.size(), 31u);
  EXPECT_EQ(world.sent[0].probe.ttl, kFullTtl);
  for (size_t i = 1; i <= 10; ++i) {
    EXPECT_EQ(world.sent[i].probe.ttl, i);
  }
  EXPECT_EQ(world.sent.size(), 31u);
}

TEST(TracerTest, AReturnPathOfAnotherLengthDoesNotMislead) {
  for (const int longer : {-3, 5}) {
    TraceWorld world;
    world.net.AddChain(7);
    world.net.Get("target").longer_return = longer;
    const TraceResult result = world.Trace(OrderTo(kTarget));
    EXPECT_EQ(result.path.end, TraceEnd::kReached);
    EXPECT_EQ(result.path.hops.size(), 8u);
  }
}

TEST(TracerTest, RoutersWithDefaultLimitsAreNeverOutrun) {
  TraceWorld world;
  world.net.AddChain(3);
  TraceOrder order = OrderTo(kTarget);
  order.options.probes = 10;
  order.options.patience = 1min;
  const TraceResult result = world.Trace(order);
  EXPECT_EQ(world.net.suppressed(), 0u);
  for (const PathHop& hop : result.path.hops) {
    EXPECT_EQ(hop.answered, 10u);
    EXPECT_EQ(hop.state, HopState::kAnswering);
  }
}

TEST(TracerTest, TracesThroughOneRouterShareItsBudget) {
  TraceWorld world;
  world.net.AddChain(3);
  for (int i = 1; i <= 20; ++i) {
    TraceOrder order = OrderTo("198.51.100." + std::to_string(i));
    order.options.probes = 1;
    world.client.Add(order);
  }
  world.Run();
  EXPECT_EQ(world.net.suppressed(), 0u);
  ASSERT_EQ(world.results.size(), 20u);
  for (const TraceResult& result : world.results) {
    EXPECT_EQ(result.path.end, TraceEnd::kReached);
    EXPECT_EQ(result.path.hops.size(), 4u);
    EXPECT_EQ(result.path.hops[0].answered, 1u);
  }
}

TEST(TracerTest, AHopWithATighterLimitIsRateLimitedNotLossy) {
  TraceWorld world;
  world.net.AddChain(4);
  world.net.Get("r2").burst = world.net.Get("r2").tokens = 1;
  world.net.Get("r2").per_second = 0.1;
  const TraceResult result = world.Trace(OrderTo(kTarget));
  EXPECT_EQ(result.path.end, TraceEnd::kReached);
  EXPECT_EQ(result.path.hops[1].state, HopState::kRateLimited);
  EXPECT_EQ(result.path.hops[1].answered, 1u);
  EXPECT_EQ(result.path.hops[0].state, HopState::kAnswering);
  EXPECT_EQ(result.path.target_received, result.path.target_sent);
}

TEST(TracerTest, ASilentHopIsAskedAgainAndBelongsToThePath) {
  TraceWorld world;
  world.net.AddChain(4);
  world.net.Get("r2").silent = true;
  TraceOrder order = OrderTo(kTarget);
  order.options.probes = 1;
  const TraceResult result = world.Trace(order);
  EXPECT_EQ(Short(result.path), "10.0.0.1 * 10.0.0.3 10.0.0.4 198.51.100.7");
  EXPECT_EQ(result.path.hops[1].state, HopState::kSilent);
  std::vector<Duration> asked;
  for (const TraceWorld::Sent& sent : world.sent) {
    if (sent.probe.ttl == 2) {
      asked.push_back(sent.at);
    }
  }
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_GE(asked[1] - asked[0], 1s);
}

TEST(TracerTest, ARouterThatOthersHaveExhaustedIsFoundByAskingAgain) {
  TraceWorld world;
  world.net.AddChain(4);
  world.net.Get("r3").tokens = 0;
  world.net.Get("r3").filled = world.now.mono;
  const TraceResult result = world.Trace(OrderTo(kTarget));
  EXPECT_EQ(Short(result.path), "10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 198.51.100.7");
  EXPECT_NE(result.path.hops[2].state, HopState::kSilent);
}

TEST(TracerTest, ABlackHoleEndsInSilenceAfterTheGap) {
  TraceWorld world;
  world.net.AddChain(6);
  world.net.Get("r3").drops = true;
  const TraceResult result = world.Trace(OrderTo(kTarget));
  EXPECT_EQ(result.path.end, TraceEnd::kSilent);
  EXPECT_EQ(Short(result.path), "10.0.0.1 10.0.0.2 10.0.0.3 * * * * *");
  EXPECT_EQ(result.path.target_received, 0u);
  EXPECT_EQ(result.path.target_sent, 2u);
  EXPECT_EQ(result.path.ForwardingHops(), 3u);
}

TEST(TracerTest, ASilentTargetBehindManySilentRoutersIsFoundByItsAnswer) {
  TraceWorld world;
  world.net.AddChain(9);
  for (const char* name : {"r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9"}) {
    world.net.Get(name).silent = true;
  }
  const TraceResult result = world.Trace(OrderTo(kTarget));
  EXPECT_EQ(result.path.end, TraceEnd::kReached);
  EXPECT_EQ(Short(result.path), "10.0.0.1 * * * * * * * * 198.51.100.7");
}

TEST(TracerTest, MaxTtlEndsATrace) {
  TraceWorld world;
  world.net.AddChain(9);
  world.net.Get("target").silent = true;
  TraceOrder order = OrderTo(kTarget);
  order.options.max_ttl = 4;
  EXPECT_EQ(world.Trace(order).path.end, TraceEnd::kMaxTtl);
  EXPECT_EQ(world.results.back().path.hops.size(), 4u);
  world.net.Get("target").silent = false;
  EXPECT_EQ(world.Trace(order).path.end, TraceEnd::kMaxTtl);
}

TEST(TracerTest, FirstTtlLeavesTheNearHopsOut) {
  TraceWorld world;
  world.net.AddChain(5);
  TraceOrder order = OrderTo(kTarget);
  order.options.first_ttl = 3;
  const TraceResult result = world.Trace(order);
  EXPECT_EQ(Short(result.path), "10.0.0.3 10.0.0.4 10.0.0.5 198.51.100.7");
  EXPECT_EQ(result.path.hops[0].ttl, 3);
}

TEST(TracerTest, ANullRouteIsNamedWithItsRouter) {
  for (const bool before_ttl : {true, false}) {
    TraceWorld world;
    world.net.AddChain(6);
    world.net.Get("r3").refuses = {uint8_t{3}, uint8_t{1}};
    world.net.Get("r3").before_ttl = before_ttl;
    const TraceResult result = world.Trace(OrderTo(kTarget));
    EXPECT_EQ(result.path.end, TraceEnd::kUnreachable);
    ASSERT_TRUE(result.path.reporter);
    EXPECT_EQ(result.path.reporter->router, Ip("10.0.0.3"));
    EXPECT_EQ(result.path.reporter->icmp_type, 3);
    EXPECT_EQ(result.path.reporter->icmp_code, 1);
    EXPECT_EQ(result.path.ForwardingHops(), 3u);
    EXPECT_EQ(result.path.target_received, 0u);
    EXPECT_EQ(world.net.suppressed(), 0u);
  }
}

TEST(TracerTest, AFilterIsNamedWithItsRouter) {
  TraceWorld world;
  world.net.AddChain(6);
  world.net.Get("r4").refuses = {uint8_t{3}, uint8_t{13}};
  const TraceResult result = world.Trace(OrderTo(kTarget));
  EXPECT_EQ(result.path.end, TraceEnd::kProhibited);
  ASSERT_TRUE(result.path.reporter);
  EXPECT_EQ(result.path.reporter->router, Ip("10.0.0.4"));
}

TEST(TracerTest, ALoopIsFoundWithoutRunningToTheHighestTtl) {
  TraceWorld world;
  world.net.AddChain(4);
  world.net.Get("r4").next = {"r2"};
  const TraceResult result = world.Trace(OrderTo(kTarget));
  EXPECT_EQ(result.path.end, TraceEnd::kLoop);
  EXPECT_EQ(Short(result.path), "10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.2");
  EXPECT_LE(world.sent.size(), 40u);
}

TEST(TracerTest, ALoopThroughASilentRouterIsFound) {
  TraceWorld world;
  world.net.AddChain(3);
  world.net.Get("r3").next = {"r2"};
  world.net.Get("r3").silent = true;
  const TraceResult result = world.Trace(OrderTo(kTarget));
  EXPECT_EQ(result.path.end, TraceEnd::kLoop);
  EXPECT_EQ(result.path.reporter->router, Ip("10.0.0.2"));
}

TEST(TracerTest, ZeroTtlForwardingIsNotALoop) {
  TraceWorld world;
  world.net.AddChain(4);
  world.net.Get("r2").zero_ttl = true;
  const TraceResult result = world.Trace(OrderTo(kTarget));
  EXPECT_EQ(result.path.end, TraceEnd::kReached);
  EXPECT_EQ(Short(result.path), "10.0.0.1 10.0.0.3 10.0.0.3 10.0.0.4 198.51.100.7");
  EXPECT_TRUE(result.path.hops[1].nodes[0].zero_ttl);
  EXPECT_EQ(result.path.hops[1].nodes[0].quoted_ttl, 0);
  EXPECT_FALSE(result.path.hops[2].nodes[0].zero_ttl);
}

TEST(TracerTest, ATranslatorOfDestinationsIsNotTheTarget) {
  TraceWorld world;
  world.net.AddChain(5);
  world.net.Get("r3").answers_as_target = true;
  world.net.Get("r4").answers_as_target = true;
  world.net.Get("r5").answers_as_target = true;
  const TraceResult result = world.Trace(OrderTo(kTarget));
  EXPECT_EQ(result.path.end, TraceEnd::kReached);
  EXPECT_EQ(result.path.hops.size(), 6u);
  EXPECT_TRUE(result.path.hops[2].nodes[0].nat);
  EXPECT_FALSE(result.path.hops[1].nodes[0].nat);
  EXPECT_FALSE(result.path.hops[5].nodes[0].nat);
}

TEST(TracerTest, RoutersBehindOneAddressAreNotALoop) {
  TraceWorld world;
  world.net.AddChain(7);
  for (const char* name : {"r4", "r5", "r6"}) {
    world.net.Get(name).masked = Ip("203.0.113.5");
  }
  world.net.Get("target").silent = true;
  const TraceResult result = world.Trace(OrderTo(kTarget));
  EXPECT_EQ(result.path.end, TraceEnd::kSilent);
  EXPECT_TRUE(result.path.hops[5].nodes[0].nat);
}

TEST(TracerTest, AnAlteredQuoteTellsOfTranslation) {
  TraceWorld world;
  world.net.AddChain(3);
  world.net.Get("r3").behind_source_nat = true;
  const TraceResult result = world.Trace(OrderTo(kTarget));
  EXPECT_FALSE(result.path.hops[1].nodes[0].nat);
  EXPECT_TRUE(result.path.hops[2].nodes[0].nat);
}

TEST(TracerTest, MplsLabelsAreKept) {
  TraceWorld world;
  world.net.AddChain(3);
  world.net.Get("r2").mpls.count = 1;
  world.net.Get("r2").mpls.labels[0] = {24001, 3, 1};
  const TraceResult result = world.Trace(OrderTo(kTarget));
  ASSERT_EQ(result.path.hops[1].nodes[0].mpls.count, 1);
  EXPECT_EQ(result.path.hops[1].nodes[0].mpls.labels[0].label, 24001u);
  EXPECT_EQ(result.path.hops[0].nodes[0].mpls.count, 0);
}

TEST(TracerTest, LossIsTheTargetsAlone) {
  TraceWorld world;
  world.net.AddChain(3);
  world.net.Get("target").loss = 0.5;
  TraceOrder order = OrderTo(kTarget);
  order.options.probes = 40;
  order.options.patience = 0s;
  const TraceResult result = world.Trace(order);
  EXPECT_EQ(result.path.end, TraceEnd::kReached);
  EXPECT_LT(result.path.target_received, result.path.target_sent);
  EXPECT_EQ(result.path.hops[3].state, HopState::kAnswering);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(result.path.hops[i].answered, result.path.hops[i].sent);
  }
}

TEST(TracerTest, ALateAnswerFillsItsHop) {
  TraceWorld world;
  world.net.AddChain(4);
  world.net.Get("r2").slow = 1500ms;
  const TraceResult result = world.Trace(OrderTo(kTarget));
  EXPECT_EQ(Short(result.path), "10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 198.51.100.7");
  EXPECT_GE(result.path.hops[1].nodes[0].late, 1u);
  EXPECT_EQ(result.path.hops[0].nodes[0].late, 0u);
}

TEST(TracerTest, ARefusedTraceSendsNothing) {
  Policy policy = TracePolicy();
  policy.trace = false;
  TraceWorld world(policy);
  world.net.AddChain(4);
  const TraceResult result = world.Trace(OrderTo(kTarget));
  EXPECT_EQ(result.path.end, TraceEnd::kRefused);
  EXPECT_FALSE(result.path.detail.empty());
  EXPECT_TRUE(world.sent.empty());
  EXPECT_GE(world.gate.refused(), 1u);
}

TEST(TracerTest, NoRouteInThisHostIsNotSent) {
  TraceWorld world;
  world.net.AddChain(4);
  world.SendErrorFor = [](const Probe&) { return ENETUNREACH; };
  const TraceResult result = world.Trace(OrderTo(kTarget));
  EXPECT_EQ(result.path.end, TraceEnd::kNotSent);
  EXPECT_FALSE(result.path.detail.empty());
  EXPECT_EQ(world.ledger.in_flight(), 0u);
}

TEST(TracerTest, AFullSocketBufferCostsNoProbe) {
  TraceWorld world;
  world.net.AddChain(4);
  int left = 4;
  world.SendErrorFor = [&](const Probe&) { return left-- > 0 ? ENOBUFS : 0; };
  const TraceResult result = world.Trace(OrderTo(kTarget));
  EXPECT_EQ(result.path.end, TraceEnd::kReached);
  EXPECT_EQ(result.path.hops.size(), 5u);
  for (const PathHop& hop : result.path.hops) {
    EXPECT_EQ(hop.sent, 3u);
  }
}

}  // namespace
}  // namespace parallax::sensor::test
