#include "sensor/probe/packet.h"

#include <gtest/gtest.h>

#include <set>
#include <string_view>

#include "sensor/probe/tagger.h"

namespace parallax::sensor {
namespace {

IpAddress Ip(std::string_view text) { return *IpAddress::Parse(text); }

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

std::vector<uint8_t> Vector(std::span<const uint8_t> bytes) { return {bytes.begin(), bytes.end()}; }

// RFC 1071, written as differently from the code under test as can be: subtracts from 0xffff.
uint32_t Checksum(std::vector<uint8_t> data) {
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

std::vector<uint8_t> WithPseudoHeader(const IpAddress& from, const IpAddress& to, uint8_t protocol,
                                      std::span<const uint8_t> packet) {
  std::vector<uint8_t> all = Vector(from.bytes());
  all.insert(all.end(), to.bytes().begin(), to.bytes().end());
  const std::vector<uint8_t> tail = {0, protocol, 0, static_cast<uint8_t>(packet.size())};
  all.insert(all.end(), tail.begin(), tail.end());
  all.insert(all.end(), packet.begin(), packet.end());
  return all;
}

Probe Echo(std::string_view target) {
  Probe probe;
  probe.id = 0x0102030405060708;
  probe.target = Ip(target);
  probe.attempt = {ProbeMethod::kIcmpEcho, 0};
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
  probe.attempt = {ProbeMethod::kTcpSyn, 443};
  probe.flow_port = 61001;
  probe.sequence = 0xdeadbeef;
  return probe;
}

// Golden bytes: laid out by hand from RFC 792 and RFC 9293, checksums found by another program.
TEST(Packet, EchoRequestV4IsGolden) {
  ProbeBuffer buffer;
  EXPECT_EQ(Hex(BuildEchoRequest(Echo("198.51.100.7"), std::nullopt, buffer)), WithoutSpaces(R"(
      0800 beef 1234 5678  0102030405060708  a1a2a3a4a5a6a7a8  c16e
      506172616c6c61782072656163686162696c6974792070726f62652e)"));
}

TEST(Packet, EchoChecksumsAreRight) {
  ProbeBuffer buffer;
  EXPECT_EQ(Checksum(Vector(BuildEchoRequest(Echo("198.51.100.7"), std::nullopt, buffer))), 0u);
  const IpAddress from = Ip("2001:db8::1");
  const auto v6 = BuildEchoRequest(Echo("2001:db8:51::7"), from, buffer);
  EXPECT_EQ(Checksum(WithPseudoHeader(from, Ip("2001:db8:51::7"), 58, v6)), 0u);
  EXPECT_EQ(v6[0], 128);
}

TEST(Packet, ChecksumIsLeftToTheKernelWithoutASource) {
  ProbeBuffer buffer;
  const auto echo = BuildEchoRequest(Echo("2001:db8:51::7"), std::nullopt, buffer);
  EXPECT_EQ(echo[2] | echo[3], 0);
  const auto syn = BuildSyn(Syn("2001:db8:51::7"), std::nullopt, buffer);
  EXPECT_EQ(syn[16] | syn[17], 0);
}

TEST(Packet, SynV4IsGolden) {
  ProbeBuffer buffer;
  EXPECT_EQ(Hex(BuildSyn(Syn("198.51.100.7"), Ip("192.0.2.1"), buffer)),
            WithoutSpaces("ee49 01bb deadbeef 00000000 6002 ffff 1e48 0000 020405b4"));
}

TEST(Packet, SynV6IsGolden) {
  ProbeBuffer buffer;
  EXPECT_EQ(Hex(BuildSyn(Syn("2001:db8:51::7"), Ip("2001:db8::1"), buffer)),
            WithoutSpaces("ee49 01bb deadbeef 00000000 6002 ffff aecd 0000 020405a0"));
}

TEST(Packet, SynChecksumsAreRight) {
  ProbeBuffer buffer;
  const auto v4 = BuildSyn(Syn("198.51.100.7"), Ip("192.0.2.1"), buffer);
  EXPECT_EQ(Checksum(WithPseudoHeader(Ip("192.0.2.1"), Ip("198.51.100.7"), 6, v4)), 0u);
}

// Whatever changes from probe to probe, routers see one flow: type, code, checksum and identifier.
TEST(Packet, EchoFlowIsConstantAcrossProbes) {
  const ProbeTagger tagger({1, 2}, {3, 4}, {61000, 65535});
  for (const char* target : {"198.51.100.7", "2001:db8:51::7"}) {
    std::set<std::string> flows;
    std::set<std::string> packets;
    const auto source = Ip(target).is_v4() ? Ip("192.0.2.1") : Ip("2001:db8::1");
    for (uint64_t id = 1; id <= 2000; ++id) {
      ProbeBuffer buffer;
      const Probe probe = tagger.Make(id, Ip(target), 0, {ProbeMethod::kIcmpEcho, 0});
      const auto packet = BuildEchoRequest(probe, source, buffer);
      flows.insert(Hex(packet.first(6)));
      packets.insert(Hex(packet));
      if (Ip(target).is_v4()) {
        ASSERT_EQ(Checksum(Vector(packet)), 0u);
      } else {
        ASSERT_EQ(Checksum(WithPseudoHeader(source, Ip(target), 58, packet)), 0u);
      }
    }
    EXPECT_EQ(flows.size(), 1u) << target;
    EXPECT_EQ(packets.size(), 2000u);
  }
}

TEST(Packet, TcpFlowIsConstantAcrossProbes) {
  const ProbeTagger tagger({1, 2}, {3, 4}, {61000, 65535});
  std::set<std::string> ports;
  for (uint64_t id = 1; id <= 100; ++id) {
    ProbeBuffer buffer;
    const Probe probe = tagger.Make(id, Ip("198.51.100.7"), 0, {ProbeMethod::kTcpSyn, 443});
    ports.insert(Hex(BuildSyn(probe, Ip("192.0.2.1"), buffer).first(4)));
  }
  EXPECT_EQ(ports.size(), 1u);
}

TEST(Packet, OnesComplementSumHandlesOddLengthsAndLongInput) {
  EXPECT_EQ(OnesComplementSum(std::vector<uint8_t>{0x12}), 0x1200);
  EXPECT_EQ(OnesComplementSum({}), 0);
  EXPECT_EQ(OnesComplementSum(std::vector<uint8_t>(300'000, 0xff)), 0xffff);
  EXPECT_EQ(OnesComplementSum(std::vector<uint8_t>{0xff, 0xff}, 1), 1);
}

}  // namespace
}  // namespace parallax::sensor
