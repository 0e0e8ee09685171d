// Answers with every field wrong in turn: what the ledger takes, and what it calls the rest.
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "sensor/probe/wire/ledger.h"
#include "tests/unit/sensor/probe/test_probes.h"

namespace parallax::sensor {
namespace {

using namespace test;

constexpr PortRange kPorts{61440, 65535};

enum class Fate { kAccepted, kNat, kForged, kForeign };

struct Spoilt {
  const char* what;
  std::function<void(Answer&)> spoil;
  Fate fate;
};

// Each spoilt answer meets its fate, no state changes, and the real one is accepted afterwards.
void CheckFates(const ProbeTry& attempt, const std::function<Answer(const Probe&)>& real,
                const std::vector<Spoilt>& all) {
  const ProbeTagger tagger({1, 2}, {3, 4}, kPorts);
  for (const char* target : {"198.51.100.7", "2001:db8::7"}) {
    for (const Spoilt& spoilt : all) {
      for (const bool closed : {false, true}) {
        SCOPED_TRACE(std::string(spoilt.what) + " of " + target);
        ProbeLedger ledger(tagger, 100);
        const MonoTime now{1000s};
        const Probe probe = *ledger.Open(Ip(target), 0, attempt, 0, {}, now);
        if (closed) {
          ledger.Close(probe.id, now);
        }
        Answer answer = real(probe);
        spoilt.spoil(answer);
        const auto match = ledger.OnAnswer(answer, now);
        const bool taken = spoilt.fate == Fate::kAccepted || spoilt.fate == Fate::kNat;
        ASSERT_EQ(match.has_value(), taken);
        const AnswerCounts& counts = ledger.counts();
        EXPECT_EQ(counts.forged, spoilt.fate == Fate::kForged ? 1u : 0u);
        EXPECT_EQ(counts.foreign, spoilt.fate == Fate::kForeign ? 1u : 0u);
        EXPECT_EQ(counts.accepted, taken && !closed ? 1u : 0u);
        EXPECT_EQ(counts.late, taken && closed ? 1u : 0u);
        EXPECT_EQ(counts.duplicate, 0u);
        if (taken) {
          EXPECT_EQ(match->nat, spoilt.fate == Fate::kNat);
          EXPECT_EQ(match->late, closed);
        }
        EXPECT_EQ(ledger.OnAnswer(real(probe), now).has_value(), !taken);
      }
    }
  }
}

IpAddress Other(const IpAddress& address) {
  return Ip(address.is_v4() ? "198.51.100.8" : "2001:db8::8");
}
void OtherTarget(Answer& answer) { answer.source = answer.target = Other(answer.target); }
void OtherQuotedTarget(Answer& answer) { answer.target = Other(answer.target); }
void OtherPort(Answer& answer) { answer.port = 444; }
void OtherFlowPort(Answer& answer) { answer.flow_port ^= 1; }
void KernelsFlowPort(Answer& answer) { answer.flow_port = 40000; }
void OtherSequence(Answer& answer) { answer.sequence ^= 1; }
void OtherIpId(Answer& answer) { answer.quoted_ip_id ^= 1; }
void OtherTag(Answer& answer) { answer.tag->tag ^= 1; }
void OtherId(Answer& answer) { answer.tag->probe_id ^= 1; }
void NoTag(Answer& answer) { answer.tag.reset(); }
void Nothing(Answer&) {}

Answer Reply(const Probe& probe) { return AnswerTo(probe); }
Answer ShortError(const Probe& probe) {
  return ErrorTo(probe, Ip(probe.target.is_v4() ? "203.0.113.1" : "2001:db8:113::1"),
                 ErrorMeaning::kTimeExceeded);
}
Answer LongError(const Probe& probe) {
  Answer answer = ShortError(probe);
  answer.tag = PayloadTag{probe.id, probe.tag};
  return answer;
}
Answer Redirection(const Probe& probe) { return RedirectTo(probe, Ip("203.0.113.1"), {}); }

TEST(LedgerFates, EchoReplies) {
  CheckFates(kEcho, Reply,
             {{"nothing", Nothing, Fate::kAccepted},
              {"target", OtherTarget, Fate::kForged},
              {"identifier", OtherFlowPort, Fate::kForged},
              {"sequence", OtherSequence, Fate::kForged},
              {"tag", OtherTag, Fate::kForged},
              {"id", OtherId, Fate::kForged},
              {"no tag", NoTag, Fate::kForged},
              {"identifier, no tag",
               [](Answer& a) {
                 OtherFlowPort(a);
                 NoTag(a);
               },
               Fate::kForeign},
              {"somebody else's payload",
               [](Answer& a) {
                 OtherFlowPort(a);
                 a.tag = PayloadTag{123, 456};
               },
               Fate::kForeign}});
}

TEST(LedgerFates, Segments) {
  for (const AnswerKind kind : {AnswerKind::kSynAck, AnswerKind::kReset, AnswerKind::kAck}) {
    CheckFates(
        kHttps, [kind](const Probe& probe) { return AnswerTo(probe, kind); },
        {{"nothing", Nothing, Fate::kAccepted},
         {"target", OtherTarget, Fate::kForged},
         {"port", OtherPort, Fate::kForged},
         {"our port", OtherFlowPort, Fate::kForged},
         {"a port that is not ours", KernelsFlowPort, Fate::kForeign},
         {"acknowledgement", OtherSequence, Fate::kForged},
         {"acknowledgement, high bits", [](Answer& a) { a.sequence ^= 0x80000000; }, Fate::kForged},
         {"acknowledges nothing", [](Answer& a) { a.sequence = UINT32_MAX; }, Fate::kForged}});
  }
}

TEST(LedgerFates, UdpReplies) {
  CheckFates(kUdpTrace, Reply,
             {{"nothing", Nothing, Fate::kAccepted},
              {"payload, which is the service's",
               [](Answer& a) {
                 a.tag = PayloadTag{1, 2};
               },
               Fate::kAccepted},
              {"payload, another probe's played back",
               [](Answer& a) {
                 a.tag = PayloadTag{1, 2};
                 a.echoes_probe = true;
               },
               Fate::kForged},
              {"target", OtherTarget, Fate::kForged},
              {"port", OtherPort, Fate::kForged},
              {"our port", OtherFlowPort, Fate::kForged},
              {"a port that is not ours", KernelsFlowPort, Fate::kForeign}});
}

TEST(LedgerFates, QuotedEcho) {
  CheckFates(kEcho, ShortError,
             {{"nothing", Nothing, Fate::kAccepted},
              {"target", OtherQuotedTarget, Fate::kForeign},
              {"identifier", OtherFlowPort, Fate::kForeign},
              {"sequence", OtherSequence, Fate::kForged}});
  CheckFates(kEcho, LongError,
             {{"nothing", Nothing, Fate::kAccepted},
              {"target", OtherQuotedTarget, Fate::kForged},
              {"identifier", OtherFlowPort, Fate::kNat},
              {"sequence", OtherSequence, Fate::kForged},
              {"tag", OtherTag, Fate::kForged},
              {"id", OtherId, Fate::kForged}});
  CheckFates(kEcho, Redirection,
             {{"nothing", Nothing, Fate::kAccepted},
              {"target", OtherQuotedTarget, Fate::kForeign},
              {"sequence", OtherSequence, Fate::kForged}});
}

TEST(LedgerFates, QuotedSegments) {
  CheckFates(kHttps, ShortError,
             {{"nothing", Nothing, Fate::kAccepted},
              {"target", OtherQuotedTarget, Fate::kForged},
              {"port", OtherPort, Fate::kForged},
              {"our port, by a NAT", KernelsFlowPort, Fate::kNat},
              {"sequence", OtherSequence, Fate::kForged},
              {"sequence and our port",
               [](Answer& a) {
                 OtherSequence(a);
                 KernelsFlowPort(a);
               },
               Fate::kForeign}});
}

TEST(LedgerFates, QuotedUdp) {
  const auto new_checksum = [](Answer& a) {
    a.sequence ^= 0x1234;
    a.quoted_checksum = static_cast<uint16_t>(a.sequence);
  };
  CheckFates(kUdpTrace, ShortError,
             {{"nothing", Nothing, Fate::kAccepted},
              {"target", OtherQuotedTarget, Fate::kForged},
              {"port", OtherPort, Fate::kForged},
              {"IP identification", OtherIpId, Fate::kAccepted},
              {"our port", OtherFlowPort, Fate::kForged},
              {"our port and checksum",
               [&](Answer& a) {
                 OtherFlowPort(a);
                 new_checksum(a);
               },
               Fate::kForged},
              {"checksum and IP identification",
               [&](Answer& a) {
                 OtherIpId(a);
                 new_checksum(a);
               },
               Fate::kForged}});
  CheckFates(kUdpTrace, LongError,
             {{"nothing", Nothing, Fate::kAccepted},
              {"target", OtherQuotedTarget, Fate::kForged},
              {"port", OtherPort, Fate::kForged},
              {"our port", OtherFlowPort, Fate::kNat},
              {"checksum, by a NAT", new_checksum, Fate::kNat},
              {"our port and checksum",
               [&](Answer& a) {
                 KernelsFlowPort(a);
                 OtherIpId(a);
                 new_checksum(a);
               },
               Fate::kNat},
              {"tag", OtherTag, Fate::kForged},
              {"id", OtherId, Fate::kForged}});
}

}  // namespace
}  // namespace parallax::sensor
