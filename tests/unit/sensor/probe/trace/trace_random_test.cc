// Random networks with everything in them that real ones have: whatever they do, a trace ends, says
// something that can be true, and leaves nothing behind.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "tests/unit/sensor/probe/trace/trace_world.h"

namespace parallax::sensor::test {
namespace {

constexpr const char* kTarget = "198.51.100.7";

class Draw {
 public:
  explicit Draw(unsigned seed) : random_(seed) {}
  int Below(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }
  bool Chance(int percent) { return Below(100) < percent; }

 private:
  std::mt19937 random_;
};

std::string NameOf(int layer, int n) { return "n" + std::to_string(layer * 10 + n); }

// Layers of one to three routers, each of which sends to some of the next layer. Returns the number
// of layers.
int AddRandomNet(SimNet& net, Draw& draw, bool wild) {
  const int layers = 1 + draw.Below(12);
  std::vector<int> width(static_cast<size_t>(layers) + 1);
  for (int i = 0; i <= layers; ++i) {
    width[static_cast<size_t>(i)] = i == 0 || draw.Chance(60) ? 1 : 1 + draw.Below(3);
  }
  for (int layer = 0; layer < layers; ++layer) {
    for (int n = 0; n < width[static_cast<size_t>(layer)]; ++n) {
      std::vector<std::string> next;
      for (int i = 0; i < width[static_cast<size_t>(layer) + 1]; ++i) {
        if (layer + 1 == layers || draw.Chance(70)) {
          next.push_back(layer + 1 == layers ? "target" : NameOf(layer + 1, i));
        }
      }
      if (next.empty()) {
        next.push_back(NameOf(layer + 1, 0));
      }
      SimRouter& router = net.Add(
          NameOf(layer, n), "10.0." + std::to_string(layer) + "." + std::to_string(n + 1), next);
      router.silent = draw.Chance(10);
      router.delay = std::chrono::microseconds(100 + draw.Below(20'000));
      if (!wild) {
        continue;
      }
      router.loss = draw.Chance(20) ? 0.1 : 0;
      router.slow = draw.Chance(10) ? std::chrono::milliseconds(draw.Below(3000)) : 0ms;
      router.zero_ttl = draw.Chance(5);
      router.answers_as_target = draw.Chance(5);
      router.behind_source_nat = draw.Chance(5);
      router.drops = draw.Chance(3);
      router.initial_ttl = draw.Chance(50) ? 255 : 64;
      router.longer_return = draw.Below(4);
      router.spread = draw.Chance(10) ? Spread::kPerPacket : Spread::kPerFlow;
      if (draw.Chance(5)) {
        router.refuses = {uint8_t{3}, static_cast<uint8_t>(draw.Chance(50) ? 1 : 13)};
        router.before_ttl = draw.Chance(50);
      }
      if (draw.Chance(5)) {
        router.next = {NameOf(draw.Below(layer + 1), 0)};
      }
    }
  }
  SimRouter& target = net.Add("target", kTarget);
  target.host = true;
  target.silent = draw.Chance(20);
  return layers;
}

TraceOrder RandomOrder(Draw& draw) {
  const ProbeTry tries[] = {kIcmpTry, kTcpTry, kUdpTry};
  TraceOrder order = OrderTo(kTarget, tries[draw.Below(3)]);
  order.attempt.flow = static_cast<uint16_t>(draw.Below(1000));
  order.options.probes = static_cast<uint16_t>(1 + draw.Below(4));
  order.options.max_ttl = static_cast<uint8_t>(1 + draw.Below(30));
  order.options.first_ttl = static_cast<uint8_t>(1 + draw.Below(draw.Chance(80) ? 1 : 8));
  return order;
}

class TraceRandomTest : public testing::TestWithParam<unsigned> {};

TEST_P(TraceRandomTest, EveryTraceEndsAndLeavesNothingBehind) {
  for (unsigned i = 0; i < 25; ++i) {
    const unsigned seed = GetParam() * 1000 + i;
    Draw draw(seed);
    TraceWorld world(TracePolicy(draw.Chance(50) ? 5 : 10'000));
    const int layers = AddRandomNet(world.net, draw, true);
    for (int n = 0; n < 4; ++n) {
      TraceOrder order = RandomOrder(draw);
      order.id = static_cast<uint64_t>(n);
      if (n == 1) {
        order.multipath = MultipathOptions{static_cast<uint16_t>(1 + draw.Below(40)), 0.95};
      }
      if (n == 2) {
        order.past = TransitHop{{world.net.Get(NameOf(draw.Below(layers), 0)).address},
                                static_cast<uint8_t>(draw.Below(12))};
      }
      world.client.Add(order);
    }
    world.At(std::chrono::milliseconds(draw.Below(8000)), [&] {
      SimRouter& router = world.net.Get(NameOf(draw.Below(layers), 0));
      router.drops = !router.drops;
    });
    world.Run(3600s);
    ASSERT_TRUE(world.client.done()) << "seed " << seed;
    ASSERT_EQ(world.results.size(), 4u);
    EXPECT_EQ(world.ledger.in_flight(), 0u) << "seed " << seed;
    for (const TraceResult& result : world.results) {
      const Path& path = result.path;
      EXPECT_NE(path.end, TraceEnd::kUnfinished) << "seed " << seed;
      EXPECT_LE(path.target_received, path.target_sent) << "seed " << seed;
      for (size_t h = 0; h < path.hops.size(); ++h) {
        const PathHop& hop = path.hops[h];
        EXPECT_EQ(hop.ttl, path.hops[0].ttl + h) << "seed " << seed;
        EXPECT_LE(hop.answered, hop.sent) << "seed " << seed;
        EXPECT_EQ(hop.answered == 0, hop.nodes.empty()) << "seed " << seed;
        EXPECT_TRUE(hop.state != HopState::kSilent || hop.sent >= 2) << "seed " << seed;
      }
      if (path.end == TraceEnd::kReached) {
        EXPECT_GT(path.target_received, 0u) << "seed " << seed;
      }
    }
  }
}

// Where nothing is lost and every router answers or never does, a flow's route has one id.
TEST_P(TraceRandomTest, TheSameRouteHasTheSameId) {
  for (unsigned i = 0; i < 25; ++i) {
    const unsigned seed = GetParam() * 1000 + i;
    Draw draw(seed);
    TraceWorld world;
    AddRandomNet(world.net, draw, false);
    TraceOrder order = OrderTo(kTarget);
    order.attempt.flow = static_cast<uint16_t>(seed);
    const Path first = world.Trace(order).path;
    order.options.probes = 1;
    const Path second = world.Trace(order).path;
    EXPECT_EQ(first.Id(), second.Id())
        << "seed " << seed << ": " << Short(first) << " and " << Short(second);
    EXPECT_EQ(Compare(first, second).relation, PathRelation::kEqual);
    EXPECT_FALSE(first.changed);
    EXPECT_EQ(world.net.suppressed(), 0u) << "seed " << seed;
    for (const PathHop& hop : first.hops) {
      EXPECT_NE(hop.state, HopState::kRateLimited) << "seed " << seed;
      EXPECT_FALSE(hop.per_packet) << "seed " << seed;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, TraceRandomTest, testing::Range(0u, 12u));

}  // namespace
}  // namespace parallax::sensor::test
