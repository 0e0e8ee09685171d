// One test per line of the rule table, in virtual time.
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <map>
#include <string>

#include "tests/unit/sensor/observe/tracker_fixture.h"

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

TEST_F(TrackerTest, ASynIsReportedAtOnce) {
  Syn(1s);
  ASSERT_EQ(out_.size(), 1u);
  const Attempt expected{.client = kClient,
                         .server = kServer,
                         .isn = kIsn,
                         .first_seen = FromUnixNanos(1'000'000'000),
                         .age = 0s,
                         .outcome = AttemptOutcome::kPending,
                         .rule = "",
                         .syns = 1,
                         .syn_acks = 0,
                         .ttl = 57,
                         .interface = "eth0",
                         .sampling = 1};
  EXPECT_EQ(ToAttempt(out_[0]), expected);
}

TEST_F(TrackerTest, SynAckNotRepeatedIsCompleted) {
  Syn(1s);
  SynAck(1001ms);
  To(60s);
  ExpectOutcome(AttemptOutcome::kCompleted, "syn_ack_not_repeated", 1501ms);
  EXPECT_EQ(Outcomes()[0].syns, 1u);
  EXPECT_EQ(Outcomes()[0].syn_acks, 1u);
}

TEST_F(TrackerTest, SynAckRepeatedIsHalfOpenOnceTheSynHadItsChance) {
  Syn(1s);
  // Linux' schedule for a SYN-ACK that nobody acknowledges.
  for (const Duration t : {0ms, 1000ms, 3000ms, 7300ms, 15500ms, 31600ms}) {
    SynAck(1s + 200us + t);
  }
  To(120s);
  ExpectOutcome(AttemptOutcome::kHalfOpen, "syn_ack_repeated", 1400ms + 200us);
  EXPECT_EQ(Outcomes()[0].syn_acks, 2u);
  EXPECT_EQ(tracker_.stats().attempts, 1u);
  EXPECT_EQ(tracker_.stats().syn_acks, 6u);
  EXPECT_EQ(tracker_.size(), 0u);
}

TEST_F(TrackerTest, SynRepeatedRightAfterTheSynAckIsCounted) {
  // A real client in trouble: both timers run out at about the same time, the server's first.
  Syn(1s);
  SynAck(1001ms);
  SynAck(2001ms);
  Syn(2003ms);
  To(20s);
  ASSERT_EQ(Outcomes().size(), 1u);
  EXPECT_EQ(Outcomes()[0].outcome, AttemptOutcome::kHalfOpen);
  EXPECT_EQ(Outcomes()[0].syns, 2u);
}

// A client that keeps trying shows itself right after the SYN-ACK is repeated, and is counted.
TEST_F(TrackerTest, HalfOpenWaitsForTheSynOfAClientThatKeepsTrying) {
  Syn(1s);
  SynAck(1s + 200us);
  SynAck(2s);
  EXPECT_TRUE(Outcomes().empty());
  Syn(2005ms);
  SynAck(2006ms);
  To(100s);
  ExpectOutcome(AttemptOutcome::kHalfOpen, "syn_ack_repeated", 1005ms);
  EXPECT_EQ(Outcomes()[0].syns, 2u);
}

TEST_F(TrackerTest, SynRepeatedAfterASynAckIsHalfOpen) {
  Syn(1s);
  SynAck(1001ms);
  Syn(2s);
  SynAck(2001ms);
  To(20s);
  ExpectOutcome(AttemptOutcome::kHalfOpen, "syn_repeated_after_syn_ack", 1s);
  EXPECT_EQ(Outcomes()[0].syns, 2u);
}

// The answer to the first SYN was on its way when the client sent the second.
TEST_F(TrackerTest, SynThatCrossesASynAckProvesNothing) {
  Syn(1s);
  SynAck(1950ms);
  Syn(2s);
  To(20s);
  const auto outcomes = Outcomes();
  ASSERT_EQ(outcomes.size(), 1u);
  EXPECT_EQ(outcomes[0].rule, "syn_ack_not_repeated");
}

TEST_F(TrackerTest, SynRepeatedWithoutAnswerIsUnansweredAtTheSecondCopy) {
  // Linux' schedule with linear time-outs, the whole of it: one attempt.
  Duration start = 1s;
  for (const Duration t :
       {0ms, 1000ms, 2000ms, 3100ms, 4100ms, 5100ms, 7100ms, 11300ms, 19500ms, 35600ms, 68400ms}) {
    Syn(start + t);
  }
  To(300s);
  ExpectOutcome(AttemptOutcome::kUnanswered, "syn_repeated", 1400ms);
  EXPECT_EQ(tracker_.stats().attempts, 1u);
  EXPECT_EQ(tracker_.stats().syns, 11u);
  EXPECT_EQ(tracker_.size(), 0u);
}

TEST_F(TrackerTest, EagerSynRepeatsAreUnansweredOnlyAfterPointNineSeconds) {
  Syn(1s);
  Syn(1300ms);
  Syn(1700ms);
  EXPECT_TRUE(Outcomes().empty());
  Syn(1950ms);
  Syn(2200ms);  // puts nothing off
  To(10s);
  ExpectOutcome(AttemptOutcome::kUnanswered, "syn_repeated", 1350ms);
}

TEST_F(TrackerTest, AFirstSynThatGotLostIsNoUnansweredAttempt) {
  Syn(1s);
  Syn(2s);
  SynAck(2300ms);
  To(10s);
  ExpectOutcome(AttemptOutcome::kCompleted, "syn_ack_not_repeated", 2800ms);
}

TEST_F(TrackerTest, EagerSynRepeatsThatEndAreUnansweredInTheEnd) {
  Syn(1s);
  Syn(1300ms);
  To(10s);
  ExpectOutcome(AttemptOutcome::kUnanswered, "syn_repeated", 3500ms);
}

TEST_F(TrackerTest, ASingleSynIsUnknown) {
  Syn(1s);
  To(100s);
  ExpectOutcome(AttemptOutcome::kUnknown, "syn_once", 3500ms);
  EXPECT_EQ(tracker_.size(), 0u);
}

TEST_F(TrackerTest, RstForTheSynIsRefused) {
  Syn(1s);
  ServerRst(1010ms);
  Syn(1500ms);  // Windows tries again
  ServerRst(1510ms);
  To(60s);
  ExpectOutcome(AttemptOutcome::kRefused, "rst", 10ms);
}

TEST_F(TrackerTest, RstOfAnotherAttemptIsNot) {
  Syn(1s);
  ServerRst(1010ms, kIsn + 5);
  EXPECT_TRUE(Outcomes().empty());
}

TEST_F(TrackerTest, RstFromAClientThatKnowsNothingIsUnknown) {
  Syn(1s);
  SynAck(1001ms);
  ClientRst(1030ms);
  To(60s);
  ExpectOutcome(AttemptOutcome::kUnknown, "client_reset", 30ms);
}

TEST_F(TrackerTest, RstFromAClientThatHadTheConnectionIsCompleted) {
  Syn(1s);
  SynAck(1001ms);
  ClientRst(1030ms, kTcpRst | kTcpAck, kServerSeq + 1);
  To(60s);
  ExpectOutcome(AttemptOutcome::kCompleted, "client_abort", 30ms);
}

TEST_F(TrackerTest, RstWithAnAcknowledgementOfSomethingElseIsNoEvidence) {
  Syn(1s);
  SynAck(1001ms);
  ClientRst(1030ms, kTcpRst | kTcpAck, kServerSeq + 500);
  To(60s);
  ExpectOutcome(AttemptOutcome::kCompleted, "syn_ack_not_repeated", 1501ms);
}

TEST_F(TrackerTest, ASynAckWithoutASynIsNoCompletion) {  // its SYN may never have been: backscatter
  SynAck(1s);
  To(60s);
  ExpectOutcome(AttemptOutcome::kUnknown, "syn_not_seen", 1500ms);
  EXPECT_EQ(Outcomes()[0].syns, 0u);
  EXPECT_EQ(Outcomes()[0].ttl, 0);
}

TEST_F(TrackerTest, SynAckBeforeItsSynIsAccepted) {
  SynAck(1s);
  Syn(1002ms);
  To(60s);
  ExpectOutcome(AttemptOutcome::kCompleted, "syn_ack_not_repeated", 1500ms);
  EXPECT_EQ(Outcomes()[0].syns, 1u);
  EXPECT_EQ(Outcomes()[0].ttl, 57);
}

TEST_F(TrackerTest, ANewIsnIsANewAttempt) {
  Syn(1s);
  Syn(1100ms, kIsn + 1);
  EXPECT_EQ(Pending(), 2u);
  SynAck(1101ms, kIsn + 1);
  To(30s);
  const auto outcomes = Outcomes();
  ASSERT_EQ(outcomes.size(), 2u);
  EXPECT_EQ(outcomes[0].isn, kIsn + 1);
  EXPECT_EQ(outcomes[0].rule, "syn_ack_not_repeated");
  EXPECT_EQ(outcomes[1].isn, kIsn);
  EXPECT_EQ(outcomes[1].rule, "syn_once");
}

TEST_F(TrackerTest, SequenceNumbersWrap) {
  Syn(1s, 0xffffffff);
  SynAck(1001ms, 0xffffffff);
  EXPECT_EQ(tracker_.stats().attempts, 1u);
}

TEST_F(TrackerTest, CopiesWithinFiveMillisecondsAreOneSegment) {
  Syn(1s);
  Syn(1001ms);
  Syn(1004ms);
  SynAck(1005ms);
  SynAck(1006ms);
  To(30s);
  ExpectOutcome(AttemptOutcome::kCompleted, "syn_ack_not_repeated", 1505ms);
  EXPECT_EQ(Outcomes()[0].syns, 1u);
  EXPECT_EQ(Outcomes()[0].syn_acks, 1u);
  EXPECT_EQ(tracker_.stats().duplicates, 3u);
}

// A router shows a SYN on its way in and out, and of two interfaces either may be read first.
TEST_F(TrackerTest, TheEarliestCopySaysWhereTheSynCameIn) {
  const auto copy = [&](Duration t, uint8_t ttl, std::string_view interface) {
    tracker_.Observe({.src = kClient, .dst = kServer, .seq = kIsn, .flags = kTcpSyn, .ttl = ttl},
                     FromUnixNanos(0) + t, MonoTime(1s), interface, out_);
  };
  To(1s);
  copy(1s, 63, "out");
  copy(1s - 20us, 64, "in");
  copy(1s + 20us, 62, "further");
  SynAck(1001ms);
  To(30s);
  ASSERT_EQ(Outcomes().size(), 1u);
  EXPECT_EQ(Outcomes()[0].ttl, 64);
  EXPECT_EQ(Outcomes()[0].interface, "in");
  EXPECT_EQ(Outcomes()[0].syns, 1u);
}

// Two capture points with a slow path in between: neither a copy nor a retransmission.
TEST_F(TrackerTest, CopiesBelowAnyTimerAreNoEvidence) {
  Syn(1s);
  SynAck(1001ms);
  Syn(1050ms);
  SynAck(1051ms);
  To(30s);
  ExpectOutcome(AttemptOutcome::kCompleted, "syn_ack_not_repeated", 1501ms);
  EXPECT_EQ(Outcomes()[0].syns, 2u);
}

TEST_F(TrackerTest, OddSegmentsAreCountedAndIgnored) {
  Send(1s, {.src = kClient, .dst = kServer, .seq = kIsn, .flags = kTcpSyn | kTcpFin});
  Send(1s, {.src = kClient, .dst = kServer, .seq = kIsn, .flags = kTcpSyn | kTcpRst});
  Send(1s, {.src = kServer, .dst = kClient, .ack = kIsn + 1, .flags = kTcpSyn | kTcpAck | kTcpFin});
  EXPECT_TRUE(out_.empty());
  EXPECT_EQ(tracker_.stats().odd, 3u);
}

TEST_F(TrackerTest, LateRepeatsAreCountedAndNotReportedAgain) {
  Syn(1s);
  SynAck(1001ms);
  SynAck(4s);  // a server whose first time-out is 3 s
  SynAck(10s);
  To(100s);
  ExpectOutcome(AttemptOutcome::kCompleted, "syn_ack_not_repeated", 1501ms);
  EXPECT_EQ(tracker_.stats().late_repeats, 1u);
  EXPECT_EQ(tracker_.stats().attempts, 1u);
}

TEST_F(TrackerTest, LateAnswersAreCountedAndNotReportedAgain) {
  Syn(1s);
  Syn(2s);
  SynAck(2500ms);
  To(100s);
  ExpectOutcome(AttemptOutcome::kUnanswered, "syn_repeated", 1400ms);
  EXPECT_EQ(tracker_.stats().late_answers, 1u);
}

// The outcome must not depend on how often Advance() happens to be called.
TEST_F(TrackerTest, ARepeatAfterTheDeadlineComesTooLateEvenIfNobodyAdvanced) {
  tracker_.Observe({.src = kClient, .dst = kServer, .seq = kIsn, .flags = kTcpSyn}, {},
                   MonoTime(1s), "eth0", out_);
  const SynSegment syn_ack{.src = kServer,
                           .dst = kClient,
                           .seq = kServerSeq,
                           .ack = kIsn + 1,
                           .flags = kTcpSyn | kTcpAck};
  tracker_.Observe(syn_ack, {}, MonoTime(1001ms), "eth0", out_);
  tracker_.Observe(syn_ack, {}, MonoTime(4s), "eth0", out_);
  ASSERT_EQ(Outcomes().size(), 1u);
  EXPECT_EQ(Outcomes()[0].rule, "syn_ack_not_repeated");
}

TEST_F(TrackerTest, TheSameAttemptAfterItWasForgottenIsNew) {
  Syn(1s);
  SynAck(1001ms);
  To(30s);
  Syn(30s);
  EXPECT_EQ(Pending(), 2u);
}

TEST_F(TrackerTest, FinishReportsWhatIsPending) {
  Syn(1s);
  SynAck(1001ms);
  tracker_.Finish(MonoTime(1500ms), out_);
  ASSERT_EQ(Outcomes().size(), 1u);
  EXPECT_EQ(Outcomes()[0].outcome, AttemptOutcome::kUnknown);
  EXPECT_EQ(Outcomes()[0].rule, "capture_ended");
  EXPECT_EQ(tracker_.size(), 0u);
}

class SmallTrackerTest : public TrackerTest {
 protected:
  SmallTrackerTest() : TrackerTest(false, 64) {}
};

// A flood much larger than the table: memory stays, every attempt still gets its two records, and
// an answered attempt survives.
TEST_F(SmallTrackerTest, AFloodEvictsItsOwnFirst) {
  Syn(1s);
  SynAck(1001ms);
  for (uint32_t i = 0; i < 10000; ++i) {
    const std::array<uint8_t, 4> bytes{203, 0, static_cast<uint8_t>(i >> 8),
                                       static_cast<uint8_t>(i)};
    tracker_.Observe({.src = {IpAddress::V4(bytes), 1}, .dst = kServer, .seq = i, .flags = kTcpSyn},
                     {}, MonoTime(1100ms), "eth0", out_);
  }
  EXPECT_LE(tracker_.size(), 64u);
  EXPECT_GE(tracker_.stats().evicted, 10001u - 64u);
  SynAck(2100ms);
  To(200s);
  std::map<AttemptOutcome, int> outcomes;
  std::string rule;
  for (const AttemptEvent& a : out_) {
    ++outcomes[a.outcome];
    if (a.client == kClient && a.outcome != AttemptOutcome::kPending) {
      rule = a.rule;
    }
  }
  EXPECT_EQ(rule, "syn_ack_repeated");
  EXPECT_EQ(outcomes[AttemptOutcome::kPending], 10001);
  EXPECT_EQ(outcomes[AttemptOutcome::kUnknown], 10000);
}

class AtEndTest : public TrackerTest {
 protected:
  AtEndTest() : TrackerTest(true) {}
};

TEST_F(AtEndTest, OneRecordWithEverythingInIt) {
  Syn(1s);
  for (const Duration t : {0ms, 1000ms, 3000ms, 7300ms, 15500ms, 31600ms}) {
    SynAck(1s + 200us + t);
  }
  EXPECT_TRUE(out_.empty());
  To(120s);
  ASSERT_EQ(out_.size(), 1u);
  EXPECT_EQ(out_[0].rule, "syn_ack_repeated");
  EXPECT_EQ(out_[0].syn_acks, 6u);
}

TEST_F(AtEndTest, LateEvidenceCounts) {
  Syn(1s);
  SynAck(1001ms);
  SynAck(4s);
  tracker_.Finish(MonoTime(5s), out_);
  ASSERT_EQ(out_.size(), 1u);
  EXPECT_EQ(out_[0].outcome, AttemptOutcome::kHalfOpen);
}

TEST_F(AtEndTest, TheEndOfTheFileIsSilence) {
  Syn(1s);
  SynAck(1001ms);
  Syn(1100ms, kIsn + 9);
  tracker_.Finish(MonoTime(1200ms), out_);
  ASSERT_EQ(out_.size(), 2u);
  EXPECT_EQ(out_[0].rule, "syn_ack_not_repeated");
  EXPECT_EQ(out_[1].rule, "syn_once");
}

}  // namespace
}  // namespace parallax::sensor
