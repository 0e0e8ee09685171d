#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "offers_of.h"
#include "sensor/announce/offer_reader.h"

namespace parallax::sensor {
namespace {

using namespace frames;
using testing::ElementsAre;
using testing::IsEmpty;

const OfferCounts kNothing{.packets = 1, .no_offer = 1};
const OfferCounts kMalformed{.packets = 1, .malformed = 1};
const OfferCounts kCut{.packets = 1, .cut = 1};

Bytes Icmp4(const Bytes& message) { return FromRouter4(1, message, "192.0.2.10"); }
Bytes Icmp6(const Bytes& message) { return FromRouter6(58, message); }

TEST(OfferReaderIcmp, RedirectIsForOneHost) {
  for (unsigned code = 0; code < 4; ++code) {
    EXPECT_THAT(Hear(Icmp4(IcmpRedirect("192.0.2.99", "198.51.100.7", code))).offers,
                ElementsAre("redirect 192.0.2.66 -> 192.0.2.99 198.51.100.7/32 0"));
  }
  EXPECT_EQ(Hear(Icmp4(IcmpRedirect("192.0.2.99", "198.51.100.7", 4))).counts, kNothing);
  EXPECT_EQ(Hear(Icmp4(IcmpRedirect("0.0.0.0", "198.51.100.7"))).counts, kMalformed);
  EXPECT_EQ(Hear(Icmp4(IcmpRedirect("192.0.2.99", "224.0.0.1"))).counts, kMalformed);
  Bytes other_quote = IcmpRedirect("192.0.2.99", "198.51.100.7");
  other_quote[8] = 0x60;
  EXPECT_EQ(Hear(Icmp4(other_quote)).counts, kMalformed);
  Bytes nothing_quoted = IcmpRedirect("192.0.2.99", "198.51.100.7");
  nothing_quoted.resize(27);
  EXPECT_EQ(Hear(Icmp4(nothing_quoted)).counts, kMalformed);
  const Bytes packet = Icmp4(IcmpRedirect("192.0.2.99", "198.51.100.7"));
  EXPECT_EQ(Hear(packet, 20).counts, kCut);
  EXPECT_EQ(Hear(packet, 8).counts, (OfferCounts{.packets = 1, .offers = 1, .cut = 1}));
  EXPECT_EQ(Hear(Ipv4({.payload = IcmpRedirect("192.0.2.99", "198.51.100.7"),
                       .src = "224.0.0.1",
                       .protocol = 1}))
                .counts,
            kMalformed);
}

TEST(OfferReaderIcmp, RouterDiscoveryListsRouters) {
  EXPECT_THAT(Hear(Icmp4(IcmpRouters({{"192.0.2.66", 0}, {"192.0.2.67", 5}}))).offers,
              ElementsAre("router_advertisement 192.0.2.66 -> 192.0.2.66 0.0.0.0/0 1800",
                          "router_advertisement 192.0.2.66 -> 192.0.2.67 0.0.0.0/0 1800"));
  EXPECT_THAT(Hear(Icmp4(IcmpRouters({{"192.0.2.66", 0}}, 0))).offers,
              ElementsAre("router_advertisement 192.0.2.66 -> 192.0.2.66 0.0.0.0/0 0 withdrawn"));
  EXPECT_EQ(Hear(Icmp4(IcmpRouters({{"192.0.2.66", 0x80000000}}))).counts,
            (OfferCounts{.packets = 1, .other_routes = 1}));
  EXPECT_EQ(Hear(Icmp4(IcmpRouters({}))).counts, kMalformed);
  EXPECT_EQ(Hear(Icmp4(IcmpRouters({{"0.0.0.0", 0}}))).counts, kMalformed);
  Bytes message = IcmpRouters({{"192.0.2.66", 0}, {"192.0.2.67", 0}});
  message[1] = 16;
  EXPECT_EQ(Hear(Icmp4(message)).counts, kNothing);
  message[1] = 1;
  EXPECT_EQ(Hear(Icmp4(message)).counts, kMalformed);
  message[1] = 0;
  message[5] = 1;
  EXPECT_EQ(Hear(Icmp4(message)).counts, kMalformed);
  message[5] = 2;
  message[4] = 3;  // says three, has two
  EXPECT_EQ(Hear(Icmp4(message)).counts, (OfferCounts{.packets = 1, .offers = 2, .malformed = 1}));
  message[4] = 2;
  EXPECT_EQ(Hear(Icmp4(message), 2).counts, (OfferCounts{.packets = 1, .offers = 1, .cut = 1}));
}

TEST(OfferReaderIcmp, RouterAdvertisementIsADefaultRoute) {
  EXPECT_THAT(Hear(Icmp6(RouterAdvertisement(1800))).offers,
              ElementsAre("router_advertisement fe80::66 -> fe80::66 ::/0 1800"));
  EXPECT_THAT(Hear(Icmp6(RouterAdvertisement(0))).offers,
              ElementsAre("router_advertisement fe80::66 -> fe80::66 ::/0 0 withdrawn"));
}

TEST(OfferReaderIcmp, RouterAdvertisementThatHostsIgnore) {
  const auto from = [](std::string src, uint8_t hop_limit) {
    return Hear(Ipv6({.payload = RouterAdvertisement(1800),
                      .next = 58,
                      .src = std::move(src),
                      .dst = "ff02::1",
                      .hop_limit = hop_limit}))
        .counts;
  };
  EXPECT_EQ(from("fe80::66", 255).offers, 1u);
  EXPECT_EQ(from("fe80::66", 254), kNothing);
  EXPECT_EQ(from("2001:db8::66", 255), kNothing);
  Bytes message = RouterAdvertisement(1800);
  message[1] = 1;
  EXPECT_EQ(Hear(Icmp6(message)).counts, kNothing);
}

// Type, length in units of eight, prefix length, preference, lifetime, prefix.
Bytes RouteInformation(unsigned units, unsigned length, std::string_view prefix, uint32_t lifetime,
                       unsigned preference = 0) {
  Bytes b =
      Join({U8(24), U8(units), U8(length), U8(preference << 3), U32(lifetime), Address(prefix)});
  b.resize(units * 8);
  return b;
}

TEST(OfferReaderIcmp, RouteInformation) {
  const Bytes source = Join({U8(1), U8(1), Bytes{2, 0, 0, 0, 0, 2}});
  const Heard heard =
      Hear(Icmp6(RouterAdvertisement(0, Join({source, RouteInformation(2, 3, "2000::", 600),
                                              RouteInformation(3, 64, "2001:db8::", 600),
                                              RouteInformation(2, 7, "fc00::", 600, 2)}))));
  EXPECT_THAT(heard.offers,
              ElementsAre("router_advertisement fe80::66 -> fe80::66 2000::/3 600",
                          "router_advertisement fe80::66 -> fe80::66 ::/0 0 withdrawn"));
  EXPECT_EQ(heard.counts, (OfferCounts{.packets = 1, .offers = 2, .other_routes = 1}));
  // For ::/0 it takes precedence over the router's lifetime.
  EXPECT_THAT(Hear(Icmp6(RouterAdvertisement(0, RouteInformation(1, 0, "::", 900)))).offers,
              ElementsAre("router_advertisement fe80::66 -> fe80::66 ::/0 900"));
}

TEST(OfferReaderIcmp, RouterAdvertisementMalformed) {
  const auto counts = [](const Bytes& options) {
    return Hear(Icmp6(RouterAdvertisement(9, options))).counts;
  };
  const OfferCounts partly{.packets = 1, .offers = 1, .malformed = 1};
  EXPECT_EQ(counts(Bytes{24, 0, 0, 0, 0, 0, 0, 0}), partly);
  EXPECT_EQ(counts(Bytes{24, 2, 0, 0, 0, 0, 0, 0}), partly);
  EXPECT_EQ(counts(Bytes{24}), partly);
  EXPECT_EQ(counts(RouteInformation(1, 3, "2000::", 600)), partly);
  EXPECT_EQ(counts(RouteInformation(3, 129, "2000::", 600)), partly);
  Bytes message = RouterAdvertisement(9);
  message.resize(15);
  EXPECT_EQ(Hear(Icmp6(message)).counts, kMalformed);
  message.resize(1);
  EXPECT_EQ(Hear(Icmp6(message)).counts, kMalformed);
  EXPECT_EQ(Hear(Icmp6(RouterAdvertisement(9)), 3).counts, kCut);
  EXPECT_EQ(Hear(Icmp6(RouterAdvertisement(9, Bytes(8, 1))), 3).counts,
            (OfferCounts{.packets = 1, .offers = 1, .cut = 1}));
}

TEST(OfferReaderIcmp, RedirectOverIpv6) {
  EXPECT_THAT(Hear(Icmp6(Icmpv6Redirect("fe80::99", "2001:db8:9::9"))).offers,
              ElementsAre("redirect fe80::66 -> fe80::99 2001:db8:9::9/128 0"));
  // On the link, it says.
  EXPECT_THAT(Hear(Icmp6(Icmpv6Redirect("2001:db8:9::9", "2001:db8:9::9"))).offers,
              ElementsAre("redirect fe80::66 -> 2001:db8:9::9 2001:db8:9::9/128 0"));
  EXPECT_EQ(Hear(Icmp6(Icmpv6Redirect("2001:db8::99", "2001:db8:9::9"))).counts, kNothing);
  EXPECT_EQ(Hear(Icmp6(Icmpv6Redirect("fe80::99", "ff02::1"))).counts, kNothing);
  Bytes message = Icmpv6Redirect("fe80::99", "2001:db8:9::9");
  message.resize(39);
  EXPECT_EQ(Hear(Icmp6(message)).counts, kMalformed);
  EXPECT_EQ(Hear(Ipv6({.payload = Icmpv6Redirect("fe80::99", "2001:db8:9::9"),
                       .next = 58,
                       .src = "fe80::66",
                       .hop_limit = 64}))
                .counts,
            kNothing);
}

}  // namespace
}  // namespace parallax::sensor
