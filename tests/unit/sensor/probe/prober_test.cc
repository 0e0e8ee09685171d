#include "sensor/probe/prober.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "tests/unit/sensor/probe/test_answers.h"

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;
using test::Ip;

constexpr ProbeTry kEcho{ProbeMethod::kIcmpEcho, 0};
constexpr ProbeTry kHttps{ProbeMethod::kTcpSyn, 443};

Policy OpenPolicy() {
  Policy policy;
  policy.packets_per_second = 1000;
  policy.per_target_per_second = 1000;
  policy.allow = PrefixSet({*Prefix::Parse("0.0.0.0/0"), *Prefix::Parse("::/0")});
  return policy;
}

Answer AnswerTo(const Probe& probe, AnswerKind kind) {
  Answer answer;
  answer.kind = kind;
  answer.source = answer.target = probe.target;
  answer.attempt = probe.attempt;
  answer.flow_port = probe.flow_port;
  answer.sequence = probe.sequence;
  if (probe.attempt.method == ProbeMethod::kIcmpEcho) {
    answer.echo = EchoTag{probe.id, probe.tag};
  }
  return answer;
}

// A prober with its world: virtual time, and the probes and reports that came out.
struct World {
  explicit World(Policy given = OpenPolicy(), size_t max_orders = 100)
      : policy(std::move(given)),
        ledger(tagger, max_orders * kMaxTries + 100),
        pacer(policy.packets_per_second, policy.per_target_per_second),
        prober(policy, ledger, pacer, max_orders) {}

  void Accept(ProbeOrder order) {
    prober.Accept(std::move(order), now, out);
    Drain();
  }
  // Moves time on, stopping wherever the prober asked to be called.
  void RunFor(Duration time) {
    const Moment end = now + time;
    while (true) {
      prober.Advance(now, out);
      Drain();
      const auto next = prober.NextDeadline();
      if (!next || *next > end.mono) {
        break;
      }
      ASSERT_GT(*next, now.mono) << "the prober does not make progress";
      now = now + (*next - now.mono);
    }
    now = end;
    prober.Advance(now, out);
    Drain();
  }
  bool Answer(const sensor::Answer& answer) {
    const auto match = ledger.OnAnswer(answer, now.mono);
    if (match) {
      prober.OnAnswer(*match, answer, now, out);
      Drain();
    }
    return match.has_value();
  }
  bool Error(const Probe& probe, const char* from, ErrorMeaning meaning, bool own = false) {
    sensor::Answer answer = AnswerTo(probe, AnswerKind::kError);
    answer.source = Ip(from);
    answer.icmp_type = 3;
    answer.icmp_code = 1;
    answer.meaning = meaning;
    answer.from_this_host = own;
    answer.echo.reset();
    return Answer(answer);
  }
  void Drain() {
    for (ProbeSend& send : out.sends) {
      sends.push_back(send);
      times.push_back(now.mono);
    }
    for (ProbeReport& report : out.reports) {
      reports.push_back(std::move(report));
    }
    out = {};
  }

  const ProbeTagger tagger{{1, 2}, {3, 4}, {61440, 65535}};
  Policy policy;
  ProbeLedger ledger;
  Pacer pacer;
  Prober prober;
  Moment now{MonoTime{1000s}, WallTime{1'700'000'000s}};
  ProbeActions out;
  std::vector<ProbeSend> sends;
  std::vector<MonoTime> times;
  std::vector<ProbeReport> reports;
};

ProbeOrder Order(std::vector<ProbeTry> tries = {kEcho, kHttps, kEcho}) {
  ProbeOrder order;
  order.id = 42;
  order.target = Ip("198.51.100.7");
  order.tries = std::move(tries);
  order.spacing = 500ms;
  order.timeout = 1s;
  return order;
}

std::vector<ProbeState> States(const ProbeReport& report) {
  std::vector<ProbeState> states;
  for (const ProbeTryResult& t : report.tries) {
    states.push_back(t.state);
  }
  return states;
}

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
  EXPECT_FALSE(world.Answer(AnswerTo(world.sends[0].probe, AnswerKind::kSynAck)));
  EXPECT_EQ(world.ledger.counts().late, 1u);
  EXPECT_EQ(world.reports.size(), 1u);
}

TEST(Prober, DuplicatesAndForgeriesChangeNothing) {
  World world;
  world.Accept(Order({kEcho}));
  world.RunFor(1ms);
  Answer forged = AnswerTo(world.sends[0].probe, AnswerKind::kEchoReply);
  forged.echo->tag ^= 1;
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
  EXPECT_TRUE(world.Error(world.sends[0].probe, "192.0.2.10", ErrorMeaning::kUnreachable, true));
  ASSERT_EQ(world.reports.size(), 1u);
  EXPECT_EQ(States(world.reports[0]), std::vector(1, ProbeState::kNotSent));
}

TEST(Prober, SendErrorsAreResults) {
  World world;
  world.Accept(Order({kEcho, kHttps}));
  for (int i = 0; i < 2; ++i) {
    world.RunFor(500ms);
    ASSERT_EQ(world.sends.size(), static_cast<size_t>(i + 1) + (i == 0 ? 1 : 0));
    world.prober.OnSendError(world.sends[static_cast<size_t>(i)].owner, "no route", world.now,
                             world.out);
    world.Drain();
  }
  ASSERT_EQ(world.reports.size(), 1u);
  EXPECT_EQ(States(world.reports[0]), std::vector(2, ProbeState::kNotSent));
  EXPECT_EQ(world.reports[0].tries[1].detail, "no route");
}

TEST(Prober, PolicyRefusesAtOnceAndSendsNothing) {
  Policy policy = OpenPolicy();
  policy.deny = PrefixSet({*Prefix::Parse("198.51.100.0/24")});
  World world(policy);
  world.Accept(Order());
  world.RunFor(0ms);
  EXPECT_TRUE(world.sends.empty());
  ASSERT_EQ(world.reports.size(), 1u);
  EXPECT_EQ(States(world.reports[0]), std::vector(3, ProbeState::kRefused));
  EXPECT_FALSE(world.reports[0].tries[0].detail.empty());
  EXPECT_EQ(world.prober.refused(), 3u);
  EXPECT_EQ(world.ledger.size(), 0u);
}

TEST(Prober, RefusedTryDoesNotStopTheOthers) {
  World world;
  world.Accept(Order({{ProbeMethod::kTcpSyn, 0}, kEcho}));
  world.RunFor(500ms);
  ASSERT_EQ(world.sends.size(), 1u);
  EXPECT_TRUE(world.Answer(AnswerTo(world.sends[0].probe, AnswerKind::kEchoReply)));
  ASSERT_EQ(world.reports.size(), 1u);
  EXPECT_EQ(States(world.reports[0]), (std::vector{ProbeState::kRefused, ProbeState::kAnswered}));
}

TEST(Prober, OrdersInFlightAreBounded) {
  World world(OpenPolicy(), 10);
  for (int i = 0; i < 15; ++i) {
    world.Accept(Order());
  }
  EXPECT_EQ(world.prober.in_flight(), 10u);
  ASSERT_EQ(world.reports.size(), 5u);
  EXPECT_EQ(States(world.reports[0]), std::vector(1, ProbeState::kRefused));
  EXPECT_EQ(world.reports[0].tries[0].detail, "10 orders are in flight already");
  world.RunFor(60s);
  EXPECT_EQ(world.reports.size(), 15u);
  EXPECT_EQ(world.prober.in_flight(), 0u);
}

TEST(Prober, MalformedOrdersAreRefused) {
  World world;
  std::vector<ProbeOrder> bad(6, Order());
  bad[0].tries.clear();
  bad[1].tries.assign(kMaxTries + 1, kEcho);
  bad[2].timeout = 0s;
  bad[3].spacing = -1s;
  bad[4].start_after = 1h;
  bad[5].tries[1].method = static_cast<ProbeMethod>(9);
  for (const ProbeOrder& order : bad) {
    world.Accept(order);
    world.RunFor(1s);
  }
  EXPECT_TRUE(world.sends.empty());
  ASSERT_EQ(world.reports.size(), bad.size());
  for (const ProbeReport& report : world.reports) {
    EXPECT_EQ(States(report), std::vector(1, ProbeState::kRefused));
  }
}

TEST(Prober, FlowIsTheSameInEveryTryAndRound) {
  World world;
  for (int round = 0; round < 3; ++round) {
    world.Accept(Order({kEcho, kHttps, {ProbeMethod::kIcmpEcho, 99}, kHttps}));
    world.RunFor(10s);
  }
  ASSERT_EQ(world.sends.size(), 12u);
  std::map<ProbeMethod, std::set<uint16_t>> ports;
  std::map<ProbeMethod, std::set<uint16_t>> checksums;
  for (const ProbeSend& send : world.sends) {
    ports[send.probe.attempt.method].insert(send.probe.flow_port);
    checksums[send.probe.attempt.method].insert(send.probe.flow_checksum);
  }
  EXPECT_EQ(ports[ProbeMethod::kIcmpEcho].size(), 1u);
  EXPECT_EQ(ports[ProbeMethod::kTcpSyn].size(), 1u);
  EXPECT_EQ(checksums[ProbeMethod::kIcmpEcho].size(), 1u);
}

TEST(Prober, PacingDelaysAndTheReportAges) {
  Policy policy = OpenPolicy();
  policy.per_target_per_second = 0.5;
  World world(policy);
  world.Accept(Order({kEcho, kEcho}));
  world.RunFor(1999ms);
  EXPECT_EQ(world.sends.size(), 1u);
  world.RunFor(1ms);
  EXPECT_EQ(world.sends.size(), 2u);
  world.RunFor(1s);
  ASSERT_EQ(world.reports.size(), 1u);
  EXPECT_EQ(world.reports[0].age, 3s);
}

// Many orders, random answers, errors and send failures: the rates hold in every window, every
// order gets exactly one report, nothing is left behind.
TEST(Prober, RatesHoldAndEveryOrderIsReportedOnce) {
  for (unsigned seed = 1; seed <= 5; ++seed) {
    std::mt19937 random(seed);
    Policy policy = OpenPolicy();
    policy.packets_per_second = 100;
    policy.per_target_per_second = 2;
    policy.deny = PrefixSet({*Prefix::Parse("198.51.100.5")});
    World world(policy, 200);
    std::map<uint64_t, int> reported;
    size_t accepted = 0;
    size_t seen_reports = 0;
    size_t seen_sends = 0;
    for (int step = 0; step < 3000; ++step) {
      if (step < 2000 && random() % 3 == 0) {
        ProbeOrder order = Order({kEcho, kHttps, kEcho});
        order.id = ++accepted;
        order.target = IpAddress::V4(
            std::array<uint8_t, 4>{198, 51, 100, static_cast<uint8_t>(random() % 60)});
        order.start_after = std::chrono::milliseconds(random() % 300);
        order.spacing = std::chrono::milliseconds(random() % 800);
        order.timeout = std::chrono::milliseconds(1 + random() % 1500);
        world.Accept(order);
      }
      world.RunFor(std::chrono::microseconds(random() % 60'000));
      for (; seen_sends < world.sends.size(); ++seen_sends) {
        const ProbeSend send = world.sends[seen_sends];
        switch (random() % 6) {
          case 0:
            world.Answer(AnswerTo(send.probe, send.probe.attempt == kHttps
                                                  ? AnswerKind::kSynAck
                                                  : AnswerKind::kEchoReply));
            break;
          case 1:
            world.Error(send.probe, "203.0.113.1", ErrorMeaning::kUnreachable);
            break;
          case 2:
            world.prober.OnSendError(send.owner, "no buffers", world.now, world.out);
            world.Drain();
            break;
          default:
            break;
        }
      }
      for (; seen_reports < world.reports.size(); ++seen_reports) {
        ++reported[world.reports[seen_reports].order_id];
        const auto& tries = world.reports[seen_reports].tries;
        ASSERT_FALSE(tries.empty());
        for (size_t i = 0; i + 1 < tries.size(); ++i) {
          ASSERT_NE(tries[i].state, ProbeState::kAnswered);
        }
      }
    }
    world.RunFor(120s);
    EXPECT_EQ(world.prober.in_flight(), 0u);
    EXPECT_FALSE(world.prober.NextDeadline());
    for (; seen_reports < world.reports.size(); ++seen_reports) {
      ++reported[world.reports[seen_reports].order_id];
    }
    EXPECT_EQ(reported.size(), accepted);
    for (const auto& [id, count] : reported) {
      ASSERT_EQ(count, 1) << id;
    }
    const auto check = [](const std::vector<MonoTime>& times, double rate) {
      for (size_t i = 0; i < times.size(); ++i) {
        for (size_t j = i; j < std::min(times.size(), i + 200); ++j) {
          ASSERT_LE(static_cast<double>(j - i), ToSeconds(times[j] - times[i]) * rate + 1e-6);
        }
      }
    };
    std::map<IpAddress, std::vector<MonoTime>> by_target;
    for (size_t i = 0; i < world.sends.size(); ++i) {
      ASSERT_NE(world.sends[i].probe.target, Ip("198.51.100.5"));
      by_target[world.sends[i].probe.target].push_back(world.times[i]);
    }
    EXPECT_GT(world.sends.size(), 500u);
    check(world.times, 100);
    for (const auto& [target, times] : by_target) {
      check(times, 2);
    }
  }
}

}  // namespace
}  // namespace parallax::sensor
