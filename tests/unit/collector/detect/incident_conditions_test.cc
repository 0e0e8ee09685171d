// Conditions, flapping, and what one fault's victims do to other incidents.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/collector/detect/incident_world.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

using IncidentConditions = IncidentWorld;

Explanation SuspectIs(const std::string& from, const std::string& to) {
  Explanation said;
  said.suspect = Suspect{from, to, "likely", {}};
  return said;
}

Condition FloodAt(const SensorName& sensor) {
  return {.verdict = Verdict::kSynFlood,
          .about = "192.0.2.25",
          .since = {},
          .failing = {sensor},
          .evidence = {{"syn_rate", "5000"}}};
}

TEST_F(IncidentConditions, AConditionNobodySpeaksOfIsOver) {
  const Condition flood{.verdict = Verdict::kSynFlood,
                        .about = "192.0.2.25",
                        .since = now_,
                        .targets = {kOne},
                        .evidence = {{"syn_rate", "5000"}}};
  for (int i = 0; i < 20; ++i) {
    book_.Holds(flood, now_);
    Pass(1s);
  }
  EXPECT_THAT(told_, ElementsAre("INC-1 opened"));
  EXPECT_EQ(latest_[1].verdict, Verdict::kSynFlood);
  EXPECT_EQ(latest_[1].evidence["about"], "192.0.2.25");
  Pass(5min + 2s);
  EXPECT_EQ(latest_[1].state, IncidentState::kMonitoring);
  Pass(61s);
  EXPECT_EQ(latest_[1].state, IncidentState::kClosed);
}

TEST_F(IncidentConditions, WhatIsLearntAfterItOpenedIsToldThoughTheSummaryIsTheSame) {
  Condition filter{.verdict = Verdict::kPolicy,
                   .about = "lib icmp",
                   .since = now_,
                   .failing = {"lib1"},
                   .family = "ipv4",
                   .evidence = {{"filtered_method", "icmp"}}};
  book_.Holds(filter, now_);
  Pass(20s);
  ASSERT_THAT(told_, ElementsAre("INC-1 opened"));
  filter.family = "both";
  book_.Holds(filter, now_);
  Pass(2s);
  EXPECT_EQ(latest_[1].family, "both");
  filter.evidence["note"] = "of both families";
  book_.Holds(filter, now_);
  Pass(2s);
  EXPECT_EQ(latest_[1].evidence["note"], "of both families");
  EXPECT_THAT(told_, ElementsAre("INC-1 opened")) << "no change of state";
}

TEST_F(IncidentConditions, ARouteAnomalyInAFloodIsMixedAndStillTheSame) {
  OpenSplit(kOne, {"a"}, {"b"});
  EXPECT_FALSE(book_.MixFlood(FloodAt("b"), now_)) << "seen where nothing fails";
  EXPECT_TRUE(book_.MixFlood(FloodAt("a"), now_));
  Pass(2s);
  EXPECT_EQ(latest_[1].verdict, Verdict::kMixed);
  EXPECT_EQ(latest_[1].severity, "critical");
  // After a restart it is the same incident still.
  IncidentBook next({}, 1);
  next.Restore(latest_[1], {{kOne, {"a"}}}, now_);
  book_ = std::move(next);
  EXPECT_TRUE(book_.IsFailing(kOne, Verdict::kRouteAnomaly));
  Explanation over;
  over.verdict = Verdict::kRouteAnomaly;
  over.evidence["flood"] = "";
  book_.Explain(book_.Views().at(0).serial, over);
  Pass(2s);
  EXPECT_EQ(latest_[1].verdict, Verdict::kRouteAnomaly);
  EXPECT_FALSE(latest_[1].evidence.contains("flood"));
  EXPECT_EQ(latest_.size(), 1u);
}

TEST_F(IncidentConditions, AFloodIsToldByTheRouteAnomalyBesideIt) {
  const Condition flood = FloodAt("a");
  book_.Holds(flood, now_);
  Pass(11s);
  EXPECT_THAT(told_, ElementsAre("INC-1 opened"));
  Split(kOne, {"a"}, {"b"});
  EXPECT_FALSE(book_.MixFlood(flood, now_));
  EXPECT_EQ(latest_[1].state, IncidentState::kOpen) << "nobody has heard of the other one yet";
  OpenSplit(kOne, {"a"}, {"b"});
  EXPECT_TRUE(book_.MixFlood(flood, now_));
  Pass(2s);
  EXPECT_EQ(latest_[1].state, IncidentState::kClosed);
  EXPECT_EQ(latest_[1].evidence[kMergedInto], "INC-2");
  // It goes on after the routes have healed: that is the same flood.
  book_.Holds(flood, now_);
  Pass(2s);
  EXPECT_EQ(latest_[1].state, IncidentState::kOpen);
  EXPECT_FALSE(latest_[1].evidence.contains(kMergedInto));
  EXPECT_EQ(latest_.size(), 2u);
}

TEST_F(IncidentConditions, AFloodBesideLossIsToldByOneIncident) {
  const Condition flood = FloodAt("a");
  Condition loss{.verdict = Verdict::kLossyPath,
                 .about = "a",
                 .since = now_,
                 .failing = {"a"},
                 .reaching = {"b"},
                 .evidence = {{"loss", "30 %"}}};
  book_.Holds(flood, now_);
  book_.Holds(loss, now_);
  Pass(20s);
  EXPECT_THAT(told_, ElementsAre("INC-1 opened", "INC-2 opened"));
  EXPECT_FALSE(book_.MixFlood(FloodAt("b"), now_)) << "b loses nothing";
  EXPECT_TRUE(book_.MixFlood(flood, now_));
  Pass(2s);
  EXPECT_EQ(latest_[1].evidence[kMergedInto], "INC-2");
  EXPECT_EQ(latest_[2].verdict, Verdict::kMixed);
  EXPECT_EQ(latest_[2].evidence["flood"], "192.0.2.25");
  EXPECT_EQ(latest_[2].summary,
            "a loses about 30 % of its packets; b does not. And 192.0.2.25 is flooded with SYNs "
            "from made-up sources at the same time: both are true.");
  // After a restart it is one of loss still, which goes on and ends as such.
  IncidentBook next({}, 2);
  next.Restore(latest_[2], {}, now_);
  book_ = std::move(next);
  loss.evidence["loss"] = "40 %";
  book_.Holds(loss, now_);
  Pass(2s);
  EXPECT_EQ(latest_[2].evidence["loss"], "40 %");
  book_.Over(Verdict::kLossyPath, "a");
  Pass(1s);
  EXPECT_FALSE(book_.MixFlood(flood, now_)) << "nothing is lost any more";
  Pass(2min);
  EXPECT_EQ(latest_[2].state, IncidentState::kClosed);
  // It comes back, and the flood does not.
  book_.Holds(loss, now_);
  Pass(2s);
  EXPECT_EQ(latest_[2].state, IncidentState::kOpen);
  EXPECT_EQ(latest_[2].verdict, Verdict::kLossyPath);
  EXPECT_EQ(latest_[2].severity, "warning");
  EXPECT_FALSE(latest_[2].evidence.contains("flood"));
  EXPECT_EQ(latest_.size(), 2u);
}

TEST_F(IncidentConditions, FlappingIsOneStateAndNoStreamOfNews) {
  OpenSplit(kOne, {"a"}, {"b"});
  for (int i = 0; i < 10; ++i) {
    Split(kOne, {}, {"a", "b"});
    book_.Cleared(kOne, now_);
    Pass(10s);
    Split(kOne, {"a"}, {"b"});
    Pass(5s);
    Split(kOne, {"a"}, {"b"});
    Pass(5s);
  }
  EXPECT_LE(told_.size(), 9u) << "opened, and four times better and worse again";
  EXPECT_EQ(latest_[1].state, IncidentState::kOpen);
  EXPECT_TRUE(latest_[1].evidence.contains(kFlapping));
  book_.Cleared(kOne, now_);
  Pass(12min);
  EXPECT_EQ(latest_[1].state, IncidentState::kClosed);
}

TEST_F(IncidentConditions, OutagesTooShortToOpenOpenOneIncidentTogether) {
  for (int i = 0; i < 5; ++i) {
    for (const IpAddress& target : {kOne, kTwo}) {
      Split(target, {"a"}, {"b"});
    }
    Pass(6s);
    for (const IpAddress& target : {kOne, kTwo}) {
      Split(target, {}, {"a", "b"});
      book_.Cleared(target, now_);
    }
    Pass(14s);
    EXPECT_EQ(told_.empty(), i < 3) << i;
  }
  ASSERT_THAT(told_, ElementsAre("INC-1 opened"));
  EXPECT_TRUE(latest_[1].evidence.contains(kFlapping));
}

// Good for longer than close_after, it is closed each time; but it is told no fifth time.
TEST_F(IncidentConditions, WhatIsClosedAndReopenedAgainAndAgainFlaps) {
  for (int i = 0; i < 8; ++i) {
    for (int round = 0; round < 3; ++round) {
      for (const IpAddress& target : {kOne, kTwo}) {
        Split(target, {"a"}, {"b"});
      }
      Pass(8s);
    }
    for (const IpAddress& target : {kOne, kTwo}) {
      Split(target, {}, {"a", "b"});
      book_.Cleared(target, now_);
    }
    Pass(90s);
    EXPECT_EQ(latest_[1].evidence.contains(kFlapping), i >= 3) << i;
    EXPECT_EQ(latest_[1].state, i >= 3 ? IncidentState::kOpen : IncidentState::kClosed) << i;
  }
  EXPECT_EQ(latest_.size(), 1u);
  EXPECT_EQ(std::ranges::count(told_, "INC-1 reopened"), 3);
  Pass(12min);
  EXPECT_EQ(latest_[1].state, IncidentState::kClosed);
}

TEST_F(IncidentConditions, WhatComesAndGoesListsAllWhomItHits) {
  for (int i = 0; i < 6; ++i) {
    for (const IpAddress& target : {kOne, kTwo}) {
      Split(target, {"a"}, {"b"});
    }
    if (i == 5) {
      Split(kSix, {"a"}, {"c"});  // asked for the first time, and once
    }
    Pass(6s);
    for (const IpAddress& target : {kOne, kTwo, kSix}) {
      book_.Cleared(target, now_);
    }
    Pass(14s);
  }
  ASSERT_THAT(told_, ElementsAre("INC-1 opened"));
  EXPECT_EQ(latest_[1].targets.size(), 3u);
  EXPECT_EQ(latest_[1].family, "both");
  EXPECT_THAT(latest_[1].reaching_sensors, ElementsAre("b", "c"));
}

TEST_F(IncidentConditions, OneSuspectIsOneIncident) {
  book_.SetGroup("a", "physics");
  book_.SetGroup("c", "library");
  Split(kOne, {"a"}, {"b"});
  Split(kTwo, {"c"}, {"b"});
  for (const IncidentView& view : book_.Views()) {
    book_.Explain(view.serial, SuspectIs("10.0.0.1", kIntoSilence));
  }
  Pass(8s);
  Split(kOne, {"a"}, {"b"});
  Split(kTwo, {"c"}, {"b"});
  Pass(5s);
  EXPECT_THAT(told_, ElementsAre("INC-1 opened"));
  EXPECT_EQ(latest_[1].targets.size(), 2u);
  ASSERT_TRUE(latest_[1].suspect);
  EXPECT_EQ(latest_[1].suspect->from, "10.0.0.1");
}

TEST_F(IncidentConditions, TwoSuspectsAreTwoIncidents) {
  book_.SetGroup("a", "physics");
  book_.SetGroup("c", "library");
  Split(kOne, {"a"}, {"b"});
  Split(kTwo, {"c"}, {"b"});
  const auto views = book_.Views();
  ASSERT_EQ(views.size(), 2u);
  book_.Explain(views[0].serial, SuspectIs("10.0.0.1", kIntoSilence));
  book_.Explain(views[1].serial, SuspectIs("10.0.0.2", kIntoSilence));
  Pass(8s);
  Split(kOne, {"a"}, {"b"});
  Split(kTwo, {"c"}, {"b"});
  Pass(5s);
  EXPECT_THAT(told_, ElementsAre("INC-1 opened", "INC-2 opened"));
}

// All ways to a host may lead by the suspect, and then nobody reaches it.
TEST_F(IncidentConditions, WhatNobodyReachesMayBeAVictimToo) {
  OpenSplit(kOne, {"a"}, {"b"});
  book_.Explain(book_.Views().at(0).serial, SuspectIs("10.0.0.1", kIntoSilence));
  book_.Down(kTwo, {"a", "b"}, {{"10.0.0.9", "10.0.0.1"}}, now_.mono - 9s, now_.mono, now_);
  Pass(8s);
  book_.Down(kTwo, {"a", "b"}, {{"10.0.0.9", "10.0.0.1"}}, now_.mono - 9s, now_.mono, now_);
  Pass(8s);
  EXPECT_THAT(told_, ElementsAre("INC-1 opened"));
  EXPECT_EQ(latest_[1].targets.size(), 2u);
  // One whose ways end elsewhere has just left, once there was time to find that out.
  book_.Down(kSix, {"a", "b"}, {{"2001:db8::1", "2001:db8::2"}}, now_.mono - 9s, now_.mono, now_);
  Pass(8s);
  book_.Down(kSix, {"a", "b"}, {{"2001:db8::1", "2001:db8::2"}}, now_.mono - 9s, now_.mono, now_);
  WentTogether();
  Pass(30s);
  EXPECT_THAT(told_, ElementsAre("INC-1 opened"));
  Pass(10s);
  EXPECT_THAT(told_, ElementsAre("INC-1 opened", "INC-2 opened"));
  EXPECT_EQ(latest_[2].verdict, Verdict::kTargetDown);
}

// A router has one address for each department behind it.
TEST_F(IncidentConditions, BeyondOneRouterTheWaysAreTheSame) {
  const auto fails_at = [&](const IpAddress& host, const char* sensor, const char* router,
                            const char* next) {
    Split(host, {sensor}, {"d"});
    Explanation said = SuspectIs(router, kIntoSilence);
    said.onward = {*IpAddress::Parse(next)};
    book_.Explain(book_.Views().back().serial, said);
  };
  for (int round = 0; round < 2; ++round) {
    fails_at(kOne, "a", "10.0.1.1", "10.0.9.1");
    fails_at(kTwo, "b", "10.0.2.1", "10.0.9.1");
    fails_at(kSix, "c", "10.0.3.1", "10.0.9.9");
    Pass(8s);
  }
  EXPECT_THAT(told_, ElementsAre("INC-1 opened", "INC-2 opened"));
  EXPECT_THAT(latest_[1].failing_sensors, ElementsAre("a", "b"));
  EXPECT_THAT(latest_[2].failing_sensors, ElementsAre("c"));
}

TEST_F(IncidentConditions, WaysToAHostThatIsGoneAccuseNobody) {
  book_.Down(kOne, {"a", "b"}, {}, now_.mono - 9s, now_.mono, now_);
  book_.Explain(book_.Views().at(0).serial, SuspectIs("10.0.0.1", kIntoSilence));
  Pass(8s);
  book_.Down(kOne, {"a", "b"}, {}, now_.mono - 9s, now_.mono, now_);
  WentTogether();
  Pass(5s);
  ASSERT_EQ(latest_[1].verdict, Verdict::kTargetDown);
  EXPECT_FALSE(latest_[1].suspect);
  Explanation border;
  border.verdict = Verdict::kBorderOutage;
  book_.Explain(book_.Views().at(0).serial, border);
  Pass(2s);
  EXPECT_EQ(latest_[1].verdict, Verdict::kBorderOutage);
  EXPECT_EQ(latest_[1].severity, "critical");
  ASSERT_TRUE(latest_[1].suspect) << "now it is news";
}

}  // namespace
}  // namespace parallax::collector
