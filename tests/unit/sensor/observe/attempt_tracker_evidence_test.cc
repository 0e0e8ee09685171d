// Evidence beyond the plain handshake: TCP Fast Open, acknowledgements, answers that take another
// way, losses of the capture, the gate, and names of interfaces.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/sensor/observe/segments.h"
#include "tests/unit/sensor/observe/tracker_fixture.h"

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

constexpr uint16_t kData = 300;

TEST_F(TrackerTest, ASynRepeatedAMomentTooEarlyWaitsForTheEndOfSilence) {
  Syn(1s);
  Syn(1899ms);
  To(10s);
  ExpectOutcome(AttemptOutcome::kUnanswered, "syn_repeated", 3500ms);
}

TEST_F(TrackerTest, ASynRepeatedInTimeDoesNot) {
  Syn(1s);
  Syn(1900ms);
  To(10s);
  ExpectOutcome(AttemptOutcome::kUnanswered, "syn_repeated", 1300ms);
}

// Nobody advances in between: the deadline counts, not when it is noticed.
TEST_F(TrackerTest, ASynUpToFourTenthsAfterTheRepeatedSynAckStillCounts) {
  for (const auto& [at, syns] : {std::pair(2409ms, 2u), std::pair(2410ms, 1u)}) {
    AttemptTracker tracker({.entries = 64, .key = {1, 2}});
    std::vector<AttemptEvent> events;
    const auto see = [&](Duration t, const SynSegment& segment) {
      tracker.Observe(segment, {}, MonoTime(t), "", events);
    };
    see(1s, SynOf(kClient, kServer, kIsn));
    see(1010ms, SynAckOf(kClient, kServer, kIsn + 1));
    see(2010ms, SynAckOf(kClient, kServer, kIsn + 1));
    see(at, SynOf(kClient, kServer, kIsn));
    tracker.Advance(MonoTime(3s), events);
    ASSERT_EQ(events.size(), 2u);
    EXPECT_EQ(events[1].rule, "syn_ack_repeated");
    EXPECT_EQ(events[1].syns, syns);
  }
}

class FastOpenTest : public TrackerTest {
 protected:
  void SetUp() override { Send(1s, SynOf(kClient, kServer, kIsn, kData)); }
};

TEST_F(FastOpenTest, TheSynAckMayAcceptTheDataOrNotOrSomeOfIt) {
  uint16_t port = 1;
  for (const uint32_t accepted : {0u, 1u, uint32_t{kData}}) {
    const Endpoint client{kClient.address, port++};
    Send(1s, SynOf(client, kServer, kIsn, kData));
    Send(1010ms, SynAckOf(client, kServer, kIsn + 1 + accepted));
  }
  To(60s);
  ASSERT_EQ(Outcomes().size(), 4u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(Outcomes()[i].rule, "syn_ack_not_repeated");
    EXPECT_EQ(Outcomes()[i].isn, kIsn);
  }
}

TEST_F(FastOpenTest, ButNotMoreThanWasSent) {
  Send(1010ms, SynAckOf(kClient, kServer, kIsn + 1 + kData + 1));
  EXPECT_EQ(tracker_.stats().attempts, 2u);  // of another one, whose SYN was not seen
  To(60s);
  std::set<std::string_view> rules;
  for (const AttemptEvent& outcome : Outcomes()) {
    rules.insert(outcome.rule);
  }
  EXPECT_EQ(rules, (std::set<std::string_view>{"syn_once", "syn_not_seen"}));
}

TEST_F(FastOpenTest, TheRstMayAcknowledgeTheDataOrNot) {
  Send(1010ms, RstAckOf(kServer, kClient, 0, kIsn + 1 + kData));
  To(10s);
  ExpectOutcome(AttemptOutcome::kRefused, "rst", 10ms);
}

TEST_F(FastOpenTest, TheRstMayNotAcknowledgeMore) {
  Send(1010ms, RstAckOf(kServer, kClient, 0, kIsn + 1 + kData + 1));
  Send(1010ms, RstAckOf(kServer, kClient, 0, kIsn));
  To(10s);
  ExpectOutcome(AttemptOutcome::kUnknown, "syn_once", 3500ms);
}

TEST_F(FastOpenTest, ARepeatWithoutTheDataIsTheSameAttempt) {
  Syn(2s);
  Send(2010ms, SynAckOf(kClient, kServer, kIsn + 1 + kData));
  EXPECT_EQ(tracker_.stats().attempts, 1u);
  SynAck(3010ms);  // the server's repeat accepts less
  To(60s);
  ExpectOutcome(AttemptOutcome::kHalfOpen, "syn_ack_repeated", 2410ms);
}

TEST_F(FastOpenTest, AcrossTheEndOfTheSequenceNumbers) {
  const Endpoint client{kClient.address, 41000};
  Send(2s, SynOf(client, kServer, 0xffffff80, kData));
  Send(2010ms, SynAckOf(client, kServer, 0xffffff80 + 1 + kData));
  EXPECT_EQ(tracker_.stats().attempts, 2u);
}

TEST_F(TrackerTest, WithoutDataASynAckOfOneByteMoreIsOfAnotherAttempt) {
  Syn(1s);
  SynAck(1010ms, kIsn + 1);
  EXPECT_EQ(tracker_.stats().attempts, 2u);
}

// Mere acknowledgements come from saved captures only.

TEST_F(TrackerTest, AnAcknowledgementOfTheClientCompletes) {
  Syn(1s);
  SynAck(1010ms);
  Send(1020ms, AckOf(kClient, kServer, kIsn + 1, kServerSeq + 1));
  ExpectOutcome(AttemptOutcome::kCompleted, "acknowledged", 20ms);
}

TEST_F(TrackerTest, AnAcknowledgementOfSomethingElseDoesNot) {
  Syn(1s);
  SynAck(1010ms);
  Send(1020ms, AckOf(kClient, kServer, kIsn + 1, kServerSeq + 2));
  Send(1020ms, AckOf(kClient, kServer, kIsn + 2, kServerSeq + 1));
  Send(1020ms, AckOf(kServer, kClient, kServerSeq, kIsn + 1));
  EXPECT_TRUE(Outcomes().empty());
}

TEST_F(TrackerTest, TheServerThatGoesOnCompletes) {
  Syn(1s);
  SynAck(1010ms);
  Send(1030ms, AckOf(kServer, kClient, kServerSeq + 1, kIsn + 500));
  ExpectOutcome(AttemptOutcome::kCompleted, "acknowledged", 30ms);
}

TEST_F(TrackerTest, AClientThatGoesOnWasAnsweredEvenIfWeSawNot) {
  Syn(1s);
  Send(1020ms, AckOf(kClient, kServer, kIsn + 1, 4711));
  ExpectOutcome(AttemptOutcome::kCompleted, "acknowledged", 20ms);
}

TEST_F(TrackerTest, SegmentsOfUnknownConnectionsAreNothing) {
  Send(1s, AckOf(kClient, kServer, 1, 2));
  Send(1s, RstOf(kClient, kServer, 1));
  Send(1s, RstAckOf(kClient, kServer, 1, 2));
  Send(1s, {.src = kClient, .dst = kServer, .seq = 1, .flags = kTcpFin});
  Send(1s, {.src = kClient, .dst = kServer, .seq = 1});
  EXPECT_TRUE(out_.empty());
  EXPECT_EQ(tracker_.size(), 0u);
}

class AtEndEvidenceTest : public TrackerTest {
 protected:
  AtEndEvidenceTest() : TrackerTest(true) {}
  std::string_view Rule() {
    tracker_.Finish(MonoTime(now_), out_);
    EXPECT_EQ(out_.size(), 1u);
    return out_.empty() ? "" : out_[0].rule;
  }
};

TEST_F(AtEndEvidenceTest, AnAcknowledgementLapsesWhenTheSynAckIsRepeated) {
  Syn(1s);
  SynAck(1010ms);
  Send(1020ms, AckOf(kClient, kServer, kIsn + 1, kServerSeq + 1));
  SynAck(2010ms);  // it got lost behind us
  EXPECT_EQ(Rule(), "syn_ack_repeated");
}

TEST_F(AtEndEvidenceTest, AndHoldsAgainWhenItIsRepeatedToo) {
  Syn(1s);
  SynAck(1010ms);
  Send(1020ms, AckOf(kClient, kServer, kIsn + 1, kServerSeq + 1));
  SynAck(2010ms);
  Send(2020ms, AckOf(kClient, kServer, kIsn + 1, kServerSeq + 1));
  EXPECT_EQ(Rule(), "acknowledged");
}

TEST_F(AtEndEvidenceTest, ACopyOfTheSynAckIsNoRepeat) {
  Syn(1s);
  SynAck(1010ms);
  Send(1012ms, AckOf(kClient, kServer, kIsn + 1, kServerSeq + 1));
  SynAck(1014ms);
  EXPECT_EQ(Rule(), "acknowledged");
}

class OneWayTest : public TrackerTest {
 protected:
  // Clients that do not repeat their SYN.
  void Content(Duration at, uint32_t clients) {
    for (uint32_t i = 0; i < clients; ++i) {
      Send(at, SynOf({Address(next_++), 1000}, kServer, i));
    }
  }
  // The rule of one that repeats it from then on.
  std::string_view Repeating(Duration at) {
    const Endpoint client{Address(next_++), 1000};
    for (const Duration t : {0ms, 1000ms, 3000ms}) {
      Send(at + t, SynOf(client, kServer, 1));
    }
    for (const AttemptEvent& outcome : Outcomes()) {
      if (outcome.client == client) {
        return outcome.rule;
      }
    }
    return "";
  }
  uint32_t next_ = 1;
};

TEST_F(OneWayTest, WhereNoAnswerIsEverSeenARepeatAccusesNobody) {
  Content(1s, 10);
  EXPECT_EQ(Repeating(5s), "one_way");
}

TEST_F(OneWayTest, NotBeforeThereAreEnough) {
  Content(1s, 7);
  EXPECT_EQ(Repeating(5s), "syn_repeated");
}

TEST_F(OneWayTest, NotIfAnAnswerWasSeen) {
  Content(1s, 10);
  Syn(2s);
  ServerRst(2010ms);
  EXPECT_EQ(Repeating(5s), "syn_repeated");
}

TEST_F(OneWayTest, NotIfManyRepeat) {
  Content(1s, 10);
  EXPECT_EQ(Repeating(5s), "one_way");
  EXPECT_EQ(Repeating(10s), "one_way");
  EXPECT_EQ(Repeating(15s), "syn_repeated");
}

TEST_F(OneWayTest, SynsDuringALossAreNoSign) {
  tracker_.NoteLoss("", MonoTime(2s));
  Content(1s, 100);
  EXPECT_EQ(Repeating(5s), "syn_repeated");
}

struct LossCase {
  const char* interface;
  Duration until;  // the attempt begins at 10 s
  bool spoils;
};

class LossTest : public TrackerTest, public testing::WithParamInterface<LossCase> {};

TEST_P(LossTest, SpoilsWhatIsConcludedFromSilenceDuringIt) {
  const LossCase& loss = GetParam();
  Syn(10s);
  SynAck(10'010ms);
  To(10'100ms);
  tracker_.NoteLoss(loss.interface, MonoTime(loss.until));
  To(60s);
  if (loss.spoils) {
    ExpectOutcome(AttemptOutcome::kUnknown, "capture_loss", 1510ms);
  } else {
    ExpectOutcome(AttemptOutcome::kCompleted, "syn_ack_not_repeated", 1510ms);
  }
}

INSTANTIATE_TEST_SUITE_P(All, LossTest,
                         testing::Values(LossCase{"", 9'999ms, false}, LossCase{"", 10s, true},
                                         LossCase{"", 10'100ms, true}, LossCase{"", 1h, true},
                                         LossCase{"eth0", 9'999ms, false},
                                         LossCase{"eth0", 10s, true}, LossCase{"eth0", 1h, true},
                                         LossCase{"eth1", 1h, false}));

TEST_F(TrackerTest, ALossLeavesAloneWhatWasSeen) {
  tracker_.NoteLoss("", MonoTime(1h));
  Syn(1s);
  SynAck(1010ms);
  SynAck(2010ms);
  To(10s);
  ExpectOutcome(AttemptOutcome::kHalfOpen, "syn_ack_repeated", 1400ms);
}

TEST_F(TrackerTest, ALossSpoilsAnUnansweredAttemptAndALoneSyn) {
  Syn(1s);
  Syn(2s);
  Syn(1s, kIsn + 1);
  tracker_.NoteLoss("eth0", MonoTime(1500ms));
  tracker_.NoteLoss("eth0", MonoTime(500ms));  // told later, of before: takes nothing back
  To(60s);
  ASSERT_EQ(Outcomes().size(), 2u);
  EXPECT_EQ(Outcomes()[0].rule, "capture_loss");
  EXPECT_EQ(Outcomes()[1].rule, "capture_loss");
}

// In a file that holds acknowledgements, the one that is not there was never sent.
TEST_F(AtEndEvidenceTest, SilenceIsNoCompletionWhereOthersAreSeenToGoOn) {
  for (const int acknowledged : {2, 3}) {
    for (int port = 1; port <= acknowledged + 1; ++port) {
      const Endpoint client{kClient.address, static_cast<uint16_t>(acknowledged * 100 + port)};
      Send(1s, {.src = client, .dst = kServer, .seq = 5, .flags = kTcpSyn});
      Send(1s, {.src = kServer, .dst = client, .seq = 9, .ack = 6, .flags = kTcpSyn | kTcpAck});
      if (port <= acknowledged) {
        Send(1s, {.src = client, .dst = kServer, .seq = 6, .ack = 10, .flags = kTcpAck});
      }
    }
    tracker_.Finish(MonoTime(2s), out_);
    int completed = 0;
    int never = 0;
    for (const AttemptEvent& event : out_) {
      completed += event.outcome == AttemptOutcome::kCompleted ? 1 : 0;
      never += event.rule == "never_acknowledged" ? 1 : 0;
    }
    EXPECT_EQ(completed, 3);  // of two, the third one too: two are too few to tell
    EXPECT_EQ(never, acknowledged == 2 ? 0 : 1);
    out_.clear();
  }
}

class Gate : public AttemptGate {
 public:
  void Count(const SynSegment&, MonoTime) override { ++counted; }
  uint32_t Admit(const AttemptKey&, uint64_t, MonoTime) override {
    ++asked;
    return sampling;
  }
  bool MayTrustSilence(const AttemptKey&, MonoTime) override { return trust; }
  uint32_t sampling = 1;
  bool trust = true;
  int asked = 0;
  int counted = 0;
};

class GateTest : public TrackerTest {
 protected:
  GateTest() : TrackerTest(false, 1024, &gate_) {}
  Gate gate_;
};

TEST_F(GateTest, WhatItRefusesIsCountedAndNoMore) {
  gate_.sampling = 0;
  Syn(1s);
  SynAck(1010ms);
  Syn(2s);
  EXPECT_TRUE(out_.empty());
  EXPECT_EQ(gate_.counted, 3);
  EXPECT_EQ(tracker_.size(), 0u);
  EXPECT_EQ(tracker_.stats().unsampled, 3u);
  EXPECT_EQ(tracker_.stats().attempts, 0u);
}

TEST_F(GateTest, IsAskedOnceForEachAttemptAndItsAnswerTravelsWithIt) {
  gate_.sampling = 1 << 24;
  Syn(1s);
  gate_.sampling = 0;  // what is followed stays followed
  SynAck(1010ms);
  To(60s);
  EXPECT_EQ(gate_.asked, 1);
  ASSERT_EQ(out_.size(), 2u);
  EXPECT_EQ(out_[0].sampling, uint32_t{1} << 24);
  EXPECT_EQ(out_[1].sampling, uint32_t{1} << 24);
}

TEST_F(GateTest, AtAFloodedServerSilenceIsNoCompletion) {
  gate_.trust = false;
  Syn(1s);
  SynAck(1010ms);
  To(60s);
  ExpectOutcome(AttemptOutcome::kUnknown, "server_flooded", 1510ms);
}

TEST_F(GateTest, ButARepeatIsARepeatAndAnAcknowledgementOne) {
  gate_.trust = false;
  Syn(1s);
  SynAck(1010ms);
  SynAck(2010ms);
  Syn(1s, kIsn + 1);
  SynAck(1010ms, kIsn + 1);
  Send(1020ms, AckOf(kClient, kServer, kIsn + 2, kServerSeq + 1));
  Syn(1s, kIsn + 2);
  Syn(2s, kIsn + 2);
  To(60s);
  std::set<std::string_view> rules;
  for (const AttemptEvent& outcome : Outcomes()) {
    rules.insert(outcome.rule);
  }
  EXPECT_EQ(rules,
            (std::set<std::string_view>{"syn_ack_repeated", "acknowledged", "syn_repeated"}));
}

TEST_F(TrackerTest, MoreInterfacesThanNamesAreReportedWithoutOne) {
  for (uint32_t i = 0; i < 300; ++i) {
    const std::string name = fmt::format("veth{}", i);  // gone after each turn
    tracker_.Observe(SynOf({Address(i), 1}, kServer, i), {}, MonoTime(1s), name, out_);
  }
  for (uint32_t i = 0; i < 300; ++i) {
    EXPECT_EQ(out_[i].interface, i < 255 ? fmt::format("veth{}", i) : "") << i;
  }
  // A loss on one that has no name of its own may concern anybody.
  tracker_.NoteLoss("veth299", MonoTime(1s));
  out_.clear();
  To(60s);
  ASSERT_EQ(out_.size(), 300u);
  EXPECT_EQ(out_[0].rule, "capture_loss");
}

// The same place in memory, another name in it.
TEST_F(TrackerTest, ANameIsToldByWhatItSaysAndNotByWhereItStands) {
  std::string name = "eth0";
  tracker_.Observe(SynOf(kClient, kServer, 1), {}, MonoTime(1s), name, out_);
  name = "eth1";
  tracker_.Observe(SynOf(kClient, kServer, 2), {}, MonoTime(1s), name, out_);
  tracker_.NoteLoss(name, MonoTime(2s));
  name = "eth2";
  tracker_.Observe(SynOf(kClient, kServer, 3), {}, MonoTime(1s), name, out_);
  ASSERT_EQ(out_.size(), 3u);
  EXPECT_EQ(out_[0].interface, "eth0");
  EXPECT_EQ(out_[1].interface, "eth1");
  EXPECT_EQ(out_[2].interface, "eth2");
}

}  // namespace
}  // namespace parallax::sensor
