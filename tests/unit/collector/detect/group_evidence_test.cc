#include "collector/detect/group_evidence.h"

#include <gtest/gtest.h>

#include <random>

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

constexpr MonoTime kStart{1000s};

TEST(GroupEvidence, ManyTargetsAtOnceAreNoLoss) {
  GroupEvidence evidence;
  // Half of the targets fail, on a path that is thought to lose three packets in ten.
  for (int i = 0; i < 20; ++i) {
    evidence.Note(2, i % 2 == 0, 0.3, kStart + i * 100ms);
  }
  EXPECT_TRUE(evidence.Fails());
  // Ten seconds later that is the past.
  evidence.Note(2, false, 0.3, kStart + 13s);
  EXPECT_FALSE(evidence.Fails());
}

TEST(GroupEvidence, OneTargetIsNoGroup) {
  GroupEvidence evidence;
  for (int i = 0; i < 3; ++i) {
    evidence.Note(4, true, 0.02, kStart + i * 1s);
  }
  EXPECT_FALSE(evidence.Fails());
}

// Of packets that get lost one by one it is said about as seldom as the error rate promises.
TEST(GroupEvidence, ScatteredLossIsNot) {
  for (const double loss : {0.02, 0.1, 0.3, 0.5}) {
    std::mt19937_64 random(7);
    std::bernoulli_distribution missed(loss * loss);
    GroupEvidence evidence;
    int alarms = 0;
    bool before = false;
    for (int i = 0; i < 200'000; ++i) {
      evidence.Note(2, missed(random), loss, kStart + i * 250ms);
      const bool fails = evidence.Fails();
      alarms += fails && !before ? 1 : 0;
      before = fails;
    }
    // Windows of 40 rounds overlap: some 200,000 looks, at 1e-4 each.
    EXPECT_LE(alarms, 40) << loss;
  }
}

}  // namespace
}  // namespace parallax::collector
