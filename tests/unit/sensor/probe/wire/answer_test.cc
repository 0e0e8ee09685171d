#include "sensor/probe/wire/answer.h"

#include <gtest/gtest.h>

#include <random>
#include <tuple>

#include "sensor/probe/wire/ledger.h"
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

constexpr uint8_t kTtl = 57;  // of every packet that IpPacket() makes

uint16_t PortOf(ProbeMethod method) {
  return method == ProbeMethod::kTcpSyn ? 443 : method == ProbeMethod::kUdp ? 33434 : 0;
}

Probe MakeProbe(const IpAddress& target, ProbeMethod method, uint64_t id = 5) {
  return kTagger.Make(id, target, 0, {method, PortOf(method)}, 0, MonoTime());
}

const IpAddress& Us(const Probe& probe) { return probe.target.is_v4() ? kUs4 : kUs6; }

// Parses what raw sockets of the target's family would deliver from `from`.
std::optional<Answer> Parse(const Probe& probe, const IpAddress& from, const Bytes& payload,
                            uint8_t protocol) {
  if (from.is_v4()) {
    return ParseAnswerV4(IpPacket(from, Us(probe), protocol, payload));
  }
  return ParseAnswerV6(from, protocol, kTtl, payload);
}

std::optional<Answer> ParseMessage(const Probe& probe, const IpAddress& from, const Bytes& icmp) {
  return Parse(probe, from, icmp, from.is_v4() ? kProtocolIcmp : kProtocolIcmpv6);
}

void ExpectIsFor(const Probe& probe, const std::optional<Answer>& answer) {
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->target, probe.target);
  EXPECT_EQ(answer->method, probe.attempt.method);
  EXPECT_EQ(answer->port, probe.attempt.port);
  EXPECT_EQ(answer->flow_port, probe.flow_port);
  EXPECT_EQ(answer->sequence, answer->kind == AnswerKind::kUdpReply ? 0 : probe.sequence);
  EXPECT_EQ(answer->ttl, kTtl);
  if (answer->tag) {
    EXPECT_EQ(answer->tag->probe_id, probe.id);
    EXPECT_EQ(answer->tag->tag, probe.tag);
  }
}

constexpr ProbeMethod kMethods[] = {ProbeMethod::kIcmpEcho, ProbeMethod::kTcpSyn,
                                    ProbeMethod::kUdp};

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
  const auto answer = ParseMessage(probe, target, EchoReply(probe, Us(probe)));
  ExpectIsFor(probe, answer);
  EXPECT_EQ(answer->kind, AnswerKind::kEchoReply);
  EXPECT_TRUE(answer->tag);
}

TEST_P(BothFamilies, SynAckAndReset) {
  const Probe probe = MakeProbe(target, ProbeMethod::kTcpSyn);
  const auto syn_ack =
      Parse(probe, target, TcpAnswer(probe, kSynAckFlags, probe.sequence + 1), kProtocolTcp);
  ExpectIsFor(probe, syn_ack);
  EXPECT_EQ(syn_ack->kind, AnswerKind::kSynAck);
  const auto reset =
      Parse(probe, target, TcpAnswer(probe, kRstAckFlags, probe.sequence + 1), kProtocolTcp);
  ExpectIsFor(probe, reset);
  EXPECT_EQ(reset->kind, AnswerKind::kReset);
}

TEST_P(BothFamilies, WhatAcknowledgesASynAnswersItButNotWhatAConnectionSays) {
  const Probe probe = MakeProbe(target, ProbeMethod::kTcpSyn);
  for (unsigned flags = 0; flags < 256; ++flags) {
    const Bytes tcp = TcpAnswer(probe, static_cast<uint8_t>(flags), probe.sequence + 1);
    const bool ack = (flags & 0x10) != 0;
    const bool reset = (flags & 0x04) != 0;
    const bool syn = (flags & 0x02) != 0;
    const bool fin = (flags & 0x01) != 0;
    const auto answer = Parse(probe, target, tcp, kProtocolTcp);
    ASSERT_EQ(answer.has_value(), ack && (reset || syn || !fin)) << flags;
    if (answer) {
      EXPECT_EQ(answer->kind, reset ? AnswerKind::kReset
                              : syn ? AnswerKind::kSynAck
                                    : AnswerKind::kAck);
    }
    const auto data = Parse(probe, target, tcp + Bytes{'2', '2', '0'}, kProtocolTcp);
    EXPECT_EQ(data.has_value(), ack && (reset || syn)) << flags;
  }
}

TEST_P(BothFamilies, UdpReply) {
  const Probe probe = MakeProbe(target, ProbeMethod::kUdp);
  for (const Bytes& payload : {Bytes{}, Bytes(40, 'x')}) {
    const auto answer = Parse(probe, target, UdpAnswer(probe, payload), kProtocolUdp);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->kind, AnswerKind::kUdpReply);
    EXPECT_EQ(answer->target, target);
    EXPECT_EQ(answer->port, probe.attempt.port);
    EXPECT_EQ(answer->flow_port, probe.flow_port);
    EXPECT_EQ(answer->tag.has_value(), !payload.empty());  // as found, whoever wrote it
  }
  Bytes sent = Request(probe, Us(probe));
  sent.erase(sent.begin(), sent.begin() + 8);
  const auto echoed = Parse(probe, target, UdpAnswer(probe, sent), kProtocolUdp);
  ExpectIsFor(probe, echoed);
  EXPECT_TRUE(echoed->tag);
}

// Routers quote at least 8 transport bytes (RFC 792), or as much as fits, perhaps padded.
TEST_P(BothFamilies, ErrorsQuotingAnyLength) {
  for (const ProbeMethod method : kMethods) {
    const Probe probe = MakeProbe(target, method);
    const Bytes sent = SentPacket(probe, Us(probe), 1);
    const size_t header = v4 ? 20 : 40;
    for (size_t size = 0; size <= sent.size() + 100; ++size) {
      const auto answer =
          ParseMessage(probe, router, IcmpError(unreachable, 0, Truncated(sent, size)));
      if (size < header + 8) {
        EXPECT_FALSE(answer) << size;
        continue;
      }
      ExpectIsFor(probe, answer);
      EXPECT_EQ(answer->kind, AnswerKind::kError);
      EXPECT_EQ(answer->source, router);
      EXPECT_EQ(answer->icmp_type, unreachable);
      EXPECT_EQ(answer->quoted_ttl, 1);
      EXPECT_EQ(answer->quoted_source, Us(probe));
      EXPECT_EQ(answer->quoted_ip_id, v4 ? probe.sequence & 0xffff : 0);
      EXPECT_EQ(answer->quoted_checksum.has_value(), method != ProbeMethod::kTcpSyn);
      EXPECT_FALSE(answer->from_this_host());
      EXPECT_EQ(answer->tag.has_value(), method != ProbeMethod::kTcpSyn && size >= header + 24);
    }
  }
}

// RFC 4884: from wherever the zeros begin. Where they begin with the tag's own last bytes, which
// may be zero, the rest of the payload tells.
TEST_P(BothFamilies, QuotesPaddedWithZerosHoldNoTag) {
  const size_t header = v4 ? 20 : 40;
  for (const ProbeMethod method : {ProbeMethod::kIcmpEcho, ProbeMethod::kUdp}) {
    for (uint64_t id = 1; id < 1000; ++id) {
      const Probe probe = MakeProbe(target, method, id);
      const Bytes sent = SentPacket(probe, Us(probe));
      for (const size_t size : {header + 8, header + 15, header + 16, header + 22, header + 23}) {
        const Bytes padded = Truncated(Truncated(sent, size), 128);
        const auto answer = ParseMessage(probe, router, IcmpError(unreachable, 0, padded));
        ExpectIsFor(probe, answer);
        EXPECT_FALSE(answer->tag);
      }
      const auto whole = ParseMessage(probe, router, IcmpError(unreachable, 0, sent));
      ASSERT_TRUE(whole);
      EXPECT_TRUE(whole->tag) << id;
    }
  }
}

TEST_P(BothFamilies, ErrorFromThisHostsOwnKernel) {
  const Probe probe = MakeProbe(target, ProbeMethod::kTcpSyn);
  const auto answer =
      ParseMessage(probe, Us(probe), IcmpError(unreachable, 1, SentPacket(probe, Us(probe))));
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->from_this_host());
}

TEST_P(BothFamilies, Redirects) {
  const IpAddress gateway = v4 ? Ip("192.0.2.254") : Ip("fe80::fe");
  const IpAddress neighbour = v4 ? Ip("192.0.2.1") : Ip("fe80::1");
  for (const ProbeMethod method : kMethods) {
    const Probe probe = MakeProbe(target, method);
    const Bytes icmp = Redirect(gateway, target, SentPacket(probe, Us(probe), 63));
    const auto answer = ParseIcmp(neighbour, 0, icmp);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->kind, AnswerKind::kRedirect);
    EXPECT_EQ(answer->gateway, gateway);
    EXPECT_EQ(answer->target, target);
    EXPECT_EQ(answer->sequence, probe.sequence);
    EXPECT_EQ(answer->quoted_ttl, 63);
  }
}

TEST(Answer, QuotedIpv4OptionsOfAnyLengthAreSteppedOver) {
  const Probe probe = MakeProbe(kTarget4, ProbeMethod::kUdp);
  for (size_t words = 1; words <= 10; ++words) {
    const Bytes sent = IpPacket(kUs4, kTarget4, kProtocolUdp, Request(probe, kUs4),
                                Bytes(words * 4, 1));  // no-operation options
    const size_t needed = 20 + words * 4 + 8;
    ExpectIsFor(probe, ParseMessage(probe, kRouter4, IcmpError(3, 1, Truncated(sent, needed))));
    EXPECT_FALSE(ParseMessage(probe, kRouter4, IcmpError(3, 1, Truncated(sent, needed - 1))));
  }
}

TEST(Answer, ChainOfQuotedIpv6ExtensionHeadersCutAnywhere) {
  const Probe probe = MakeProbe(kTarget6, ProbeMethod::kIcmpEcho);
  const Bytes hop_by_hop = {60, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  const Bytes destination = {44, 0, 1, 4, 0, 0, 0, 0};
  const Bytes fragment = {51, 0, 0, 0, 1, 2, 3, 4};
  const Bytes authentication = {58, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  const Bytes all = hop_by_hop + destination + fragment + authentication;
  const Bytes sent = IpPacket(kUs6, kTarget6, 0, Request(probe, kUs6), all);
  const size_t needed = 40 + all.size() + 8;
  ExpectIsFor(probe, ParseMessage(probe, kRouter6, IcmpError(1, 0, Truncated(sent, needed))));
  for (size_t size = 0; size < needed; ++size) {
    EXPECT_FALSE(ParseMessage(probe, kRouter6, IcmpError(1, 0, Truncated(sent, size)))) << size;
  }
}

TEST(Answer, EndlessExtensionHeadersAreGivenUp) {
  const Probe probe = MakeProbe(kTarget6, ProbeMethod::kIcmpEcho);
  const Bytes padding(8 * 200, 0);  // 200 hop-by-hop headers, each naming another
  EXPECT_FALSE(
      ParseMessage(probe, kRouter6,
                   IcmpError(1, 0, IpPacket(kUs6, kTarget6, 0, Request(probe, kUs6), padding))));
}

TEST(Answer, OneFamilyIsNotReadAsTheOther) {
  const Probe probe = MakeProbe(kTarget6, ProbeMethod::kIcmpEcho);
  EXPECT_FALSE(ParseAnswerV6(kTarget4, kProtocolIcmpv6, kTtl, EchoReply(probe, kUs6)));
  EXPECT_FALSE(ParseAnswerV6(kTarget6, kProtocolIcmp, kTtl, EchoReply(probe, kUs6)));
  EXPECT_FALSE(ParseIcmp(kTarget4, kTtl, EchoReply(probe, kUs6)));
}

// Whatever an extension structure holds, the error is read, and the labels are right or absent.
TEST_P(BothFamilies, BrokenExtensionsTakeNothingAway) {
  std::mt19937 random(11);
  const Probe probe = MakeProbe(target, ProbeMethod::kUdp);
  const Bytes sent = Truncated(SentPacket(probe, Us(probe), 1), 128);
  Bytes structure = {0x20, 0, 0, 0, 0, 12, 1, 1, 0x04, 0xbb, 0x41, 0x01, 0, 1, 0x01, 0xff};
  Put16(structure, 2, 0xffffu - OnesComplementSum(structure));
  const Bytes stated = v4 ? Bytes{0, 32, 0, 0} : Bytes{16, 0, 0, 0};
  const auto parse = [&](const Bytes& extension, const Bytes& rest) {
    return ParseMessage(probe, router, IcmpError(v4 ? 11 : 3, 0, sent + extension, rest));
  };
  const MplsStack right{.labels = {{{.label = 0x04bb4, .traffic_class = 0, .ttl = 1},
                                    {.label = 0x10, .traffic_class = 0, .ttl = 255}}},
                        .count = 2};
  for (const Bytes& rest : {stated, Bytes(4)}) {
    const auto whole = parse(structure, rest);
    ASSERT_TRUE(whole);
    EXPECT_EQ(whole->mpls, right);
    for (size_t size = 0; size < structure.size(); ++size) {
      const auto cut = parse(Truncated(structure, size), rest);
      ExpectIsFor(probe, cut);
      EXPECT_EQ(cut->mpls.count, 0) << size;
    }
    for (int i = 0; i < 20'000; ++i) {
      Bytes damaged = structure;
      const size_t at = random() % damaged.size();
      damaged[at] ^= static_cast<uint8_t>(1 + random() % 255);
      const auto answer = parse(damaged, rest);
      ExpectIsFor(probe, answer);
      EXPECT_TRUE(answer->tag);
      // One changed byte is always seen by the checksum, unless there is none any more.
      const bool unchecked = rest == stated && damaged[2] == 0 && damaged[3] == 0;
      EXPECT_TRUE(answer->mpls.count == 0 || unchecked) << at;
    }
  }
}

// Every answer cut at every length, and with random damage: nothing crashes, and what the ledger
// still takes for an answer is one to the same probe, in the same way, or as a NAT would change it.
class DamagedAnswers : public testing::TestWithParam<std::tuple<bool, ProbeMethod, bool>> {};
INSTANTIATE_TEST_SUITE_P(Answer, DamagedAnswers,
                         testing::Combine(testing::Bool(), testing::ValuesIn(kMethods),
                                          testing::Bool()));

TEST_P(DamagedAnswers, AreNotAccepted) {
  const auto [v4, method, as_error] = GetParam();
  const IpAddress target = v4 ? kTarget4 : kTarget6;
  const MonoTime now{};
  ProbeLedger ledger(kTagger, 16);
  const auto probe = ledger.Open(target, 0, {method, PortOf(method)}, 0, {}, now);
  ASSERT_TRUE(probe);
  const IpAddress from = as_error ? (v4 ? kRouter4 : kRouter6) : target;
  const Bytes body = as_error ? IcmpError(v4 ? 3 : 1, 0, SentPacket(*probe, Us(*probe)))
                     : method == ProbeMethod::kTcpSyn
                         ? TcpAnswer(*probe, kSynAckFlags, probe->sequence + 1)
                     : method == ProbeMethod::kUdp ? UdpAnswer(*probe, Bytes(20, 'x'))
                                                   : EchoReply(*probe, Us(*probe));
  const uint8_t protocol = !as_error ? ProtocolOf(*probe) : v4 ? kProtocolIcmp : kProtocolIcmpv6;
  const Bytes packet = v4 ? IpPacket(from, Us(*probe), protocol, body) : body;
  const auto parse = [&, v4 = v4](const Bytes& bytes) {
    return v4 ? ParseAnswerV4(bytes) : ParseAnswerV6(from, protocol, kTtl, bytes);
  };
  const auto whole = parse(packet);
  ASSERT_TRUE(whole);
  ASSERT_TRUE(ProbeLedger(ledger).OnAnswer(*whole, now));

  for (size_t size = 0; size < packet.size(); ++size) {
    const auto cut = parse(Truncated(packet, size));
    // ICMPv6 checksums the kernel verifies, not we: 8 quoted bytes or the tag must be whole.
    const bool icmpv6 = protocol == kProtocolIcmpv6;
    const bool may_be_short = icmpv6 && size >= (as_error ? 8u + 40 + 8 : 24u);
    EXPECT_EQ(cut && ProbeLedger(ledger).OnAnswer(*cut, now), may_be_short)
        << size << " of " << packet.size();
  }

  std::mt19937 random(42);
  for (int i = 0; i < 30'000; ++i) {
    Bytes damaged = packet;
    const size_t times = 1 + random() % 3;
    for (size_t t = 0; t < times; ++t) {
      damaged[random() % damaged.size()] ^= static_cast<uint8_t>(1 + random() % 255);
    }
    const auto answer = parse(damaged);
    const auto match = answer ? ProbeLedger(ledger).OnAnswer(*answer, now) : std::nullopt;
    if (!match) {
      continue;
    }
    EXPECT_EQ(match->probe_id, probe->id);
    EXPECT_EQ(answer->target, target);
    EXPECT_EQ(answer->method, method);
    if (!as_error) {
      EXPECT_EQ(answer->flow_port, probe->flow_port);
      EXPECT_EQ(answer->sequence, whole->sequence);
    } else if (!match->nat) {
      EXPECT_EQ(answer->flow_port, probe->flow_port);
      EXPECT_TRUE(answer->sequence == probe->sequence || answer->tag);
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
    for (const uint8_t protocol : {kProtocolTcp, kProtocolUdp, kProtocolIcmpv6}) {
      ParseAnswerV6(kTarget6, protocol, kTtl, bytes);
    }
    ParseIcmp(kTarget4, kTtl, bytes);
  }
}

}  // namespace
}  // namespace parallax::sensor
