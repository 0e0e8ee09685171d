#include "sensor/probe/wire/packet.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <string_view>

#include "sensor/probe/wire/tagger.h"
#include "tests/unit/sensor/probe/test_probes.h"

namespace parallax::sensor {
namespace {

using namespace test;

std::string Hex(std::span<const uint8_t> bytes) {
  std::string text;
  for (const uint8_t byte : bytes) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

std::string WithoutSpaces(std::string text) {
  std::erase_if(text, [](char c) { return c == ' ' || c == '\n'; });
  return text;
}

Bytes Vector(std::span<const uint8_t> bytes) { return {bytes.begin(), bytes.end()}; }

// RFC 1071, written as differently from the code under test as can be: subtracts from 0xffff.
uint32_t Checksum(Bytes data) {
  if (data.size() % 2 != 0) {
    data.push_back(0);
  }
  uint32_t left = 0xffff;
  for (size_t i = 0; i < data.size(); i += 2) {
    const uint32_t word = data[i] * 256u + data[i + 1];
    left = left >= word ? left - word : left + 0xffff - word;
  }
  return left;
}

Bytes WithPseudoHeader(const IpAddress& from, const IpAddress& to, uint8_t protocol,
                       std::span<const uint8_t> packet) {
  Bytes all = Vector(from.bytes()) + Vector(to.bytes());
  const Bytes tail = {0, protocol, 0, static_cast<uint8_t>(packet.size())};
  return all + tail + Vector(packet);
}

uint16_t Word(std::span<const uint8_t> packet, size_t at) {
  return static_cast<uint16_t>(packet[at] << 8 | packet[at + 1]);
}

IpAddress SourceFor(const IpAddress& target) {
  return Ip(target.is_v4() ? "192.0.2.1" : "2001:db8::1");
}

Probe Echo(std::string_view target) {
  Probe probe;
  probe.id = 0x0102030405060708;
  probe.target = Ip(target);
  probe.attempt = kEcho;
  probe.flow_port = 0x1234;
  probe.flow_checksum = 0xbeef;
  probe.sequence = 0x5678;
  probe.tag = 0xa1a2a3a4a5a6a7a8;
  return probe;
}

Probe Syn(std::string_view target) {
  Probe probe;
  probe.id = 7;
  probe.target = Ip(target);
  probe.attempt = kHttps;
  probe.flow_port = 61001;
  probe.sequence = 0xdeadbeef;
  return probe;
}

Probe Udp(std::string_view target) {
  Probe probe = Echo(target);
  probe.attempt = kUdpTrace;
  probe.flow_port = 61440;
  probe.flow_checksum = 0;
  return probe;
}

constexpr std::string_view kText = "506172616c6c61782072656163686162696c6974792070726f62652e";

// Golden bytes: laid out by hand from RFC 792, 768 and 9293, checksums found by another program.
TEST(Packet, EchoRequestV4IsGolden) {
  ProbeBuffer buffer;
  EXPECT_EQ(Hex(BuildTransport(Echo("198.51.100.7"), Ip("192.0.2.1"), ProbeText(), buffer)),
            WithoutSpaces("0800 beef 1234 5678  0102030405060708  a1a2a3a4a5a6a7a8  c16e") +
                std::string(kText));
}

TEST(Packet, UdpV4IsGolden) {
  ProbeBuffer buffer;
  const auto packet = BuildTransport(Udp("198.51.100.7"), Ip("192.0.2.1"), ProbeText(), buffer);
  EXPECT_EQ(Hex(packet.first(24)),
            WithoutSpaces("f000 829a 0036 5678  0102030405060708  a1a2a3a4a5a6a7a8"));
  EXPECT_EQ(Hex(packet.subspan(26)), kText);
}

TEST(Packet, SynV4IsGolden) {
  ProbeBuffer buffer;
  EXPECT_EQ(Hex(BuildTransport(Syn("198.51.100.7"), Ip("192.0.2.1"), ProbeText(), buffer)),
            WithoutSpaces("ee49 01bb deadbeef 00000000 6002 ffff 1e48 0000 020405b4"));
}

TEST(Packet, SynV6IsGolden) {
  ProbeBuffer buffer;
  EXPECT_EQ(Hex(BuildTransport(Syn("2001:db8:51::7"), Ip("2001:db8::1"), ProbeText(), buffer)),
            WithoutSpaces("ee49 01bb deadbeef 00000000 6002 ffff aecd 0000 020405a0"));
}

// What a host does with the packet that arrives: the sum over everything must come out right. The
// kernel puts in the checksum of ICMPv6, over the pseudo-header; it must be constant, too.
struct Seen {
  std::set<std::string> flows;  // what routers may hash
  std::set<uint16_t> kernel_checksums;
};

void CheckChecksum(const Probe& probe, const ProbeText& text, Seen& seen) {
  ProbeBuffer buffer;
  buffer.fill(0xaa);  // whatever an earlier probe left there
  const IpAddress source = SourceFor(probe.target);
  const auto packet = BuildTransport(probe, source, text, buffer);
  const Bytes under_pseudo = WithPseudoHeader(source, probe.target, ProtocolOf(probe), packet);
  switch (probe.attempt.method) {
    case ProbeMethod::kIcmpEcho: {
      ASSERT_EQ(Checksum(Vector(packet)), 0u) << probe.sequence;
      ASSERT_EQ(Word(packet, 2), probe.flow_checksum);
      seen.flows.insert(Hex(packet.first(6)));
      Bytes without = under_pseudo;
      without[without.size() - packet.size() + 2] = 0;
      without[without.size() - packet.size() + 3] = 0;
      seen.kernel_checksums.insert(static_cast<uint16_t>(Checksum(without)));
      break;
    }
    case ProbeMethod::kTcpSyn:
      ASSERT_EQ(Checksum(under_pseudo), 0u) << probe.sequence;
      seen.flows.insert(Hex(packet.first(4)));
      break;
    case ProbeMethod::kUdp:
      ASSERT_EQ(Checksum(under_pseudo), 0u) << probe.sequence;
      ASSERT_EQ(Word(packet, 6), probe.sequence);
      ASSERT_EQ(Word(packet, 4), packet.size());
      seen.flows.insert(Hex(packet.first(6)));
      break;
  }
}

TEST(Packet, EverySequenceOfAFlowHasItsChecksum) {
  for (const char* target : {"198.51.100.7", "2001:db8:51::7"}) {
    for (Probe probe : {Echo(target), Udp(target), Syn(target)}) {
      Seen seen;
      const bool udp = probe.attempt.method == ProbeMethod::kUdp;
      for (uint32_t sequence = udp ? 1 : 0; sequence <= 0xffff; ++sequence) {
        probe.sequence = sequence;
        probe.id = sequence * 0x9e3779b97f4a7c15u;
        probe.tag = ~probe.id * 3;
        ASSERT_NO_FATAL_FAILURE(CheckChecksum(probe, ProbeText(), seen));
      }
      EXPECT_EQ(seen.flows.size(), 1u);
      EXPECT_LE(seen.kernel_checksums.size(), 1u);
    }
  }
}

TEST(Packet, EveryFlowChecksumCanBeHad) {
  Seen seen;
  for (uint16_t checksum = 1; checksum < 0xffff; ++checksum) {
    Probe probe = Echo("198.51.100.7");
    probe.flow_checksum = checksum;
    ASSERT_NO_FATAL_FAILURE(CheckChecksum(probe, ProbeText(), seen));
  }
}

TEST(Packet, ContactsOfEveryLengthAreCarried) {
  for (size_t length = 0; length <= 200; ++length) {
    const std::string contact(length, 'x');
    const ProbeText text(contact);
    EXPECT_EQ(text.view().size() % 2, 0u);
    EXPECT_LE(text.view().size(), ProbeText::kMaxText);
    EXPECT_TRUE(text.view().starts_with("Parallax reachability probe"));
    if (length > 0 && length <= 64) {
      EXPECT_NE(text.view().find(" - " + contact + "."), std::string_view::npos) << length;
    }
    if (length > 70) {
      EXPECT_EQ(text.view().size(), ProbeText::kMaxText);  // cut
    }
    for (const char* target : {"198.51.100.7", "2001:db8:51::7"}) {
      for (const Probe& probe : {Echo(target), Udp(target), Syn(target)}) {
        Seen seen;
        ASSERT_NO_FATAL_FAILURE(CheckChecksum(probe, text, seen));
        ProbeBuffer buffer;
        const auto packet = BuildTransport(probe, SourceFor(probe.target), text, buffer);
        const std::string_view bytes(reinterpret_cast<const char*>(packet.data()), packet.size());
        EXPECT_EQ(bytes.ends_with(text.view()), probe.attempt.method != ProbeMethod::kTcpSyn);
      }
    }
  }
}

TEST(Packet, PayloadNamesParallaxAndWhomToAsk) {
  EXPECT_EQ(ProbeText().view(), "Parallax reachability probe.");
  EXPECT_EQ(ProbeText("noc@example.org").view(), "Parallax reachability probe - noc@example.org.");
  EXPECT_EQ(ProbeText("abuse@example.org").view(),
            "Parallax reachability probe - abuse@example.org.");
  EXPECT_EQ(ProbeText("a").view(), "Parallax reachability probe - a.");
}

TEST(Packet, Ipv4HeaderFields) {
  for (Probe probe : {Echo("198.51.100.7"), Udp("198.51.100.7"), Syn("198.51.100.7")}) {
    for (const uint8_t ttl : std::array<uint8_t, 4>{0, 1, 30, 255}) {
      probe.ttl = ttl;
      ProbeBuffer buffer;
      buffer.fill(0xaa);
      const Bytes packet = Vector(BuildPacketV4(probe, Ip("192.0.2.1"), ProbeText("x"), buffer));
      EXPECT_EQ(packet[0], 0x45);
      EXPECT_EQ(packet[1], 0);
      EXPECT_EQ(Word(packet, 2), packet.size());
      EXPECT_EQ(Word(packet, 4), probe.sequence & 0xffff);
      EXPECT_EQ(Word(packet, 6), 0x4000);  // don't fragment
      EXPECT_EQ(packet[8], ttl == 0 ? 64 : ttl);
      EXPECT_EQ(packet[9], ProtocolOf(probe));
      EXPECT_EQ(Word(packet, 10), 0);
      EXPECT_EQ(Hex(std::span(packet).subspan(12, 8)), "c0000201c6336407");
      ProbeBuffer other;
      EXPECT_EQ(Bytes(packet.begin() + 20, packet.end()),
                Vector(BuildTransport(probe, Ip("192.0.2.1"), ProbeText("x"), other)));
    }
  }
}

// The kernel fills in 0.0.0.0, but not what depends on it: only the echo request does not.
TEST(Packet, EchoNeedsNoSource) {
  ProbeBuffer a;
  ProbeBuffer b;
  const Probe probe = Echo("198.51.100.7");
  EXPECT_EQ(Vector(BuildPacketV4(probe, IpAddress(), ProbeText(), a)).size(),
            Vector(BuildPacketV4(probe, Ip("192.0.2.1"), ProbeText(), b)).size());
  EXPECT_EQ(Hex(std::span(a).subspan(20, 54)), Hex(std::span(b).subspan(20, 54)));
  EXPECT_EQ(Hex(std::span(a).subspan(12, 4)), "00000000");
}

TEST(Packet, Protocols) {
  EXPECT_EQ(ProtocolOf(Echo("198.51.100.7")), 1);
  EXPECT_EQ(ProtocolOf(Echo("2001:db8::7")), 58);
  EXPECT_EQ(ProtocolOf(Syn("198.51.100.7")), 6);
  EXPECT_EQ(ProtocolOf(Syn("2001:db8::7")), 6);
  EXPECT_EQ(ProtocolOf(Udp("198.51.100.7")), 17);
  EXPECT_EQ(ProtocolOf(Udp("2001:db8::7")), 17);
  ProbeBuffer buffer;
  EXPECT_EQ(BuildTransport(Echo("2001:db8::7"), Ip("2001:db8::1"), ProbeText(), buffer)[0], 128);
}

// Whatever changes from probe to probe, routers see one flow, and packets all differ.
TEST(Packet, FlowsAreConstantAcrossTheTaggersProbes) {
  const ProbeTagger tagger({1, 2}, {3, 4}, {61440, 65535});
  for (const char* target : {"198.51.100.7", "2001:db8:51::7"}) {
    for (const ProbeTry& attempt : {kEcho, kHttps, kUdpTrace}) {
      Seen seen;
      std::set<std::string> packets;
      for (uint64_t id = 1; id <= 2000; ++id) {
        const MonoTime now{std::chrono::milliseconds(id)};
        const Probe probe = tagger.Make(id << 24, Ip(target), 0, attempt, 0, now);
        ASSERT_NO_FATAL_FAILURE(CheckChecksum(probe, ProbeText("noc@example.org"), seen));
        ProbeBuffer buffer;
        packets.insert(Hex(BuildTransport(probe, SourceFor(Ip(target)), ProbeText(), buffer)));
      }
      EXPECT_EQ(seen.flows.size(), 1u) << target;
      EXPECT_LE(seen.kernel_checksums.size(), 1u);
      EXPECT_EQ(packets.size(), 2000u);
    }
  }
}

TEST(Packet, OnesComplementSumHandlesOddLengthsAndLongInput) {
  EXPECT_EQ(OnesComplementSum(Bytes{0x12}), 0x1200);
  EXPECT_EQ(OnesComplementSum({}), 0);
  EXPECT_EQ(OnesComplementSum(Bytes(300'000, 0xff)), 0xffff);
  EXPECT_EQ(OnesComplementSum(Bytes{0xff, 0xff}, 1), 1);
  EXPECT_EQ(OnesComplementSum(Bytes{0xff, 0xff}, 0xffffffff), 0xffff);
}

TEST(Packet, PseudoHeaderSumIsOfTheWrittenOutOne) {
  const Bytes v4 = WithPseudoHeader(Ip("192.0.2.1"), Ip("198.51.100.7"), 17, {});
  Bytes header = v4;
  Put16(header, header.size() - 2, 123);
  EXPECT_EQ(PseudoHeaderSum(Ip("192.0.2.1"), Ip("198.51.100.7"), 17, 123),
            OnesComplementSum(header));
  // RFC 8200 8.1: 32 bits of length.
  Bytes v6 = Vector(Ip("2001:db8::1").bytes()) + Vector(Ip("2001:db8::2").bytes()) +
             Bytes{0, 1, 0, 2, 0, 0, 0, 58};
  EXPECT_EQ(PseudoHeaderSum(Ip("2001:db8::1"), Ip("2001:db8::2"), 58, 0x10002),
            OnesComplementSum(v6));
}

}  // namespace
}  // namespace parallax::sensor
