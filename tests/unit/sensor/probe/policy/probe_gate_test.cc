#include "sensor/probe/policy/probe_gate.h"

#include <gtest/gtest.h>

#include "tests/unit/sensor/probe/test_probes.h"

namespace parallax::sensor {
namespace {

using namespace test;

class GateTest : public testing::Test {
 protected:
  GateAnswer Ask(ProbeGate& gate, const char* target, const ProbeTry& attempt = kEcho,
                 uint8_t ttl = 0, bool own_gateway = false) {
    ProbeRequest request;
    request.target = Ip(target);
    request.attempt = attempt;
    request.ttl = ttl;
    request.owner = {ProbeOwner::Kind::kTrace, 3, 4};
    request.own_gateway = own_gateway;
    request.scope = own_gateway ? 5 : 0;
    return gate.Ask(request, now, sends);
  }
  static size_t Count(const ProbeGate& gate, Refusal refusal) {
    return gate.refusals()[static_cast<size_t>(refusal)];
  }

  const ProbeTagger tagger{{1, 2}, {3, 4}, {61440, 65535}};
  ProbeLedger ledger{tagger, 100};
  MonoTime now{1000s};
  std::vector<ProbeSend> sends;
};

TEST_F(GateTest, WhatPassesIsSentAndInTheLedger) {
  ProbeGate gate(ledger, OpenPolicy());
  const GateAnswer answer = Ask(gate, "198.51.100.7", {ProbeMethod::kTcpSyn, 443, 9}, 17);
  EXPECT_EQ(answer.word, GateWord::kSent);
  ASSERT_EQ(sends.size(), 1u);
  EXPECT_EQ(sends[0].probe.id, answer.probe_id);
  EXPECT_EQ(sends[0].probe.target, Ip("198.51.100.7"));
  EXPECT_EQ(sends[0].probe.attempt, (ProbeTry{ProbeMethod::kTcpSyn, 443, 9}));
  EXPECT_EQ(sends[0].probe.ttl, 17);
  EXPECT_EQ(sends[0].probe.scope, 0u);
  EXPECT_EQ(sends[0].owner.kind, ProbeOwner::Kind::kTrace);
  EXPECT_EQ(sends[0].owner.serial, 4u);
  EXPECT_EQ(ledger.in_flight(), 1u);
  const auto match = ledger.OnAnswer(AnswerTo(sends[0].probe), now + 5ms);
  ASSERT_TRUE(match);
  EXPECT_EQ(match->owner.kind, ProbeOwner::Kind::kTrace);
  EXPECT_EQ(match->owner.index, 3u);
  EXPECT_EQ(match->owner.serial, 4u);
  EXPECT_EQ(match->ttl, 17);
  EXPECT_EQ(match->rtt, 5ms);
  EXPECT_EQ(gate.refused(), 0u);
}

TEST_F(GateTest, WithoutAPolicyEverythingIsRefused) {
  ProbeGate gate(ledger, std::nullopt);
  for (const bool own : {false, true}) {
    const GateAnswer answer = Ask(gate, "198.51.100.7", kEcho, 0, own);
    EXPECT_EQ(answer.word, GateWord::kRefused);
    EXPECT_EQ(answer.refusal, Refusal::kNoPolicy);
  }
  EXPECT_TRUE(sends.empty());
  EXPECT_EQ(ledger.in_flight(), 0u);
  EXPECT_EQ(Count(gate, Refusal::kNoPolicy), 2u);
  EXPECT_EQ(gate.refused(), 2u);
  EXPECT_EQ(gate.Judge(Ip("198.51.100.7"), kEcho, false), Refusal::kNoPolicy);
  EXPECT_EQ(gate.refused(), 2u);  // judging counts nothing
}

TEST_F(GateTest, PolicyThatIsTakenAwayRefusesEverything) {
  ProbeGate gate(ledger, OpenPolicy());
  EXPECT_EQ(Ask(gate, "198.51.100.7").word, GateWord::kSent);
  gate.SetPolicy(std::nullopt);
  EXPECT_FALSE(gate.policy());
  now += 1s;
  EXPECT_EQ(Ask(gate, "198.51.100.7").refusal, Refusal::kNoPolicy);
  EXPECT_EQ(Ask(gate, "198.51.100.7", kEcho, 0, true).refusal, Refusal::kNoPolicy);
  EXPECT_EQ(sends.size(), 1u);
  gate.SetPolicy(OpenPolicy());
  EXPECT_EQ(Ask(gate, "198.51.100.7").word, GateWord::kSent);
}

TEST_F(GateTest, RefusalsAreCountedByReason) {
  Policy policy = OpenPolicy();
  policy.udp = false;
  policy.trace = false;
  policy.tcp_ports = {{443, 443}};
  policy.deny = PrefixSet({*Prefix::Parse("203.0.113.0/24")});
  policy.allow = PrefixSet({*Prefix::Parse("11.0.0.0/8"), *Prefix::Parse("203.0.113.0/24"),
                            *Prefix::Parse("0.0.0.0/1"), *Prefix::Parse("127.0.0.0/8")});
  ProbeGate gate(ledger, policy);
  EXPECT_EQ(Ask(gate, "203.0.113.7").refusal, Refusal::kDenied);
  EXPECT_EQ(Ask(gate, "198.51.100.7").refusal, Refusal::kNotAllowed);
  EXPECT_EQ(Ask(gate, "10.0.0.1").refusal, Refusal::kSpecialPurpose);
  EXPECT_EQ(Ask(gate, "127.0.0.1").refusal, Refusal::kNotRemote);
  EXPECT_EQ(Ask(gate, "11.0.0.1", kUdpTrace).refusal, Refusal::kMethod);
  EXPECT_EQ(Ask(gate, "11.0.0.1", kEcho, 3).refusal, Refusal::kMethod);
  EXPECT_EQ(Ask(gate, "11.0.0.1", {ProbeMethod::kTcpSyn, 80}).refusal, Refusal::kPort);
  EXPECT_EQ(Ask(gate, "11.0.0.1", {ProbeMethod::kTcpSyn, 0}).refusal, Refusal::kPort);
  EXPECT_EQ(Ask(gate, "11.0.0.1").word, GateWord::kSent);
  EXPECT_EQ(Count(gate, Refusal::kNone), 0u);
  EXPECT_EQ(Count(gate, Refusal::kDenied), 1u);
  EXPECT_EQ(Count(gate, Refusal::kNotAllowed), 1u);
  EXPECT_EQ(Count(gate, Refusal::kSpecialPurpose), 1u);
  EXPECT_EQ(Count(gate, Refusal::kNotRemote), 1u);
  EXPECT_EQ(Count(gate, Refusal::kMethod), 2u);
  EXPECT_EQ(Count(gate, Refusal::kPort), 2u);
  EXPECT_EQ(gate.refused(), 8u);
  EXPECT_EQ(sends.size(), 1u);
}

// A refused probe takes no token, and whatever the pacer says, refusal comes first.
TEST_F(GateTest, PolicyBeforePacing) {
  Policy policy = OpenPolicy(1, 1, 1);
  policy.deny = PrefixSet({*Prefix::Parse("203.0.113.0/24")});
  ProbeGate gate(ledger, policy);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(Ask(gate, "203.0.113.7").word, GateWord::kRefused);
  }
  EXPECT_EQ(Ask(gate, "198.51.100.7").word, GateWord::kSent);
  EXPECT_EQ(Ask(gate, "198.51.100.7").word, GateWord::kLater);
  EXPECT_EQ(Ask(gate, "203.0.113.7").word, GateWord::kRefused);
}

TEST_F(GateTest, LaterSaysWhenAndWhose) {
  ProbeGate gate(ledger, OpenPolicy(100, 4, 2));
  EXPECT_EQ(Ask(gate, "198.51.100.7").word, GateWord::kSent);
  GateAnswer answer = Ask(gate, "198.51.101.7");
  EXPECT_EQ(answer.word, GateWord::kLater);
  EXPECT_EQ(answer.limit, PaceLimit::kAll);
  EXPECT_EQ(answer.at, gate.NextForAll());
  EXPECT_EQ(answer.at, now - 3ms + 10'070us);
  now += 10ms;
  answer = Ask(gate, "198.51.100.8");
  EXPECT_EQ(answer.word, GateWord::kLater);
  EXPECT_EQ(answer.limit, PaceLimit::kPrefix);
  EXPECT_GT(answer.at, now);
  answer = Ask(gate, "198.51.100.7");
  EXPECT_EQ(answer.limit, PaceLimit::kTarget);
  now = answer.at;
  EXPECT_EQ(Ask(gate, "198.51.100.7").word, GateWord::kSent);
  EXPECT_EQ(sends.size(), 2u);
  EXPECT_EQ(ledger.in_flight(), 2u);  // what was put off left nothing behind
}

TEST_F(GateTest, FullLedgerTakesNoToken) {
  ProbeLedger small(tagger, 1);
  ProbeGate gate(small, OpenPolicy(10, 10, 10));
  const GateAnswer first = Ask(gate, "198.51.100.7");
  EXPECT_EQ(first.word, GateWord::kSent);
  now += 1s;
  EXPECT_EQ(Ask(gate, "198.51.100.8").word, GateWord::kFull);
  EXPECT_LE(gate.NextForAll(), now);
  small.Close(first.probe_id, now);
  EXPECT_EQ(Ask(gate, "198.51.100.8").word, GateWord::kSent);
  EXPECT_EQ(sends.size(), 2u);
}

TEST_F(GateTest, OwnGatewaysPassPrefixesButNotMethodsAndRates) {
  Policy policy = OpenPolicy(10, 10, 10);
  policy.allow = {};
  policy.trace = false;
  ProbeGate gate(ledger, policy);
  EXPECT_EQ(Ask(gate, "10.0.0.1").word, GateWord::kRefused);
  EXPECT_EQ(Ask(gate, "10.0.0.1", kEcho, 0, true).word, GateWord::kSent);
  EXPECT_EQ(sends.back().probe.scope, 5u);
  EXPECT_EQ(Ask(gate, "10.0.0.1", kEcho, 0, true).word, GateWord::kLater);
  now += 100ms;
  EXPECT_EQ(Ask(gate, "fe80::1", kEcho, 0, true).word, GateWord::kSent);
  now += 1s;
  policy.icmp = false;
  gate.SetPolicy(policy);
  EXPECT_EQ(Ask(gate, "10.0.0.1", kEcho, 0, true).refusal, Refusal::kMethod);
}

TEST_F(GateTest, ADeniedGatewayIsNotAsked) {
  Policy policy = OpenPolicy(100, 50, 20);
  policy.deny = PrefixSet({*Prefix::Parse("10.0.0.0/8")});
  ProbeGate gate(ledger, policy);
  EXPECT_EQ(Ask(gate, "10.0.0.1", kEcho, 0, true).refusal, Refusal::kDenied);
  EXPECT_EQ(Ask(gate, "192.168.0.1", kEcho, 0, true).word, GateWord::kSent);
}

TEST_F(GateTest, ExtraLimitIsOneMoreAndOnlyOverAll) {
  ProbeGate gate(ledger, OpenPolicy(100, 50, 20), 10);
  // Well below the policy's rate it is a wish, and met without the margin of a cap.
  EXPECT_EQ(gate.rate(), 10 * kPaceMargin);
  EXPECT_EQ(Ask(gate, "198.51.100.7").word, GateWord::kSent);
  EXPECT_EQ(gate.NextForAll(), now + 97ms);
  // It cannot raise what the policy says, and survives another policy.
  gate.SetPolicy(OpenPolicy(5, 5, 5));
  EXPECT_EQ(gate.rate(), 5);
  gate.SetPolicy(OpenPolicy(1000, 5, 5));
  EXPECT_EQ(gate.rate(), 10 * kPaceMargin);
  EXPECT_EQ(ProbeGate(ledger, OpenPolicy(100, 50, 20), 99.5).rate(), 99.5);
  EXPECT_EQ(ProbeGate(ledger, OpenPolicy(100, 50, 20), 1e9).rate(), 100);
  EXPECT_EQ(ProbeGate(ledger, OpenPolicy(100, 50, 20), 0).rate(), 100);
}

// A reload in every millisecond lets not one probe more out.
TEST_F(GateTest, ReloadsMakeNoBurst) {
  ProbeLedger large(tagger, 100'000);
  ProbeGate gate(large, OpenPolicy(50, 20, 5));
  std::vector<MonoTime> times;
  for (int i = 0; i < 5000; ++i, now += 1ms) {
    switch (i % 3) {
      case 0:
        gate.SetPolicy(OpenPolicy(50, 20, 5));
        break;
      case 1:
        gate.SetPolicy(std::nullopt);
        break;
      default:
        gate.SetPolicy(OpenPolicy(49, 20, 5));
    }
    for (uint32_t target = 0; target < 100; ++target) {
      ProbeRequest request;
      request.target = V4(0x0b000000 + (target << 8));
      if (gate.Ask(request, now, sends).word == GateWord::kSent) {
        times.push_back(now);
      }
    }
  }
  EXPECT_GT(times.size(), 200u);
  for (size_t i = 0; i + 50 < times.size(); ++i) {
    ASSERT_GE(times[i + 50] - times[i], 1s);
  }
}

}  // namespace
}  // namespace parallax::sensor
