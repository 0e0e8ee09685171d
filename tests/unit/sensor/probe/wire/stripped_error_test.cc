#include "sensor/probe/wire/stripped_error.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "sensor/probe/wire/packet.h"

namespace parallax::sensor {
namespace {

// RFC 4884 structure with one MPLS stack (RFC 4950): labels 100 and 200.
std::vector<uint8_t> MplsExtension() {
  std::vector<uint8_t> bytes = {0x20, 0, 0, 0, 0, 12, 1, 1, 0, 0x06, 0x40, 1, 0, 0x0c, 0x81, 1};
  const auto checksum = static_cast<uint16_t>(~OnesComplementSum(bytes));
  bytes[2] = static_cast<uint8_t>(checksum >> 8);
  bytes[3] = static_cast<uint8_t>(checksum);
  return bytes;
}

struct World {
  Family family;
  IpAddress router, host, target;
  uint8_t icmp, time_exceeded, unreachable, administrative;
};

World WorldOf(Family family) {
  return family == Family::kV4 ? World{family,
                                       *IpAddress::Parse("10.0.0.1"),
                                       *IpAddress::Parse("10.0.0.2"),
                                       *IpAddress::Parse("192.0.2.7"),
                                       kProtocolIcmp,
                                       11,
                                       3,
                                       13}
                               : World{family,
                                       *IpAddress::Parse("fd00::1"),
                                       *IpAddress::Parse("fd00::2"),
                                       *IpAddress::Parse("2001:db8::7"),
                                       kProtocolIcmpv6,
                                       3,
                                       1,
                                       1};
}

class StrippedErrorTest : public testing::TestWithParam<Family> {
 protected:
  StrippedErrorTest() {
    error_.reporter = world_.router;
    error_.ttl = 63;
    error_.destination = world_.host;
    error_.type = world_.time_exceeded;
    error_.target = world_.target;
    probe_.id = 0x1122334455667788;
    probe_.tag = 0x99aabbccddeeff00;
    probe_.target = world_.target;
    probe_.flow_port = 1030;
    probe_.flow_checksum = 0x4321;
    probe_.sequence = 0x5678;
  }
  // As a router quotes it, from the transport header on.
  void QuoteEcho() {
    error_.protocol = world_.icmp;
    const auto bytes = BuildTransport(probe_, world_.host, ProbeText("somebody"), buffer_);
    error_.quote = bytes;
  }

  const World world_ = WorldOf(GetParam());
  StrippedError error_;
  Probe probe_;
  ProbeBuffer buffer_{};
};

TEST_P(StrippedErrorTest, EchoInFull) {
  QuoteEcho();
  const auto answer = ReadStrippedError(error_);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->kind, AnswerKind::kError);
  EXPECT_EQ(answer->meaning, ErrorMeaning::kTimeExceeded);
  EXPECT_EQ(answer->source, world_.router);
  EXPECT_EQ(answer->ttl, 63);
  EXPECT_EQ(answer->target, world_.target);
  EXPECT_EQ(answer->method, ProbeMethod::kIcmpEcho);
  EXPECT_EQ(answer->flow_port, 1030);
  EXPECT_EQ(answer->sequence, 0x5678u);
  ASSERT_TRUE(answer->tag);
  EXPECT_EQ(answer->tag->probe_id, probe_.id);
  EXPECT_EQ(answer->tag->tag, probe_.tag);
  EXPECT_EQ(answer->quoted_ttl, 1) << "unknown, and so nothing odd";
  EXPECT_EQ(answer->quoted_checksum, 0x4321);
  EXPECT_FALSE(answer->from_this_host());
  EXPECT_EQ(answer->mpls.count, 0);
}

TEST_P(StrippedErrorTest, EightBytesSuffice) {
  QuoteEcho();
  error_.quote = error_.quote.first(8);
  const auto answer = ReadStrippedError(error_);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->sequence, 0x5678u);
  EXPECT_FALSE(answer->tag);
  error_.quote = error_.quote.first(7);
  EXPECT_FALSE(ReadStrippedError(error_));
}

TEST_P(StrippedErrorTest, OurOwnKernelSpeaks) {
  QuoteEcho();
  error_.type = world_.unreachable;
  error_.reporter = world_.host;
  const auto answer = ReadStrippedError(error_);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->meaning, ErrorMeaning::kUnreachable);
  EXPECT_TRUE(answer->from_this_host());
}

TEST_P(StrippedErrorTest, AFilterSpeaks) {
  QuoteEcho();
  error_.type = world_.unreachable;
  error_.code = world_.administrative;
  const auto answer = ReadStrippedError(error_);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->meaning, ErrorMeaning::kProhibited);
}

TEST_P(StrippedErrorTest, MplsBehindAFullQuote) {
  QuoteEcho();
  const auto extension = MplsExtension();
  error_.extension = extension;
  const auto answer = ReadStrippedError(error_);
  ASSERT_TRUE(answer);
  ASSERT_TRUE(answer->tag);
  EXPECT_EQ(answer->tag->tag, probe_.tag);
  ASSERT_EQ(answer->mpls.count, 2);
  EXPECT_EQ(answer->mpls.labels[0].label, 100u);
  EXPECT_EQ(answer->mpls.labels[1].label, 200u);
}

TEST_P(StrippedErrorTest, MplsBehindEightBytes) {
  QuoteEcho();
  error_.quote = error_.quote.first(8);
  const auto extension = MplsExtension();
  error_.extension = extension;
  const auto answer = ReadStrippedError(error_);
  ASSERT_TRUE(answer);
  EXPECT_FALSE(answer->tag) << "padding is no tag";
  EXPECT_EQ(answer->mpls.count, 2);
}

TEST_P(StrippedErrorTest, MplsBehindAQuoteOfEveryLength) {
  QuoteEcho();
  std::vector<uint8_t> quote(error_.quote.begin(), error_.quote.end());
  quote.resize(2000, 'x');
  const auto extension = MplsExtension();
  for (size_t size = 8; size <= quote.size(); ++size) {
    error_.quote = std::span<const uint8_t>(quote).first(size);
    error_.extension = extension;
    const auto answer = ReadStrippedError(error_);
    ASSERT_TRUE(answer) << size;
    EXPECT_EQ(answer->mpls.count, 2) << size;
    EXPECT_EQ(answer->sequence, 0x5678u) << size;
  }
}

TEST_P(StrippedErrorTest, AHeaderFromTheSocketGoesBeforeTheQuote) {
  error_.protocol = kProtocolUdp;
  const std::array<uint8_t, 8> header = {0xf0, 0x3c, 0x82, 0x9a, 0, 0, 0, 0};
  probe_.attempt = {ProbeMethod::kUdp, 33434};
  const auto udp = BuildTransport(probe_, world_.host, ProbeText(), buffer_);
  error_.header = header;
  error_.quote = udp.subspan(kUdpHeaderBytes);
  const auto answer = ReadStrippedError(error_);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->method, ProbeMethod::kUdp);
  EXPECT_EQ(answer->port, 33434);
  EXPECT_EQ(answer->flow_port, 0xf03c);
  ASSERT_TRUE(answer->tag);
  EXPECT_EQ(answer->tag->probe_id, probe_.id);
  // The router quoted nothing of the payload.
  error_.quote = {};
  const auto bare = ReadStrippedError(error_);
  ASSERT_TRUE(bare);
  EXPECT_FALSE(bare->tag);
}

TEST_P(StrippedErrorTest, FamiliesAreNotMixed) {
  QuoteEcho();
  const World other = WorldOf(GetParam() == Family::kV4 ? Family::kV6 : Family::kV4);
  StrippedError mixed = error_;
  mixed.reporter = other.router;
  EXPECT_FALSE(ReadStrippedError(mixed));
  mixed = error_;
  mixed.destination = other.host;
  EXPECT_FALSE(ReadStrippedError(mixed));
  mixed = error_;
  mixed.target = other.target;
  EXPECT_FALSE(ReadStrippedError(mixed));
}

// Whatever the bytes, nothing is read that is not there (under sanitizers), and an answer never is
// about another target.
TEST_P(StrippedErrorTest, AnyBytes) {
  std::mt19937 random(7);
  std::vector<uint8_t> bytes(4096);
  for (int round = 0; round < 20000; ++round) {
    std::generate(bytes.begin(), bytes.begin() + 256,
                  [&] { return static_cast<uint8_t>(random()); });
    const size_t quote = round % 8 == 0 ? random() % 2048 : random() % 160;
    const size_t extension = round % 2 == 0 ? random() % (round % 8 == 0 ? 2048 : 64) : 0;
    error_.type = static_cast<uint8_t>(random() % 16);
    error_.code = static_cast<uint8_t>(random() % 18);
    error_.info = static_cast<uint32_t>(random());
    error_.protocol = std::array{world_.icmp, kProtocolTcp, kProtocolUdp, uint8_t{0}}[random() % 4];
    error_.quote = std::span<const uint8_t>(bytes).first(quote);
    error_.extension = std::span<const uint8_t>(bytes).subspan(quote % 16, extension);
    if (const auto answer = ReadStrippedError(error_); answer) {
      ASSERT_EQ(answer->target, world_.target);
      ASSERT_EQ(answer->source, world_.router);
    }
  }
}

TEST(StrippedRedirectTest, NamesTheGateway) {
  const World world = WorldOf(Family::kV4);
  Probe probe;
  probe.target = world.target;
  probe.flow_port = 1030;
  probe.flow_checksum = 1;
  probe.sequence = 9;
  ProbeBuffer buffer;
  StrippedError error;
  error.reporter = world.router;
  error.destination = world.host;
  error.target = world.target;
  error.type = 5;
  error.code = 1;
  error.info = 0x0a000004;
  error.protocol = kProtocolIcmp;
  error.quote = BuildTransport(probe, world.host, ProbeText(), buffer);
  const auto answer = ReadStrippedError(error);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->kind, AnswerKind::kRedirect);
  EXPECT_EQ(answer->gateway, *IpAddress::Parse("10.0.0.4"));
  EXPECT_EQ(answer->sequence, 9u);
}

INSTANTIATE_TEST_SUITE_P(Families, StrippedErrorTest, testing::Values(Family::kV4, Family::kV6),
                         [](const auto& which) {
                           return which.param == Family::kV4 ? "V4" : "V6";
                         });

}  // namespace
}  // namespace parallax::sensor
