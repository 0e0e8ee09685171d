// The invented network: which way packets go, and what becomes of them.
#include "tests/sim/network.h"

#include <gtest/gtest.h>

#include <set>

namespace parallax::sim {
namespace {

using namespace std::chrono_literals;

constexpr MonoTime kNow{1000s};
constexpr uint8_t kUdp = 17;

IpAddress Ip(std::string_view text) { return *IpAddress::Parse(text); }
Prefix Net(std::string_view text) { return *Prefix::Parse(text); }

// host - edge =(a, b)= exit - world      and a stub beside edge
class NetworkTest : public testing::Test {
 protected:
  NetworkTest() {
    host = AddHost("host");
    edge = Add("edge");
    a = Add("a");
    b = Add("b");
    exit = Add("exit");
    world = Add("world");
    stub = AddHost("stub");
    Link(host, edge);
    to_a = Link(edge, a);
    to_b = Link(edge, b);
    Link(a, exit);
    Link(b, exit);
    Link(exit, world);
    net.AddLink(edge, stub, {.delay = 1ms, .cost = 100, .mtu = 1500});
    net.Own(world, Net("0.0.0.0/0"));
    net.Own(host, Net("10.0.0.1/32"));
    net.Converge();
  }
  NodeId Add(const std::string& name) {
    NodeOptions options;
    options.name = name;
    return net.AddNode(options);
  }
  NodeId AddHost(const std::string& name) {
    NodeOptions options;
    options.name = name;
    options.forwards = false;
    return net.AddNode(options);
  }
  LinkId Link(NodeId from, NodeId to) { return net.AddLink(from, to, {}); }
  static Packet To(const IpAddress& target, uint16_t flow = 1, uint8_t ttl = 64) {
    return {Ip("10.0.0.1"), target, kUdp, flow, 80, ttl};
  }
  // The router that a probe with this TTL ends at.
  NodeId At(uint8_t ttl, const IpAddress& target = Ip("11.0.0.1"), uint16_t flow = 1) {
    const Passage passage = net.Carry(To(target, flow, ttl), host, kNow);
    EXPECT_EQ(passage.end, End::kTtlExceeded);
    return passage.node;
  }
  static IpAddress Numbered(uint8_t n) {
    return IpAddress::V4(std::array<uint8_t, 4>{11, 0, 0, n});
  }

  Network net{7};
  NodeId host, edge, a, b, exit, world, stub;
  LinkId to_a, to_b;
};

TEST_F(NetworkTest, PacketsTakeTheShortestWay) {
  const Passage passage = net.Carry(To(Ip("11.0.0.1")), host, kNow);
  EXPECT_EQ(passage.end, End::kDelivered);
  EXPECT_EQ(passage.node, world);
  EXPECT_EQ(passage.at, kNow + 4ms);
  EXPECT_EQ(passage.ttl, 61);  // three routers on the way
  EXPECT_EQ(At(1), edge);
  EXPECT_TRUE(At(2) == a || At(2) == b);
  EXPECT_EQ(At(3), exit);
  const Passage back = net.Carry({Ip("11.0.0.1"), Ip("10.0.0.1"), kUdp, 80, 1, 64}, world, kNow);
  EXPECT_EQ(back.end, End::kDelivered);
  EXPECT_EQ(back.node, host);
}

TEST_F(NetworkTest, FlowsKeepTheirWayAndAreSpread) {
  std::set<NodeId> seen;
  for (uint16_t flow = 1; flow < 40; ++flow) {
    const NodeId first = At(2, Ip("11.0.0.1"), flow);
    EXPECT_EQ(At(2, Ip("11.0.0.1"), flow), first);
    seen.insert(first);
  }
  EXPECT_EQ(seen, (std::set<NodeId>{a, b}));
}

TEST_F(NetworkTest, HashPolicies) {
  net.SetHash(edge, HashPolicy::kDestination);
  std::set<NodeId> seen;
  for (uint8_t n = 1; n < 40; ++n) {
    const NodeId first = At(2, Numbered(n), 1);
    for (uint16_t flow = 2; flow < 6; ++flow) {
      EXPECT_EQ(At(2, Numbered(n), flow), first);
    }
    seen.insert(first);
  }
  EXPECT_EQ(seen.size(), 2u);
  net.SetHash(edge, HashPolicy::kPacket);
  seen.clear();
  for (int i = 0; i < 40; ++i) {
    seen.insert(At(2));
  }
  EXPECT_EQ(seen.size(), 2u);
}

TEST_F(NetworkTest, OverridesBesideTheRightWayAndInItsPlace) {
  net.SetHash(edge, HashPolicy::kDestination);
  net.Override(edge, Net("0.0.0.0/0"), {stub}, true);
  int lost = 0;
  for (uint8_t n = 1; n < 250; ++n) {
    const Passage passage = net.Carry(To(Numbered(n)), host, kNow);
    lost += passage.end == End::kLost ? 1 : 0;
    EXPECT_EQ(passage.node, passage.end == End::kLost ? stub : world);
  }
  EXPECT_GT(lost, 50);  // one of three next hops
  EXPECT_LT(lost, 120);
  net.Override(edge, Net("11.0.0.0/24"), {}, false);
  EXPECT_EQ(net.Carry(To(Ip("11.0.0.1")), host, kNow).node, edge);
  EXPECT_EQ(net.Carry(To(Ip("11.0.0.1")), host, kNow).end, End::kLost);
  net.ClearOverride(edge, Net("11.0.0.0/24"));
  net.ClearOverride(edge, Net("0.0.0.0/0"));
  for (uint8_t n = 1; n < 250; ++n) {
    EXPECT_EQ(net.Carry(To(Numbered(n)), host, kNow).end, End::kDelivered);
  }
}

TEST_F(NetworkTest, LoopsEndByTtl) {
  net.Override(exit, Net("0.0.0.0/0"), {a}, false);
  net.Override(a, Net("0.0.0.0/0"), {exit}, false);
  net.Override(edge, Net("0.0.0.0/0"), {a}, false);
  const Passage passage = net.Carry(To(Ip("11.0.0.1")), host, kNow);
  EXPECT_EQ(passage.end, End::kTtlExceeded);
  EXPECT_EQ(passage.at, kNow + 64ms);
}

TEST_F(NetworkTest, DeadLinksSwallowUntilRoutesConverge) {
  net.SetLinkUp(to_a, false);
  std::set<End> ends;
  for (uint16_t flow = 1; flow < 40; ++flow) {
    ends.insert(net.Carry(To(Ip("11.0.0.1"), flow), host, kNow).end);
  }
  EXPECT_EQ(ends, (std::set<End>{End::kDelivered, End::kLost}));
  net.Converge();
  for (uint16_t flow = 1; flow < 40; ++flow) {
    EXPECT_EQ(net.Carry(To(Ip("11.0.0.1"), flow), host, kNow).end, End::kDelivered);
    EXPECT_EQ(At(2, Ip("11.0.0.1"), flow), b);
  }
  net.SetNodeUp(b, false);
  EXPECT_EQ(net.Carry(To(Ip("11.0.0.1")), host, kNow).end, End::kLost);
}

TEST_F(NetworkTest, Filters) {
  Filter filter;
  filter.protocol = kUdp;
  filter.to = Net("11.0.0.0/24");
  net.AddFilter(exit, filter);
  EXPECT_EQ(net.Carry(To(Ip("11.0.0.1")), host, kNow).end, End::kLost);
  EXPECT_EQ(net.Carry(To(Ip("11.0.1.1")), host, kNow).end, End::kDelivered);
  net.ClearFilters(exit);
  filter.reject = true;
  filter.destination_port = uint16_t{80};
  net.AddFilter(exit, filter);
  const Passage passage = net.Carry(To(Ip("11.0.0.1")), host, kNow);
  EXPECT_EQ(passage.end, End::kProhibited);
  EXPECT_EQ(passage.node, exit);
}

TEST_F(NetworkTest, HostsDoNotForward) {
  net.Override(edge, Net("0.0.0.0/0"), {stub}, false);
  const Passage passage = net.Carry(To(Ip("11.0.0.1")), host, kNow);
  EXPECT_EQ(passage.end, End::kLost);
  EXPECT_EQ(passage.node, stub);
}

TEST_F(NetworkTest, NoRouteAndTooLarge) {
  EXPECT_EQ(net.Carry({Ip("10.0.0.1"), Ip("2001:db8::1"), kUdp, 1, 2, 64}, host, kNow).end,
            End::kNoRoute);
  Packet large = To(Ip("11.0.0.1"));
  large.bytes = 1501;
  EXPECT_EQ(net.Carry(large, host, kNow).end, End::kLost);
}

TEST_F(NetworkTest, AddressesOfLinksBelongToTheirEnds) {
  for (const Family family : {Family::kV4, Family::kV6}) {
    const IpAddress address = net.AddressAt(a, to_a, family);
    EXPECT_EQ(net.NodeWith(address), a);
    EXPECT_EQ(net.NodeWith(net.AddressAt(edge, to_a, family)), edge);
    const Passage passage = net.Carry({Ip("10.0.0.1"), address, kUdp, 1, 2, 64}, host, kNow);
    EXPECT_EQ(passage.end, End::kDelivered);
    EXPECT_EQ(passage.node, a);
  }
  EXPECT_FALSE(net.NodeWith(Ip("11.0.0.1")));
  EXPECT_FALSE(net.NodeWith(Ip("100.64.255.1")));
}

TEST_F(NetworkTest, AnycastIsTheNearest) {
  net.Own(world, Net("12.0.0.0/24"));
  net.Own(a, Net("12.0.0.0/24"));
  net.Converge();
  EXPECT_EQ(net.Carry(To(Ip("12.0.0.1")), host, kNow).node, a);
  net.SetLinkUp(to_a, false);
  net.Converge();
  EXPECT_EQ(net.Carry(To(Ip("12.0.0.1")), host, kNow).node, world);
}

TEST_F(NetworkTest, PrefixesThatAreNotAnnouncedAreReachedByTheDefault) {
  net.Own(world, Net("11.0.0.0/24"), false);
  net.Converge();
  EXPECT_EQ(net.Carry(To(Ip("11.0.0.1")), host, kNow).node, world);
  net.Override(edge, Net("0.0.0.0/0"), {}, false);
  EXPECT_EQ(net.Carry(To(Ip("11.0.0.1")), host, kNow).end, End::kLost);
}

TEST(IcmpLimit, SixAtOnceThenOneASecondToEach) {
  IcmpLimit limit;
  const IpAddress one = Ip("10.0.0.1");
  int allowed = 0;
  for (int i = 0; i < 20; ++i) {
    allowed += limit.Allows(one, kNow) ? 1 : 0;
  }
  EXPECT_EQ(allowed, 6);
  EXPECT_TRUE(limit.Allows(Ip("10.0.0.2"), kNow));
  EXPECT_FALSE(limit.Allows(one, kNow + 900ms));
  EXPECT_TRUE(limit.Allows(one, kNow + 1100ms));
  EXPECT_FALSE(limit.Allows(one, kNow + 1200ms));
}

TEST(Loss, RandomAndInBursts) {
  std::mt19937_64 random(1);
  const Loss even{.random = 0.05};
  const Loss bursts{.random = 0, .burst_every = 10s, .burst_length = 1s, .in_burst = 0.5};
  for (const Loss& loss : {even, bursts}) {
    LossState state(loss);
    int lost = 0;
    int in_a_row = 0;
    bool last = false;
    constexpr int kPackets = 400'000;
    for (int i = 0; i < kPackets; ++i) {
      const bool now = state.Loses(kNow + 20ms * i, random);
      lost += now ? 1 : 0;
      in_a_row += now && last ? 1 : 0;
      last = now;
    }
    EXPECT_NEAR(static_cast<double>(lost) / kPackets, loss.Mean(), 0.1 * loss.Mean());
    const double after_loss = static_cast<double>(in_a_row) / lost;
    EXPECT_NEAR(after_loss, loss.burst_every > 0s ? 0.49 : 0.05, 0.03);
  }
}

}  // namespace
}  // namespace parallax::sim
