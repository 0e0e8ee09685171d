#include "sensor/probe/gateway_watch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

#include "tests/unit/sensor/probe/test_probes.h"

namespace parallax::sensor {
namespace {

using namespace test;

class GatewayWatchTest : public testing::Test {
 protected:
  // Lets time pass; gateways in `answering` answer at once.
  void Run(Duration time, std::vector<IpAddress> answering) {
    for (const Moment end = now + time; now.mono < end.mono; now = now + 100ms) {
      std::vector<ProbeSend> sends;
      watch.Advance(now, 64, sends);
      for (const ProbeSend& send : sends) {
        ++sent;
        last = send.probe;
        EXPECT_EQ(send.owner.kind, ProbeOwner::Kind::kGateway);
        if (send_error) {
          watch.OnSendError(send.owner, *send_error, now);
        } else if (std::count(answering.begin(), answering.end(), send.probe.target) > 0) {
          EXPECT_TRUE(Answer(AnswerTo(send.probe)));
        }
      }
    }
  }
  bool Answer(const sensor::Answer& answer) {
    const auto match = ledger.OnAnswer(answer, now.mono);
    if (match) {
      watch.OnAnswer(*match, answer, now);
    }
    return match.has_value();
  }
  void Set(std::vector<Gateway> gateways) { watch.SetGateways(gateways, now.mono); }
  Reach ReachOf(const IpAddress& address) {
    for (const GatewayHealth& health : watch.Health(now.mono)) {
      if (health.address == address) {
        return health.reach;
      }
    }
    ADD_FAILURE() << "not watched: " << address.ToString();
    return Reach::kUnknown;
  }

  const IpAddress kA = Ip("192.0.2.1");
  const IpAddress kB = Ip("192.0.2.2");
  const IpAddress kLinkLocal = Ip("fe80::1");
  const ProbeTagger tagger{{1, 2}, {3, 4}, {61440, 65535}};
  ProbeLedger ledger{tagger, 1000};
  ProbeGate gate{ledger, Policy()};  // that allows nobody: gateways are asked all the same
  GatewayWatch watch{gate};
  Moment now{MonoTime{1000s}, WallTime{1'700'000'000s}};
  int sent = 0;
  Probe last;
  std::optional<int> send_error;
};

TEST_F(GatewayWatchTest, UpWhileItAnswersDownSixSecondsAfter) {
  Set({{kA, 2, true, Neighbour::kUnknown}});
  EXPECT_EQ(ReachOf(kA), Reach::kUnknown);
  Run(10s, {kA});
  EXPECT_EQ(ReachOf(kA), Reach::kUp);
  EXPECT_EQ(sent, 5);
  Run(4s, {});
  EXPECT_EQ(ReachOf(kA), Reach::kUp);
  Run(4s, {});
  EXPECT_EQ(ReachOf(kA), Reach::kDown);
  Run(3s, {kA});
  EXPECT_EQ(ReachOf(kA), Reach::kUp);
}

TEST_F(GatewayWatchTest, NeverAnsweringIsUnknownWithoutNeighbourEvidence) {
  Set({{kA, 2, true, Neighbour::kUnknown}});
  Run(60s, {});
  EXPECT_EQ(ReachOf(kA), Reach::kUnknown);
}

TEST_F(GatewayWatchTest, NeighbourTableSpeaksForTheSilent) {
  Set({{kA, 2, true, Neighbour::kPresent}});
  EXPECT_EQ(ReachOf(kA), Reach::kUp);
  Set({{kA, 2, true, Neighbour::kFailed}});
  EXPECT_EQ(ReachOf(kA), Reach::kUnknown);  // one look may have caught it being resolved
  Set({{kA, 2, true, Neighbour::kFailed}});
  EXPECT_EQ(ReachOf(kA), Reach::kDown);
  Set({{kA, 2, true, Neighbour::kPresent}});
  EXPECT_EQ(ReachOf(kA), Reach::kUp);
}

TEST_F(GatewayWatchTest, OnceItHasAnsweredSilenceCountsWhateverTheNeighbourTable) {
  Set({{kA, 2, true, Neighbour::kPresent}});
  Run(3s, {kA});
  Run(10s, {});
  EXPECT_EQ(ReachOf(kA), Reach::kDown);
}

TEST_F(GatewayWatchTest, LinkDown) {
  Set({{kA, 2, true, Neighbour::kUnknown}});
  Run(3s, {kA});
  Set({{kA, 2, false, Neighbour::kUnknown}});
  EXPECT_EQ(ReachOf(kA), Reach::kDown);
  Set({{kA, 2, true, Neighbour::kUnknown}});
  EXPECT_EQ(ReachOf(kA), Reach::kUp);
}

TEST_F(GatewayWatchTest, LastDefaultRouteGoneIsDownAndBackIsUp) {
  Set({{kA, 2, true, Neighbour::kUnknown}, {kLinkLocal, 2, true, Neighbour::kUnknown}});
  Run(3s, {kA, kLinkLocal});
  Set({{kLinkLocal, 2, true, Neighbour::kUnknown}});
  EXPECT_EQ(ReachOf(kA), Reach::kDown);
  EXPECT_EQ(ReachOf(kLinkLocal), Reach::kUp);
  Run(3s, {kA, kLinkLocal});
  EXPECT_EQ(ReachOf(kA), Reach::kDown);
  Set({{kA, 2, true, Neighbour::kUnknown}, {kLinkLocal, 2, true, Neighbour::kUnknown}});
  Run(3s, {kA, kLinkLocal});
  EXPECT_EQ(ReachOf(kA), Reach::kUp);
}

TEST_F(GatewayWatchTest, ReplacedGatewayIsForgotten) {
  Set({{kA, 2, true, Neighbour::kUnknown}});
  Run(3s, {kA});
  Set({{kB, 2, true, Neighbour::kUnknown}});
  ASSERT_EQ(watch.Health(now.mono).size(), 1u);
  EXPECT_EQ(ReachOf(kB), Reach::kUnknown);
  Set({});
  EXPECT_EQ(ReachOf(kB), Reach::kDown);
}

TEST_F(GatewayWatchTest, NoRouteToItIsDownShortnessOfBuffersIsNot) {
  Set({{kA, 2, true, Neighbour::kUnknown}});
  Run(3s, {kA});
  send_error = ENOBUFS;
  Run(20s, {});
  EXPECT_EQ(ReachOf(kA), Reach::kUp);  // nothing was asked, so nothing was left unanswered
  send_error = ENETUNREACH;
  Run(3s, {});
  EXPECT_EQ(ReachOf(kA), Reach::kDown);
}

TEST_F(GatewayWatchTest, LinkLocalGatewaysAreAskedOnTheirInterface) {
  Set({{kLinkLocal, 7, true, Neighbour::kUnknown}});
  Run(3s, {kLinkLocal});
  EXPECT_EQ(last.scope, 7u);
  EXPECT_EQ(ReachOf(kLinkLocal), Reach::kUp);
}

// A policy that allows a probe every 20 s must not make a good gateway look dead.
TEST_F(GatewayWatchTest, SlowPacingIsNotSilence) {
  Policy slow;
  slow.packets_per_second = 0.05;
  gate.SetPolicy(slow);
  Set({{kA, 2, true, Neighbour::kUnknown}});
  for (int i = 0; i < 400; ++i) {
    Run(500ms, {kA});
    ASSERT_EQ(ReachOf(kA), Reach::kUp);
  }
  EXPECT_EQ(sent, 10);
}

// Gateways take their turn with the rates of the policy, and nobody is asked without one.
TEST_F(GatewayWatchTest, WithoutAPolicyNobodyIsAsked) {
  gate.SetPolicy(std::nullopt);
  Set({{kA, 2, true, Neighbour::kUnknown}});
  Run(20s, {kA});
  EXPECT_EQ(sent, 0);
  EXPECT_EQ(ReachOf(kA), Reach::kUnknown);
  EXPECT_EQ(gate.refused(), 0u);  // refusals are of what was ordered
  gate.SetPolicy(Policy());
  Run(5s, {kA});
  EXPECT_EQ(ReachOf(kA), Reach::kUp);
}

// An answer that comes when the next requests are out already says that it was there, not that it
// is.
TEST_F(GatewayWatchTest, VeryLateAnswersDoNotCount) {
  Set({{kA, 2, true, Neighbour::kUnknown}});
  Run(100ms, {});
  const Probe first = last;
  Run(20s, {});
  EXPECT_TRUE(Answer(AnswerTo(first)));
  EXPECT_EQ(ledger.counts().late, 1u);
  EXPECT_EQ(ReachOf(kA), Reach::kUnknown);
  Run(2s, {});
  EXPECT_TRUE(Answer(AnswerTo(last)));
  EXPECT_EQ(ReachOf(kA), Reach::kUp);
}

TEST_F(GatewayWatchTest, ErrorsOfOthersAndRedirectsSayNothing) {
  Set({{kA, 2, true, Neighbour::kUnknown}});
  Run(100ms, {});
  EXPECT_TRUE(Answer(ErrorTo(last, Ip("192.0.2.10"), ErrorMeaning::kUnreachable)));
  EXPECT_TRUE(Answer(RedirectTo(last, kA, kB)));
  EXPECT_EQ(ReachOf(kA), Reach::kUnknown);
  Run(2s, {});
  EXPECT_TRUE(Answer(ErrorTo(last, kA, ErrorMeaning::kProhibited)));
  EXPECT_EQ(ReachOf(kA), Reach::kUp);
}

// A driver that sleeps until NextDeadline is called about every 2 s.
TEST_F(GatewayWatchTest, AsksToBeCalledWhenThereIsSomethingToDo) {
  Policy slow;
  slow.packets_per_second = 1;
  gate.SetPolicy(slow);
  Set({{kA, 2, true, Neighbour::kUnknown}, {kB, 2, true, Neighbour::kUnknown}});
  int calls = 0;
  std::vector<ProbeSend> sends;
  for (const MonoTime end = now.mono + 100s; now.mono < end; ++calls) {
    watch.Advance(now, 64, sends);
    const auto next = watch.NextDeadline();
    ASSERT_TRUE(next);
    ASSERT_GT(*next, now.mono);
    now = now + (*next - now.mono);
  }
  EXPECT_GE(sends.size(), 95u);
  EXPECT_LE(sends.size(), 100u);
  EXPECT_LE(calls, 250);
}

TEST_F(GatewayWatchTest, ReplacedGatewaysProbesAreClosed) {
  Set({{kA, 2, true, Neighbour::kUnknown}});
  Run(10s, {});
  EXPECT_GT(ledger.in_flight(), 0u);
  Set({{kB, 2, true, Neighbour::kUnknown}});
  EXPECT_EQ(ledger.in_flight(), 0u);
}

TEST_F(GatewayWatchTest, IsBounded) {
  std::vector<Gateway> many;
  for (uint8_t i = 0; i < 100; ++i) {
    many.push_back(
        {IpAddress::V4(std::array<uint8_t, 4>{192, 0, 2, i}), 2, true, Neighbour::kUnknown});
  }
  Set(many);
  EXPECT_EQ(watch.Health(now.mono).size(), kMaxGateways);
  Run(600s, {});
  EXPECT_LE(ledger.in_flight(), 4 * kMaxGateways);
}

}  // namespace
}  // namespace parallax::sensor
