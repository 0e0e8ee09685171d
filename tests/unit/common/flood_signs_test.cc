#include "common/flood_signs.h"

#include <gtest/gtest.h>

namespace parallax {
namespace {

// Two thousand SYNs a second, each from a source of its own, where twenty are usual.
ServerReport Flooded() {
  ServerReport report;
  report.window = std::chrono::seconds(30);
  report.syns = 60'000;
  report.sources = 58'000;
  report.syn_rate = 2'000;
  report.usual_rate = 20;
  report.excess = 50;
  report.half_open = 300;
  report.half_open_repeated = 0.01;
  report.half_open_known = 0.02;
  return report;
}

TEST(FloodSigns, NobodyTriesAgain) { EXPECT_EQ(ReadTrouble(Flooded()), ServerTrouble::kFlood); }

TEST(FloodSigns, AFewRealClientsAmongThemHideNoFlood) {
  ServerReport report = Flooded();
  report.half_open_repeated = 0.26;
  report.half_open_known = 0.21;
  EXPECT_EQ(ReadTrouble(report), ServerTrouble::kFlood);
  report.half_open_repeated = 0.49;
  EXPECT_EQ(ReadTrouble(report), ServerTrouble::kFlood);
}

TEST(FloodSigns, ButSomeThatTryAgainAreNoFloodByThemselves) {
  ServerReport report = Flooded();
  report.half_open_repeated = 0.26;
  for (const auto& spoil : {+[](ServerReport& r) { r.excess = 9; },      // no more than usual
                            +[](ServerReport& r) { r.sources = 900; },   // the same ones again
                            +[](ServerReport& r) { r.half_open = 10; },  // most get through
                            +[](ServerReport& r) { r.syn_rate = 40; }}) {
    ServerReport other = report;
    spoil(other);
    EXPECT_EQ(ReadTrouble(other), ServerTrouble::kNone);
  }
}

TEST(FloodSigns, RealClientsThatKeepTryingAreAFault) {
  ServerReport report = Flooded();
  report.half_open_repeated = 0.9;
  EXPECT_EQ(ReadTrouble(report), ServerTrouble::kBoth);
  report.excess = 3;
  EXPECT_EQ(ReadTrouble(report), ServerTrouble::kFault);
  report.all_or_nothing = 0.4;  // an overflowing server fails now this one, now that one
  EXPECT_EQ(ReadTrouble(report), ServerTrouble::kNone);
}

TEST(FloodSigns, BelowTheUsualRateThereIsNone) {
  ServerReport report = Flooded();
  report.usual_rate = 2'500;
  EXPECT_EQ(ReadTrouble(report), ServerTrouble::kNone);
}

TEST(FloodSigns, WhatAFloodHasLeftOutlivesIt) {
  ServerReport report = Flooded();
  EXPECT_FALSE(HasEbbed(report));
  report.syn_rate = 45;
  EXPECT_TRUE(HasEbbed(report));
}

TEST(FloodSigns, WithoutHalfOpenAttemptsNothingIsSaid) {
  ServerReport report = Flooded();
  report.half_open_repeated.reset();
  EXPECT_EQ(ReadTrouble(report), ServerTrouble::kNone);
}

}  // namespace
}  // namespace parallax
