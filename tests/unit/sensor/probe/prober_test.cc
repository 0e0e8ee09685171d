#include "sensor/probe/prober.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "tests/unit/sensor/probe/prober_world.h"

namespace parallax::sensor {
namespace {

using namespace test;

TEST(Prober, AnsweredAtTheFirstTry) {
  World world;
  ProbeOrder order = Order();
  order.start_after = 200ms;
  world.Accept(order);
  world.RunFor(199ms);
  EXPECT_TRUE(world.sends.empty());
  world.RunFor(1ms);
  ASSERT_EQ(world.sends.size(), 1u);
  const WallTime started = world.now.wall;
  world.RunFor(30ms);
  EXPECT_TRUE(world.Answer(AnswerTo(world.sends[0].probe, AnswerKind::kEchoReply)));
  ASSERT_EQ(world.reports.size(), 1u);
  const ProbeReport& report = world.reports[0];
  EXPECT_EQ(report.order_id, 42u);
  EXPECT_EQ(report.target, order.target);
  EXPECT_EQ(report.started_at, started);
  EXPECT_EQ(report.age, 30ms);
  ASSERT_EQ(report.tries.size(), 1u);
  EXPECT_EQ(report.tries[0].state, ProbeState::kAnswered);
  EXPECT_EQ(report.tries[0].rtt, 30ms);
  EXPECT_EQ(report.tries[0].reporter, order.target);
  world.RunFor(10s);
  EXPECT_EQ(world.sends.size(), 1u);
  EXPECT_EQ(world.prober.in_flight(), 0u);
  EXPECT_FALSE(world.prober.NextDeadline());
}

TEST(Prober, ResetAnswersTheSecondTry) {
  World world;
  world.Accept(Order());
  world.RunFor(1100ms);  // the first try times out, the third has been sent
  ASSERT_EQ(world.sends.size(), 3u);
  EXPECT_TRUE(world.Answer(AnswerTo(world.sends[1].probe, AnswerKind::kReset)));
  ASSERT_EQ(world.reports.size(), 1u);
  // The third was still waiting: nothing is known of it.
  EXPECT_EQ(States(world.reports[0]), (std::vector{ProbeState::kSilent, ProbeState::kAnswered}));
  EXPECT_EQ(world.reports[0].tries[1].attempt, kHttps);
  EXPECT_EQ(world.reports[0].tries[1].rtt, 600ms);
}

TEST(Prober, AllSilent) {
  World world;
  world.Accept(Order());
  world.RunFor(1999ms);
  EXPECT_TRUE(world.reports.empty());
  world.RunFor(1ms);
  ASSERT_EQ(world.reports.size(), 1u);
  EXPECT_EQ(States(world.reports[0]), std::vector(3, ProbeState::kSilent));
  EXPECT_EQ(world.reports[0].age, 2s);
  EXPECT_EQ(world.times,
            (std::vector{MonoTime{1000s}, MonoTime{1000s} + 500ms, MonoTime{1000s} + 1000ms}));
}

TEST(Prober, LateAnswerToAnEarlierTryCounts) {
  World world;
  world.Accept(Order());
  world.RunFor(1500ms);
  EXPECT_TRUE(world.Answer(AnswerTo(world.sends[0].probe, AnswerKind::kEchoReply)));
  ASSERT_EQ(world.reports.size(), 1u);
  // The second has timed out by now, the third is waiting; the answered one comes last.
  EXPECT_EQ(States(world.reports[0]), (std::vector{ProbeState::kSilent, ProbeState::kAnswered}));
  EXPECT_EQ(world.reports[0].tries[1].rtt, 1500ms);
}

TEST(Prober, AnswerAfterTheEndIsLate) {
  World world;
  world.Accept(Order({kHttps}));
  world.RunFor(2s);
  ASSERT_EQ(world.reports.size(), 1u);
  EXPECT_TRUE(world.Answer(AnswerTo(world.sends[0].probe, AnswerKind::kSynAck)));
  EXPECT_EQ(world.ledger.counts().late, 1u);
  EXPECT_EQ(world.ledger.counts().accepted, 0u);
  EXPECT_EQ(world.reports.size(), 1u);
  EXPECT_FALSE(world.prober.NextDeadline());
}

TEST(Prober, DuplicatesAndForgeriesChangeNothing) {
  World world;
  world.Accept(Order({kEcho}));
  world.RunFor(1ms);
  Answer forged = AnswerTo(world.sends[0].probe, AnswerKind::kEchoReply);
  forged.tag->tag ^= 1;
  EXPECT_FALSE(world.Answer(forged));
  EXPECT_TRUE(world.reports.empty());
  EXPECT_TRUE(world.Answer(AnswerTo(world.sends[0].probe, AnswerKind::kEchoReply)));
  EXPECT_FALSE(world.Answer(AnswerTo(world.sends[0].probe, AnswerKind::kEchoReply)));
  EXPECT_EQ(world.reports.size(), 1u);
  EXPECT_EQ(world.ledger.counts().duplicate, 1u);
  EXPECT_EQ(world.ledger.counts().forged, 1u);
}

TEST(Prober, RoutersErrorEndsTheTryTheNextComesAtItsTime) {
  World world;
  world.Accept(Order({kEcho, kHttps}));
  world.RunFor(10ms);
  EXPECT_TRUE(world.Error(world.sends[0].probe, "203.0.113.1", ErrorMeaning::kUnreachable));
  world.RunFor(489ms);
  EXPECT_EQ(world.sends.size(), 1u);
  world.RunFor(1ms);
  ASSERT_EQ(world.sends.size(), 2u);
  EXPECT_TRUE(world.Error(world.sends[1].probe, "203.0.113.1", ErrorMeaning::kProhibited));
  ASSERT_EQ(world.reports.size(), 1u);  // nothing left to wait for
  EXPECT_EQ(States(world.reports[0]),
            (std::vector{ProbeState::kUnreachable, ProbeState::kProhibited}));
  EXPECT_EQ(world.reports[0].tries[0].reporter, Ip("203.0.113.1"));
  EXPECT_EQ(world.reports[0].tries[0].icmp_type, 3);
  EXPECT_EQ(world.reports[0].tries[0].icmp_code, 1);
}

TEST(Prober, ErrorFromTheTargetIsAnAnswer) {
  World world;
  world.Accept(Order());
  world.RunFor(10ms);
  EXPECT_TRUE(world.Error(world.sends[0].probe, "198.51.100.7", ErrorMeaning::kProhibited));
  ASSERT_EQ(world.reports.size(), 1u);
  EXPECT_EQ(States(world.reports[0]), std::vector(1, ProbeState::kAnswered));
  EXPECT_EQ(world.reports[0].tries[0].icmp_type, 3);
}

TEST(Prober, AnswerAfterAnErrorWins) {
  World world;
  world.Accept(Order({kEcho, kHttps}));
  world.RunFor(10ms);
  EXPECT_TRUE(world.Error(world.sends[0].probe, "203.0.113.1", ErrorMeaning::kUnreachable));
  EXPECT_TRUE(world.Answer(AnswerTo(world.sends[0].probe, AnswerKind::kEchoReply)));
  ASSERT_EQ(world.reports.size(), 1u);
  EXPECT_EQ(States(world.reports[0]), std::vector(1, ProbeState::kAnswered));
}

TEST(Prober, OwnKernelsErrorMeansNotSent) {
  World world;
  world.Accept(Order({kEcho}));
  world.RunFor(10ms);
  // 192.0.2.10 is whom the quoted packet came from.
  EXPECT_TRUE(world.Error(world.sends[0].probe, "192.0.2.10", ErrorMeaning::kUnreachable));
  ASSERT_EQ(world.reports.size(), 1u);
  EXPECT_EQ(States(world.reports[0]), std::vector(1, ProbeState::kNotSent));
  EXPECT_FALSE(world.reports[0].tries[0].detail.empty());
}

TEST(Prober, SendErrorsAreResults) {
  World world;
  world.Accept(Order({kEcho, kHttps}));
  for (int i = 0; i < 2; ++i) {
    world.RunFor(500ms);
    ASSERT_EQ(world.sends.size(), static_cast<size_t>(i + 1) + (i == 0 ? 1 : 0));
    world.SendError(world.sends[static_cast<size_t>(i)].owner, ENETUNREACH);
  }
  ASSERT_EQ(world.reports.size(), 1u);
  EXPECT_EQ(States(world.reports[0]), std::vector(2, ProbeState::kNotSent));
  EXPECT_EQ(world.reports[0].tries[1].detail, "no route to the target");
}

TEST(Prober, SendErrorsOfEndedOrdersAreNothing) {
  World world;
  world.Accept(Order({kEcho}));
  world.RunFor(2s);
  ASSERT_EQ(world.reports.size(), 1u);
  world.SendError(world.sends[0].owner, ENETUNREACH);
  world.SendError({ProbeOwner::Kind::kOrder, 99, 12345}, ENETUNREACH);
  EXPECT_EQ(world.reports.size(), 1u);
}

TEST(Prober, RedirectIsNotedAndEndsNothing) {
  World world;
  world.Accept(Order({kEcho, kHttps}));
  world.RunFor(10ms);
  EXPECT_TRUE(world.Answer(RedirectTo(world.sends[0].probe, Ip("192.0.2.1"), Ip("192.0.2.2"))));
  world.RunFor(500ms);
  ASSERT_EQ(world.sends.size(), 2u);
  EXPECT_TRUE(world.reports.empty());
  world.RunFor(1s);
  ASSERT_EQ(world.reports.size(), 1u);
  EXPECT_EQ(States(world.reports[0]), std::vector(2, ProbeState::kSilent));
  EXPECT_EQ(world.reports[0].tries[0].redirect,
            (parallax::Redirect{Ip("192.0.2.1"), Ip("192.0.2.2")}));
  EXPECT_FALSE(world.reports[0].tries[0].reporter);
  EXPECT_FALSE(world.reports[0].tries[1].redirect);
}

TEST(Prober, RedirectThenAnswer) {
  World world;
  world.Accept(Order({kEcho}));
  world.RunFor(10ms);
  EXPECT_TRUE(world.Answer(RedirectTo(world.sends[0].probe, Ip("192.0.2.1"), Ip("192.0.2.2"))));
  EXPECT_TRUE(world.Answer(AnswerTo(world.sends[0].probe)));
  ASSERT_EQ(world.reports.size(), 1u);
  EXPECT_EQ(States(world.reports[0]), std::vector(1, ProbeState::kAnswered));
  EXPECT_TRUE(world.reports[0].tries[0].redirect);
}

TEST(Prober, TimeExceededIsAResultOfItsOwn) {
  World world;
  world.Accept(Order({kEcho, kHttps, kUdpTrace}));
  for (size_t i = 0; i < 3; ++i) {
    world.RunFor(i == 0 ? 10ms : 500ms);
    ASSERT_EQ(world.sends.size(), i + 1);
    EXPECT_TRUE(world.Error(world.sends[i].probe, "203.0.113.1", ErrorMeaning::kTimeExceeded));
  }
  ASSERT_EQ(world.reports.size(), 1u);
  EXPECT_EQ(States(world.reports[0]), std::vector(3, ProbeState::kTimeExceeded));
  EXPECT_EQ(world.reports[0].tries[2].icmp_type, 11);
  EXPECT_EQ(world.reports[0].tries[2].reporter, Ip("203.0.113.1"));
}

TEST(Prober, UdpReplyAndPortUnreachableAreAnswers) {
  World world;
  world.Accept(Order({kUdpTrace}));
  world.RunFor(10ms);
  EXPECT_TRUE(world.Answer(AnswerTo(world.sends[0].probe, AnswerKind::kUdpReply)));
  world.Accept(Order({kUdpTrace}));
  world.RunFor(10ms);
  // Port unreachable from the target itself: what ParseAnswer makes of it matters not.
  EXPECT_TRUE(world.Error(world.sends[1].probe, "198.51.100.7", ErrorMeaning::kProhibited));
  ASSERT_EQ(world.reports.size(), 2u);
  for (const ProbeReport& report : world.reports) {
    EXPECT_EQ(States(report), std::vector(1, ProbeState::kAnswered));
    EXPECT_EQ(report.tries[0].attempt, kUdpTrace);
    EXPECT_EQ(report.tries[0].rtt, 10ms);
  }
}

TEST(Prober, FlowsArePassedOn) {
  World world;
  ProbeTry echo = kEcho;
  ProbeTry syn = kHttps;
  echo.flow = 5;
  syn.flow = 6;
  world.Accept(Order({kEcho, echo, kHttps, syn}));
  world.RunFor(10s);
  ASSERT_EQ(world.sends.size(), 4u);
  EXPECT_EQ(world.sends[1].probe.attempt.flow, 5);
  EXPECT_NE(world.sends[0].probe.flow_port, world.sends[1].probe.flow_port);
  EXPECT_NE(world.sends[2].probe.flow_port, world.sends[3].probe.flow_port);
  ASSERT_EQ(world.reports.size(), 1u);
  EXPECT_EQ(world.reports[0].tries[1].attempt.flow, 5);
  EXPECT_EQ(world.reports[0].tries[3].attempt.flow, 6);
}

}  // namespace
}  // namespace parallax::sensor
