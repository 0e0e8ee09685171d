#include "collector/detect/localise/lossy_edge.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace parallax::collector {
namespace {

IpAddress At(const std::string& text) { return *IpAddress::Parse(text); }

LossyWay Way(const SensorName& sensor, std::initializer_list<const char*> hops, unsigned sent,
             unsigned lost) {
  LossyWay way;
  way.path.sensor = sensor;
  way.path.reached = true;
  for (const char* hop : hops) {
    way.path.hops.push_back(std::string(hop) == "*" ? std::nullopt : std::optional(At(hop)));
  }
  way.path.target = *way.path.hops.back();
  way.sent = sent;
  way.lost = lost;
  return way;
}

TEST(LocaliseLoss, TheLinkThatAllLosingWaysShare) {
  std::vector<LossyWay> ways;
  for (int i = 1; i <= 6; ++i) {
    const std::string target = "11.0.0." + std::to_string(i);
    ways.push_back(Way("a", {"10.0.0.1", "10.9.0.1", target.c_str()}, 16, 3));
    ways.push_back(Way("b", {"10.0.0.1", "10.9.0.1", target.c_str()}, 16, 4));
    ways.push_back(Way("c", {"10.0.1.1", "10.9.0.1", target.c_str()}, 16, 0));
  }
  const auto edge = LocaliseLoss(ways);
  ASSERT_TRUE(edge);
  EXPECT_EQ(edge->from, PathPlace::Address(At("10.0.0.1")));
  EXPECT_EQ(edge->to, PathPlace::Address(At("10.9.0.1")));
  EXPECT_EQ(edge->sent, 192u);
  EXPECT_EQ(edge->lost, 42u);
}

TEST(LocaliseLoss, WhoLosesTogetherDoesNotLoseOnHisOwnLink) {
  std::vector<LossyWay> ways;
  for (int i = 1; i <= 6; ++i) {
    const std::string target = "11.0.0." + std::to_string(i);
    ways.push_back(Way("a", {"10.0.0.1", "10.9.0.1", target.c_str()}, 16, 9));
    ways.push_back(Way("b", {"10.0.0.1", "10.9.0.2", target.c_str()}, 16, 4));
    ways.push_back(Way("c", {"10.0.1.1", "10.9.0.1", target.c_str()}, 16, 1));
  }
  ASSERT_EQ(LocaliseLoss(ways)->from, PathPlace::Sensor("a")) << "by itself the best one";
  const auto edge = LocaliseLoss(ways, {"a", "b"});
  ASSERT_TRUE(edge);
  EXPECT_EQ(edge->from, PathPlace::Address(At("10.0.0.1")));
}

TEST(LocaliseLoss, WhatAllShareAndWhatNobodyLosesIsNoEdge) {
  std::vector<LossyWay> alike;
  std::vector<LossyWay> clean;
  for (int i = 1; i <= 6; ++i) {
    const std::string target = "11.0.0." + std::to_string(i);
    alike.push_back(Way("a", {"10.0.0.1", target.c_str()}, 16, 3));
    clean.push_back(Way("a", {"10.0.0.1", target.c_str()}, 16, 0));
  }
  EXPECT_FALSE(LocaliseLoss(alike)) << "they all lose, and no way around is known";
  EXPECT_FALSE(LocaliseLoss(clean));
  EXPECT_FALSE(LocaliseLoss({}));
}

// Many hosts answer only so many requests a second.
TEST(LocaliseLoss, AHostThatLosesByItselfIsNoEdge) {
  std::vector<LossyWay> ways;
  for (int i = 1; i <= 12; ++i) {
    const std::string target = "11.0.0." + std::to_string(i);
    ways.push_back(Way("a", {"10.0.0.1", "10.9.0.1", target.c_str()}, 16, i == 1 ? 9 : 1));
    ways.push_back(Way("b", {"10.0.0.2", "10.9.0.1", target.c_str()}, 16, 0));
  }
  const auto edge = LocaliseLoss(ways);
  ASSERT_TRUE(edge);
  EXPECT_NE(edge->to, PathPlace::Address(At("11.0.0.1")));
  EXPECT_EQ(edge->lost, 20u) << "all that a lost";
}

TEST(LocaliseLoss, EdgesThatTheSameWaysTakeAreNotToldApart) {
  std::vector<LossyWay> ways;
  for (int i = 1; i <= 4; ++i) {
    const std::string target = "11.0.0." + std::to_string(i);
    ways.push_back(Way("a", {"10.0.0.1", "10.9.0.1", "10.9.0.2", target.c_str()}, 16, 6));
    ways.push_back(Way("b", {"10.0.0.2", "*", target.c_str()}, 16, 0));
  }
  const auto edge = LocaliseLoss(ways);
  ASSERT_TRUE(edge);
  EXPECT_EQ(edge->ambiguity.size(), 2u);  // of a -> .1 -> .1 -> .2 two more
}

}  // namespace
}  // namespace parallax::collector
