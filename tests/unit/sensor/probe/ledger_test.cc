#include "sensor/probe/ledger.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/unit/sensor/probe/test_answers.h"

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;
using test::Ip;

constexpr ProbeTry kEcho{ProbeMethod::kIcmpEcho, 0};
constexpr ProbeTry kHttps{ProbeMethod::kTcpSyn, 443};

class LedgerTest : public testing::Test {
 protected:
  Probe Open(const ProbeTry& attempt, const char* target = "198.51.100.7") {
    return *ledger.Open(Ip(target), 0, attempt, {ProbeOwner::Kind::kOrder, 77, 2}, now);
  }
  static Answer AnswerTo(const Probe& probe) {
    Answer answer;
    answer.kind = probe.attempt == kHttps ? AnswerKind::kSynAck : AnswerKind::kEchoReply;
    answer.source = answer.target = probe.target;
    answer.attempt = probe.attempt;
    answer.flow_port = probe.flow_port;
    answer.sequence = probe.sequence;
    if (probe.attempt.method == ProbeMethod::kIcmpEcho) {
      answer.echo = EchoTag{probe.id, probe.tag};
    }
    return answer;
  }
  static Answer ErrorTo(const Probe& probe, bool quotes_tag) {
    Answer answer = AnswerTo(probe);
    answer.kind = AnswerKind::kError;
    answer.source = Ip("203.0.113.1");
    if (!quotes_tag) {
      answer.echo.reset();
    }
    return answer;
  }

  const ProbeTagger tagger{{1, 2}, {3, 4}, {61440, 65535}};
  ProbeLedger ledger{tagger, 100};
  MonoTime now{1000s};
};

TEST_F(LedgerTest, AcceptsTheAnswerOnceWithItsRoundTripTime) {
  for (const ProbeTry& attempt : {kEcho, kHttps}) {
    const Probe probe = Open(attempt);
    ledger.SetSent(probe.id, now + 1ms);
    const auto match = ledger.OnAnswer(AnswerTo(probe), now + 21ms);
    ASSERT_TRUE(match);
    EXPECT_EQ(match->owner.serial, 77u);
    EXPECT_EQ(match->owner.index, 2u);
    EXPECT_EQ(match->rtt, 20ms);
    EXPECT_FALSE(ledger.OnAnswer(AnswerTo(probe), now + 22ms));
  }
  EXPECT_EQ(ledger.counts().accepted, 2u);
  EXPECT_EQ(ledger.counts().duplicate, 2u);
}

TEST_F(LedgerTest, RoundTripTimeIsNeverNegative) {
  const Probe probe = Open(kEcho);
  EXPECT_EQ(ledger.OnAnswer(AnswerTo(probe), now - 5ms)->rtt, 0ns);
}

TEST_F(LedgerTest, AnErrorThenAnAnswerBothCountASecondErrorDoesNot) {
  const Probe probe = Open(kHttps);
  EXPECT_TRUE(ledger.OnAnswer(ErrorTo(probe, false), now));
  EXPECT_FALSE(ledger.OnAnswer(ErrorTo(probe, false), now));
  EXPECT_TRUE(ledger.OnAnswer(AnswerTo(probe), now));
  EXPECT_FALSE(ledger.OnAnswer(ErrorTo(probe, false), now));
  EXPECT_EQ(ledger.counts().duplicate, 2u);
}

TEST_F(LedgerTest, ForgedEchoReplies) {
  const Probe probe = Open(kEcho);
  Answer wrong_tag = AnswerTo(probe);
  wrong_tag.echo->tag ^= 1;
  EXPECT_FALSE(ledger.OnAnswer(wrong_tag, now));
  Answer wrong_id = AnswerTo(probe);
  wrong_id.echo->probe_id ^= 1;
  EXPECT_FALSE(ledger.OnAnswer(wrong_id, now));
  Answer no_tag = AnswerTo(probe);
  no_tag.echo.reset();
  EXPECT_FALSE(ledger.OnAnswer(no_tag, now));
  Answer wrong_sequence = AnswerTo(probe);
  wrong_sequence.sequence ^= 1;
  EXPECT_FALSE(ledger.OnAnswer(wrong_sequence, now));
  Answer wrong_source = AnswerTo(probe);
  wrong_source.source = wrong_source.target = Ip("198.51.100.8");
  EXPECT_FALSE(ledger.OnAnswer(wrong_source, now));
  EXPECT_EQ(ledger.counts().forged, 5u);
  EXPECT_TRUE(ledger.OnAnswer(AnswerTo(probe), now));  // none of it spoilt the real one
}

TEST_F(LedgerTest, ForgedSegments) {
  const Probe probe = Open(kHttps);
  Answer wrong_ack = AnswerTo(probe);
  wrong_ack.sequence += 1;
  EXPECT_FALSE(ledger.OnAnswer(wrong_ack, now));
  Answer wrong_reset = wrong_ack;
  wrong_reset.kind = AnswerKind::kReset;
  EXPECT_FALSE(ledger.OnAnswer(wrong_reset, now));
  EXPECT_EQ(ledger.counts().forged, 2u);
  Answer wrong_source = AnswerTo(probe);
  wrong_source.source = wrong_source.target = Ip("198.51.100.8");
  EXPECT_FALSE(ledger.OnAnswer(wrong_source, now));
  Answer wrong_port = AnswerTo(probe);
  wrong_port.flow_port ^= 1;
  EXPECT_FALSE(ledger.OnAnswer(wrong_port, now));
  EXPECT_EQ(ledger.counts().accepted, 0u);
  EXPECT_TRUE(ledger.OnAnswer(AnswerTo(probe), now));
}

TEST_F(LedgerTest, ForgedErrors) {
  const Probe probe = Open(kEcho);
  Answer wrong_tag = ErrorTo(probe, true);
  wrong_tag.echo->tag ^= 1;
  EXPECT_FALSE(ledger.OnAnswer(wrong_tag, now));
  Answer wrong_sequence = ErrorTo(probe, false);
  wrong_sequence.sequence ^= 1;
  EXPECT_FALSE(ledger.OnAnswer(wrong_sequence, now));
  EXPECT_EQ(ledger.counts().forged, 2u);
  EXPECT_TRUE(ledger.OnAnswer(ErrorTo(probe, false), now));
}

TEST_F(LedgerTest, SomebodyElsesPingsAreForeign) {
  const Probe probe = Open(kEcho);
  Answer other = AnswerTo(probe);
  other.flow_port ^= 1;
  other.echo = EchoTag{123, 456};
  EXPECT_FALSE(ledger.OnAnswer(other, now));
  EXPECT_EQ(ledger.counts().foreign, 1u);
}

TEST_F(LedgerTest, LateAnswers) {
  for (const ProbeTry& attempt : {kEcho, kHttps}) {
    const Probe probe = Open(attempt);
    ledger.Close(probe.id, now);
    EXPECT_FALSE(ledger.OnAnswer(AnswerTo(probe), now));
    EXPECT_FALSE(ledger.OnAnswer(AnswerTo(probe), now));
  }
  EXPECT_EQ(ledger.counts().late, 2u);
  EXPECT_EQ(ledger.counts().duplicate, 2u);
}

TEST_F(LedgerTest, EchoTagsAreKnownEvenWhenForgotten) {
  const Probe probe = Open(kEcho);
  ledger.Close(probe.id, now);
  now += 1h;
  Open(kEcho);  // forgets what ended long ago
  EXPECT_EQ(ledger.size(), 1u);
  EXPECT_FALSE(ledger.OnAnswer(AnswerTo(probe), now));
  EXPECT_EQ(ledger.counts().late, 1u);
}

TEST_F(LedgerTest, IsBoundedAndForgetsTheEndedFirst) {
  std::vector<Probe> open;
  for (int i = 0; i < 50; ++i) {
    open.push_back(Open(kEcho));
  }
  for (int i = 0; i < 10'000; ++i) {
    ledger.Close(Open(kHttps).id, now);
    ASSERT_LE(ledger.size(), 100u);
  }
  for (const Probe& probe : open) {
    EXPECT_TRUE(ledger.OnAnswer(AnswerTo(probe), now));
  }
  for (int i = 0; i < 50; ++i) {
    Open(kHttps);
  }
  EXPECT_FALSE(ledger.Open(Ip("198.51.100.7"), 0, kEcho, {}, now));
}

// A 16-bit sequence can be taken: then another id is used.
TEST(Ledger, ManyEchoProbesOfOneTargetStayApart) {
  const ProbeTagger tagger({1, 2}, {3, 4}, {61440, 65535});
  ProbeLedger ledger(tagger, 20'000);
  std::set<uint32_t> sequences;
  for (int i = 0; i < 10'000; ++i) {
    sequences.insert(ledger.Open(Ip("198.51.100.7"), 0, kEcho, {}, MonoTime{})->sequence);
  }
  EXPECT_EQ(sequences.size(), 10'000u);
}

}  // namespace
}  // namespace parallax::sensor
