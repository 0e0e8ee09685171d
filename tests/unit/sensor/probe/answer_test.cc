#include "sensor/probe/answer.h"

#include <gtest/gtest.h>

#include <random>

#include "sensor/probe/ledger.h"
#include "tests/unit/sensor/probe/test_answers.h"

namespace parallax::sensor {
namespace {

using namespace test;

const ProbeTagger kTagger({1, 2}, {3, 4}, {61000, 65535});
const IpAddress kUs4 = Ip("192.0.2.10");
const IpAddress kUs6 = Ip("2001:db8::10");
const IpAddress kTarget4 = Ip("198.51.100.7");
const IpAddress kTarget6 = Ip("2001:db8:51::7");
const IpAddress kRouter4 = Ip("203.0.113.1");
const IpAddress kRouter6 = Ip("2001:db8:ffff::1");

Probe MakeProbe(const IpAddress& target, ProbeMethod method, uint64_t id = 5) {
  return kTagger.Make(id, target, 0,
                      {method, method == ProbeMethod::kTcpSyn ? uint16_t{443} : uint16_t{0}});
}

const IpAddress& Us(const Probe& probe) { return probe.target.is_v4() ? kUs4 : kUs6; }

// Parses what raw sockets of the target's family would deliver: ICMP(v6) or TCP from `from`.
std::optional<Answer> Parse(const Probe& probe, const IpAddress& from, const Bytes& payload,
                            bool tcp) {
  if (from.is_v4()) {
    return ParseAnswerV4(IpPacket(from, Us(probe), tcp ? kProtocolTcp : kProtocolIcmp, payload));
  }
  return ParseAnswerV6(from, tcp ? kProtocolTcp : kProtocolIcmpv6, payload);
}

void ExpectIsFor(const Probe& probe, const std::optional<Answer>& answer) {
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->target, probe.target);
  EXPECT_EQ(answer->attempt, probe.attempt);
  EXPECT_EQ(answer->flow_port, probe.flow_port);
  EXPECT_EQ(answer->sequence, probe.sequence);
}

class BothFamilies : public testing::TestWithParam<bool> {
 protected:
  const bool v4 = GetParam();
  const IpAddress target = v4 ? kTarget4 : kTarget6;
  const IpAddress router = v4 ? kRouter4 : kRouter6;
  const uint8_t unreachable = v4 ? 3 : 1;
};
INSTANTIATE_TEST_SUITE_P(Answer, BothFamilies, testing::Bool(),
                         [](const auto& which) { return which.param ? "V4" : "V6"; });

TEST_P(BothFamilies, EchoReply) {
  const Probe probe = MakeProbe(target, ProbeMethod::kIcmpEcho);
  const auto answer = Parse(probe, target, EchoReply(probe, Us(probe)), false);
  ExpectIsFor(probe, answer);
  EXPECT_EQ(answer->kind, AnswerKind::kEchoReply);
  ASSERT_TRUE(answer->echo);
  EXPECT_EQ(answer->echo->probe_id, probe.id);
  EXPECT_EQ(answer->echo->tag, probe.tag);
}

TEST_P(BothFamilies, SynAckAndReset) {
  const Probe probe = MakeProbe(target, ProbeMethod::kTcpSyn);
  const auto syn_ack =
      Parse(probe, target, TcpAnswer(probe, kSynAckFlags, probe.sequence + 1), true);
  ExpectIsFor(probe, syn_ack);
  EXPECT_EQ(syn_ack->kind, AnswerKind::kSynAck);
  const auto reset = Parse(probe, target, TcpAnswer(probe, kRstAckFlags, probe.sequence + 1), true);
  ExpectIsFor(probe, reset);
  EXPECT_EQ(reset->kind, AnswerKind::kReset);
}

TEST_P(BothFamilies, AcknowledgementWrapsAround) {
  Probe probe = MakeProbe(target, ProbeMethod::kTcpSyn);
  probe.sequence = 0xffffffff;
  ExpectIsFor(probe, Parse(probe, target, TcpAnswer(probe, kSynAckFlags, 0), true));
}

TEST_P(BothFamilies, TcpSegmentsThatAnswerNoSyn) {
  const Probe probe = MakeProbe(target, ProbeMethod::kTcpSyn);
  for (const int flags : {0x00, 0x02, 0x04, 0x10, 0x11, 0x18}) {
    const Bytes tcp = TcpAnswer(probe, static_cast<uint8_t>(flags), probe.sequence + 1);
    EXPECT_FALSE(Parse(probe, target, tcp, true)) << flags;
  }
}

// Routers quote at least 8 transport bytes (RFC 792), or as much as fits, perhaps padded.
TEST_P(BothFamilies, ErrorsQuotingAnyLength) {
  for (const ProbeMethod method : {ProbeMethod::kIcmpEcho, ProbeMethod::kTcpSyn}) {
    const Probe probe = MakeProbe(target, method);
    const Bytes sent = IpPacket(Us(probe), target, ProtocolOf(probe), Request(probe, Us(probe)));
    const size_t header = v4 ? 20 : 40;
    for (size_t size = 0; size <= sent.size() + 100; ++size) {
      const Bytes error = IcmpError(unreachable, 0, Truncated(sent, size));
      const auto answer = Parse(probe, router, error, false);
      if (size < header + 8) {
        EXPECT_FALSE(answer) << size;
        continue;
      }
      ExpectIsFor(probe, answer);
      EXPECT_EQ(answer->kind, AnswerKind::kError);
      EXPECT_EQ(answer->source, router);
      EXPECT_EQ(answer->icmp_type, unreachable);
      EXPECT_FALSE(answer->from_this_host);
      EXPECT_EQ(answer->echo.has_value(), method == ProbeMethod::kIcmpEcho && size >= header + 24);
    }
    const Bytes padded = Truncated(Truncated(sent, header + 8), header + 128);
    const auto answer = Parse(probe, router, IcmpError(unreachable, 0, padded), false);
    ExpectIsFor(probe, answer);
    EXPECT_FALSE(answer->echo);
  }
}

TEST_P(BothFamilies, ErrorFromThisHostsOwnKernel) {
  const Probe probe = MakeProbe(target, ProbeMethod::kTcpSyn);
  const Bytes sent = IpPacket(Us(probe), target, kProtocolTcp, Request(probe, Us(probe)));
  const auto answer = Parse(probe, Us(probe), IcmpError(unreachable, 1, sent), false);
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->from_this_host);
}

TEST(Answer, QuotedIpv4OptionsAreSteppedOver) {
  const Probe probe = MakeProbe(kTarget4, ProbeMethod::kTcpSyn);
  for (size_t words = 1; words <= 10; ++words) {
    const Bytes sent = IpPacket(kUs4, kTarget4, kProtocolTcp, Request(probe, kUs4),
                                Bytes(words * 4, 1));  // no-operation options
    ExpectIsFor(
        probe, Parse(probe, kRouter4, IcmpError(3, 1, Truncated(sent, 20 + words * 4 + 8)), false));
  }
}

TEST(Answer, QuotedIpv6ExtensionHeadersAreSteppedOver) {
  const Probe probe = MakeProbe(kTarget6, ProbeMethod::kIcmpEcho);
  const Bytes request = Request(probe, kUs6);
  const Bytes hop_by_hop = {60, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  const Bytes destination = {44, 0, 1, 4, 0, 0, 0, 0};
  const Bytes fragment = {51, 0, 0, 0, 1, 2, 3, 4};
  const Bytes authentication = {58, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  const Bytes all = hop_by_hop + destination + fragment + authentication;
  const Bytes sent = IpPacket(kUs6, kTarget6, 0, request, all);
  ExpectIsFor(probe,
              Parse(probe, kRouter6, IcmpError(1, 0, Truncated(sent, 40 + all.size() + 8)), false));
  for (size_t size = 0; size < 40 + all.size() + 8; ++size) {
    EXPECT_FALSE(Parse(probe, kRouter6, IcmpError(1, 0, Truncated(sent, size)), false)) << size;
  }
  Bytes later = fragment;
  later[3] = 8;  // offset 1: the transport header is not here
  EXPECT_FALSE(
      Parse(probe, kRouter6, IcmpError(1, 0, IpPacket(kUs6, kTarget6, 44, request, later)), false));
}

TEST(Answer, EndlessExtensionHeadersAreGivenUp) {
  const Probe probe = MakeProbe(kTarget6, ProbeMethod::kIcmpEcho);
  const Bytes padding(8 * 200, 0);  // 200 hop-by-hop headers, each naming another
  EXPECT_FALSE(Parse(probe, kRouter6,
                     IcmpError(1, 0, IpPacket(kUs6, kTarget6, 0, Request(probe, kUs6), padding)),
                     false));
}

TEST(Answer, AlteredQuotesAreTolerated) {
  const Probe probe = MakeProbe(kTarget4, ProbeMethod::kTcpSyn);
  Bytes sent = IpPacket(kUs4, kTarget4, kProtocolTcp, Request(probe, kUs4));
  sent[1] = 0x28;   // DSCP
  sent[2] = 0xff;   // total length
  sent[8] = 0;      // TTL
  sent[10] = 0x77;  // header checksum
  sent[36] = 0x77;  // TCP checksum
  ExpectIsFor(probe, Parse(probe, kRouter4, IcmpError(11, 0, sent), false));
}

TEST(Answer, MeaningOfErrorsV4) {
  const Probe probe = MakeProbe(kTarget4, ProbeMethod::kTcpSyn);
  const Bytes sent = IpPacket(kUs4, kTarget4, kProtocolTcp, Request(probe, kUs4));
  const auto meaning = [&](int type, int code) -> std::optional<ErrorMeaning> {
    const auto answer =
        Parse(probe, kRouter4,
              IcmpError(static_cast<uint8_t>(type), static_cast<uint8_t>(code), sent), false);
    return answer ? std::optional(answer->meaning) : std::nullopt;
  };
  for (const int code : {0, 1, 5, 6, 7, 8, 11, 12}) {
    EXPECT_EQ(meaning(3, code), ErrorMeaning::kUnreachable) << code;
  }
  for (const int code : {2, 3, 9, 10, 13}) {
    EXPECT_EQ(meaning(3, code), ErrorMeaning::kProhibited) << code;
  }
  EXPECT_EQ(meaning(11, 0), ErrorMeaning::kUnreachable);
  for (const int type : {3, 4, 5, 8, 13, 30}) {  // with code 4: fragmentation needed
    EXPECT_EQ(meaning(type, 4), std::nullopt) << type;
  }
}

TEST(Answer, MeaningOfErrorsV6) {
  const Probe probe = MakeProbe(kTarget6, ProbeMethod::kTcpSyn);
  const Bytes sent = IpPacket(kUs6, kTarget6, kProtocolTcp, Request(probe, kUs6));
  const auto meaning = [&](int type, int code) -> std::optional<ErrorMeaning> {
    const auto answer =
        Parse(probe, kRouter6,
              IcmpError(static_cast<uint8_t>(type), static_cast<uint8_t>(code), sent), false);
    return answer ? std::optional(answer->meaning) : std::nullopt;
  };
  for (const int code : {0, 2, 3, 6}) {
    EXPECT_EQ(meaning(1, code), ErrorMeaning::kUnreachable) << code;
  }
  for (const int code : {1, 4, 5}) {
    EXPECT_EQ(meaning(1, code), ErrorMeaning::kProhibited) << code;
  }
  EXPECT_EQ(meaning(3, 0), ErrorMeaning::kUnreachable);
  for (const int type : {2, 128, 133, 134, 135, 136, 137}) {
    EXPECT_EQ(meaning(type, 0), std::nullopt) << type;
  }
}

TEST(Answer, BadIcmpChecksumAndFragmentsAreRefused) {
  const Probe probe = MakeProbe(kTarget4, ProbeMethod::kIcmpEcho);
  const Bytes good = IpPacket(kTarget4, kUs4, kProtocolIcmp, EchoReply(probe, kUs4));
  ASSERT_TRUE(ParseAnswerV4(good));
  Bytes bad = good;
  bad[22] ^= 1;
  EXPECT_FALSE(ParseAnswerV4(bad));
  Bytes fragment = good;
  fragment[6] = 0x20;
  EXPECT_FALSE(ParseAnswerV4(fragment));
  Bytes padded = good + Bytes(6, 0x55);  // Ethernet padding is no part of the packet
  EXPECT_TRUE(ParseAnswerV4(padded));
}

// Every answer cut at every length, and with random damage: nothing crashes, and what is still
// accepted answers the same probe in the same way.
TEST(Answer, DamagedAnswersAreNotAccepted) {
  std::mt19937 random(42);
  for (const IpAddress& target : {kTarget4, kTarget6}) {
    for (const ProbeMethod method : {ProbeMethod::kIcmpEcho, ProbeMethod::kTcpSyn}) {
      ProbeLedger ledger(kTagger, 16);
      const MonoTime now{};
      const auto probe = ledger.Open(
          target, 0, {method, method == ProbeMethod::kTcpSyn ? uint16_t{443} : uint16_t{0}}, {},
          now);
      const bool v4 = target.is_v4();
      const bool tcp = method == ProbeMethod::kTcpSyn;
      const Bytes payload = tcp ? TcpAnswer(*probe, kSynAckFlags, probe->sequence + 1)
                                : EchoReply(*probe, Us(*probe));
      const Bytes sent =
          IpPacket(Us(*probe), target, ProtocolOf(*probe), Request(*probe, Us(*probe)));
      const Bytes error = IcmpError(v4 ? 3 : 1, 0, sent);
      for (const bool as_error : {false, true}) {
        const IpAddress from = as_error ? (v4 ? kRouter4 : kRouter6) : target;
        const bool as_tcp = tcp && !as_error;
        const Bytes& body = as_error ? error : payload;
        const uint8_t protocol = as_tcp ? kProtocolTcp : v4 ? kProtocolIcmp : kProtocolIcmpv6;
        const Bytes packet = v4 ? IpPacket(from, Us(*probe), protocol, body) : body;
        const auto parse = [&](const Bytes& bytes) {
          return v4 ? ParseAnswerV4(bytes) : ParseAnswerV6(from, protocol, bytes);
        };
        const auto whole = parse(packet);
        ASSERT_TRUE(whole);
        for (size_t size = 0; size < packet.size(); ++size) {
          const auto cut = parse(Truncated(packet, size));
          ProbeLedger fresh = ledger;
          // ICMPv6 checksums the kernel verifies, not we: the tag must be whole, the rest may be
          // cut.
          const bool may_be_short = !v4 && !as_tcp && (as_error || size >= 24);
          EXPECT_FALSE(cut && fresh.OnAnswer(*cut, now) && !may_be_short)
              << "accepted " << size << " of " << packet.size();
        }
        for (int i = 0; i < 50'000; ++i) {
          Bytes damaged = packet;
          const int times = 1 + static_cast<int>(random() % 3);
          for (int t = 0; t < times; ++t) {
            damaged[random() % damaged.size()] ^= static_cast<uint8_t>(1 + random() % 255);
          }
          const auto answer = parse(damaged);
          if (!answer) {
            continue;
          }
          ProbeLedger fresh = ledger;
          if (fresh.OnAnswer(*answer, now)) {
            EXPECT_EQ(answer->target, target);
            EXPECT_EQ(answer->sequence, probe->sequence);
            EXPECT_EQ(answer->flow_port, probe->flow_port);
          }
        }
      }
    }
  }
}

TEST(Answer, RandomBytesNeverCrash) {
  std::mt19937 random(7);
  for (int i = 0; i < 200'000; ++i) {
    Bytes bytes(random() % 160);
    for (uint8_t& byte : bytes) {
      byte = static_cast<uint8_t>(random());
    }
    if (!bytes.empty() && random() % 2 == 0) {
      bytes[0] = 0x45;
    }
    ParseAnswerV4(bytes);
    ParseAnswerV6(kTarget6, random() % 2 == 0 ? kProtocolTcp : kProtocolIcmpv6, bytes);
  }
}

}  // namespace
}  // namespace parallax::sensor
