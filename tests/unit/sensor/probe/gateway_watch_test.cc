#include "sensor/probe/gateway_watch.h"

#include <gtest/gtest.h>

#include "tests/unit/sensor/probe/test_answers.h"

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;
using test::Ip;

class GatewayWatchTest : public testing::Test {
 protected:
  // Lets time pass; gateways in `answering` answer at once.
  void Run(Duration time, std::vector<IpAddress> answering) {
    for (const MonoTime end = now + time; now < end; now += 100ms) {
      ProbeActions out;
      watch.Advance(now, out);
      for (const ProbeSend& send : out.sends) {
        ++sent;
        last_scope = send.probe.scope;
        for (const IpAddress& address : answering) {
          if (address == send.probe.target) {
            Answer answer;
            answer.source = answer.target = address;
            answer.flow_port = send.probe.flow_port;
            answer.sequence = send.probe.sequence;
            answer.echo = EchoTag{send.probe.id, send.probe.tag};
            const auto match = ledger.OnAnswer(answer, now);
            ASSERT_TRUE(match);
            watch.OnAnswer(*match, answer, now);
          }
        }
        if (send_error) {
          watch.OnSendError(send.owner, *send_error);
        }
      }
    }
  }
  void Set(std::vector<Gateway> gateways) { watch.SetGateways(gateways, now); }
  Reach ReachOf(const IpAddress& address) {
    for (const GatewayHealth& health : watch.Health(now)) {
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
  Pacer pacer{100, 2};
  GatewayWatch watch{ledger, pacer};
  MonoTime now{1000s};
  int sent = 0;
  uint32_t last_scope = 0;
  std::optional<bool> send_error;
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
  ASSERT_EQ(watch.Health(now).size(), 1u);
  EXPECT_EQ(ReachOf(kB), Reach::kUnknown);
  Set({});
  EXPECT_EQ(ReachOf(kB), Reach::kDown);
}

TEST_F(GatewayWatchTest, NoRouteToItIsDownShortnessOfBuffersIsNot) {
  Set({{kA, 2, true, Neighbour::kUnknown}});
  Run(3s, {kA});
  send_error = false;
  Run(20s, {});
  EXPECT_EQ(ReachOf(kA), Reach::kUp);  // nothing was asked, so nothing was left unanswered
  send_error = true;
  Run(3s, {});
  EXPECT_EQ(ReachOf(kA), Reach::kDown);
}

TEST_F(GatewayWatchTest, LinkLocalGatewaysAreAskedOnTheirInterface) {
  Set({{kLinkLocal, 7, true, Neighbour::kUnknown}});
  Run(3s, {kLinkLocal});
  EXPECT_EQ(last_scope, 7u);
  EXPECT_EQ(ReachOf(kLinkLocal), Reach::kUp);
}

// A policy that allows a probe every 20 s must not make a good gateway look dead.
TEST_F(GatewayWatchTest, SlowPacingIsNotSilence) {
  Pacer slow(0.05, 0.05);
  GatewayWatch slow_watch(ledger, slow);
  slow_watch.SetGateways({{kA, 2, true, Neighbour::kUnknown}}, now);
  int asked = 0;
  for (const MonoTime end = now + 200s; now < end; now += 500ms) {
    ProbeActions out;
    slow_watch.Advance(now, out);
    for (const ProbeSend& send : out.sends) {
      ++asked;
      Answer answer;
      answer.source = answer.target = kA;
      slow_watch.OnAnswer({send.owner, 1ms}, answer, now);
    }
    if (asked > 0) {
      ASSERT_EQ(slow_watch.Health(now).front().reach, Reach::kUp);
    }
  }
  EXPECT_EQ(asked, 10);
}

TEST_F(GatewayWatchTest, IsBounded) {
  std::vector<Gateway> many;
  for (uint8_t i = 0; i < 100; ++i) {
    many.push_back(
        {IpAddress::V4(std::array<uint8_t, 4>{192, 0, 2, i}), 2, true, Neighbour::kUnknown});
  }
  Set(many);
  EXPECT_EQ(watch.Health(now).size(), kMaxGateways);
  Run(600s, {});
  EXPECT_LE(ledger.size(), 1000u);
}

}  // namespace
}  // namespace parallax::sensor
