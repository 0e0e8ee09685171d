#include "sensor/probe/trace/stopping_points.h"

#include <gtest/gtest.h>

#include <cmath>
#include <utility>

namespace parallax::sensor {
namespace {

TEST(StoppingPointsTest, KnownNumbersOfFlows) {
  using Known = std::pair<uint32_t, uint32_t>;
  for (const auto& [nodes, flows] : {Known{2, 6}, Known{3, 11}, Known{4, 16}, Known{6, 27},
                                     Known{8, 38}, Known{16, 90}, Known{64, 453}}) {
    EXPECT_EQ(FlowsToSeeAll(nodes, 0.05), flows) << nodes;
  }
  for (const auto& [nodes, flows] : {Known{2, 8}, Known{3, 15}, Known{4, 21}, Known{6, 36},
                                     Known{8, 51}, Known{16, 115}, Known{64, 557}}) {
    EXPECT_EQ(FlowsToSeeAll(nodes, 0.01), flows) << nodes;
  }
  EXPECT_EQ(FlowsToSeeAll(1, 0.05), 1u);
}

TEST(StoppingPointsTest, TheProbabilityIsThatOfInclusionAndExclusion) {
  for (const uint32_t nodes : {1u, 2u, 3u, 5u, 8u}) {
    for (const uint32_t flows : {1u, 4u, 9u, 30u}) {
      double all = 0;
      double choose = 1;
      for (uint32_t i = 0; i <= nodes; ++i) {
        const double some = std::pow(1 - static_cast<double>(i) / nodes, flows);
        all += (i % 2 == 0 ? 1 : -1) * choose * some;
        choose = choose * (nodes - i) / (i + 1);
      }
      EXPECT_NEAR(MissProbability(nodes, flows), 1 - all, 1e-12) << nodes << " " << flows;
    }
  }
}

TEST(StoppingPointsTest, StopsNoEarlierThanTheLastPointAlonePermits) {
  for (const double epsilon : {0.05, 0.01, 0.001}) {
    StoppingPoints points(epsilon);
    for (uint32_t k = 1; k < 32; ++k) {
      EXPECT_GE(points.After(k), FlowsToSeeAll(k + 1, epsilon));
      EXPECT_LE(points.After(k), FlowsToSeeAll(k + 1, epsilon) + 2);
    }
  }
  StoppingPoints points(0.05);
  EXPECT_EQ(points.After(0), 6u);
  EXPECT_EQ(points.After(1), 6u);
  EXPECT_EQ(points.After(3), 16u);
  EXPECT_EQ(points.After(7), 39u);  // 38 alone, but then 5.4 % would have stopped by then
}

// A hop of `nodes` nodes, asked as often as the points say: the share of runs that stop too early.
TEST(StoppingPointsTest, ErrsNoMoreThanPermitted) {
  uint64_t random = 88172645463325252u;
  StoppingPoints points(0.05);
  for (const uint32_t nodes : {2u, 3u, 4u, 8u, 16u}) {
    int missed = 0;
    constexpr int kRuns = 20'000;
    for (int run = 0; run < kRuns; ++run) {
      std::vector<bool> hit(nodes);
      uint32_t seen = 0;
      for (uint32_t flows = 0; flows < points.After(seen) || seen == 0; ++flows) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        const size_t node = random % nodes;
        seen += hit[node] ? 0 : 1;
        hit[node] = true;
      }
      missed += seen < nodes ? 1 : 0;
    }
    EXPECT_LE(missed, kRuns * 0.055) << nodes;
    EXPECT_GE(missed, kRuns * 0.02) << nodes;  // no flows are wasted either
  }
}

}  // namespace
}  // namespace parallax::sensor
