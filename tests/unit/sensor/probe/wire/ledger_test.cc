#include "sensor/probe/wire/ledger.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/unit/sensor/probe/wire/ledger_fixture.h"

namespace parallax::sensor {
namespace {

using namespace test;

TEST_F(LedgerTest, AcceptsTheAnswerOnceWithItsRoundTripTime) {
  for (const ProbeTry& attempt : {kEcho, kHttps, kUdpTrace}) {
    for (const char* target : {"198.51.100.7", "2001:db8::7"}) {
      const Probe probe = Open(attempt, target, 9);
      ledger.SetSent(probe.id, now + 1ms);
      const auto match = ledger.OnAnswer(AnswerTo(probe), now + 21ms);
      ASSERT_TRUE(match);
      EXPECT_EQ(match->owner.kind, ProbeOwner::Kind::kSweep);
      EXPECT_EQ(match->owner.serial, 77u);
      EXPECT_EQ(match->owner.index, 2u);
      EXPECT_EQ(match->probe_id, probe.id);
      EXPECT_EQ(match->rtt, 20ms);
      EXPECT_EQ(match->ttl, 9);
      EXPECT_FALSE(match->late);
      EXPECT_FALSE(match->nat);
      EXPECT_FALSE(ledger.OnAnswer(AnswerTo(probe), now + 22ms));
    }
  }
  EXPECT_EQ(ledger.counts().accepted, 6u);
  EXPECT_EQ(ledger.counts().duplicate, 6u);
}

TEST_F(LedgerTest, RoundTripTimeIsNeverNegative) {
  const Probe probe = Open(kEcho);
  EXPECT_EQ(ledger.OnAnswer(AnswerTo(probe), now - 5ms)->rtt, 0ns);
}

TEST_F(LedgerTest, ErrorRedirectAndAnswerCountOnceEach) {
  for (const ProbeTry& attempt : {kEcho, kHttps, kUdpTrace}) {
    const Probe probe = Open(attempt);
    const Answer error = ErrorTo(probe, kRouter, ErrorMeaning::kUnreachable);
    const Answer redirect = RedirectTo(probe, kRouter, Ip("203.0.113.2"));
    const uint64_t before = ledger.counts().duplicate;
    EXPECT_TRUE(ledger.OnAnswer(redirect, now));
    EXPECT_TRUE(ledger.OnAnswer(error, now));
    EXPECT_FALSE(ledger.OnAnswer(error, now));
    EXPECT_FALSE(ledger.OnAnswer(redirect, now));
    EXPECT_TRUE(ledger.OnAnswer(AnswerTo(probe), now));
    EXPECT_FALSE(ledger.OnAnswer(AnswerTo(probe), now));
    EXPECT_FALSE(ledger.OnAnswer(error, now));
    EXPECT_EQ(ledger.counts().duplicate, before + 4);
  }
  const Probe probe = Open(kEcho);
  EXPECT_TRUE(ledger.OnAnswer(AnswerTo(probe), now));
  // An error about what was answered already says nothing.
  EXPECT_FALSE(ledger.OnAnswer(ErrorTo(probe, kRouter, ErrorMeaning::kUnreachable), now));
}

// Whatever the target itself says is its answer.
TEST_F(LedgerTest, ErrorOfTheTargetIsItsAnswer) {
  for (const ProbeTry& attempt : {kEcho, kHttps, kUdpTrace}) {
    const Probe probe = Open(attempt);
    const uint64_t before = ledger.counts().duplicate;
    EXPECT_TRUE(ledger.OnAnswer(ErrorTo(probe, kRouter, ErrorMeaning::kUnreachable), now));
    EXPECT_TRUE(ledger.OnAnswer(ErrorTo(probe, probe.target, ErrorMeaning::kProhibited), now));
    EXPECT_FALSE(ledger.OnAnswer(AnswerTo(probe), now));
    EXPECT_FALSE(ledger.OnAnswer(ErrorTo(probe, probe.target, ErrorMeaning::kProhibited), now));
    EXPECT_EQ(ledger.counts().duplicate, before + 2);
  }
}

// IPv4 only: the identification comes back when the checksum does not.
TEST_F(LedgerTest, IpIdentificationNamesAUdpProbeWhoseChecksumWasChanged) {
  std::vector<Probe> probes;
  for (int i = 0; i < 50; ++i) {
    probes.push_back(Open(kUdpTrace));
  }
  for (const Probe& probe : probes) {
    Answer answer = ErrorTo(probe, kRouter, ErrorMeaning::kTimeExceeded);
    answer.sequence = 0;  // sent on without a checksum
    answer.quoted_checksum = uint16_t{0};
    const auto match = ledger.OnAnswer(answer, now);
    ASSERT_TRUE(match);
    EXPECT_EQ(match->probe_id, probe.id);
    EXPECT_TRUE(match->nat);
  }
}

// The checksum that a NAT has made may be the sequence of another probe.
TEST_F(LedgerTest, ChangedChecksumThatIsAnothersIsNotThatOnes) {
  const Probe probe = Open(kUdpTrace);
  const Probe other = Open({ProbeMethod::kUdp, 33434, 1});
  ASSERT_NE(probe.flow_port, other.flow_port);
  for (const bool quotes_tag : {false, true}) {
    ProbeLedger& l = ledger;
    Answer answer = ErrorTo(probe, kRouter, ErrorMeaning::kTimeExceeded, quotes_tag);
    answer.sequence = other.sequence;
    answer.quoted_checksum = static_cast<uint16_t>(other.sequence);
    if (quotes_tag) {
      answer.kind = AnswerKind::kRedirect;
    }
    const auto match = l.OnAnswer(answer, now);
    ASSERT_TRUE(match) << quotes_tag;
    EXPECT_EQ(match->probe_id, probe.id);
  }
}

TEST_F(LedgerTest, NatThatChangesTheEchoChecksumIsNoted) {
  const Probe probe = Open(kEcho);
  Answer answer = ErrorTo(probe, kRouter, ErrorMeaning::kTimeExceeded);
  answer.quoted_checksum = static_cast<uint16_t>(probe.flow_checksum ^ 1);
  EXPECT_TRUE(ledger.OnAnswer(answer, now)->nat);
  // ICMPv6 has a pseudo-header: what is quoted is not what we chose.
  const Probe v6 = Open(kEcho, "2001:db8::7");
  answer = ErrorTo(v6, Ip("2001:db8::1"), ErrorMeaning::kTimeExceeded);
  answer.quoted_checksum = static_cast<uint16_t>(v6.flow_checksum ^ 1);
  EXPECT_FALSE(ledger.OnAnswer(answer, now)->nat);
}

// --- UDP replies --------------------------------------------------------------------------------

TEST_F(LedgerTest, UdpEchoesAreExactHoweverMany) {
  ProbeLedger large(tagger, 1000);
  std::vector<Probe> probes;
  for (int i = 0; i < 100; ++i) {
    probes.push_back(*large.Open(Ip("198.51.100.7"), 0, kUdpTrace, 0, {}, now));
  }
  for (const Probe& probe : probes) {
    Answer answer = AnswerTo(probe);
    answer.tag = PayloadTag{probe.id, probe.tag};
    EXPECT_EQ(large.OnAnswer(answer, now)->probe_id, probe.id);
    EXPECT_FALSE(large.OnAnswer(answer, now));
  }
  // The tag of another flow's probe names nothing here.
  const Probe other = *large.Open(Ip("198.51.100.8"), 0, kUdpTrace, 0, {}, now);
  const Probe here = *large.Open(Ip("198.51.100.7"), 0, kUdpTrace, 0, {}, now);
  Answer answer = AnswerTo(here);
  answer.tag = PayloadTag{other.id, other.tag};
  EXPECT_EQ(large.OnAnswer(answer, now)->probe_id, here.id);
}

TEST_F(LedgerTest, UdpReplyIsTheYoungestUnansweredProbesOfItsFlow) {
  const Probe first = Open(kUdpTrace);
  const Probe second = Open(kUdpTrace);
  const Probe elsewhere = Open({ProbeMethod::kUdp, 33434, 1});
  const Probe third = Open(kUdpTrace);
  EXPECT_EQ(ledger.OnAnswer(AnswerTo(first), now)->probe_id, third.id);
  EXPECT_EQ(ledger.OnAnswer(AnswerTo(first), now)->probe_id, second.id);
  ledger.Close(first.id, now);
  const auto late = ledger.OnAnswer(AnswerTo(first), now);
  EXPECT_EQ(late->probe_id, first.id);
  EXPECT_TRUE(late->late);
  EXPECT_FALSE(ledger.OnAnswer(AnswerTo(first), now));
  EXPECT_EQ(ledger.counts().duplicate, 1u);
  EXPECT_EQ(ledger.OnAnswer(AnswerTo(elsewhere), now)->probe_id, elsewhere.id);
}

TEST_F(LedgerTest, UdpReplyIsThatOfTheProbeThatGoesFarthest) {
  const auto open = [&](uint8_t ttl) {
    return *ledger.Open(Ip("198.51.100.7"), 0, kUdpTrace, ttl, {}, now);
  };
  const Probe lost = open(64);
  ledger.Close(lost.id, now);
  const Probe full = open(64);
  const Probe expired = open(9);
  ASSERT_TRUE(ledger.OnAnswer(ErrorTo(expired, Ip("10.0.0.9"), ErrorMeaning::kTimeExceeded), now));
  const Probe near = open(3);
  const Probe far = open(5);
  const Probe nearest = open(1);
  for (const Probe& probe : {full, far, near, nearest, lost, expired}) {
    EXPECT_EQ(ledger.OnAnswer(AnswerTo(full), now)->ttl, probe.ttl);
  }
}

TEST_F(LedgerTest, UdpReplyThatEchoesTheTagNamesItsProbe) {
  const Probe first = Open(kUdpTrace);
  const Probe second = Open(kUdpTrace);
  Answer answer = AnswerTo(first);
  answer.tag = PayloadTag{first.id, first.tag};
  EXPECT_EQ(ledger.OnAnswer(answer, now)->probe_id, first.id);
  EXPECT_FALSE(ledger.OnAnswer(answer, now));
  answer.tag = PayloadTag{first.id, first.tag ^ 1};  // not ours: it names nothing
  EXPECT_EQ(ledger.OnAnswer(answer, now)->probe_id, second.id);
}

// Whichever of a flow's probes is forgotten, the others stay linked.
TEST_F(LedgerTest, UdpFlowsSurviveTheForgettingOfAnyProbe) {
  for (unsigned order = 0; order < 6; ++order) {
    ProbeLedger l(tagger, 100);
    std::vector<Probe> probes;
    for (int i = 0; i < 3; ++i) {
      probes.push_back(*l.Open(Ip("198.51.100.7"), 0, kUdpTrace, 0, {}, now));
    }
    std::vector<size_t> left = {0, 1, 2};
    MonoTime at = now;
    for (const size_t pick : {order % 3, order / 3}) {
      l.Close(probes[left[pick]].id, at);
      at += 76s;
      l.Open(Ip("198.51.100.9"), 0, kEcho, 0, {}, at);  // forgets it
      left.erase(left.begin() + static_cast<ptrdiff_t>(pick));
    }
    const auto match = l.OnAnswer(AnswerTo(probes[0]), at);
    ASSERT_TRUE(match) << order;
    EXPECT_EQ(match->probe_id, probes[left[0]].id);
    EXPECT_FALSE(l.OnAnswer(AnswerTo(probes[0]), at));
    EXPECT_EQ(l.counts().duplicate, 1u);
  }
}

// --- late, duplicate, forgotten -----------------------------------------------------------------

TEST_F(LedgerTest, LateAnswersAreEvidence) {
  for (const ProbeTry& attempt : {kEcho, kHttps, kUdpTrace}) {
    const Probe probe = Open(attempt);
    ledger.Close(probe.id, now + 1s);
    const auto match = ledger.OnAnswer(AnswerTo(probe), now + 3s);
    ASSERT_TRUE(match);
    EXPECT_TRUE(match->late);
    EXPECT_EQ(match->rtt, 3s);
    EXPECT_EQ(match->owner.serial, 77u);
    EXPECT_FALSE(ledger.OnAnswer(AnswerTo(probe), now + 3s));
  }
  EXPECT_EQ(ledger.counts().accepted, 0u);
  EXPECT_EQ(ledger.counts().late, 3u);
  EXPECT_EQ(ledger.counts().duplicate, 3u);
}

TEST_F(LedgerTest, EndedProbesAreRememberedLongerThanASynAckIsRepeated) {
  const Probe echo = Open(kEcho);
  const Probe syn = Open(kHttps);
  for (const Probe& probe : {echo, syn}) {
    EXPECT_TRUE(ledger.OnAnswer(AnswerTo(probe), now));
    ledger.Close(probe.id, now);
  }
  Open(kEcho);
  now += 74s;
  Open(kEcho);
  EXPECT_FALSE(ledger.OnAnswer(AnswerTo(syn), now));
  EXPECT_EQ(ledger.counts().duplicate, 1u);
  now += 2s;
  Open(kEcho);
  // Echo tags are known even then; of a segment nothing is left but the port.
  EXPECT_FALSE(ledger.OnAnswer(AnswerTo(echo), now));
  EXPECT_EQ(ledger.counts().late, 1u);
  EXPECT_FALSE(ledger.OnAnswer(AnswerTo(syn), now));
  EXPECT_EQ(ledger.counts().forged, 1u);
}

TEST_F(LedgerTest, ClosingTwiceOrNonsenseIsHarmless) {
  const Probe probe = Open(kEcho);
  EXPECT_EQ(ledger.in_flight(), 1u);
  ledger.Close(probe.id, now);
  ledger.Close(probe.id, now);
  EXPECT_EQ(ledger.in_flight(), 0u);
  for (const uint64_t id : {uint64_t{0}, probe.id + 1, probe.id + (1 << 24), UINT64_MAX}) {
    ledger.Close(id, now);
    ledger.SetSent(id, now);
  }
  EXPECT_EQ(ledger.in_flight(), 0u);
}

TEST_F(LedgerTest, IsBoundedAndForgetsTheEndedFirst) {
  std::vector<Probe> open;
  for (int i = 0; i < 50; ++i) {
    open.push_back(Open(kEcho));
  }
  std::vector<Probe> ended;
  for (int i = 0; i < 10'000; ++i) {
    ended.push_back(Open(kHttps));
    ledger.Close(ended.back().id, now);
  }
  // The oldest went; the room that is left holds the youngest.
  for (size_t i = 0; i < ended.size(); ++i) {
    const bool remembered = ledger.OnAnswer(AnswerTo(ended[i]), now).has_value();
    if (i < ended.size() - 50 || i >= ended.size() - 49) {
      EXPECT_EQ(remembered, i >= ended.size() - 49) << i;
    }
  }
  for (const Probe& probe : open) {
    EXPECT_TRUE(ledger.OnAnswer(AnswerTo(probe), now));
  }
  for (int i = 0; i < 50; ++i) {
    Open(kHttps);
  }
  EXPECT_EQ(ledger.in_flight(), 100u);
  EXPECT_FALSE(ledger.Open(Ip("198.51.100.7"), 0, kEcho, 0, {}, now));
  EXPECT_EQ(ledger.in_flight(), 100u);
  ledger.Close(open[7].id, now);
  EXPECT_TRUE(ledger.Open(Ip("198.51.100.7"), 0, kEcho, 0, {}, now));
}

TEST_F(LedgerTest, NoCapacityNoProbe) {
  ProbeLedger none(tagger, 0);
  EXPECT_FALSE(none.Open(Ip("198.51.100.7"), 0, kEcho, 0, {}, now));
}

// A slot is used again; what is left of its last probe must not hit the new one.
TEST_F(LedgerTest, OldIdsDoNotReachTheSlotsNewProbe) {
  ProbeLedger one(tagger, 1);
  const Probe old = *one.Open(Ip("198.51.100.7"), 0, kEcho, 0, {}, now);
  one.Close(old.id, now);
  const Probe fresh = *one.Open(Ip("198.51.100.7"), 0, kEcho, 0, {}, now);
  EXPECT_NE(fresh.id, old.id);
  EXPECT_EQ(fresh.id & 0xffffff, old.id & 0xffffff);
  one.Close(old.id, now);
  one.SetSent(old.id, now - 1h);
  EXPECT_EQ(one.in_flight(), 1u);
  EXPECT_FALSE(one.OnAnswer(AnswerTo(old), now));
  EXPECT_EQ(one.counts().late, 1u);
  EXPECT_EQ(one.OnAnswer(AnswerTo(fresh), now)->rtt, 0ns);
}

// --- the 16-bit sequence ------------------------------------------------------------------------

TEST(Ledger, ManyProbesOfOneTargetStayApart) {
  const ProbeTagger tagger({1, 2}, {3, 4}, kPorts);
  ProbeLedger ledger(tagger, 70'000);
  for (const ProbeTry& attempt : {kEcho, kUdpTrace}) {
    std::set<uint32_t> sequences;
    for (int i = 0; i < 30'000; ++i) {
      sequences.insert(ledger.Open(Ip("198.51.100.7"), 0, attempt, 0, {}, MonoTime{})->sequence);
    }
    EXPECT_EQ(sequences.size(), 30'000u);
  }
}

// One target can be asked for ever, however fast: what ended gives up its sequence.
TEST(Ledger, SequencesOfOneTargetDoNotRunOut) {
  const ProbeTagger tagger({1, 2}, {3, 4}, kPorts);
  ProbeLedger ledger(tagger, 200'000);
  const MonoTime now{1000s};
  for (const ProbeTry& attempt : {kEcho, kUdpTrace}) {
    std::set<uint32_t> open;
    std::vector<uint64_t> ids;
    for (int i = 0; i < 150'000; ++i) {
      const auto probe = ledger.Open(Ip("198.51.100.7"), 0, attempt, 0, {}, now);
      ASSERT_TRUE(probe) << i;
      ids.push_back(probe->id);
      ASSERT_TRUE(i % 50 != 0 || open.insert(probe->sequence).second);
      if (i % 50 != 0) {
        ledger.Close(probe->id, now);
      }
    }
    EXPECT_EQ(ledger.in_flight(), 3000u);
    for (const uint64_t id : ids) {
      ledger.Close(id, now);
    }
  }
  EXPECT_EQ(ledger.in_flight(), 0u);
}

}  // namespace
}  // namespace parallax::sensor
