#include "collector/detect/judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::array<bool, 2> kBoth = {true, true};
constexpr std::array<bool, 2> kNeither = {false, false};
constexpr std::array<bool, 2> kIcmpOnly = {true, false};

ProbeTryResult Result(ProbeMethod method, ProbeState state) {
  ProbeTryResult result;
  result.attempt = {method, 0};
  result.state = state;
  return result;
}
ProbeReport Report(std::initializer_list<ProbeTryResult> tries) {
  ProbeReport report;
  report.tries = tries;
  return report;
}
ProbeTryResult Icmp(ProbeState state) { return Result(ProbeMethod::kIcmpEcho, state); }
ProbeTryResult Tcp(ProbeState state) { return Result(ProbeMethod::kTcpSyn, state); }

Round RoundOf(std::initializer_list<ProbeReport> reports) {
  Round round;
  VantageId id = 0;
  for (const ProbeReport& report : reports) {
    round.reports.emplace(id++, report);
  }
  return round;
}

// A host that answers one echo request a second, whoever asks.
TEST(Echoes, WhoIsAnsweredOneAfterTheOtherMissesNothing) {
  const auto silent = Icmp(ProbeState::kSilent);
  const auto answer = Icmp(ProbeState::kAnswered);
  const Round round = RoundOf({Report({answer}), Report({silent, answer}),
                               Report({silent, silent, answer}), Report({silent, silent, silent})});
  const Echoes echoes = EchoesOf(round);
  EXPECT_THAT(echoes, ElementsAre(1, 1, 1));
  ASSERT_EQ(EchoesAtOnce(round, echoes), 1);
  for (const auto& [sensor, report] : round.reports) {
    EXPECT_EQ(ReadReport(sensor, report, kBoth, true, echoes, 1).misses, 0u) << sensor;
  }
  // Alone with it, nobody takes its answers away.
  const ProbeReport more = Report({silent, silent, silent, silent});
  EXPECT_EQ(ReadReport(3, more, kBoth, true, echoes, 1).misses, 1u);
  // As long as nothing is known of a limit, silence is silence.
  EXPECT_EQ(ReadReport(3, more, kBoth, true, echoes).misses, 4u);
}

TEST(Echoes, ThreeAtOnceIsNoLimitAndASplitTellsNothing) {
  const auto silent = Icmp(ProbeState::kSilent);
  const auto answer = Icmp(ProbeState::kAnswered);
  const Round healthy = RoundOf({Report({answer}), Report({answer}), Report({answer})});
  EXPECT_EQ(EchoesAtOnce(healthy, EchoesOf(healthy)), Target::kUnlimited);
  const Round split = RoundOf({Report({answer}), Report({silent, silent, silent})});
  EXPECT_EQ(EchoesAtOnce(split, EchoesOf(split)), std::nullopt);
  const Round by_tcp = RoundOf({Report({answer}), Report({silent, Tcp(ProbeState::kAnswered)})});
  EXPECT_EQ(EchoesAtOnce(by_tcp, EchoesOf(by_tcp)), std::nullopt);
}

TEST(ReadReport, OnlyTellingSilenceIsAMiss) {
  const ProbeReport report =
      Report({Icmp(ProbeState::kSilent), Tcp(ProbeState::kSilent), Icmp(ProbeState::kSilent)});
  EXPECT_EQ(ReadReport(1, report, kBoth, true).misses, 3u);
  EXPECT_EQ(ReadReport(1, report, kIcmpOnly, true).misses, 2u);
  const Ballot ballot = ReadReport(1, report, kNeither, true);
  EXPECT_EQ(ballot.misses, 0u);
  EXPECT_TRUE(ballot.silent[0]);
  EXPECT_TRUE(ballot.silent[1]);
  EXPECT_FALSE(ballot.answered);
}

TEST(ReadReport, AnAnswerCarriesItsMethodAndTheMissesBeforeIt) {
  ProbeTryResult answer = Tcp(ProbeState::kAnswered);
  answer.rtt = 42ms;
  const Ballot ballot = ReadReport(1, Report({Icmp(ProbeState::kSilent), answer}), kBoth, false);
  EXPECT_TRUE(ballot.answered);
  EXPECT_EQ(ballot.answered_by, ProbeMethod::kTcpSyn);
  EXPECT_EQ(ballot.rtt, Duration(42ms));
  EXPECT_EQ(ballot.misses, 1u);
}

TEST(ReadReport, ARouterThatKnowsNoWayIsAMissWhateverTheMethod) {
  EXPECT_EQ(ReadReport(1, Report({Icmp(ProbeState::kUnreachable)}), kNeither, false).misses, 1u);
}

TEST(ReadReport, ProhibitedIsAFilterUnlessItWasReachedBefore) {
  const ProbeReport report = Report({Icmp(ProbeState::kProhibited), Tcp(ProbeState::kProhibited)});
  EXPECT_EQ(ReadReport(1, report, kBoth, false).misses, 0u);
  EXPECT_TRUE(ReadReport(1, report, kBoth, false).prohibited);
  EXPECT_EQ(ReadReport(1, report, kBoth, true).misses, 2u);
  EXPECT_EQ(ReadReport(1, report, kIcmpOnly, true).misses, 1u);
}

TEST(ReadReport, WhatWasNeverSentSaysNothing) {
  const Ballot unsent =
      ReadReport(1, Report({Icmp(ProbeState::kNotSent), Tcp(ProbeState::kNotSent)}), kBoth, true);
  EXPECT_TRUE(unsent.unsent);
  EXPECT_EQ(unsent.misses, 0u);
  const Ballot mixed =
      ReadReport(1, Report({Icmp(ProbeState::kNotSent), Tcp(ProbeState::kSilent)}), kBoth, true);
  EXPECT_FALSE(mixed.unsent);
  EXPECT_EQ(mixed.misses, 1u);
  const Ballot refused = ReadReport(1, Report({Icmp(ProbeState::kRefused)}), kBoth, true);
  EXPECT_FALSE(refused.unsent) << "the local policy may refuse this target alone";
  EXPECT_EQ(refused.misses, 0u);
  EXPECT_FALSE(ReadReport(1, Report({}), kBoth, true).unsent);
}

Cell DownCell() { return Cell(CellState::kDown, {}); }

Ballot Answered(VantageId sensor) {
  Ballot ballot;
  ballot.sensor = sensor;
  ballot.answered = true;
  return ballot;
}
Ballot Missed(VantageId sensor) {
  Ballot ballot;
  ballot.sensor = sensor;
  ballot.misses = 2;
  return ballot;
}
Ballot Silent(VantageId sensor) {
  Ballot ballot;
  ballot.sensor = sensor;
  ballot.silent = {true, true};
  return ballot;
}

TEST(Judge, SomeReachItAndSomeDoNot) {
  Target target;
  target.cells[1] = DownCell();
  const Opinion opinion = Judge({Missed(1), Answered(2)}, target);
  EXPECT_EQ(opinion.verdict, Verdict::kRouteAnomaly);
  EXPECT_THAT(opinion.failing, ElementsAre(1));
  EXPECT_THAT(opinion.reaching, ElementsAre(2));
  EXPECT_FALSE(opinion.undecided);
}

TEST(Judge, AMissThatIsNotBelievedYetIsUndecided) {
  const Opinion opinion = Judge({Missed(1), Answered(2)}, {});
  EXPECT_EQ(opinion.verdict, Verdict::kUnknown);
  EXPECT_TRUE(opinion.undecided);
  EXPECT_THAT(opinion.failing, IsEmpty());
}

TEST(Judge, WhoNeverAnsweredIsNotGone) {
  // Routers may call it unreachable from two places: the others have nothing to say.
  Target target;
  target.cells[1] = DownCell();
  target.cells[2] = DownCell();
  EXPECT_EQ(Judge({Missed(1), Missed(2), Silent(3)}, target).verdict, Verdict::kUnknown);
}

TEST(Judge, NobodyReachesIt) {
  Target target;
  target.record.icmp_answered = FromUnixNanos(1);
  target.cells[1] = DownCell();
  target.cells[2] = DownCell();
  EXPECT_EQ(Judge({Missed(1), Missed(2)}, target).verdict, Verdict::kTargetDown);
  EXPECT_EQ(Judge({Missed(1)}, target).verdict, Verdict::kUnknown) << "one vantage is too few";
  EXPECT_EQ(Judge({Missed(1), Missed(2), Missed(3)}, target).verdict, Verdict::kUnknown)
      << "the third has not made up its mind";
}

TEST(Judge, SilenceThatMeansNothingIsNoVote) {
  const Opinion opinion = Judge({Silent(1), Answered(2)}, {});
  EXPECT_EQ(opinion.verdict, Verdict::kHealthy);
  EXPECT_TRUE(opinion.unsure);
  EXPECT_EQ(Judge({Silent(1), Silent(2)}, {}).verdict, Verdict::kUnknown);
  EXPECT_EQ(Judge({}, {}).verdict, Verdict::kUnknown);
}

TEST(Judge, WhatWasDownAndAnswersIsLookedAtAgain) {
  Target target;
  target.cells[1] = DownCell();
  const Opinion opinion = Judge({Answered(1), Answered(2)}, target);
  EXPECT_TRUE(opinion.undecided);
  EXPECT_EQ(opinion.verdict, Verdict::kUnknown);
}

}  // namespace
}  // namespace parallax::collector
