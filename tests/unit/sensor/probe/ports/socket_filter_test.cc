// The filters, run by the kernel. It filters what comes in at any socket: a pair of datagram
// sockets needs no privilege, and hands the filter the very bytes that are sent.
#include "sensor/probe/ports/socket_filter.h"

#include <gtest/gtest.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <set>

#include "common/fd.h"
#include "tests/unit/sensor/probe/test_answers.h"
#include "tests/unit/sensor/probe/wire/golden_answers.h"

namespace parallax::sensor {
namespace {

using namespace test;

constexpr PortRange kPorts{61000, 61999};
const IpAddress kUs = Ip("192.0.2.10");
const IpAddress kThem = Ip("198.51.100.7");

class FilteredPair {
 public:
  FilteredPair() {
    int ends[2] = {-1, -1};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), 0);
    in_.Reset(ends[0]);
    out_.Reset(ends[1]);
  }
  int fd() const { return out_.get(); }

  bool Passes(const Bytes& packet) const {
    EXPECT_EQ(send(in_.get(), packet.data(), packet.size(), 0), std::ssize(packet));
    Bytes got(packet.size() + 1);
    const ssize_t size = recv(out_.get(), got.data(), got.size(), MSG_DONTWAIT);
    EXPECT_TRUE(size < 0 || size == std::ssize(packet)) << "the filter cuts packets";
    return size >= 0;
  }

 private:
  UniqueFd in_;
  UniqueFd out_;
};

// As a raw socket of the family sees it.
Bytes Seen(Family family, uint8_t protocol, const Bytes& transport, size_t option_words = 0) {
  return family == Family::kV4
             ? IpPacket(kThem, kUs, protocol, transport, Bytes(option_words * 4, 1))
             : transport;
}

Bytes Segment(uint16_t port, unsigned flags) {
  Bytes tcp(20);
  Put16(tcp, 0, 443);
  Put16(tcp, 2, port);
  tcp[12] = 0x50;
  tcp[13] = static_cast<uint8_t>(flags);
  return tcp;
}

class SocketFilter : public testing::TestWithParam<Family> {};
INSTANTIATE_TEST_SUITE_P(Families, SocketFilter, testing::Values(Family::kV4, Family::kV6),
                         [](const auto& which) {
                           return which.param == Family::kV4 ? "V4" : "V6";
                         });

TEST_P(SocketFilter, TcpPassesWhatAcknowledges) {
  const FilteredPair pair;
  ASSERT_TRUE(FilterTcp(pair.fd(), GetParam(), kPorts));
  for (unsigned flags = 0; flags < 256; ++flags) {
    EXPECT_EQ(pair.Passes(Seen(GetParam(), kProtocolTcp, Segment(61234, flags))),
              (flags & 0x10) != 0)
        << flags;
  }
}

TEST_P(SocketFilter, PortsAtBothEndsOfTheRange) {
  const FilteredPair tcp;
  const FilteredPair udp;
  ASSERT_TRUE(FilterTcp(tcp.fd(), GetParam(), kPorts));
  ASSERT_TRUE(FilterUdp(udp.fd(), GetParam(), kPorts));
  for (const int port : {0, 443, 60999, 61000, 61001, 61998, 61999, 62000, 65535}) {
    for (const size_t option_words : {size_t{0}, size_t{1}, size_t{10}}) {
      const bool wanted = port >= 61000 && port <= 61999;
      const Bytes segment = Segment(static_cast<uint16_t>(port), 0x12);
      EXPECT_EQ(tcp.Passes(Seen(GetParam(), kProtocolTcp, segment, option_words)), wanted) << port;
      const Bytes datagram(segment.begin(), segment.begin() + 8);
      EXPECT_EQ(udp.Passes(Seen(GetParam(), kProtocolUdp, datagram, option_words)), wanted) << port;
    }
  }
}

TEST_P(SocketFilter, ARangeOfOnePortOrAll) {
  const FilteredPair one;
  const FilteredPair all;
  ASSERT_TRUE(FilterUdp(one.fd(), GetParam(), {0, 0}));
  ASSERT_TRUE(FilterUdp(all.fd(), GetParam(), {0, 65535}));
  for (const uint16_t port : {uint16_t{0}, uint16_t{1}, uint16_t{65535}}) {
    const Bytes datagram = Seen(GetParam(), kProtocolUdp, Segment(port, 0));
    EXPECT_EQ(one.Passes(datagram), port == 0);
    EXPECT_TRUE(all.Passes(datagram));
  }
}

TEST_P(SocketFilter, WhatIsCutOffBeforeTheFlagsIsDropped) {
  const FilteredPair tcp;
  ASSERT_TRUE(FilterTcp(tcp.fd(), GetParam(), kPorts));
  const Bytes whole = Seen(GetParam(), kProtocolTcp, Segment(61234, 0x12));
  const size_t flags_at = whole.size() - 20 + 13;
  for (size_t size = 1; size <= whole.size(); ++size) {
    EXPECT_EQ(tcp.Passes(Truncated(whole, size)), size > flags_at) << size;
  }
}

// The filters are there to save work: they take nothing away that the parser would accept.
TEST_P(SocketFilter, EveryGoldenAnswerPasses) {
  const FilteredPair tcp;
  const FilteredPair udp;
  ASSERT_TRUE(FilterTcp(tcp.fd(), GetParam(), kPorts));
  ASSERT_TRUE(FilterUdp(udp.fd(), GetParam(), kPorts));
  size_t passed = 0;
  for (const GoldenAnswer& golden : ReadGoldenAnswers(PARALLAX_ANSWER_DATA)) {
    const auto answer = Parse(golden);
    const bool transport = answer && answer->kind != AnswerKind::kEchoReply &&
                           answer->kind != AnswerKind::kError &&
                           answer->kind != AnswerKind::kRedirect;
    if (!transport || answer->source.family() != GetParam()) {
      continue;
    }
    const FilteredPair& pair = answer->kind == AnswerKind::kUdpReply ? udp : tcp;
    EXPECT_EQ(pair.Passes(golden.packet), kPorts.Contains(answer->flow_port)) << golden.where;
    passed += kPorts.Contains(answer->flow_port) ? 1 : 0;
  }
  EXPECT_GE(passed, 8u);
}

TEST_P(SocketFilter, IcmpPassesTheTypesOfTheGoldenAnswers) {
  const bool v4 = GetParam() == Family::kV4;
  UniqueFd fd(socket(v4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC,
                     v4 ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6}));
  if (!fd) {
    GTEST_SKIP() << "raw sockets need privilege";
  }
  ASSERT_TRUE(FilterIcmp(fd.get(), GetParam()));
  std::set<int> passes;
  if (v4) {
    icmp_filter filter{};
    socklen_t size = sizeof filter;
    ASSERT_EQ(getsockopt(fd.get(), SOL_RAW, ICMP_FILTER, &filter, &size), 0);
    for (int type = 0; type < 32; ++type) {
      if ((filter.data >> type & 1) == 0) {
        passes.insert(type);
      }
    }
  } else {
    icmp6_filter filter{};
    socklen_t size = sizeof filter;
    ASSERT_EQ(getsockopt(fd.get(), IPPROTO_ICMPV6, ICMP6_FILTER, &filter, &size), 0);
    for (int type = 0; type < 256; ++type) {
      if (ICMP6_FILTER_WILLPASS(type, &filter)) {
        passes.insert(type);
      }
    }
  }
  std::set<int> wanted;
  for (const GoldenAnswer& golden : ReadGoldenAnswers(PARALLAX_ANSWER_DATA)) {
    const auto answer = Parse(golden);
    if (!answer || answer->source.family() != GetParam()) {
      continue;
    }
    if (answer->kind == AnswerKind::kError || answer->kind == AnswerKind::kRedirect) {
      wanted.insert(answer->icmp_type);
    } else if (answer->kind == AnswerKind::kEchoReply) {
      wanted.insert(v4 ? 0 : 129);
    }
  }
  EXPECT_EQ(passes, wanted);
}

}  // namespace
}  // namespace parallax::sensor
