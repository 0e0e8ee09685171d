#include "sensor/probe/trace/multipath.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/unit/sensor/probe/trace/trace_world.h"

namespace parallax::sensor::test {
namespace {

constexpr const char* kTarget = "198.51.100.7";

TraceOrder AllWays(uint16_t flows = 64, double confidence = 0.95) {
  TraceOrder order = OrderTo(kTarget);
  order.options.probes = 1;
  order.multipath = MultipathOptions{flows, confidence};
  return order;
}

// r1 - r2 - {w1..wN} - r4 - target.
void AddDiamond(SimNet& net, int width) {
  net.Add("r1", "10.0.0.1", {"r2"});
  net.Add("r2", "10.0.0.2");
  for (int i = 1; i <= width; ++i) {
    const std::string name = "w" + std::to_string(i);
    net.Add(name, "10.0.3." + std::to_string(i), {"r4"});
    net.Get("r2").next.push_back(name);
  }
  net.Add("r4", "10.0.0.4", {"target"});
  net.Add("target", kTarget).host = true;
}

bool HasEdge(const Path& path, int ttl, const char* from, const char* to) {
  return std::find(path.edges.begin(), path.edges.end(),
                   PathEdge{static_cast<uint8_t>(ttl), Ip(from), Ip(to)}) != path.edges.end();
}

TEST(MultipathTest, AStraightPathHasOneNodePerHop) {
  TraceWorld world;
  world.net.AddChain(4);
  const Path path = world.Trace(AllWays()).path;
  EXPECT_EQ(path.end, TraceEnd::kReached);
  EXPECT_EQ(Short(path), "10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 198.51.100.7");
  EXPECT_EQ(path.edges.size(), 4u);
  EXPECT_GE(path.confidence, 0.95);
  // Five hops have one percent of error each: eight flows.
  EXPECT_EQ(path.flows, 8);
  EXPECT_EQ(world.net.suppressed(), 0u);
  EXPECT_EQ(world.ledger.in_flight(), 0u);
}

TEST(MultipathTest, FindsAllBranchesWithTheirEdges) {
  for (const int width : {2, 3, 4, 8}) {
    TraceWorld world;
    AddDiamond(world.net, width);
    const Path path = world.Trace(AllWays(128, 0.999)).path;
    EXPECT_EQ(path.end, TraceEnd::kReached);
    ASSERT_EQ(path.hops.size(), 5u);
    EXPECT_EQ(path.hops[2].nodes.size(), static_cast<size_t>(width));
    EXPECT_FALSE(path.hops[2].per_packet);
    EXPECT_FALSE(path.changed);
    EXPECT_GE(path.confidence, 0.999);
    for (int i = 1; i <= width; ++i) {
      const std::string name = "10.0.3." + std::to_string(i);
      EXPECT_TRUE(HasEdge(path, 2, "10.0.0.2", name.c_str()));
      EXPECT_TRUE(HasEdge(path, 3, name.c_str(), "10.0.0.4"));
    }
    EXPECT_EQ(path.edges.size(), 2u + 2u * static_cast<size_t>(width));
    for (const PathNode& node : path.hops[2].nodes) {
      EXPECT_EQ(node.received, node.sent);
    }
  }
}

TEST(MultipathTest, TheStatedConfidenceHolds) {
  int missed = 0;
  constexpr int kRuns = 300;
  for (int run = 0; run < kRuns; ++run) {
    TraceWorld world;
    AddDiamond(world.net, 4);
    for (const char* name : {"r1", "r2", "w1", "w2", "w3", "w4", "r4"}) {
      world.net.Get(name).per_second = 0;
    }
    TraceOrder order = AllWays();
    order.attempt.flow = static_cast<uint16_t>(run * 200);
    const Path path = world.Trace(order).path;
    missed += path.hops[2].nodes.size() < 4 ? 1 : 0;
    EXPECT_GE(path.confidence, 0.95);
  }
  EXPECT_LE(missed, kRuns / 20);
}

TEST(MultipathTest, TheCapOnFlowsCostsConfidence) {
  TraceWorld world;
  AddDiamond(world.net, 4);
  const Path path = world.Trace(AllWays(8)).path;
  EXPECT_EQ(path.flows, 8);
  EXPECT_LT(path.confidence, 0.95);
  EXPECT_GT(path.confidence, 0);
}

TEST(MultipathTest, RoutersLimitsAreKept) {
  TraceWorld world;
  AddDiamond(world.net, 2);
  world.Trace(AllWays());
  EXPECT_EQ(world.net.suppressed(), 0u);
}

TEST(MultipathTest, PacketsSpreadOneByOneAreToldFromFlows) {
  TraceWorld world;
  AddDiamond(world.net, 3);
  world.net.Get("r2").spread = Spread::kPerPacket;
  const Path path = world.Trace(AllWays()).path;
  EXPECT_EQ(path.end, TraceEnd::kReached);
  EXPECT_EQ(path.hops[2].nodes.size(), 3u);
  EXPECT_TRUE(path.hops[2].per_packet);
  EXPECT_FALSE(path.changed);
  EXPECT_EQ(path.edges.size(), 8u);
}

TEST(MultipathTest, BalancingByDestinationIsOneWay) {
  TraceWorld world;
  AddDiamond(world.net, 3);
  world.net.Get("r2").spread = Spread::kPerDestination;
  const Path path = world.Trace(AllWays()).path;
  EXPECT_EQ(path.hops[2].nodes.size(), 1u);
}

// r2 - {a, b}; a - {c, d, e, f}, b - g: seen from r2, g is as likely as the four together.
TEST(MultipathTest, UnevenWaysAreFoundNodeByNode) {
  int missed = 0;
  for (int run = 0; run < 40; ++run) {
    TraceWorld world;
    world.net.Add("r1", "10.0.0.1", {"a", "b"});
    world.net.Add("a", "10.0.2.1", {"c", "d", "e", "f"});
    world.net.Add("b", "10.0.2.2", {"g"});
    for (const char* name : {"c", "d", "e", "f", "g"}) {
      world.net.Add(name, std::string("10.0.3.") + std::to_string(name[0] - 'a'), {"r4"});
    }
    world.net.Add("r4", "10.0.0.4", {"target"});
    world.net.Add("target", kTarget).host = true;
    for (const char* name : {"r1", "a", "b", "c", "d", "e", "f", "g", "r4"}) {
      world.net.Get(name).per_second = 0;
    }
    TraceOrder order = AllWays(200);
    order.attempt.flow = static_cast<uint16_t>(run * 300);
    const Path path = world.Trace(order).path;
    ASSERT_EQ(path.hops.size(), 5u);
    missed += path.hops[1].nodes.size() < 2 || path.hops[2].nodes.size() < 5 ? 1 : 0;
    EXPECT_FALSE(HasEdge(path, 2, "10.0.2.2", "10.0.3.2"));
    EXPECT_GE(path.confidence, 0.9);
  }
  EXPECT_LE(missed, 4);
}

// {a, b} - {c, d} fully meshed.
TEST(MultipathTest, MeshedHopsHaveAllTheirEdges) {
  TraceWorld world;
  world.net.Add("r1", "10.0.0.1", {"a", "b"});
  world.net.Add("a", "10.0.2.1", {"c", "d"});
  world.net.Add("b", "10.0.2.2", {"c", "d"});
  world.net.Add("c", "10.0.3.1", {"target"});
  world.net.Add("d", "10.0.3.2", {"target"});
  world.net.Add("target", kTarget).host = true;
  const Path path = world.Trace(AllWays(64, 0.99)).path;
  for (const char* from : {"10.0.2.1", "10.0.2.2"}) {
    for (const char* to : {"10.0.3.1", "10.0.3.2"}) {
      EXPECT_TRUE(HasEdge(path, 2, from, to)) << from << " " << to;
    }
  }
}

TEST(MultipathTest, OneDeadBranchDoesNotHideTheOthers) {
  TraceWorld world;
  AddDiamond(world.net, 4);
  world.net.Get("w2").drops = true;
  for (uint16_t flow = 0; flow < 8; ++flow) {
    TraceOrder order = AllWays(64, 0.999);
    order.attempt.flow = static_cast<uint16_t>(flow * 64);
    const Path path = world.Trace(order).path;
    EXPECT_EQ(path.end, TraceEnd::kReached);
    EXPECT_EQ(path.hops[2].nodes.size(), 4u);
    EXPECT_FALSE(HasEdge(path, 3, "10.0.3.2", "10.0.0.4"));
    EXPECT_TRUE(HasEdge(path, 3, "10.0.3.1", "10.0.0.4"));
    EXPECT_LT(path.target_received, path.target_sent);
  }
}

TEST(MultipathTest, WaysOfDifferentLengthAreFollowedToTheirEnds) {
  TraceWorld world;
  AddDiamond(world.net, 2);
  world.net.Add("x4", "10.0.4.1", {"x5"});
  world.net.Add("x5", "10.0.5.1", {"target"});
  world.net.Get("w2").next = {"x4"};
  const Path path = world.Trace(AllWays(64, 0.99)).path;
  EXPECT_EQ(path.end, TraceEnd::kReached);
  ASSERT_EQ(path.hops.size(), 6u);
  EXPECT_EQ(path.hops[4].nodes.size(), 2u);  // x5, and the target for the others
  EXPECT_TRUE(HasEdge(path, 5, "10.0.5.1", kTarget));
  EXPECT_TRUE(HasEdge(path, 4, "10.0.0.4", kTarget));
}

TEST(MultipathTest, AChangeInTheMidstStartsOver) {
  TraceWorld world;
  AddDiamond(world.net, 2);
  world.net.Add("v1", "10.0.9.1", {"r4"});
  world.net.Add("v2", "10.0.9.2", {"r4"});
  world.At(900ms, [&] { world.net.Get("r2").next = {"v1", "v2"}; });
  const Path path = world.Trace(AllWays()).path;
  EXPECT_EQ(path.end, TraceEnd::kReached);
  EXPECT_EQ(Short(path), "10.0.0.1 10.0.0.2 10.0.9.1|10.0.9.2 10.0.0.4 198.51.100.7");
  EXPECT_TRUE(path.changed);
  EXPECT_FALSE(path.hops[2].per_packet);
}

TEST(MultipathTest, ANullRouteEndsIt) {
  TraceWorld world;
  AddDiamond(world.net, 2);
  world.net.Get("r2").refuses = {uint8_t{3}, uint8_t{1}};
  world.net.Get("r2").before_ttl = true;
  const Path path = world.Trace(AllWays()).path;
  EXPECT_EQ(path.end, TraceEnd::kUnreachable);
  EXPECT_EQ(Short(path), "10.0.0.1 10.0.0.2");
  EXPECT_EQ(path.reporter->router, Ip("10.0.0.2"));
}

TEST(MultipathTest, SilenceAndLossEndToo) {
  for (const double loss : {0.0, 0.2}) {
    TraceWorld world;
    AddDiamond(world.net, 2);
    world.net.Get("r4").silent = true;
    world.net.Get("w1").loss = loss;
    world.net.Get("target").silent = loss == 0;
    const Path path = world.Trace(AllWays()).path;
    EXPECT_EQ(path.hops[2].nodes.size(), 2u);
    EXPECT_EQ(path.hops[3].state, HopState::kSilent);
  }
}

TEST(MultipathTest, AForbiddenTraceIsNotContinued) {
  Policy policy = TracePolicy();
  policy.trace = false;
  TraceWorld world(policy);
  AddDiamond(world.net, 2);
  EXPECT_EQ(world.Trace(AllWays()).path.end, TraceEnd::kRefused);
  EXPECT_TRUE(world.sent.empty());
}

}  // namespace
}  // namespace parallax::sensor::test
