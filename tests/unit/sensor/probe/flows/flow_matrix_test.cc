// How often the flow check is right, over many seeds: prints the confusion matrix and holds it to
// what may go wrong. PARALLAX_FLOW_RUNS sets the seeds per row (default 20).
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>

#include "tests/unit/sensor/probe/flows/flow_world.h"

namespace parallax::sensor {
namespace {

using test::Branches;
using test::Chance;
using test::FlowRun;
using test::RunFlows;

size_t Runs() {
  const char* text = std::getenv("PARALLAX_FLOW_RUNS");
  return text == nullptr ? 20 : std::strtoul(text, nullptr, 10);
}

struct Row {
  std::array<size_t, 5> said{};
  size_t runs = 0;
  size_t sent = 0;
  size_t most_sent = 0;
  double seconds = 0;
  size_t share_held = 0;

  double Of(FlowPattern pattern) const {
    return static_cast<double>(said[static_cast<size_t>(pattern)]) / static_cast<double>(runs);
  }
};

void Print(const std::string& name, size_t flows, const Row& row) {
  const auto mean = [&](double sum) { return sum / static_cast<double>(row.runs); };
  std::printf("%-26s %4zu | %6.3f %6.3f %6.3f %6.3f %6.3f | %6.1f %4zu %5.1f | %5.3f\n",
              name.c_str(), flows, row.Of(FlowPattern::kAllUp), row.Of(FlowPattern::kPerPacket),
              row.Of(FlowPattern::kPerFlow), row.Of(FlowPattern::kAllDown),
              row.Of(FlowPattern::kUnclear), mean(static_cast<double>(row.sent)), row.most_sent,
              mean(row.seconds), mean(static_cast<double>(row.share_held)));
}

// `world(seed)` makes the path. Seeds of which it says nullopt are left out.
template <typename World>
Row Measure(const std::string& name, size_t flows, World world, double share = -1) {
  Row row;
  for (uint64_t seed = 1; seed <= Runs(); ++seed) {
    auto path = world(seed);
    if (!path) {
      continue;
    }
    FlowCheck check(flows, seed);
    const FlowRun run = RunFlows(check, *path);
    ++row.runs;
    ++row.said[static_cast<size_t>(run.verdict.pattern)];
    row.sent += run.sent;
    row.most_sent = std::max(row.most_sent, run.sent);
    row.seconds += ToSeconds(run.took);
    row.share_held += run.verdict.pattern == FlowPattern::kPerFlow &&
                      run.verdict.share.low <= share && share <= run.verdict.share.high;
  }
  Print(name, flows, row);
  return row;
}

void PrintHead() {
  std::printf("%-26s %4s | %6s %6s %6s %6s %6s | %6s %4s %5s | %s\n", "path", "N", "up", "packet",
              "flow", "down", "?", "probes", "most", "s", "1/k held");
}

// One of k branches, and no other, loses; only seeds that have flows on it and off it.
auto OneOf(size_t branches, double bad, double good, size_t flows) {
  return [=](uint64_t seed) -> std::optional<Branches> {
    Branches made(seed, branches, bad, good);
    size_t hit = 0;
    for (size_t flow = 0; flow < flows; ++flow) {
      hit += made.BranchOf(static_cast<uint16_t>(flow)) == 0;
    }
    return hit > 0 && hit < flows ? std::optional(made) : std::nullopt;
  };
}

auto Everywhere(double loss) {
  return [=](uint64_t seed) { return std::optional(Branches(seed, 1, loss, loss)); };
}

TEST(FlowMatrix, ADeadBranchIsFoundWhateverItsShare) {
  size_t share_held = 0;
  size_t runs = 0;
  PrintHead();
  for (const size_t flows : {24u, 48u, 96u}) {
    for (const size_t branches : {2u, 4u, 8u, 16u, 32u, 64u}) {
      const double share = 1.0 / static_cast<double>(branches);
      const Row row = Measure("dead 1 of " + std::to_string(branches), flows,
                              OneOf(branches, 1, 0, flows), share);
      EXPECT_EQ(row.Of(FlowPattern::kPerFlow), 1);
      if (branches <= flows / 3) {
        share_held += row.share_held;
        runs += row.runs;
      }
    }
    for (const size_t branches : {4u, 8u, 16u}) {
      const Row row = Measure("dead 1 of " + std::to_string(branches) + ", loss 1 %", flows,
                              OneOf(branches, 1, 0.01, flows), 1.0 / static_cast<double>(branches));
      EXPECT_GE(row.Of(FlowPattern::kPerFlow), 0.99);
    }
  }
  EXPECT_GE(share_held * 100, runs * 91);  // a 95 % interval
}

TEST(FlowMatrix, RandomLossIsNoBranch) {
  PrintHead();
  for (const size_t flows : {24u, 48u, 96u}) {
    for (const double loss : {0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5}) {
      const Row row = Measure("loss " + std::to_string(loss * 100).substr(0, 4) + " %", flows,
                              Everywhere(loss));
      // Of a million seeds fewer than a thousand may go wrong; of so few, next to none.
      const double may = static_cast<double>(row.runs) * 1e-3;
      EXPECT_LE(static_cast<double>(row.said[static_cast<size_t>(FlowPattern::kPerFlow)]),
                may < 1 ? 0 : may);
      EXPECT_EQ(row.Of(FlowPattern::kAllDown), 0);
      EXPECT_GE(row.Of(FlowPattern::kAllUp) + row.Of(FlowPattern::kPerPacket),
                loss < 0.3 ? 0.9 : 0.6);
      if (loss >= 0.1) {
        EXPECT_LE(row.Of(FlowPattern::kAllUp), 0.2);
      }
    }
    // Balancing by packet over k branches with a dead one.
    for (const size_t branches : {2u, 4u, 8u}) {
      const Row row = Measure("by packet, dead 1 of " + std::to_string(branches), flows,
                              Everywhere(1 / static_cast<double>(branches)));
      EXPECT_EQ(row.Of(FlowPattern::kPerFlow), 0);
    }
  }
}

TEST(FlowMatrix, ABranchThatLosesHalfIsMostlyFound) {
  PrintHead();
  for (const size_t flows : {24u, 48u, 96u}) {
    for (const size_t branches : {4u, 8u}) {
      const Row row = Measure("half lost on 1 of " + std::to_string(branches), flows,
                              OneOf(branches, 0.5, 0, flows));
      EXPECT_GE(row.Of(FlowPattern::kPerFlow), 0.6);
    }
  }
}

}  // namespace
}  // namespace parallax::sensor
