// Answers that no single route gives: the route changes while it is traced, or packets of one flow
// are spread over several.
#include <gtest/gtest.h>

#include "tests/unit/sensor/probe/trace/trace_world.h"

namespace parallax::sensor::test {
namespace {

constexpr const char* kTarget = "198.51.100.7";

// r1 - r2 - {a3 - a4 | b3 - b4} - r5 - target, by way of `a` at first.
void AddTwoWays(SimNet& net) {
  net.Add("r1", "10.0.0.1", {"r2"});
  net.Add("r2", "10.0.0.2", {"a3"});
  net.Add("a3", "10.0.1.3", {"a4"});
  net.Add("a4", "10.0.1.4", {"r5"});
  net.Add("b3", "10.0.2.3", {"b4"});
  net.Add("b4", "10.0.2.4", {"r5"});
  net.Add("r5", "10.0.0.5", {"target"});
  net.Add("target", kTarget).host = true;
}

class TracerChangeTest : public testing::TestWithParam<int> {};

TEST_P(TracerChangeTest, AChangeInMidTraceIsToldAndNotMixed) {
  TraceWorld world(TracePolicy(5));
  AddTwoWays(world.net);
  const Duration when = GetParam() * 100ms;
  world.At(when, [&] { world.net.Get("r2").next = {"b3"}; });
  const Path path = world.Trace(OrderTo(kTarget)).path;
  EXPECT_EQ(path.end, TraceEnd::kReached);
  const std::string a = "10.0.0.1 10.0.0.2 10.0.1.3 10.0.1.4 10.0.0.5 198.51.100.7";
  const std::string b = "10.0.0.1 10.0.0.2 10.0.2.3 10.0.2.4 10.0.0.5 198.51.100.7";
  EXPECT_TRUE(Short(path) == a || Short(path) == b) << Short(path);
  EXPECT_EQ(path.changed, Short(path) == b && !path.hops[2].former.empty());
  // Full TTL, then hops 1 to 6: hop 3 is asked first at 0.6 s, hop 4 last at 3.2 s.
  if (when > 700ms && when < 3s) {
    EXPECT_TRUE(path.changed);
    EXPECT_EQ(Short(path), b);
    EXPECT_EQ(path.hops[2].former, std::vector{Ip("10.0.1.3")});
    EXPECT_TRUE(path.hops[1].former.empty());
    EXPECT_TRUE(path.hops[4].former.empty());
  }
  for (const PathHop& hop : path.hops) {
    EXPECT_FALSE(hop.per_packet);
    EXPECT_LE(hop.nodes.size(), 1u);
  }
}

INSTANTIATE_TEST_SUITE_P(EveryTenthOfASecond, TracerChangeTest, testing::Range(1, 45));

TEST(TracerChangesTest, ALongerWayIsFollowedToItsEnd) {
  TraceWorld world(TracePolicy(5));
  AddTwoWays(world.net);
  world.net.Add("c5", "10.0.2.5", {"c6"});
  world.net.Add("c6", "10.0.2.6", {"r5"});
  world.net.Get("b4").next = {"c5"};
  world.At(1500ms, [&] { world.net.Get("r2").next = {"b3"}; });
  const Path path = world.Trace(OrderTo(kTarget)).path;
  EXPECT_TRUE(path.changed);
  EXPECT_EQ(path.end, TraceEnd::kReached);
  EXPECT_EQ(Short(path),
            "10.0.0.1 10.0.0.2 10.0.2.3 10.0.2.4 10.0.2.5 10.0.2.6 10.0.0.5 198.51.100.7");
}

TEST(TracerChangesTest, AShorterWayEndsEarlier) {
  TraceWorld world(TracePolicy(5));
  AddTwoWays(world.net);
  world.net.Get("b3").next = {"target"};
  world.At(1500ms, [&] { world.net.Get("r2").next = {"b3"}; });
  const Path path = world.Trace(OrderTo(kTarget)).path;
  EXPECT_TRUE(path.changed);
  EXPECT_EQ(path.end, TraceEnd::kReached);
  EXPECT_EQ(Short(path), "10.0.0.1 10.0.0.2 10.0.2.3 198.51.100.7");
}

TEST(TracerChangesTest, ARouteThatIsWithdrawnInMidTraceIsUnreachable) {
  for (const bool before_ttl : {true, false}) {
    TraceWorld world(TracePolicy(5));
    AddTwoWays(world.net);
    world.At(1500ms, [&] {
      world.net.Get("r2").refuses = {uint8_t{3}, uint8_t{0}};
      world.net.Get("r2").before_ttl = before_ttl;
    });
    const Path path = world.Trace(OrderTo(kTarget)).path;
    EXPECT_EQ(path.end, TraceEnd::kUnreachable) << Short(path);
    EXPECT_TRUE(path.changed);
    EXPECT_EQ(path.ForwardingHops(), 2u) << Short(path);
  }
}

TEST(TracerChangesTest, PacketsSpreadOneByOneAreNotAChange) {
  for (int round = 0; round < 10; ++round) {
    TraceWorld world;
    AddTwoWays(world.net);
    world.net.Get("r2").next = {"a3", "b3"};
    world.net.Get("r2").spread = Spread::kPerPacket;
    Path path;
    for (int i = 0; i <= round; ++i) {
      path = world.Trace(OrderTo(kTarget)).path;
    }
    EXPECT_EQ(path.end, TraceEnd::kReached);
    // Three packets may all take one way.
    if (path.hops[2].nodes.size() > 1) {
      EXPECT_TRUE(path.hops[2].per_packet);
      EXPECT_FALSE(path.changed);
    }
    EXPECT_EQ(path.hops.size(), 6u);
  }
}

TEST(TracerChangesTest, OneFlowSeesOneWayOfABalancer) {
  TraceWorld world;
  AddTwoWays(world.net);
  world.net.Get("r2").next = {"a3", "b3"};
  size_t by_way_of_a = 0;
  for (uint16_t flow = 0; flow < 16; ++flow) {
    ProbeTry attempt = kIcmpTry;
    attempt.flow = flow;
    const Path path = world.Trace(OrderTo(kTarget, attempt)).path;
    EXPECT_EQ(path.end, TraceEnd::kReached);
    for (const PathHop& hop : path.hops) {
      EXPECT_EQ(hop.nodes.size(), 1u);
    }
    by_way_of_a += path.hops[2].nodes[0].address == Ip("10.0.1.3") ? 1 : 0;
  }
  EXPECT_GT(by_way_of_a, 0u);
  EXPECT_LT(by_way_of_a, 16u);
  EXPECT_EQ(world.net.suppressed(), 0u);
}

}  // namespace
}  // namespace parallax::sensor::test
