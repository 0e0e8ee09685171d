// One target, or a few: what is asked when, and what is made of the answers.
#include "sensor/probe/sweep.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "tests/unit/sensor/probe/sweep_world.h"

namespace parallax::sensor {
namespace {

using namespace test;

constexpr const char* kTarget = "198.51.100.7";
using Times = std::vector<Duration>;

// --- until answered -----------------------------------------------------------------------------

TEST(Sweep, AnsweredAtOnce) {
  SweepWorld world(Targets({kTarget}), {});
  world.world = [](const Probe& probe) { return Answered(probe, 30ms); };
  EXPECT_FALSE(world.sweep.done());
  world.Run();
  EXPECT_TRUE(world.sweep.done());
  const SweepResult& result = world.ResultOf(kTarget);
  EXPECT_EQ(result.state, SweepState::kUp);
  EXPECT_EQ(result.sent, 1u);
  EXPECT_EQ(result.received, 1u);
  EXPECT_EQ(result.late, 0u);
  EXPECT_EQ(result.rtt_min, 30ms);
  EXPECT_EQ(result.rtt_max, 30ms);
  EXPECT_EQ(result.rtt_sum, 30ms);
  EXPECT_EQ(result.error.state, ProbeState::kSilent);
  EXPECT_FALSE(result.redirect);
  EXPECT_FALSE(result.flows);
  EXPECT_EQ(world.result_times[0], world.start + 30ms);
  EXPECT_EQ(world.sends.size(), 1u);
  EXPECT_EQ(world.ledger.in_flight(), 0u);
  const SweepProgress& progress = world.sweep.progress();
  EXPECT_EQ(progress.targets, 1u);
  EXPECT_EQ(progress.finished, 1u);
  EXPECT_EQ(progress.up, 1u);
  EXPECT_EQ(progress.sent, 1u);
  EXPECT_EQ(progress.received, 1u);
}

TEST(Sweep, SilenceIsAskedThriceAndEachTryHasItsTimeOut) {
  SweepWorld world(Targets({kTarget}), {});
  world.Run();
  const SweepResult& result = world.ResultOf(kTarget);
  EXPECT_EQ(result.state, SweepState::kDown);
  EXPECT_EQ(result.sent, 3u);
  EXPECT_EQ(result.received, 0u);
  EXPECT_EQ(result.error.state, ProbeState::kSilent);
  EXPECT_EQ(world.TimesOf(kTarget), (Times{0ms, 500ms, 1500ms}));
  EXPECT_EQ(world.result_times[0], world.start + 2500ms);
  EXPECT_EQ(world.sweep.progress().up, 0u);
  EXPECT_LE(world.turns, 10u);
}

TEST(Sweep, LastTryMayBeAnswered) {
  SweepWorld world(Targets({kTarget}), {});
  world.world =
      Nth([](size_t n, const Probe& probe) { return n == 2 ? Answered(probe, 999ms) : Fate(); });
  world.Run();
  EXPECT_EQ(world.ResultOf(kTarget).state, SweepState::kUp);
  EXPECT_EQ(world.ResultOf(kTarget).sent, 3u);
  EXPECT_EQ(world.ResultOf(kTarget).rtt_min, 999ms);
}

TEST(Sweep, AnswerToAnEarlierTryInTimeCounts) {
  SweepWorld world(Targets({kTarget}), {});
  world.world =
      Nth([](size_t n, const Probe& probe) { return n == 0 ? Answered(probe, 900ms) : Fate(); });
  world.Run();
  EXPECT_EQ(world.ResultOf(kTarget).state, SweepState::kUp);
  EXPECT_EQ(world.ResultOf(kTarget).sent, 2u);
  EXPECT_EQ(world.ResultOf(kTarget).rtt_min, 900ms);
  EXPECT_EQ(world.result_times[0], world.start + 900ms);
}

TEST(Sweep, AnswersAfterTheTimeOutAreLateAndDoNotCount) {
  SweepWorld world(Targets({kTarget}), {});
  world.world = Nth([](size_t, const Probe& probe) { return Answered(probe, 1200ms); });
  world.Run();
  const SweepResult& result = world.ResultOf(kTarget);
  EXPECT_EQ(result.state, SweepState::kDown);
  EXPECT_EQ(result.sent, 3u);
  EXPECT_EQ(result.received, 0u);
  EXPECT_EQ(result.late, 2u);  // the third comes after the end
  EXPECT_EQ(world.ledger.counts().late, 3u);
  EXPECT_EQ(world.sweep.progress().received, 0u);
}

// The kernel has stamped it in time, we come to read it when the time-out is over.
TEST(Sweep, WhatCountsIsWhenTheAnswerArrived) {
  SweepWorld::Options options;
  options.sleep_late = 300ms;
  SweepWorld world(Targets({kTarget}), {.timeout = 400ms}, options);
  world.world = Nth([](size_t, const Probe& probe) { return Answered(probe, 390ms); });
  world.Run();
  EXPECT_EQ(world.ResultOf(kTarget).state, SweepState::kUp);
  EXPECT_EQ(world.ResultOf(kTarget).rtt_min, 390ms);
  SweepWorld late(Targets({kTarget}), {.timeout = 400ms}, options);
  late.world = Nth([](size_t, const Probe& probe) { return Answered(probe, 410ms); });
  late.Run();
  EXPECT_EQ(late.ResultOf(kTarget).state, SweepState::kDown);
  EXPECT_EQ(late.ResultOf(kTarget).received, 0u);
  EXPECT_GE(late.ResultOf(kTarget).late, 2u);
}

TEST(Sweep, EveryMethodAndFamily) {
  for (const ProbeTry& attempt : {kEcho, kHttps, kUdpTrace}) {
    for (const char* target : {kTarget, "2001:db8::7"}) {
      SweepWorld world(Targets({target}), {.method = attempt.method, .port = attempt.port});
      world.world = [](const Probe& probe) { return Answered(probe, 5ms); };
      world.Run();
      EXPECT_EQ(world.ResultOf(target).state, SweepState::kUp);
      ASSERT_EQ(world.sends.size(), 1u);
      EXPECT_EQ(world.sends[0].attempt, attempt);
      EXPECT_EQ(world.sends[0].ttl, 0);
    }
  }
}

TEST(Sweep, ResetAndErrorsOfTheTargetItselfMeanUp) {
  SweepWorld reset(Targets({kTarget}), {.method = ProbeMethod::kTcpSyn, .port = 9});
  reset.world = [](const Probe& probe) {
    return Fate{.replies = {{1ms, AnswerTo(probe, AnswerKind::kReset)}}, .send_error = 0};
  };
  reset.Run();
  EXPECT_EQ(reset.ResultOf(kTarget).state, SweepState::kUp);
  // Port unreachable, prohibited...: it is there to say it.
  SweepWorld udp(Targets({kTarget}), {.method = ProbeMethod::kUdp, .port = 33434});
  udp.world = [](const Probe& probe) {
    return RouterError(probe, kTarget, ErrorMeaning::kProhibited);
  };
  udp.Run();
  EXPECT_EQ(udp.ResultOf(kTarget).state, SweepState::kUp);
  EXPECT_EQ(udp.ResultOf(kTarget).sent, 1u);
  EXPECT_EQ(udp.ResultOf(kTarget).rtt_min, 10ms);
  EXPECT_EQ(udp.ResultOf(kTarget).error.state, ProbeState::kSilent);
}

TEST(Sweep, RoutersErrorsAreResults) {
  const std::vector<std::pair<ErrorMeaning, SweepState>> all = {
      {ErrorMeaning::kUnreachable, SweepState::kUnreachable},
      {ErrorMeaning::kTimeExceeded, SweepState::kTimeExceeded},
      {ErrorMeaning::kProhibited, SweepState::kProhibited}};
  for (const auto& [meaning, state] : all) {
    SweepWorld world(Targets({kTarget}), {});
    world.world = [m = meaning](const Probe& probe) {
      return RouterError(probe, "203.0.113.1", m);
    };
    world.Run();
    const SweepResult& result = world.ResultOf(kTarget);
    EXPECT_EQ(result.state, state);
    EXPECT_EQ(result.sent, 3u);  // a router's word is no proof: it is asked again
    EXPECT_EQ(world.result_times[0], world.start + 1510ms);
    EXPECT_EQ(result.error.router, Ip("203.0.113.1"));
    EXPECT_EQ(result.error.icmp_type, state == SweepState::kTimeExceeded ? 11 : 3);
    EXPECT_EQ(result.error.icmp_code, state == SweepState::kTimeExceeded ? 0
                                      : state == SweepState::kProhibited ? 13
                                                                         : 1);
    EXPECT_EQ(world.ledger.in_flight(), 0u);
  }
}

TEST(Sweep, AnswerAfterAnErrorWins) {
  SweepWorld world(Targets({kTarget}), {});
  world.world = [](const Probe& probe) {
    Fate fate = RouterError(probe, "203.0.113.1", ErrorMeaning::kUnreachable);
    fate.replies.push_back({50ms, AnswerTo(probe)});
    return fate;
  };
  world.Run();
  const SweepResult& result = world.ResultOf(kTarget);
  EXPECT_EQ(result.state, SweepState::kUp);
  EXPECT_EQ(result.sent, 1u);
  EXPECT_EQ(result.received, 1u);
  EXPECT_EQ(result.rtt_min, 50ms);
  EXPECT_EQ(result.error.state, ProbeState::kUnreachable);
}

TEST(Sweep, ErrorAfterTheAnswerIsNothing) {
  SweepWorld world(Targets({kTarget}), {});
  world.world = [](const Probe& probe) {
    Fate fate = Answered(probe, 5ms);
    fate.replies.push_back({10ms, ErrorTo(probe, Ip("203.0.113.1"), ErrorMeaning::kUnreachable)});
    return fate;
  };
  world.Run();
  EXPECT_EQ(world.ResultOf(kTarget).state, SweepState::kUp);
  EXPECT_EQ(world.ResultOf(kTarget).error.state, ProbeState::kSilent);
  EXPECT_EQ(world.ledger.counts().duplicate, 1u);
}

TEST(Sweep, OwnKernelsErrorsMeanNotSent) {
  SweepWorld by_icmp(Targets({kTarget}), {});
  by_icmp.world = [](const Probe& probe) {
    return RouterError(probe, "192.0.2.10", ErrorMeaning::kUnreachable);  // whom it came from
  };
  by_icmp.Run();
  EXPECT_EQ(by_icmp.ResultOf(kTarget).state, SweepState::kNotSent);
  EXPECT_EQ(by_icmp.ResultOf(kTarget).error.send_error, 0);
  SweepWorld at_send(Targets({kTarget}), {});
  at_send.world = [](const Probe&) { return Fate{.replies = {}, .send_error = ENETUNREACH}; };
  at_send.Run();
  const SweepResult& result = at_send.ResultOf(kTarget);
  EXPECT_EQ(result.state, SweepState::kNotSent);
  EXPECT_EQ(result.error.send_error, ENETUNREACH);
  EXPECT_FALSE(result.error.router);
  EXPECT_EQ(result.sent, 0u);
  EXPECT_EQ(at_send.sweep.progress().sent, 0u);
  EXPECT_EQ(at_send.result_times[0], at_send.start + 1500ms);
  EXPECT_EQ(at_send.ledger.in_flight(), 0u);
}

TEST(Sweep, SendErrorThenAnswer) {
  SweepWorld world(Targets({kTarget}), {});
  world.world = Nth([](size_t n, const Probe& probe) {
    return n == 0 ? Fate{.replies = {}, .send_error = ENOBUFS} : Answered(probe, 1ms);
  });
  world.Run();
  EXPECT_EQ(world.ResultOf(kTarget).state, SweepState::kUp);
  EXPECT_EQ(world.ResultOf(kTarget).sent, 1u);
}

TEST(Sweep, RedirectIsNotedAndEndsNothing) {
  SweepWorld world(Targets({kTarget}), {});
  world.world = Nth([](size_t n, const Probe& probe) {
    Fate fate;
    fate.replies.push_back({1ms, RedirectTo(probe, Ip("192.0.2.1"), Ip("192.0.2.2"))});
    if (n == 1) {
      fate.replies.push_back({20ms, AnswerTo(probe)});
    }
    return fate;
  });
  world.Run();
  const SweepResult& result = world.ResultOf(kTarget);
  EXPECT_EQ(result.state, SweepState::kUp);
  EXPECT_EQ(result.sent, 2u);
  ASSERT_TRUE(result.redirect);
  EXPECT_EQ(*result.redirect, (parallax::Redirect{Ip("192.0.2.1"), Ip("192.0.2.2")}));
}

TEST(Sweep, DuplicatesAndForgeriesChangeNothing) {
  SweepWorld world(Targets({kTarget}), {.count = 2});
  world.world = [](const Probe& probe) {
    Fate fate = Answered(probe, 5ms);
    fate.replies.push_back({6ms, AnswerTo(probe)});
    Answer forged = AnswerTo(probe);
    forged.tag->tag ^= 1;
    fate.replies.push_back({1ms, forged});
    return fate;
  };
  world.Run();
  EXPECT_EQ(world.ResultOf(kTarget).received, 2u);
  EXPECT_EQ(world.ResultOf(kTarget).sent, 2u);
  EXPECT_EQ(world.ledger.counts().duplicate, 2u);
  EXPECT_EQ(world.ledger.counts().forged, 2u);
}

// --- count --------------------------------------------------------------------------------------

TEST(Sweep, CountSendsExactlySoMany) {
  SweepWorld world(Targets({kTarget}), {.count = 5, .interval = 200ms});
  world.world = Nth([](size_t n, const Probe& probe) {
    return Answered(probe, std::chrono::milliseconds(10 * (n + 1)));
  });
  world.Run();
  const SweepResult& result = world.ResultOf(kTarget);
  EXPECT_EQ(result.state, SweepState::kUp);
  EXPECT_EQ(result.sent, 5u);
  EXPECT_EQ(result.received, 5u);
  EXPECT_EQ(result.rtt_min, 10ms);
  EXPECT_EQ(result.rtt_max, 50ms);
  EXPECT_EQ(result.rtt_sum, 150ms);
  EXPECT_EQ(world.TimesOf(kTarget), (Times{0ms, 200ms, 400ms, 600ms, 800ms}));
  EXPECT_EQ(world.result_times[0], world.start + 850ms);
}

TEST(Sweep, CountWithLossIsLossy) {
  SweepWorld world(Targets({kTarget}), {.count = 5, .interval = 200ms});
  world.world = Nth([](size_t n, const Probe& probe) {
    return n == 1 || n == 4 ? Fate() : Answered(probe, 10ms);
  });
  world.Run();
  const SweepResult& result = world.ResultOf(kTarget);
  EXPECT_EQ(result.state, SweepState::kLossy);
  EXPECT_EQ(result.sent, 5u);
  EXPECT_EQ(result.received, 3u);
  EXPECT_EQ(world.result_times[0], world.start + 1800ms);
  EXPECT_EQ(world.sweep.progress().up, 1u);
}

TEST(Sweep, CountOfOneAndSilence) {
  SweepWorld world(Targets({kTarget}), {.count = 1, .timeout = 300ms});
  world.Run();
  EXPECT_EQ(world.ResultOf(kTarget).state, SweepState::kDown);
  EXPECT_EQ(world.ResultOf(kTarget).sent, 1u);
  EXPECT_EQ(world.result_times[0], world.start + 300ms);
}

TEST(Sweep, CountWithLateAnswers) {
  SweepWorld world(Targets({kTarget}), {.count = 4, .interval = 1s, .timeout = 500ms});
  world.world =
      Nth([](size_t n, const Probe& probe) { return Answered(probe, n % 2 == 0 ? 700ms : 300ms); });
  world.Run();
  const SweepResult& result = world.ResultOf(kTarget);
  EXPECT_EQ(result.received, 2u);
  EXPECT_EQ(result.late, 2u);
  EXPECT_EQ(result.state, SweepState::kLossy);
}

TEST(Sweep, ManyOfOneTargetInFlight) {
  SweepWorld world(Targets({kTarget}), {.count = 200, .interval = 1ms, .timeout = 2s});
  world.world = [](const Probe& probe) { return Answered(probe, 1500ms); };
  world.Run();
  EXPECT_EQ(world.ResultOf(kTarget).received, 200u);
  EXPECT_EQ(world.most_in_flight, 200u);
  EXPECT_EQ(world.ResultOf(kTarget).rtt_max, 1500ms);
}

// --- policy -------------------------------------------------------------------------------------

TEST(Sweep, RefusedTargetsAreReportedAndNotSent) {
  SweepWorld::Options options;
  options.policy.deny = PrefixSet({*Prefix::Parse("198.51.100.0/30")});
  SweepWorld world(Targets({"198.51.100.0/29"}), {}, options);
  world.world = [](const Probe& probe) { return Answered(probe, 1ms); };
  world.Run();
  ASSERT_EQ(world.results.size(), 8u);
  EXPECT_EQ(world.sends.size(), 4u);
  EXPECT_EQ(world.ResultOf("198.51.100.3").state, SweepState::kRefused);
  EXPECT_EQ(world.ResultOf("198.51.100.3").error.refusal, Refusal::kDenied);
  EXPECT_EQ(world.ResultOf("198.51.100.3").sent, 0u);
  EXPECT_EQ(world.ResultOf("198.51.100.4").state, SweepState::kUp);
  EXPECT_EQ(world.gate.refused(), 4u);
}

TEST(Sweep, PolicyThatComesInBetweenCounts) {
  SweepWorld world(Targets({kTarget}), {});
  world.Run(100ms);
  EXPECT_EQ(world.sends.size(), 1u);
  world.gate.SetPolicy(std::nullopt);
  world.Run();
  EXPECT_EQ(world.sends.size(), 1u);
  EXPECT_EQ(world.ResultOf(kTarget).state, SweepState::kRefused);
  EXPECT_EQ(world.ResultOf(kTarget).error.refusal, Refusal::kNoPolicy);
  EXPECT_EQ(world.ledger.in_flight(), 0u);
}

TEST(Sweep, NoTargetsIsDoneAtOnce) {
  SweepWorld world(Targets({}), {});
  EXPECT_TRUE(world.sweep.done());
  EXPECT_FALSE(world.sweep.NextDeadline() && *world.sweep.NextDeadline() <= world.now.mono);
  world.Run();
  EXPECT_EQ(world.turns, 1u);
}

// Answers that name no probe of the sweep, or one of a target long finished.
// Who is interrupted says what is known: of what is still in flight nothing is.
TEST(Sweep, FinishAskedReportsWhatIsKnown) {
  SweepOptions options;
  options.count = 100;
  options.interval = 1s;
  SweepWorld world(Targets({kTarget, "198.51.100.8"}), options);
  world.world = [](const Probe& probe) {
    return probe.target == Ip(kTarget) ? Answered(probe, 10ms) : Fate();
  };
  world.Run(5500ms);
  EXPECT_FALSE(world.sweep.done());
  world.sweep.FinishAsked();
  EXPECT_TRUE(world.sweep.done());
  std::vector<SweepResult> results;
  world.sweep.TakeResults(results);
  ASSERT_EQ(results.size(), 2u);
  for (const SweepResult& result : results) {
    const bool up = result.target == Ip(kTarget);
    EXPECT_EQ(result.state, up ? SweepState::kUp : SweepState::kDown);
    EXPECT_GE(result.sent, 5u);
    EXPECT_EQ(result.received, up ? result.sent : 0u);
  }
  world.sweep.FinishAsked();
  world.sweep.TakeResults(results);
  EXPECT_TRUE(results.empty());
}

TEST(Sweep, StrayAnswersAreHarmless) {
  SweepWorld world(Targets({kTarget}), {});
  world.world = [](const Probe& probe) { return Answered(probe, 1ms); };
  world.Run();
  const Answer answer = AnswerTo(world.sends[0]);
  for (const uint32_t index : {0u, 1u, UINT32_MAX}) {
    for (const uint64_t serial : {uint64_t{0}, uint64_t{1} << 32, UINT64_MAX}) {
      ProbeMatch match;
      match.owner = {ProbeOwner::Kind::kSweep, index, serial};
      match.probe_id = 12345;
      world.sweep.OnAnswer(match, answer, world.now);
    }
  }
  world.Run();
  EXPECT_EQ(world.results.size(), 1u);
}

}  // namespace
}  // namespace parallax::sensor
