// RIP, RIPng, OSPF and DHCP.
#include "sensor/announce/offer_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "offers_of.h"

namespace parallax::sensor {
namespace {

using namespace frames;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(OfferReader, RipDefaultRouteIsTheSpeakersOwn) {
  const Heard heard = Hear(RipFrom(Rip({RipRoute("0.0.0.0", "0.0.0.0", "0.0.0.0", 3)})));
  EXPECT_THAT(heard.offers, ElementsAre("rip 192.0.2.66 -> 192.0.2.66 0.0.0.0/0 3"));
  EXPECT_EQ(heard.counts, (OfferCounts{.packets = 1, .offers = 1}));
}

TEST(OfferReader, RipRouteMayNameAnotherNextHop) {
  EXPECT_THAT(Hear(RipFrom(Rip({RipRoute("0.0.0.0", "0.0.0.0", "192.0.2.99", 1)}))).offers,
              ElementsAre("rip 192.0.2.66 -> 192.0.2.99 0.0.0.0/0 1"));
  // One that cannot be, and version 1, which has none.
  EXPECT_THAT(Hear(RipFrom(Rip({RipRoute("0.0.0.0", "0.0.0.0", "127.0.0.1", 1)}))).offers,
              ElementsAre("rip 192.0.2.66 -> 192.0.2.66 0.0.0.0/0 1"));
  EXPECT_THAT(Hear(RipFrom(Rip({RipRoute("0.0.0.0", "0.0.0.0", "192.0.2.99", 1)}, 1))).offers,
              ElementsAre("rip 192.0.2.66 -> 192.0.2.66 0.0.0.0/0 1"));
}

TEST(OfferReader, RipMetricSixteenWithdraws) {
  EXPECT_THAT(Hear(RipFrom(Rip({RipRoute("0.0.0.0", "0.0.0.0", "0.0.0.0", 16)}))).offers,
              ElementsAre("rip 192.0.2.66 -> 192.0.2.66 0.0.0.0/0 16 withdrawn"));
}

TEST(OfferReader, RipRoutesThatCanSwallowTheWorld) {
  const Heard heard = Hear(RipFrom(Rip({
      RipRoute("10.0.0.0", "255.0.0.0", "0.0.0.0", 1),
      RipRoute("128.0.0.0", "128.0.0.0", "0.0.0.0", 2),
      RipRoute("198.51.0.0", "255.255.0.0", "0.0.0.0", 3),
      RipRoute("172.16.0.0", "255.128.0.0", "0.0.0.0", 4),
      RipRoute("0.0.0.0", "0.0.0.0", "0.0.0.0", 5),
      RipRoute("192.0.2.7", "255.255.255.255", "0.0.0.0", 5),
  })));
  EXPECT_THAT(heard.offers, ElementsAre("rip 192.0.2.66 -> 192.0.2.66 10.0.0.0/8 1",
                                        "rip 192.0.2.66 -> 192.0.2.66 128.0.0.0/1 2",
                                        "rip 192.0.2.66 -> 192.0.2.66 0.0.0.0/0 5"));
  EXPECT_EQ(heard.counts, (OfferCounts{.packets = 1, .offers = 3, .other_routes = 3}));
}

TEST(OfferReader, RipVersionOneGoesByTheClassOfTheAddress) {
  const auto v1 = [](std::string_view address) {
    return RipRoute(address, "0.0.0.0", "0.0.0.0", 1);
  };
  const Heard heard = Hear(RipFrom(
      Rip({v1("0.0.0.0"), v1("44.0.0.0"), v1("10.1.0.0"), v1("172.16.0.0"), v1("192.0.2.0")}, 1)));
  EXPECT_THAT(heard.offers, ElementsAre("rip 192.0.2.66 -> 192.0.2.66 0.0.0.0/0 1",
                                        "rip 192.0.2.66 -> 192.0.2.66 44.0.0.0/8 1"));
  EXPECT_EQ(heard.counts.other_routes, 3u);
}

TEST(OfferReader, RipThatOffersNothing) {
  EXPECT_EQ(Hear(RipFrom(Rip({RipDefault()}, 2, 1))).counts,
            (OfferCounts{.packets = 1, .no_offer = 1}));  // a request
  EXPECT_EQ(Hear(RipFrom(Rip({RipDefault()}), 40000)).counts,
            (OfferCounts{.packets = 1, .no_offer = 1}));              // of no router
  EXPECT_THAT(Hear(RipFrom(Rip({RipDefault()}), 520, 40000)).offers,  // an answer to somebody
              ElementsAre("rip 192.0.2.66 -> 192.0.2.66 0.0.0.0/0 1"));
  EXPECT_EQ(Hear(RipFrom(Rip({RipRoute("2.0.0.0", "0.0.0.0", "0.0.0.0", 1, 7)}))).counts,
            (OfferCounts{.packets = 1}));  // another address family
}

TEST(OfferReader, RipWithAuthentication) {
  const Bytes key = RipRoute("1.2.3.4", "5.6.7.8", "1.2.3.4", 9, 0xffff);
  EXPECT_THAT(Hear(RipFrom(Rip({key, RipDefault()}))).offers, testing::SizeIs(1));
  // The digest behind the routes may be of any length.
  Bytes signed_message = Rip({key, RipDefault(), Join({U16(0xffff), U16(1), Bytes(32, 0xab)})});
  const Heard heard = Hear(RipFrom(signed_message));
  EXPECT_THAT(heard.offers, testing::SizeIs(1));
  EXPECT_EQ(heard.counts.malformed, 0u);
}

TEST(OfferReader, RipMalformed) {
  const auto malformed = [](const Bytes& packet) {
    const Heard heard = Hear(packet);
    EXPECT_THAT(heard.offers, IsEmpty());
    return heard.counts.malformed == 1;
  };
  EXPECT_TRUE(malformed(RipFrom({})));
  EXPECT_TRUE(malformed(RipFrom(Rip({RipDefault()}, 0))));
  EXPECT_TRUE(malformed(RipFrom(Rip({RipRoute("0.0.0.0", "0.0.0.0", "0.0.0.0", 0)}))));
  EXPECT_TRUE(malformed(RipFrom(Rip({RipRoute("0.0.0.0", "0.0.0.0", "0.0.0.0", 17)}))));
  EXPECT_TRUE(malformed(RipFrom(Rip({RipRoute("8.0.0.0", "255.0.255.0", "0.0.0.0", 1)}))));
  EXPECT_TRUE(malformed(RipFrom(Rip({RipRoute("8.0.0.0", "0.0.0.255", "0.0.0.0", 1)}))));
  EXPECT_TRUE(malformed(FromRouter4(17, Udp(520, 520, Rip({RipDefault()}), 7))));
  EXPECT_TRUE(malformed(
      Ipv4({.payload = Udp(520, 520, Rip({RipDefault()})), .src = "0.0.0.0", .protocol = 17})));
  EXPECT_TRUE(malformed(
      Ipv4({.payload = Udp(520, 520, Rip({RipDefault()})), .protocol = 17, .total = 24})));
  // What came before the damage counts.
  Bytes damaged = Rip({RipDefault()});
  damaged.push_back(0);
  const Heard heard = Hear(RipFrom(damaged));
  EXPECT_THAT(heard.offers, testing::SizeIs(1));
  EXPECT_EQ(heard.counts.malformed, 1u);
}

TEST(OfferReader, RipThatWasCutOffIsReadAsFarAsItGoes) {
  std::vector<Bytes> routes(25, RipRoute("192.0.2.0", "255.255.255.0", "0.0.0.0", 1));
  routes[0] = RipDefault();
  routes[24] = RipRoute("10.0.0.0", "255.0.0.0", "0.0.0.0", 1);
  const Bytes packet = RipFrom(Rip(routes));
  EXPECT_EQ(Hear(packet).counts, (OfferCounts{.packets = 1, .offers = 2, .other_routes = 23}));
  EXPECT_EQ(Hear(packet, packet.size() - 242).counts,
            (OfferCounts{.packets = 1, .offers = 1, .other_routes = 9, .cut = 1}));
  EXPECT_EQ(Hear(packet, packet.size() - 30).counts, (OfferCounts{.packets = 1, .cut = 1}));
}

TEST(OfferReader, OffersOfOnePacketAreBounded) {
  std::vector<Bytes> routes;
  for (int i = 0; i < 100; ++i) {
    routes.push_back(RipRoute(fmt::format("{}.0.0.0", i + 1), "255.0.0.0", "0.0.0.0", 1));
  }
  routes.push_back(routes[0]);  // said already
  EXPECT_EQ(Hear(RipFrom(Rip(routes))).counts,
            (OfferCounts{.packets = 1, .offers = 64, .crowded = 36}));
}

TEST(OfferReader, RipngNextHopHoldsForWhatFollows) {
  const Heard heard = Hear(RipngFrom(
      Rip({RipngRoute("2000::", 3, 2), RipngRoute("fe80::99", 0, 255), RipngRoute("::", 0, 1),
           RipngRoute("2001:db8::", 32, 1), RipngRoute("::", 0, 255), RipngRoute("fc00::", 7, 16)},
          1)));
  EXPECT_THAT(heard.offers,
              ElementsAre("rip fe80::66 -> fe80::66 2000::/3 2", "rip fe80::66 -> fe80::99 ::/0 1",
                          "rip fe80::66 -> fe80::66 fc00::/7 16 withdrawn"));
  EXPECT_EQ(heard.counts, (OfferCounts{.packets = 1, .offers = 3, .other_routes = 1}));
  // A next hop that is not of this link does not count.
  EXPECT_THAT(
      Hear(RipngFrom(Rip({RipngRoute("2001:db8::99", 0, 255), RipngRoute("::", 0, 1)}, 1))).offers,
      ElementsAre("rip fe80::66 -> fe80::66 ::/0 1"));
}

TEST(OfferReader, RipngFromAfarOrMalformed) {
  const Bytes message = Rip({RipngRoute("::", 0, 1)}, 1);
  const OfferCounts nothing{.packets = 1, .no_offer = 1};
  EXPECT_EQ(Hear(RipngFrom(message, 40000)).counts, nothing);
  EXPECT_EQ(Hear(RipngFrom(Rip({}, 1, 1))).counts, nothing);
  const auto from = [&](std::string src, std::string dst, uint8_t hop_limit) {
    return Hear(Ipv6({.payload = Udp(521, 521, message),
                      .next = 17,
                      .src = std::move(src),
                      .dst = std::move(dst),
                      .hop_limit = hop_limit}));
  };
  EXPECT_EQ(from("2001:db8::66", "ff02::9", 255).counts, nothing);
  EXPECT_EQ(from("fe80::66", "ff02::9", 254).counts, nothing);
  EXPECT_EQ(from("fe80::66", "fe80::1", 64).counts.offers, 1u);  // an answer
  const OfferCounts malformed{.packets = 1, .malformed = 1};
  EXPECT_EQ(Hear(RipngFrom(Rip({RipngRoute("::", 0, 1)}, 2))).counts, malformed);
  EXPECT_EQ(Hear(RipngFrom(Rip({RipngRoute("::", 129, 1)}, 1))).counts, malformed);
  EXPECT_EQ(Hear(RipngFrom(Rip({RipngRoute("::", 0, 0)}, 1))).counts, malformed);
  EXPECT_EQ(Hear(RipngFrom(Rip({RipngRoute("::", 0, 17)}, 1))).counts, malformed);
  EXPECT_EQ(Hear(RipngFrom(Rip({Bytes(19, 0)}, 1))).counts, malformed);
}

TEST(OfferReader, OspfHelloIsARouter) {
  EXPECT_THAT(Hear(FromRouter4(89, Ospf2(), "224.0.0.5")).offers,
              ElementsAre("ospf 192.0.2.66 -> 192.0.2.66 - 0"));
  EXPECT_THAT(Hear(FromRouter6(89, Ospf3(), "ff02::5")).offers,
              ElementsAre("ospf fe80::66 -> fe80::66 - 0"));
  const Bytes hello = FromRouter4(89, Ospf2());
  EXPECT_EQ(Hear(hello, 10).counts, (OfferCounts{.packets = 1, .cut = 1}));
  EXPECT_EQ(Hear(FromRouter4(89, Ospf2(1, 40))).counts,
            (OfferCounts{.packets = 1, .malformed = 1}));
  Bytes short_length = Ospf2();
  short_length[3] = 43;
  EXPECT_EQ(Hear(FromRouter4(89, short_length)).counts,
            (OfferCounts{.packets = 1, .malformed = 1}));
}

Bytes DhcpFrom(const Bytes& message) {
  return Ipv4({.payload = Udp(67, 68, message),
               .src = "192.0.2.67",
               .dst = "255.255.255.255",
               .protocol = 17});
}
Bytes Type(unsigned type) { return DhcpOption(53, U8(type)); }

TEST(OfferReader, DhcpNamesRouters) {
  const Bytes routers = DhcpOption(3, Join({Address("192.0.2.254"), Address("192.0.2.253")}));
  for (const unsigned type : {2u, 5u}) {
    EXPECT_THAT(Hear(DhcpFrom(Dhcp(Join({U8(0), U8(0), Type(type), routers})))).offers,
                ElementsAre("dhcp_offer 192.0.2.67 -> 192.0.2.254 0.0.0.0/0 0",
                            "dhcp_offer 192.0.2.67 -> 192.0.2.253 0.0.0.0/0 0"));
  }
  const OfferCounts nothing{.packets = 1, .no_offer = 1};
  EXPECT_EQ(Hear(DhcpFrom(Dhcp(Join({Type(6), routers})))).counts, nothing);  // refused
  EXPECT_EQ(Hear(DhcpFrom(Dhcp(routers))).counts, nothing);                   // plain BOOTP
  EXPECT_EQ(Hear(DhcpFrom(Dhcp(Join({Type(2), routers}), 1))).counts, nothing);
  EXPECT_EQ(Hear(DhcpFrom(Dhcp(Type(2)))).counts, (OfferCounts{.packets = 1}));
}

TEST(OfferReader, DhcpClasslessRoutes) {
  for (const unsigned code : {121u, 249u}) {
    const Bytes routes =
        Join({U8(0), Address("192.0.2.99"), U8(7), U8(10), Address("192.0.2.98"), U8(24),
              Bytes{198, 51, 100}, Address("192.0.2.97"), U8(0), Address("0.0.0.0")});
    const Heard heard = Hear(DhcpFrom(
        Dhcp(Join({Type(5), DhcpOption(code, routes), DhcpOption(3, Address("192.0.2.99"))}))));
    EXPECT_THAT(heard.offers, ElementsAre("dhcp_offer 192.0.2.67 -> 192.0.2.99 0.0.0.0/0 0",
                                          "dhcp_offer 192.0.2.67 -> 192.0.2.98 10.0.0.0/7 0"));
    EXPECT_EQ(heard.counts, (OfferCounts{.packets = 1, .offers = 2, .other_routes = 2}));
  }
}

TEST(OfferReader, DhcpOptionsInOtherFields) {
  Bytes file = Join({DhcpOption(3, Address("192.0.2.254")), U8(255)});
  file.resize(128);
  Bytes name = DhcpOption(3, Address("192.0.2.253"));
  name.resize(64);  // without an end
  const auto offers = [&](unsigned overload) {
    return Hear(DhcpFrom(Dhcp(Join({Type(2), DhcpOption(52, U8(overload))}), 2, name, file)))
        .counts.offers;
  };
  EXPECT_EQ(offers(0), 0u);
  EXPECT_EQ(offers(1), 1u);
  EXPECT_EQ(offers(2), 1u);
  EXPECT_EQ(offers(3), 2u);
}

TEST(OfferReader, DhcpMalformedOrCutOff) {
  const auto counts = [](const Bytes& options) {
    return Hear(DhcpFrom(Dhcp(Join({Type(2), options})))).counts;
  };
  const OfferCounts malformed{.packets = 1, .malformed = 1};
  EXPECT_EQ(counts(DhcpOption(3, {})), malformed);
  EXPECT_EQ(counts(DhcpOption(3, Bytes(3, 9))), malformed);
  EXPECT_EQ(counts(DhcpOption(3, Address("0.0.0.0"))), malformed);
  EXPECT_EQ(counts(DhcpOption(121, Join({U8(33), Bytes(9, 1)}))), malformed);
  EXPECT_EQ(counts(DhcpOption(121, Join({U8(8), Bytes(4, 1)}))), malformed);
  EXPECT_EQ(counts(Bytes{3, 9, 1}), malformed);
  EXPECT_EQ(counts(DhcpOption(3, Join({Address("192.0.2.254"), U8(1)}))),
            (OfferCounts{.packets = 1, .offers = 1, .malformed = 1}));
  EXPECT_EQ(Hear(DhcpFrom(Bytes(239, 2))).counts, malformed);
  const Bytes offer = DhcpFrom(DhcpOffer());
  EXPECT_EQ(Hear(offer, offer.size() - 242).counts, (OfferCounts{.packets = 1, .cut = 1}));
  EXPECT_EQ(Hear(offer, 4).counts, (OfferCounts{.packets = 1, .cut = 1}));
}

}  // namespace
}  // namespace parallax::sensor
