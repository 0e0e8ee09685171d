#include "sensor/capture/user_filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sample_frames.h"

namespace parallax::sensor {
namespace {

using namespace frames;
using testing::HasSubstr;
using testing::StartsWith;

UserFilter Compile(const std::string& expression) {
  auto filter = UserFilter::Compile(expression);
  EXPECT_TRUE(filter) << filter.error().message;
  return std::move(*filter);
}

bool Matches(const UserFilter& filter, LinkType link, const Bytes& frame) {
  return filter.Matches(link, frame, static_cast<uint32_t>(frame.size()));
}

// Every kind of frame that the decoder reads, on every link type: under tags, labels and PPPoE.
TEST(UserFilter, AnExpressionOnIpLooksBehindWhateverTheDecoderPasses) {
  const UserFilter net = Compile("src net 192.0.2.0/24 or src net 2001:db8::/33");
  const UserFilter not_net = Compile("not (src net 192.0.2.0/24 or src net 2001:db8::/33)");
  const UserFilter v4 = Compile("ip");
  const UserFilter v6 = Compile("ip6");
  const UserFilter port = Compile("port 443");
  const UserFilter other_port = Compile("port 25");
  std::vector<LinkType> seen;
  for (const Sample& sample : Samples()) {
    if (sample.skip) {
      continue;
    }
    SCOPED_TRACE(sample.name);
    seen.push_back(sample.link);
    EXPECT_TRUE(Matches(net, sample.link, sample.frame));
    EXPECT_FALSE(Matches(not_net, sample.link, sample.frame));
    EXPECT_NE(Matches(v4, sample.link, sample.frame), Matches(v6, sample.link, sample.frame));
    // libpcap does not look behind extension headers and AH.
    const bool headers =
        sample.name.find("AH") != std::string::npos || sample.name.starts_with("v6 ");
    if (!headers) {
      EXPECT_TRUE(Matches(port, sample.link, sample.frame));
    }
    EXPECT_FALSE(Matches(other_port, sample.link, sample.frame));
  }
  for (const LinkType link : kAllLinkTypes) {
    EXPECT_NE(std::find(seen.begin(), seen.end(), link), seen.end()) << ToString(link);
  }
}

TEST(UserFilter, WhatIsNoIpMatchesNoExpressionOnIp) {
  const UserFilter any = Compile("ip or not ip");
  EXPECT_TRUE(Matches(any, LinkType::kEthernet, Ethernet(TypeV4(V4Syn()))));
  EXPECT_FALSE(Matches(any, LinkType::kEthernet, Ethernet(Type(0x0806, Bytes(46, 0)))));
  EXPECT_FALSE(Matches(any, LinkType::kEthernet, Bytes(5, 0)));
  EXPECT_FALSE(Matches(any, LinkType::kEthernet, {}));
}

TEST(UserFilter, AnExpressionOnTheLinkLayerSeesTheFrame) {
  const auto tagged = [](uint16_t id) {
    return Ethernet(Join({Tag(0x8100, id), TypeV4(V4Syn())}));
  };
  const Bytes plain = Ethernet(TypeV4(V4Syn()));
  const UserFilter five = Compile("vlan 5");
  EXPECT_TRUE(Matches(five, LinkType::kEthernet, tagged(5)));
  EXPECT_FALSE(Matches(five, LinkType::kEthernet, tagged(6)));
  EXPECT_FALSE(Matches(five, LinkType::kEthernet, plain));
  const UserFilter both = Compile("vlan 5 and tcp port 443");
  EXPECT_TRUE(Matches(both, LinkType::kEthernet, tagged(5)));
  const UserFilter mac = Compile("ether src 02:00:00:00:00:02");
  EXPECT_TRUE(Matches(mac, LinkType::kEthernet, plain));
  EXPECT_TRUE(Matches(mac, LinkType::kEthernet, tagged(5)));
  const UserFilter other = Compile("ether src 02:00:00:00:00:03");
  EXPECT_FALSE(Matches(other, LinkType::kEthernet, plain));
  // As with tcpdump, "host" does not look behind a tag once the link layer is spoken of.
  const UserFilter host = Compile("ether src 02:00:00:00:00:02 and host 192.0.2.1");
  EXPECT_TRUE(Matches(host, LinkType::kEthernet, plain));
  EXPECT_FALSE(Matches(host, LinkType::kEthernet, tagged(5)));
  const UserFilter label = Compile("mpls 100");
  EXPECT_TRUE(Matches(label, LinkType::kEthernet, Ethernet(Type(0x8847, Mpls(2, V4Syn())))));
  const UserFilter session = Compile("pppoes 5");
  EXPECT_TRUE(Matches(session, LinkType::kEthernet,
                      Ethernet(Type(0x8864, Pppoe(0, Join({U16(0x21), V4Syn()}))))));
}

TEST(UserFilter, WhereAnExpressionMakesNoSenseItMatchesNothing) {
  const UserFilter five = Compile("vlan 5");
  const UserFilter mac = Compile("ether src 02:00:00:00:00:02");
  for (const Sample& sample : Samples()) {
    if (sample.link != LinkType::kEthernet) {
      EXPECT_FALSE(Matches(mac, sample.link, sample.frame)) << sample.name;
      EXPECT_FALSE(Matches(five, sample.link, sample.frame)) << sample.name;
    }
  }
}

// These compile for an IP packet alone, but mean bytes in front of it.
TEST(UserFilter, BytesOfTheFrameAreCountedFromItsStart) {
  const Bytes frame = Ethernet(TypeV4(V4Syn()));
  for (const char* expression : {"ether[0] = 2 and ether[11] = 2", "link[12:2] = 0x800",
                                 "ether [5] = 1", "ether[0] = 2 and tcp port 443"}) {
    EXPECT_TRUE(Matches(Compile(expression), LinkType::kEthernet, frame)) << expression;
  }
  for (const char* expression : {"ether[0] = 0x45", "link[9] = 6"}) {
    EXPECT_FALSE(Matches(Compile(expression), LinkType::kEthernet, frame)) << expression;
    EXPECT_TRUE(Matches(Compile(expression), LinkType::kRaw, V4Syn())) << expression;
  }
}

TEST(UserFilter, CutFramesAndLengths) {
  const Bytes frame = Ethernet(Join({Tag(0x8100, 5), TypeV4(V4Syn())}));
  const UserFilter port = Compile("port 443");
  for (size_t length = 0; length <= frame.size(); ++length) {
    const Bytes cut(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(length));
    // The ports are the first four bytes behind 14 + 4 + 20.
    EXPECT_EQ(port.Matches(LinkType::kEthernet, cut, 1500), length >= 42) << length;
  }
  // The length is that of the frame, and of all of it.
  EXPECT_TRUE(Compile("len = 1500").Matches(LinkType::kEthernet, frame, 1500));
  EXPECT_TRUE(Compile("greater 1500").Matches(LinkType::kEthernet, frame, 1500));
  EXPECT_FALSE(Compile("greater 1501").Matches(LinkType::kEthernet, frame, 1500));
}

TEST(UserFilter, DirectionsAreRefused) {  // nobody tells us which way a frame went
  for (const char* expression : {"inbound", "outbound and port 443", "not inbound"}) {
    const auto filter = UserFilter::Compile(expression);
    ASSERT_FALSE(filter) << expression;
    EXPECT_THAT(filter.error().message, HasSubstr("inbound and outbound are not told apart"));
  }
}

TEST(UserFilter, BadExpressionsAreNamed) {
  for (const char* expression : {"tcp prot 25", "host", "net 300.1.2.3/8", "(", "vlan 5000",
                                 "tcp[tcpflags", "port 443 and and"}) {
    const auto filter = UserFilter::Compile(expression);
    ASSERT_FALSE(filter) << expression;
    EXPECT_EQ(filter.error().code, ErrorCode::kUsage);
    EXPECT_THAT(filter.error().message, StartsWith("--filter '" + std::string(expression) + "': "));
    EXPECT_GT(filter.error().message.size(), std::string(expression).size() + 20);
  }
  EXPECT_THAT(UserFilter::Compile("tcp prot 25").error().message, HasSubstr("syntax error"));
}

}  // namespace
}  // namespace parallax::sensor
