// SYNs of a flow, one after another: what a target that has not heard the RST makes of them.
#include "tests/unit/sensor/probe/wire/ledger_fixture.h"

namespace parallax::sensor {
namespace {

using namespace test;

// Within the receive window of a handshake that the one before has begun, whatever its fate.
TEST_F(LedgerTest, SequencesOfATcpFlowGoUpInSmallSteps) {
  for (const char* target : {"198.51.100.7", "2001:db8::7"}) {
    Probe last = Open(kHttps, target);
    for (uint32_t i = 0; i < 12; ++i) {
      if (i % 2 == 0) {
        ledger.OnAnswer(AnswerTo(last), now);
        ledger.Close(last.id, now);
      }
      now += i % 3 * 100ms;
      Open({ProbeMethod::kTcpSyn, 443, 1}, target);  // another flow, and another port
      Open({ProbeMethod::kTcpSyn, 80}, target);
      const Probe next = Open(kHttps, target);
      const uint32_t step = next.sequence - last.sequence;
      EXPECT_GE(step, 1u);
      EXPECT_LE(step, i % 3 * 100 + ProbeTagger::kMostSequenceStep);
      last = next;
    }
  }
}

// The RST of our kernel was lost: the target acknowledges the first SYN again, and with that our
// kernel's RST gets its second chance.
TEST_F(LedgerTest, AckOfAnEarlierSynAnswersTheOneThatIsWaitedFor) {
  const Probe first = Open(kHttps);
  EXPECT_TRUE(ledger.OnAnswer(AnswerTo(first), now));
  ledger.Close(first.id, now);
  now += 1s;
  const Probe next = Open(kHttps);
  EXPECT_FALSE(ledger.OnAnswer(AnswerTo(first), now + 1ms)) << "a SYN-ACK is its own probe's";
  const auto match = ledger.OnAnswer(AnswerTo(first, AnswerKind::kAck), now + 2ms);
  ASSERT_TRUE(match);
  EXPECT_EQ(match->probe_id, next.id);
  EXPECT_EQ(match->rtt, 2ms);
  EXPECT_FALSE(match->late);
  EXPECT_EQ(ledger.counts().duplicate, 1u);
  EXPECT_EQ(ledger.counts().forged, 0u);
}

// A copy of an answer, or one that is played back, is no other answer.
TEST_F(LedgerTest, AckAnswersOnce) {
  const Probe first = Open(kHttps);
  EXPECT_TRUE(ledger.OnAnswer(AnswerTo(first), now));
  const Probe second = Open(kHttps);
  const Probe third = Open(kHttps);
  EXPECT_EQ(ledger.OnAnswer(AnswerTo(first, AnswerKind::kAck), now)->probe_id, second.id);
  EXPECT_FALSE(ledger.OnAnswer(AnswerTo(first, AnswerKind::kAck), now));
  EXPECT_FALSE(ledger.OnAnswer(AnswerTo(first, AnswerKind::kAck), now));
  EXPECT_EQ(ledger.OnAnswer(AnswerTo(second, AnswerKind::kAck), now)->probe_id, third.id);
  // One that comes when nothing is waited for answers nothing later either.
  EXPECT_FALSE(ledger.OnAnswer(AnswerTo(third, AnswerKind::kAck), now));
  Open(kHttps);
  EXPECT_FALSE(ledger.OnAnswer(AnswerTo(third, AnswerKind::kAck), now));
}

TEST_F(LedgerTest, AckOfALongFlow) {
  ProbeLedger large(tagger, 1000);
  std::vector<Probe> probes;
  for (int i = 0; i < 300; ++i) {
    probes.push_back(*large.Open(Ip("198.51.100.7"), 0, kHttps, 0, {}, now));
    if (i < 299) {
      EXPECT_TRUE(large.OnAnswer(AnswerTo(probes.back()), now));
    }
  }
  EXPECT_EQ(large.OnAnswer(AnswerTo(probes[0], AnswerKind::kAck), now)->probe_id, probes[299].id);
}

// The target has the newer one, when the older one comes.
TEST_F(LedgerTest, AckAnswersTheOneThatWasOvertaken) {
  const Probe old = Open(kHttps);
  now += 2s;
  const Probe overtaken = Open(kHttps);
  now += 10ms;
  const Probe newer = Open(kHttps);
  EXPECT_TRUE(ledger.OnAnswer(AnswerTo(newer), now));
  EXPECT_EQ(ledger.OnAnswer(AnswerTo(newer, AnswerKind::kAck), now + 20ms)->probe_id, overtaken.id);
  const Probe newest = Open(kHttps);
  EXPECT_TRUE(ledger.OnAnswer(AnswerTo(newest), now));
  EXPECT_FALSE(ledger.OnAnswer(AnswerTo(newest, AnswerKind::kAck), now + 20ms));
  EXPECT_TRUE(ledger.OnAnswer(AnswerTo(old), now)) << "too old to have been overtaken";
}

TEST_F(LedgerTest, AckNamesAProbeOfItsFlowOrIsForged) {
  const Probe first = Open(kHttps);
  EXPECT_TRUE(ledger.OnAnswer(AnswerTo(first), now));
  Open(kHttps);
  Answer ack = AnswerTo(first, AnswerKind::kAck);
  ack.sequence ^= 0x80000000;
  EXPECT_FALSE(ledger.OnAnswer(ack, now));
  ack = AnswerTo(first, AnswerKind::kAck);
  ack.flow_port = Open({ProbeMethod::kTcpSyn, 443, 1}).flow_port;
  EXPECT_FALSE(ledger.OnAnswer(ack, now));
  EXPECT_EQ(ledger.counts().forged, 2u);
}

// A trace: what ended on its way has not come to the target.
TEST_F(LedgerTest, AckIsNotForAProbeThatEndsBeforeTheTarget) {
  for (const bool another : {false, true}) {
    ProbeLedger traced(tagger, 100);
    const auto open = [&](uint8_t ttl) {
      return *traced.Open(Ip("198.51.100.7"), 0, kHttps, ttl, {}, now);
    };
    const Probe reached = open(9);
    EXPECT_TRUE(traced.OnAnswer(AnswerTo(reached), now));
    open(8);  // a silent hop
    const Probe lost = open(9);
    EXPECT_TRUE(traced.OnAnswer(ErrorTo(lost, kRouter, ErrorMeaning::kUnreachable), now));
    const uint64_t beyond = another ? open(0).id : 0;
    const auto match = traced.OnAnswer(AnswerTo(reached, AnswerKind::kAck), now);
    ASSERT_EQ(match.has_value(), another);
    EXPECT_TRUE(!match || match->probe_id == beyond);
  }
}

}  // namespace
}  // namespace parallax::sensor
