#include "common/ip.h"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

namespace parallax {
namespace {

IpAddress Ip(std::string_view text) {
  const auto address = IpAddress::Parse(text);
  EXPECT_TRUE(address) << text;
  return address.value_or(IpAddress());
}

Prefix Net(std::string_view text) {
  const auto prefix = Prefix::Parse(text);
  EXPECT_TRUE(prefix) << text;
  return prefix.value_or(Prefix());
}

TEST(IpAddress, TextRoundTrip) {
  for (const char* text : {"0.0.0.0", "192.0.2.1", "255.255.255.255", "::", "::1", "2001:db8::1",
                           "2001:db8:0:1:1:1:1:1", "fe80::1", "::ffff:192.0.2.1"}) {
    EXPECT_EQ(Ip(text).ToString(), text);
  }
  EXPECT_EQ(Ip("2001:0DB8:0:0:0:0:0:1").ToString(), "2001:db8::1");
}

TEST(IpAddress, RefusesWhatIsNoAddress) {
  for (const char* text : {"",
                           " ",
                           "1",
                           "1.2.3",
                           "1.2.3.4.5",
                           "1.2.3.256",
                           "1.2.3.4 ",
                           " 1.2.3.4",
                           "01.2.3.4",
                           "1.2.3.4/32",
                           "0x1.2.3.4",
                           ":",
                           ":::",
                           "1::2::3",
                           "2001:db8::g",
                           "fe80::1%eth0",
                           "[::1]",
                           "12345::",
                           "1:2:3:4:5:6:7:8:9",
                           "localhost"}) {
    EXPECT_FALSE(IpAddress::Parse(text)) << text;
  }
  EXPECT_FALSE(IpAddress::Parse(std::string_view("1.2.3.4\0", 8)));
  EXPECT_FALSE(IpAddress::Parse(std::string(100000, '1')));
}

TEST(IpAddress, MappedIpv4StaysIpv6) {
  EXPECT_EQ(Ip("::ffff:192.0.2.1").family(), Family::kV6);
  EXPECT_NE(Ip("::ffff:192.0.2.1"), Ip("192.0.2.1"));
}

TEST(IpAddress, FromBytesTakesFourOrSixteen) {
  const std::array<uint8_t, 17> bytes{192, 0, 2, 1};
  EXPECT_EQ(IpAddress::FromBytes(std::span(bytes).first(4)), Ip("192.0.2.1"));
  EXPECT_EQ(IpAddress::FromBytes(std::span(bytes).first(16)), Ip("c000:201::"));
  for (const size_t size : {size_t{0}, size_t{3}, size_t{5}, size_t{15}, size_t{17}}) {
    EXPECT_FALSE(IpAddress::FromBytes(std::span(bytes).first(size))) << size;
  }
}

TEST(IpAddress, BytesRoundTrip) {
  for (const char* text : {"192.0.2.1", "2001:db8::1"}) {
    EXPECT_EQ(IpAddress::FromBytes(Ip(text).bytes()), Ip(text));
  }
}

TEST(IpAddress, NeverRemote) {
  for (const char* text :
       {"0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.255", "224.0.0.1", "239.255.255.255",
        "240.0.0.1", "255.255.255.255", "::", "::1", "ff02::1", "fe80::1", "febf::1"}) {
    EXPECT_TRUE(Ip(text).IsNeverRemote()) << text;
  }
  for (const char* text : {"1.1.1.1", "10.0.0.1", "192.168.1.1", "223.255.255.255", "::2",
                           "2001:db8::1", "fec0::1", "fd00::1"}) {
    EXPECT_FALSE(Ip(text).IsNeverRemote()) << text;
  }
}

TEST(IpAddress, HashesByValue) {
  std::unordered_set<IpAddress> set{Ip("192.0.2.1"), Ip("192.0.2.1"), Ip("192.0.2.2"),
                                    Ip("2001:db8::1")};
  EXPECT_EQ(set.size(), 3u);
}

TEST(Prefix, TextRoundTrip) {
  for (const char* text : {"0.0.0.0/0", "10.0.0.0/8", "192.0.2.128/25", "192.0.2.1/32", "::/0",
                           "2001:db8::/32", "2001:db8::8000/113", "2001:db8::1/128"}) {
    EXPECT_EQ(Net(text).ToString(), text);
  }
  EXPECT_EQ(Net("192.0.2.1").ToString(), "192.0.2.1/32");
  EXPECT_EQ(Net("2001:db8::1").ToString(), "2001:db8::1/128");
}

TEST(Prefix, RefusesWhatIsNoPrefix) {
  for (const char* text :
       {"", "/", "/24", "192.0.2.0/", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/+8",
        "192.0.2.0/ 8", "192.0.2.0/8x", "192.0.2.0/24/24", "2001:db8::/129", "192.0.2/24", "x/8",
        "192.0.2.0/99999999999999999999"}) {
    EXPECT_FALSE(Prefix::Parse(text)) << text;
  }
}

TEST(Prefix, HostBitsAreAnErrorWithTheRightPrefix) {
  const auto prefix = Prefix::Parse("192.0.2.77/28");
  ASSERT_FALSE(prefix);
  EXPECT_NE(prefix.error().message.find("192.0.2.64/28"), std::string::npos)
      << prefix.error().message;
}

TEST(Prefix, ConstructorClearsHostBits) {
  EXPECT_EQ(Prefix(Ip("192.0.2.255"), 25), Net("192.0.2.128/25"));
  EXPECT_EQ(Prefix(Ip("2001:db8::ffff"), 120), Net("2001:db8::ff00/120"));
  EXPECT_EQ(Prefix(Ip("192.0.2.255"), 0), Net("0.0.0.0/0"));
}

// Against a model: the first `length` bits agree.
TEST(Prefix, ContainsAgreesWithBitByBitComparison) {
  const auto bit = [](const IpAddress& a, unsigned i) {
    return (a.bytes()[i / 8] >> (7 - i % 8)) & 1;
  };
  for (const char* base : {"203.0.113.170", "2001:db8:aaaa:5555:c3c3:3c3c:1234:fedc"}) {
    const IpAddress address = Ip(base);
    for (unsigned length = 0; length <= address.bits(); ++length) {
      const Prefix prefix(address, length);
      EXPECT_TRUE(prefix.Contains(address));
      for (unsigned flip = 0; flip < address.bits(); ++flip) {
        std::array<uint8_t, 16> bytes{};
        std::copy(address.bytes().begin(), address.bytes().end(), bytes.begin());
        bytes[flip / 8] = static_cast<uint8_t>(bytes[flip / 8] ^ (0x80u >> (flip % 8)));
        const auto other = IpAddress::FromBytes(std::span(bytes).first(address.bytes().size()));
        ASSERT_NE(bit(address, flip), bit(*other, flip));
        EXPECT_EQ(prefix.Contains(*other), flip >= length) << base << "/" << length << " " << flip;
      }
    }
  }
}

TEST(Prefix, FamiliesDoNotMix) {
  EXPECT_FALSE(Net("0.0.0.0/0").Contains(Ip("::")));
  EXPECT_FALSE(Net("::/0").Contains(Ip("0.0.0.0")));
  EXPECT_FALSE(Net("0.0.0.0/0").Contains(Ip("::ffff:192.0.2.1")));
}

TEST(PrefixSet, ContainsWhatAnyMemberContains) {
  PrefixSet set;
  EXPECT_TRUE(set.empty());
  EXPECT_FALSE(set.Contains(Ip("192.0.2.1")));
  set.Add(Net("192.0.2.0/24"));
  set.Add(Net("2001:db8::/32"));
  EXPECT_TRUE(set.Contains(Ip("192.0.2.1")));
  EXPECT_TRUE(set.Contains(Ip("2001:db8::1")));
  EXPECT_FALSE(set.Contains(Ip("192.0.3.1")));
  EXPECT_FALSE(set.Contains(Ip("2001:db9::1")));
}

std::string Longest(const PrefixSet& set, std::string_view address) {
  const Prefix* match = set.LongestMatch(Ip(address));
  return match != nullptr ? match->ToString() : "";
}

TEST(PrefixSet, LongestMatch) {
  const PrefixSet set({Net("10.0.0.0/8"), Net("10.1.0.0/16"), Net("10.1.0.0/24"),
                       Net("10.1.0.0/16"), Net("10.255.255.255/32"), Net("0.0.0.0/0"),
                       Net("255.255.255.255/32"), Net("2001:db8::/32"), Net("2001:db8::/64"),
                       Net("ffff::/16")});
  EXPECT_EQ(Longest(set, "9.255.255.255"), "0.0.0.0/0");
  EXPECT_EQ(Longest(set, "10.0.0.0"), "10.0.0.0/8");
  EXPECT_EQ(Longest(set, "10.1.0.255"), "10.1.0.0/24");
  EXPECT_EQ(Longest(set, "10.1.1.0"), "10.1.0.0/16");
  EXPECT_EQ(Longest(set, "10.2.0.0"), "10.0.0.0/8");
  EXPECT_EQ(Longest(set, "10.255.255.255"), "10.255.255.255/32");
  EXPECT_EQ(Longest(set, "11.0.0.0"), "0.0.0.0/0");
  EXPECT_EQ(Longest(set, "255.255.255.255"), "255.255.255.255/32");
  EXPECT_EQ(Longest(set, "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff"), "");
  EXPECT_EQ(Longest(set, "2001:db8::ffff:ffff:ffff:ffff"), "2001:db8::/64");
  EXPECT_EQ(Longest(set, "2001:db8:0:1::"), "2001:db8::/32");
  EXPECT_EQ(Longest(set, "2001:db9::"), "");
  EXPECT_EQ(Longest(set, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), "ffff::/16");
  EXPECT_EQ(Longest(set, "::"), "");
}

// Against the plain search, over sets crowded enough to nest and touch.
TEST(PrefixSet, LongestMatchIsWhatALinearSearchFinds) {
  std::mt19937 random(7);
  const auto pick = [&](unsigned most) { return static_cast<uint8_t>(random() % (most + 1)); };
  const auto address = [&](bool v4) {
    std::array<uint8_t, 16> bytes{};
    for (uint8_t& byte : bytes) {
      byte = pick(3) == 0 ? static_cast<uint8_t>(0xff - pick(1)) : pick(1);
    }
    return *IpAddress::FromBytes({bytes.data(), v4 ? 4u : 16u});
  };
  for (int round = 0; round < 300; ++round) {
    std::vector<Prefix> prefixes;
    for (unsigned count = pick(12); count > 0; --count) {
      const IpAddress base = address(pick(1) == 0);
      prefixes.emplace_back(base, static_cast<unsigned>(random() % (base.bits() + 1)));
    }
    const PrefixSet made(prefixes);
    PrefixSet grown;
    for (const Prefix& prefix : prefixes) {
      grown.Add(prefix);
    }
    EXPECT_EQ(made, grown);
    for (int i = 0; i < 100; ++i) {
      const IpAddress wanted = address(pick(1) == 0);
      const Prefix* longest = nullptr;
      for (const Prefix& prefix : prefixes) {
        if (prefix.Contains(wanted) &&
            (longest == nullptr || prefix.length() > longest->length())) {
          longest = &prefix;
        }
      }
      for (const PrefixSet* set : {&made, &std::as_const(grown)}) {
        const Prefix* found = set->LongestMatch(wanted);
        ASSERT_EQ(found != nullptr, longest != nullptr) << wanted.ToString();
        ASSERT_TRUE(found == nullptr || *found == *longest) << wanted.ToString();
      }
    }
  }
}

TEST(PrefixSet, CopiesAnswerForThemselves) {
  PrefixSet set({Net("192.0.2.0/24")});
  PrefixSet copy = set;
  set = PrefixSet();
  EXPECT_FALSE(set.Contains(Ip("192.0.2.1")));
  ASSERT_NE(copy.LongestMatch(Ip("192.0.2.1")), nullptr);
  EXPECT_EQ(copy.LongestMatch(Ip("192.0.2.1")), &copy.prefixes()[0]);
  EXPECT_NE(copy, set);
}

TEST(Endpoint, BracketsIpv6) {
  EXPECT_EQ((Endpoint{Ip("192.0.2.1"), 80}.ToString()), "192.0.2.1:80");
  EXPECT_EQ((Endpoint{Ip("2001:db8::1"), 443}.ToString()), "[2001:db8::1]:443");
}

TEST(HostPort, TextRoundTrip) {
  for (const char* text : {"192.0.2.1:1", "[2001:db8::1]:65535", "[::]:7443", "localhost:80",
                           "noc.campus.example:7443", "a_b-c:1"}) {
    const auto parsed = ParseHostPort(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(parsed->ToString(), text);
  }
  EXPECT_EQ(ParseHostPort("[::1]:7443")->host, "::1");
}

TEST(HostPort, RefusesTheRest) {
  for (const char* text : {"",
                           ":",
                           "host",
                           "host:",
                           ":80",
                           "host:0",
                           "host:65536",
                           "host:-1",
                           "host:+1",
                           "host:8a",
                           "host: 80",
                           "::1:80",
                           "2001:db8::1",
                           "[::1]",
                           "[::1]80",
                           "[]:80",
                           "[host]:80",
                           "[192.0.2.1]:80",
                           "192.0.2.300:80",
                           "ho st:80",
                           "http://host:80",
                           "host/x:80",
                           "-x:80",
                           "a..b:80",
                           ".:80",
                           "host:99999999999999999999"}) {
    EXPECT_FALSE(ParseHostPort(text)) << text;
  }
  EXPECT_NE(ParseHostPort("nonsense").error().message.find("\"nonsense\" is not HOST:PORT"),
            std::string::npos);
}

TEST(HostName, Limits) {
  EXPECT_TRUE(IsHostName(std::string(63, 'a')));
  EXPECT_FALSE(IsHostName(std::string(64, 'a')));
  std::string longest;
  for (int i = 0; i < 126; ++i) {
    longest += "a.";
  }
  EXPECT_TRUE(IsHostName(longest + "a"));
  EXPECT_FALSE(IsHostName(longest + "aa"));
  EXPECT_FALSE(IsHostName("campus.example."));
  EXPECT_FALSE(IsHostName("10.1"));
  EXPECT_TRUE(IsHostName("10.example"));
}

}  // namespace
}  // namespace parallax
