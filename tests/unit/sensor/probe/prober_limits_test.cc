#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <random>
#include <set>

#include "sensor/probe/prober.h"
#include "tests/unit/sensor/probe/prober_world.h"

namespace parallax::sensor {
namespace {

using namespace test;

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
  EXPECT_EQ(world.gate.refused(), 3u);
  EXPECT_EQ(world.gate.refusals()[static_cast<size_t>(Refusal::kDenied)], 3u);
  EXPECT_EQ(world.ledger.in_flight(), 0u);
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
  std::vector<ProbeOrder> bad(5, Order());
  bad[0].tries.clear();
  bad[1].tries.assign(kMaxTries + 1, kEcho);
  bad[2].timeout = 0s;
  bad[3].spacing = -1s;
  bad[4].start_after = 1h;
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

TEST(Prober, UnknownMethodIsRefusedByThePolicy) {
  World world;
  world.Accept(Order({{static_cast<ProbeMethod>(9)}}));
  world.RunFor(1s);
  EXPECT_TRUE(world.sends.empty());
  ASSERT_EQ(world.reports.size(), 1u);
  EXPECT_EQ(States(world.reports[0]), std::vector(1, ProbeState::kRefused));
  EXPECT_EQ(world.gate.refusals()[static_cast<size_t>(Refusal::kMethod)], 1u);
}

TEST(Prober, WithoutAPolicyEveryTryIsRefused) {
  World world;
  world.gate.SetPolicy(std::nullopt);
  world.Accept(Order());
  world.RunFor(1s);
  ASSERT_EQ(world.reports.size(), 1u);
  EXPECT_EQ(States(world.reports[0]), std::vector(3, ProbeState::kRefused));
  EXPECT_EQ(world.reports[0].tries[0].detail, Describe(Refusal::kNoPolicy));
}

// A policy that comes while an order is under way counts from the next try on.
TEST(Prober, NewPolicyCountsFromTheNextTryOn) {
  World world;
  world.Accept(Order({kEcho, kHttps, kEcho}));
  world.RunFor(10ms);
  Policy policy = OpenPolicy();
  policy.tcp = false;
  world.gate.SetPolicy(policy);
  world.RunFor(3s);
  ASSERT_EQ(world.reports.size(), 1u);
  EXPECT_EQ(States(world.reports[0]),
            (std::vector{ProbeState::kSilent, ProbeState::kRefused, ProbeState::kSilent}));
}

TEST(Prober, FullLedgerRefusesTheTry) {
  World world(OpenPolicy(1e6, 1e6, 1e6), 1);
  std::vector<ProbeSend> others;
  GateAnswer answer{.word = GateWord::kSent};
  for (int i = 0; answer.word == GateWord::kSent; ++i) {
    ProbeRequest request;
    request.target = V4(0x0b000000 + static_cast<uint32_t>(i));
    answer = world.gate.Ask(request, world.now.mono, others);
    world.now = world.now + 1ms;
  }
  ASSERT_EQ(answer.word, GateWord::kFull);
  world.Accept(Order({kEcho}));
  world.RunFor(5s);
  ASSERT_EQ(world.reports.size(), 1u);
  EXPECT_EQ(States(world.reports[0]), std::vector(1, ProbeState::kRefused));
  EXPECT_FALSE(world.prober.NextDeadline());
}

// A batch at a time: what is left over is due at once, nothing is sent beyond `most`.
TEST(Prober, SendsAtMostWhatIsAskedFor) {
  World world(OpenPolicy(1e6, 1e6, 1e6));
  for (int i = 0; i < 10; ++i) {
    ProbeOrder order = Order({kEcho});
    order.target = V4(0xc6336401 + static_cast<uint32_t>(i));
    world.Accept(order);
  }
  world.now = world.now + 1ms;
  std::vector<ProbeSend> sends;
  world.prober.Advance(world.now, 3, sends);
  EXPECT_EQ(sends.size(), 3u);
  ASSERT_TRUE(world.prober.NextDeadline());
  EXPECT_LE(*world.prober.NextDeadline(), world.now.mono);
  world.prober.Advance(world.now, 0, sends);
  EXPECT_EQ(sends.size(), 3u);
  world.prober.Advance(world.now, 100, sends);
  EXPECT_EQ(sends.size(), 10u);
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
  world.RunFor(2010ms);
  EXPECT_EQ(world.sends.size(), 1u);
  world.RunFor(1ms);
  EXPECT_EQ(world.sends.size(), 2u);
  world.RunFor(1s);
  ASSERT_EQ(world.reports.size(), 1u);
  EXPECT_EQ(world.reports[0].age, 3011ms);
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
            world.SendError(send.owner, ENOBUFS);
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
          // 2 ms ahead of time, at the most
          ASSERT_LE(static_cast<double>(j - i),
                    (ToSeconds(times[j] - times[i]) + 0.003) * rate + 1e-6);
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
