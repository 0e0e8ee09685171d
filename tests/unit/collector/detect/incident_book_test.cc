#include "collector/detect/incident_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/collector/detect/incident_world.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

using IncidentBookTest = IncidentWorld;

TEST_F(IncidentBookTest, OneRoundOpensNothing) {
  Split(kOne, {"a"}, {"b"});
  EXPECT_TRUE(book_.IsFailing(kOne, Verdict::kRouteAnomaly));
  Pass(5min);
  EXPECT_THAT(told_, IsEmpty());
  EXPECT_FALSE(book_.IsFailing(kOne, Verdict::kRouteAnomaly)) << "candidates do not live for ever";
}

TEST_F(IncidentBookTest, TwoRoundsOfTheSameMomentAreOne) {
  Split(kOne, {"a"}, {"b"});
  Pass(2s);
  Split(kOne, {"a"}, {"b"});
  Pass(1min);
  EXPECT_THAT(told_, IsEmpty());
}

TEST_F(IncidentBookTest, EvidenceMustHoldUntilItOpens) {
  Split(kOne, {"a"}, {"b"});
  Pass(5s);
  Split(kOne, {"a"}, {"b"});  // confirmed, and then nothing is heard
  Pass(20s);
  EXPECT_THAT(told_, IsEmpty());
  Split(kOne, {"a"}, {"b"});
  Pass(1s);
  EXPECT_THAT(told_, ElementsAre("INC-1 opened"));
}

TEST_F(IncidentBookTest, ALife) {
  OpenSplit(kOne, {"a"}, {"b", "c"});
  ASSERT_THAT(told_, ElementsAre("INC-1 opened"));
  EXPECT_EQ(latest_[1].failing_sensors, std::vector<SensorName>{"a"});
  EXPECT_THAT(latest_[1].reaching_sensors, ElementsAre("b", "c"));
  EXPECT_EQ(latest_[1].family, "ipv4");
  EXPECT_EQ(latest_[1].severity, "critical");
  OpenSplit(kSix, {"a"}, {"b"});
  EXPECT_EQ(latest_[1].family, "both");
  EXPECT_THAT(latest_[1].targets, SizeIs(2));
  book_.Cleared(kOne, now_);
  Pass(2s);
  EXPECT_EQ(latest_[1].state, IncidentState::kOpen);
  book_.Cleared(kSix, now_);
  Pass(30s);
  EXPECT_EQ(latest_[1].state, IncidentState::kMonitoring);
  Pass(31s);
  EXPECT_THAT(told_, ElementsAre("INC-1 opened", "INC-1 monitoring", "INC-1 closed"));
  EXPECT_EQ(latest_[1].closed_at, latest_[1].updated_at);
  EXPECT_THAT(latest_[1].failing_sensors, ElementsAre("a")) << "who it was";
}

TEST_F(IncidentBookTest, ReopeningNeedsWhatOpeningNeeds) {
  OpenSplit(kOne, {"a"}, {"b"});
  book_.Cleared(kOne, now_);
  Pass(2min);
  told_.clear();
  const WallTime started = latest_[1].started_at;
  Split(kOne, {"a"}, {"b"});
  Pass(2min);
  EXPECT_THAT(told_, IsEmpty());
  EXPECT_EQ(latest_[1].state, IncidentState::kClosed);
  OpenSplit(kOne, {"a"}, {"b"});
  EXPECT_THAT(told_, ElementsAre("INC-1 reopened"));
  EXPECT_EQ(latest_[1].closed_at, WallTime{});
  EXPECT_EQ(latest_[1].started_at, started);
  EXPECT_TRUE(latest_[1].evidence.contains(kFailingAgainSince));
  book_.Cleared(kOne, now_);
  Pass(40min);
  told_.clear();
  OpenSplit(kOne, {"a"}, {"b"});
  EXPECT_THAT(told_, ElementsAre("INC-2 opened"));
}

TEST_F(IncidentBookTest, AnotherTroubleOfTheSameSensorLeavesTheFirstOneAsItWas) {
  OpenSplit(kOne, {"a"}, {"b"});
  book_.Cleared(kOne, now_);
  Pass(2min);
  const IncidentRecord before = latest_[1];
  told_.clear();
  OpenSplit(kTwo, {"a"}, {"b"});
  EXPECT_THAT(told_, ElementsAre("INC-2 opened"));
  EXPECT_EQ(latest_[1], before);
  // The same place, and it is the same trouble, whichever hosts it hits this time.
  const auto explain = [&](const std::string& from) {
    Explanation said;
    said.suspect = Suspect{from, kIntoSilence, "likely", {}};
    book_.Explain(book_.Views().at(0).serial, said);
  };
  explain("10.0.0.1");
  book_.Cleared(kTwo, now_);
  Pass(2min);
  Split(kOne, {"a"}, {"b"});
  explain("10.0.0.1");
  told_.clear();
  OpenSplit(kOne, {"a"}, {"b"});
  EXPECT_THAT(told_, ElementsAre("INC-2 reopened"));
}

TEST_F(IncidentBookTest, AnotherKindOfFaultAtTheSameRouterIsAnotherTrouble) {
  const auto explain = [&](const char* split) {
    Explanation said;
    said.suspect = Suspect{"10.0.0.1", kIntoSilence, "likely", {}};
    said.split = split;
    book_.Explain(book_.Views().at(0).serial, said);
  };
  const auto again = [&](const char* split) {
    Split(kOne, {"a"}, {"b"});
    explain(split);
    told_.clear();
    OpenSplit(kOne, {"a"}, {"b"});
    const std::vector<std::string> told = told_;
    book_.Cleared(kOne, now_);
    Pass(2min);
    return told;
  };
  EXPECT_THAT(again("per_destination"), ElementsAre("INC-1 opened"));
  EXPECT_THAT(again("per_destination"), ElementsAre("INC-1 reopened"));
  EXPECT_THAT(again("per_flow"), ElementsAre("INC-2 opened"));
  EXPECT_THAT(again("per_destination"), ElementsAre("INC-1 reopened"));
}

TEST_F(IncidentBookTest, APlaceBesideTheSuspectMakesNoOldTroubleOfOtherHosts) {
  const auto explain = [&](const std::string& from, const std::string& beside) {
    Explanation said;
    said.suspect = Suspect{from, kIntoSilence, "likely", {}};
    said.places = {*said.suspect, {beside, kIntoSilence, "likely", {}}};
    book_.Explain(book_.Views().at(0).serial, said);
  };
  OpenSplit(kOne, {"a"}, {"b"});
  explain("10.0.0.1", "10.0.0.9");
  book_.Cleared(kOne, now_);
  Pass(2min);
  Split(kTwo, {"a"}, {"b"});
  explain("10.0.0.9", "10.0.0.9");
  told_.clear();
  OpenSplit(kTwo, {"a"}, {"b"});
  EXPECT_THAT(told_, ElementsAre("INC-2 opened"));
}

TEST_F(IncidentBookTest, TheLastFewThatRecoverExplainNothing) {
  const auto explain = [&](const std::string& from) {
    Explanation said;
    said.suspect = Suspect{from, kIntoSilence, "likely", {}};
    book_.Explain(book_.Views().at(0).serial, said);
  };
  for (int round = 0; round < 2; ++round) {
    for (const IpAddress& target : {kOne, kTwo, kSix}) {
      Split(target, {"a"}, {"b"});
    }
    Pass(8s);
  }
  explain("10.0.0.1");
  book_.Cleared(kOne, now_);
  book_.Cleared(kTwo, now_);
  Pass(2s);
  explain("10.9.9.9");
  Pass(2s);
  EXPECT_EQ(latest_[1].suspect->from, "10.0.0.1");
}

TEST_F(IncidentBookTest, GroupsAreCausesUntilTheirVictimsAreTheSame) {
  book_.SetGroup("a1", "a");
  book_.SetGroup("a2", "a");
  book_.SetGroup("b1", "b");
  for (int round = 0; round < 2; ++round) {
    Split(kOne, {"a1"}, {"b1", "c"});
    Split(kTwo, {"a2"}, {"b1", "c"});
    Split(kSix, {"b1"}, {"a1", "a2", "c"});
    Pass(8s);
  }
  Pass(38s);  // where the two are is not known: they are given some time to turn out to be one
  EXPECT_THAT(told_, ElementsAre("INC-1 opened", "INC-2 opened"));
  EXPECT_THAT(latest_[1].failing_sensors, ElementsAre("a1", "a2"));
  EXPECT_THAT(latest_[2].failing_sensors, ElementsAre("b1"));
  for (int round = 0; round < 2; ++round) {
    for (const IpAddress& target : {kOne, kTwo, kSix}) {
      Split(target, {"a1", "a2", "b1"}, {"c"});
    }
    Pass(8s);
  }
  EXPECT_EQ(told_.back(), "INC-2 closed");
  EXPECT_EQ(latest_[2].evidence["merged_into"], "INC-1");
  EXPECT_THAT(latest_[1].failing_sensors, ElementsAre("a1", "a2", "b1"));
  EXPECT_THAT(latest_[1].reaching_sensors, ElementsAre("c"));
}

TEST_F(IncidentBookTest, ATargetThatDiesIsNoSplitAnyMore) {
  Split(kOne, {"a"}, {"b"});
  Pass(5s);
  book_.Down(kOne, {"a", "b"}, {}, now_.mono - 9s, now_.mono, now_);
  EXPECT_FALSE(book_.IsFailing(kOne, Verdict::kRouteAnomaly));
  Pass(8s);
  book_.Down(kOne, {"a", "b"}, {}, now_.mono - 9s, now_.mono, now_);
  WentTogether();
  Pass(3s);
  EXPECT_THAT(told_, ElementsAre("INC-1 opened"));
  EXPECT_EQ(latest_[1].verdict, Verdict::kTargetDown);
  EXPECT_EQ(latest_[1].severity, "info");
  Split(kOne, {"a"}, {"b"});
  EXPECT_FALSE(book_.IsFailing(kOne, Verdict::kTargetDown)) << "somebody reaches it again";
}

TEST_F(IncidentBookTest, WhatWasFoundOfALargerTroubleBelongsToIt) {
  const auto host = [](int i) { return *IpAddress::Parse("198.51.100." + std::to_string(i)); };
  book_.SetGroup("a", "physics");
  book_.SetGroup("b", "library");
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 40; ++i) {
      Split(host(i), {"a"}, {"c"});
    }
    Pass(8s);
  }
  for (int round = 0; round < 3; ++round) {
    for (int i = 10; i < 20; ++i) {
      Split(host(i), {"a", "b"}, {"c"});
    }
    Pass(30s);
  }
  EXPECT_THAT(told_, ElementsAre("INC-1 opened"));
  EXPECT_THAT(latest_[1].failing_sensors, ElementsAre("a", "b"));
}

// Its neighbour reaches them all: that is no route above two departments.
TEST_F(IncidentBookTest, WhoIsAloneSharesNobodysTrouble) {
  const auto host = [](int i) { return *IpAddress::Parse("198.51.100." + std::to_string(i)); };
  book_.SetGroup("a", "physics");
  book_.SetGroup("b", "library");
  book_.SetGroup("b2", "library");
  for (int round = 0; round < 8; ++round) {
    for (int i = 0; i < 10; ++i) {
      Split(host(i), {"a"}, {"c"});
      Split(host(i), {"b"}, {"b2", "c"});
    }
    Pass(8s);
  }
  EXPECT_THAT(told_, ElementsAre("INC-1 opened", "INC-2 opened"));
  EXPECT_THAT(latest_[2].failing_sensors, ElementsAre("b"));
}

TEST_F(IncidentBookTest, HostsThatLeaveOneByOneAreNoNews) {
  const auto down = [&](const IpAddress& host) {
    for (int i = 0; i < 2; ++i) {
      book_.Down(host, {"a", "b"}, {}, now_.mono - 9s, now_.mono, now_);
      Pass(8s);
    }
  };
  const auto host = [](int i) { return *IpAddress::Parse("198.51.100." + std::to_string(i)); };
  for (int i = 0; i < 20; ++i) {
    down(host(i));
    Pass(1min);
  }
  EXPECT_THAT(told_, IsEmpty());
  down(host(20));
  down(host(21));
  WentTogether();
  Pass(5s);
  EXPECT_THAT(told_, ElementsAre("INC-1 opened"));
  EXPECT_THAT(latest_[1].targets, SizeIs(2)) << "not those that left long before";
  EXPECT_LT(now_.wall - latest_[1].started_at, 2min);
  // Nor those that leave long after.
  Pass(5min);
  down(host(30));
  Pass(5min);
  EXPECT_THAT(latest_[1].targets, SizeIs(2));
  EXPECT_THAT(told_, ElementsAre("INC-1 opened"));
}

TEST_F(IncidentBookTest, WhoIsDiscreditedAccusesNobodyUnlessItIsOpen) {
  Split(kOne, {"a"}, {"b"});
  Pass(5s);
  book_.Discredit("a");
  EXPECT_FALSE(book_.IsFailing(kOne, Verdict::kRouteAnomaly));
  Pass(1min);
  EXPECT_THAT(told_, IsEmpty());
  OpenSplit(kOne, {"a"}, {"b"});
  book_.Discredit("a");
  EXPECT_TRUE(book_.IsFailing(kOne, Verdict::kRouteAnomaly));
}

TEST_F(IncidentBookTest, ASensorsRecoveryIsItsOwn) {
  OpenSplit(kOne, {"a"}, {"b", "c"});
  OpenSplit(kOne, {"a", "b"}, {"c"});
  EXPECT_THAT(told_, SizeIs(1)) << "the same victim: one cause";
  EXPECT_THAT(latest_[1].failing_sensors, ElementsAre("a", "b"));
  Split(kOne, {"b"}, {"a", "c"});
  Pass(2s);
  EXPECT_THAT(latest_[1].failing_sensors, ElementsAre("b"));
  EXPECT_THAT(latest_[1].reaching_sensors, ElementsAre("a", "c"));
}

TEST_F(IncidentBookTest, IsolationOpensAndEndsOnWhatTheSensorSays) {
  const auto isolated = [&](const std::string& why, Moment since) {
    book_.Holds({.verdict = Verdict::kSensorIsolated,
                 .about = "a",
                 .since = since,
                 .failing = {"a"},
                 .evidence = {{kVantage, why}}},
                now_);
  };
  isolated("unheard", now_ + -12s);
  Pass(1s);
  EXPECT_THAT(told_, ElementsAre("INC-1 opened"));
  EXPECT_EQ(latest_[1].family, "both");
  EXPECT_EQ(latest_[1].evidence["vantage"], "unheard");
  book_.Over(Verdict::kSensorIsolated, "a");
  Pass(62s);
  isolated("again", now_);
  Pass(1s);
  EXPECT_THAT(told_,
              ElementsAre("INC-1 opened", "INC-1 monitoring", "INC-1 closed", "INC-1 reopened"));
}

// Whoever says that he reaches nobody, while their connections complete there, is in error.
TEST_F(IncidentBookTest, ConnectionsThatCompleteHoldItBackAndRefuteIt) {
  Split(kOne, {"a"}, {"b"});
  Pass(5s);
  EXPECT_FALSE(book_.Completed(kOne, "a", now_.mono - 10s)) << "it began before";
  EXPECT_FALSE(book_.Completed(kOne, "b", now_.mono));
  EXPECT_FALSE(book_.Completed(kOne, "a", now_.mono));
  Split(kOne, {"a"}, {"b"});
  Pass(2s);
  Split(kOne, {"a"}, {"b"});
  Pass(5s);
  EXPECT_THAT(told_, IsEmpty());
  book_.HalfOpen(kOne, "a", true);
  Split(kOne, {"a"}, {"b"});
  Pass(2s);
  EXPECT_THAT(told_, ElementsAre("INC-1 opened")) << "as many do not";
  int completed = 0;
  while (!book_.Completed(kOne, "a", now_.mono)) {
    ASSERT_LT(++completed, 20);
  }
  EXPECT_EQ(completed, 6) << "eight in all";
}

TEST_F(IncidentBookTest, HalfOpenAttemptsGiveTheDirectionAndSurviveARestart) {
  OpenSplit(kOne, {"a"}, {"b"});
  book_.HalfOpen(kOne, "b", true);  // where it is reached
  book_.HalfOpen(kTwo, "a", true);  // not one of them
  Pass(20s);
  EXPECT_EQ(latest_[1].direction, "unknown");
  book_.HalfOpen(kOne, "a", true);
  Pass(2s);
  EXPECT_EQ(latest_[1].direction, "outbound");
  IncidentBook next({}, 1);
  next.Restore(latest_[1], {{kOne, {"a"}}}, now_);
  book_ = std::move(next);
  book_.HalfOpen(kOne, "a", false);
  Pass(20s);
  EXPECT_EQ(latest_[1].evidence["half_open_attempts"], "2");
  EXPECT_EQ(latest_[1].evidence["half_open_with_repeated_syn"], "1");
  EXPECT_EQ(latest_[1].number, 1u);
  EXPECT_EQ(latest_[1].state, IncidentState::kOpen);
  OpenSplit(kTwo, {"z"}, {"b"});
  Pass(15s);  // whether it is the same fault is worth a moment
  EXPECT_EQ(told_.back(), "INC-2 opened");
}

TEST_F(IncidentBookTest, RechecksComeLessAndLessOften) {
  OpenSplit(kOne, {"a"}, {"b"});
  int rechecks = 0;
  for (int i = 0; i < 600; ++i) {
    Pass(1s);
    for (const Recheck& recheck : book_.TakeRechecks(now_.mono, 10)) {
      EXPECT_EQ(recheck.target, kOne);
      EXPECT_THAT(recheck.failing, ElementsAre("a"));
      ++rechecks;
    }
  }
  EXPECT_GE(rechecks, 10);
  EXPECT_LE(rechecks, 16);
  EXPECT_THAT(book_.TakeRechecks(now_.mono + 1h, 0), IsEmpty());
}

TEST_F(IncidentBookTest, ARecoveryMakesTheOthersDue) {
  OpenSplit(kOne, {"a"}, {"b"});
  OpenSplit(kTwo, {"a"}, {"b"});
  Pass(1s);
  book_.TakeRechecks(now_.mono, 10);
  EXPECT_THAT(book_.TakeRechecks(now_.mono, 10), IsEmpty());
  book_.Cleared(kOne, now_);
  EXPECT_THAT(book_.TakeRechecks(now_.mono, 10), SizeIs(1));
}

TEST_F(IncidentBookTest, IsBounded) {
  for (int i = 0; i < 3000; ++i) {
    Split(kOne, {"s" + std::to_string(i)}, {"b"});
  }
  EXPECT_LE(book_.TakeRechecks(now_.mono + 1h, 100'000).size(), 1000u);
}

}  // namespace
}  // namespace parallax::collector
