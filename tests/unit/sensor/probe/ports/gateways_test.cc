#include "sensor/probe/ports/gateways.h"

#include <gtest/gtest.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cstring>
#include <random>

#include "tests/unit/sensor/probe/test_answers.h"

namespace parallax::sensor {
namespace {

using test::Bytes;
using test::Ip;
using test::operator+;

template <typename T>
Bytes Raw(const T& value) {
  Bytes bytes(sizeof value);
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

Bytes Attribute(uint16_t type, const Bytes& value) {
  rtattr header{};
  header.rta_type = type;
  header.rta_len = static_cast<uint16_t>(sizeof header + value.size());
  Bytes bytes = Raw(header) + value;
  bytes.resize((bytes.size() + 3) & ~size_t{3});
  return bytes;
}

Bytes Address(const char* text) {
  const IpAddress address = Ip(text);
  return {address.bytes().begin(), address.bytes().end()};
}

Bytes NextHop(const char* gateway, int interface_index, uint8_t flags = 0) {
  const Bytes attribute = Attribute(RTA_GATEWAY, Address(gateway));
  rtnexthop hop{};
  hop.rtnh_len = static_cast<uint16_t>(sizeof hop + attribute.size());
  hop.rtnh_ifindex = interface_index;
  hop.rtnh_flags = flags;
  return Raw(hop) + attribute;
}

Bytes Message(uint16_t type, const Bytes& payload) {
  nlmsghdr header{};
  header.nlmsg_type = type;
  header.nlmsg_len = static_cast<uint32_t>(sizeof header + payload.size());
  return Raw(header) + payload;
}

Bytes Route(const Bytes& attributes, uint8_t table = RT_TABLE_MAIN, uint8_t length = 0,
            uint8_t type = RTN_UNICAST, unsigned flags = 0) {
  rtmsg route{};
  route.rtm_table = table;
  route.rtm_dst_len = length;
  route.rtm_type = type;
  route.rtm_flags = flags;
  return Message(RTM_NEWROUTE, Raw(route) + attributes);
}

Bytes Via(const char* gateway, uint32_t interface_index, uint32_t metric) {
  return Attribute(RTA_GATEWAY, Address(gateway)) + Attribute(RTA_OIF, Raw(interface_index)) +
         Attribute(RTA_PRIORITY, Raw(metric));
}

std::vector<Gateway> Read(const Bytes& datagram) {
  std::vector<RouteHop> hops;
  ReadDefaultRoutes(datagram, hops);
  return InUse(hops);
}

Gateway Up(const char* address, uint32_t interface_index) {
  return {Ip(address), interface_index, true, Neighbour::kUnknown};
}

TEST(Gateways, LeastMetricOfEachFamily) {
  const Bytes datagram = Route(Via("192.0.2.1", 2, 100)) + Route(Via("192.0.2.129", 3, 600)) +
                         Route(Via("fe80::1", 2, 1024)) + Route(Via("fe80::2", 3, 1024));
  EXPECT_EQ(Read(datagram),
            (std::vector<Gateway>{Up("192.0.2.1", 2), Up("fe80::1", 2), Up("fe80::2", 3)}));
}

TEST(Gateways, AllNextHopsOfAMultipathRoute) {
  const Bytes hops = NextHop("192.0.2.1", 2) + NextHop("192.0.2.129", 3, RTNH_F_LINKDOWN);
  const auto gateways = Read(Route(Attribute(RTA_MULTIPATH, hops)));
  ASSERT_EQ(gateways.size(), 2u);
  EXPECT_TRUE(gateways[0].link_up);
  EXPECT_FALSE(gateways[1].link_up);
  EXPECT_EQ(gateways[1].interface_index, 3u);
}

TEST(Gateways, AnIpv4RouteMayHaveAnIpv6Gateway) {
  const Bytes via = Raw(uint16_t{AF_INET6}) + Address("fe80::1");
  EXPECT_EQ(Read(Route(Attribute(RTA_VIA, via) + Attribute(RTA_OIF, Raw(uint32_t{2})))),
            (std::vector<Gateway>{Up("fe80::1", 2)}));
}

TEST(Gateways, OtherRoutesAreNotDefaultRoutes) {
  EXPECT_TRUE(Read(Route(Via("192.0.2.1", 2, 0), RT_TABLE_LOCAL)).empty());
  EXPECT_TRUE(Read(Route(Via("192.0.2.1", 2, 0), RT_TABLE_MAIN, 24)).empty());
  EXPECT_TRUE(Read(Route(Via("192.0.2.1", 2, 0), RT_TABLE_MAIN, 0, RTN_UNREACHABLE)).empty());
  EXPECT_TRUE(
      Read(Route(Via("192.0.2.1", 2, 0), RT_TABLE_MAIN, 0, RTN_UNICAST, RTM_F_CLONED)).empty());
  EXPECT_TRUE(Read(Route(Attribute(RTA_OIF, Raw(uint32_t{2})))).empty());  // point-to-point
  EXPECT_TRUE(Read(Route(Via("192.0.2.1", 2, 0) + Attribute(RTA_TABLE, Raw(uint32_t{1000})),
                         RT_TABLE_COMPAT))
                  .empty());
}

TEST(Gateways, DownRouteIsALinkDown) {
  const auto gateways =
      Read(Route(Via("192.0.2.1", 2, 0), RT_TABLE_MAIN, 0, RTN_UNICAST, RTNH_F_LINKDOWN));
  ASSERT_EQ(gateways.size(), 1u);
  EXPECT_FALSE(gateways[0].link_up);
}

TEST(Gateways, EndOfTheDump) {
  std::vector<RouteHop> hops;
  EXPECT_FALSE(ReadDefaultRoutes(Route(Via("192.0.2.1", 2, 0)), hops));
  EXPECT_TRUE(ReadDefaultRoutes(Message(NLMSG_DONE, Bytes(4)), hops));
  EXPECT_EQ(hops.size(), 1u);
}

Bytes NeighbourMessage(int state, bool with_address) {
  ndmsg neighbour{};
  neighbour.ndm_state = static_cast<uint16_t>(state);
  return Message(RTM_NEWNEIGH,
                 Raw(neighbour) + (with_address ? Attribute(NDA_LLADDR, Bytes(6, 2)) : Bytes()));
}

TEST(Gateways, NeighbourStates) {
  for (const int state : {NUD_REACHABLE, NUD_STALE, NUD_DELAY, NUD_PROBE}) {
    EXPECT_EQ(ReadNeighbour(NeighbourMessage(state, true)), Neighbour::kPresent);
    EXPECT_EQ(ReadNeighbour(NeighbourMessage(state, false)), Neighbour::kUnknown);
  }
  EXPECT_EQ(ReadNeighbour(NeighbourMessage(NUD_FAILED, false)), Neighbour::kFailed);
  EXPECT_EQ(ReadNeighbour(NeighbourMessage(NUD_INCOMPLETE, false)), Neighbour::kFailed);
  EXPECT_EQ(ReadNeighbour(NeighbourMessage(NUD_NOARP, true)), Neighbour::kUnknown);
  EXPECT_EQ(ReadNeighbour(NeighbourMessage(NUD_PERMANENT, true)), Neighbour::kUnknown);
  EXPECT_EQ(ReadNeighbour(Message(NLMSG_ERROR, Bytes(20))), Neighbour::kUnknown);
}

TEST(Gateways, NextHopOfARoute) {
  const IpAddress target = Ip("198.51.100.7");
  EXPECT_EQ(ReadNextHop(Route(Via("192.0.2.1", 2, 0)), target), Up("192.0.2.1", 2));
  EXPECT_EQ(ReadNextHop(Route(Attribute(RTA_OIF, Raw(uint32_t{3}))), target),
            Up("198.51.100.7", 3));
  const Bytes via = Raw(static_cast<uint16_t>(AF_INET6)) + Address("fe80::1");
  EXPECT_EQ(
      ReadNextHop(Route(Attribute(RTA_VIA, via) + Attribute(RTA_OIF, Raw(uint32_t{4}))), target),
      Up("fe80::1", 4));
  EXPECT_FALSE(ReadNextHop(Route({}, RT_TABLE_MAIN, 0, RTN_BLACKHOLE), target));
  EXPECT_FALSE(ReadNextHop(Message(NLMSG_ERROR, Bytes(20)), target));
}

TEST(Gateways, OnlyWhatIsBeingAskedForIsResolving) {
  EXPECT_TRUE(ReadIsResolving(NeighbourMessage(NUD_INCOMPLETE, false)));
  for (const int state : {NUD_REACHABLE, NUD_STALE, NUD_PROBE, NUD_FAILED, NUD_NONE}) {
    EXPECT_FALSE(ReadIsResolving(NeighbourMessage(state, true)));
  }
  EXPECT_FALSE(ReadIsResolving(Message(NLMSG_ERROR, Bytes(20))));
}

TEST(Gateways, DamagedMessagesNeverCrash) {
  std::mt19937 random(3);
  const Bytes good =
      Route(Attribute(RTA_MULTIPATH, NextHop("192.0.2.1", 2) + NextHop("fe80::1", 3))) +
      Route(Via("192.0.2.1", 2, 0)) + NeighbourMessage(NUD_STALE, true);
  for (int i = 0; i < 100'000; ++i) {
    Bytes bytes = test::Truncated(good, random() % (good.size() + 1));
    for (unsigned n = random() % 4; n > 0 && !bytes.empty(); --n) {
      bytes[random() % bytes.size()] = static_cast<uint8_t>(random());
    }
    std::vector<RouteHop> hops;
    ReadDefaultRoutes(bytes, hops);
    InUse(hops);
    ReadNeighbour(bytes);
    ReadNextHop(bytes, Ip("2001:db8::1"));
    ReadIsResolving(bytes);
  }
}

// Against the kernel of the machine the test runs on, whatever its routes are.
TEST(Gateways, TheKernelAnswers) {
  auto table = GatewayTable::Open();
  ASSERT_TRUE(table);
  for (int i = 0; i < 3; ++i) {
    const auto gateways = table->Read();
    ASSERT_TRUE(gateways) << gateways.error().message;
  }
}

}  // namespace
}  // namespace parallax::sensor
