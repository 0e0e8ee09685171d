#include "sensor/capture/decode.h"

#include <gtest/gtest.h>

#include "sample_frames.h"

namespace parallax::sensor {
namespace {

using namespace frames;

auto Decode(LinkType link, const Bytes& frame) {
  return DecodeSegment(link, frame, static_cast<uint32_t>(frame.size()));
}

TEST(Decode, EverySampleComesOutAsItMust) {
  for (const Sample& sample : Samples()) {
    SCOPED_TRACE(sample.name);
    const auto result = Decode(sample.link, sample.frame);
    if (sample.skip) {
      ASSERT_FALSE(result.has_value());
      EXPECT_EQ(ToString(result.error()), ToString(*sample.skip));
      continue;
    }
    ASSERT_TRUE(result.has_value()) << ToString(result.error());
    EXPECT_EQ(result->src.port, 40000);
    EXPECT_EQ(result->dst.port, 443);
    EXPECT_EQ(result->seq, 0x01020304u);
    const bool v4 = result->src.address.is_v4();
    EXPECT_EQ(result->src.address.ToString(), v4 ? "192.0.2.1" : "2001:db8::1");
    EXPECT_EQ(result->dst.address.ToString(), v4 ? "198.51.100.2" : "2001:db8:ffff::2");
    EXPECT_EQ(result->ttl, v4 ? 61 : 57);
    const auto vlan = result->vlan.view();
    EXPECT_EQ(std::vector<uint16_t>(vlan.begin(), vlan.end()), sample.vlan);
  }
}

TEST(Decode, FlagsAndAcknowledgement) {
  const auto frame = Ethernet(TypeV4(Ipv4({.payload = Tcp({.ack = 0xfffffffe, .flags = 0xd2})})));
  const auto segment = Decode(LinkType::kEthernet, frame);
  ASSERT_TRUE(segment.has_value());
  EXPECT_EQ(segment->ack, 0xfffffffeu);
  EXPECT_EQ(segment->flags, kTcpSyn | kTcpAck);
  EXPECT_TRUE(segment->IsSynAck());
  EXPECT_FALSE(segment->IsSyn());
}

// Every prefix of every sample: never a crash (the sanitizers watch), never a different answer than
// the whole frame except that bytes are missing, and missing bytes are called truncation only if
// the wire had them.
TEST(Decode, EveryTruncation) {
  for (const Sample& sample : Samples()) {
    SCOPED_TRACE(sample.name);
    const auto whole = Decode(sample.link, sample.frame);
    for (size_t length = 0; length < sample.frame.size(); ++length) {
      // A copy of its own, so that a read past the end is a read past an allocation.
      const Bytes cut(sample.frame.begin(),
                      sample.frame.begin() + static_cast<std::ptrdiff_t>(length));
      const auto snapped =
          DecodeSegment(sample.link, cut, static_cast<uint32_t>(sample.frame.size()));
      const auto shorter = Decode(sample.link, cut);
      EXPECT_EQ(snapped.has_value(), shorter.has_value());
      if (snapped) {
        EXPECT_EQ(*snapped, whole.value());
      } else {
        EXPECT_NE(shorter.error(), DecodeSkip::kTruncated);
        if (whole) {
          EXPECT_EQ(snapped.error(), DecodeSkip::kTruncated) << length;
        }
      }
    }
  }
}

TEST(Decode, LinkTypesByTheirNumbers) {
  for (const LinkType type : kAllLinkTypes) {
    EXPECT_EQ(LinkTypeFromDlt(DltOf(type)), type) << ToString(type);
  }
  EXPECT_EQ(LinkTypeFromDlt(101), LinkType::kRaw);
  EXPECT_EQ(LinkTypeFromDlt(50), LinkType::kPpp);
  EXPECT_EQ(LinkTypeFromDlt(127), std::nullopt);  // 802.11 with radiotap
  EXPECT_EQ(LinkTypeFromDlt(-1), std::nullopt);
}

}  // namespace
}  // namespace parallax::sensor
