#include "sensor/probe/policy/special_purpose.h"

#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace parallax::sensor {
namespace {

IpAddress Ip(const std::string& text) {
  const auto address = IpAddress::Parse(text);
  EXPECT_TRUE(address) << text;
  return address.value_or(IpAddress());
}

// The next address, or the one before; nullopt beyond the ends.
std::optional<IpAddress> Step(const IpAddress& address, int by) {
  std::array<uint8_t, 16> bytes{};
  const auto from = address.bytes();
  std::copy(from.begin(), from.end(), bytes.begin());
  const uint8_t wraps_from = by > 0 ? 0xff : 0;
  for (size_t i = from.size(); i-- > 0;) {
    const bool carry = bytes[i] == wraps_from;
    bytes[i] = static_cast<uint8_t>(bytes[i] + by);
    if (!carry) {
      return IpAddress::FromBytes({bytes.data(), from.size()});
    }
  }
  return std::nullopt;
}

std::string NameOf(const IpAddress& address) {
  const SpecialRange* range = FindSpecialRange(address);
  return range != nullptr ? std::string(range->name) : "";
}

// All that is special, in ascending order, from first to last address; what is between is ordinary.
struct Span {
  const char* first;
  const char* last;
  const char* name;
};

constexpr Span kSpans4[] = {
    {"0.0.0.0", "0.0.0.0", "this-network"},
    {"0.0.0.1", "0.255.255.255", "this-network"},
    {"10.0.0.0", "10.255.255.255", "private-use"},
    {"100.64.0.0", "100.127.255.255", "shared-address-space"},
    {"127.0.0.0", "127.255.255.255", "loopback"},
    {"169.254.0.0", "169.254.255.255", "link-local"},
    {"172.16.0.0", "172.31.255.255", "private-use"},
    {"192.0.0.0", "192.0.0.7", "ipv4-service-continuity"},
    {"192.0.0.8", "192.0.0.8", "dummy"},
    {"192.0.0.11", "192.0.0.169", "ietf-protocol-assignments"},
    {"192.0.0.170", "192.0.0.171", "nat64-dns64-discovery"},
    {"192.0.0.172", "192.0.0.255", "ietf-protocol-assignments"},
    {"192.0.2.0", "192.0.2.255", "documentation"},
    {"192.88.99.0", "192.88.99.1", "6to4-relay-anycast"},
    {"192.88.99.2", "192.88.99.2", "6a44-relay-anycast"},
    {"192.88.99.3", "192.88.99.255", "6to4-relay-anycast"},
    {"192.168.0.0", "192.168.255.255", "private-use"},
    {"198.18.0.0", "198.19.255.255", "benchmarking"},
    {"198.51.100.0", "198.51.100.255", "documentation"},
    {"203.0.113.0", "203.0.113.255", "documentation"},
    {"224.0.0.0", "239.255.255.255", "multicast"},
    {"240.0.0.0", "255.255.255.254", "reserved"},
    {"255.255.255.255", "255.255.255.255", "limited-broadcast"},
};

constexpr Span kSpans6[] = {
    {"::", "::", "unspecified"},
    {"::1", "::1", "loopback"},
    {"::2", "::ffff:ffff", "ipv4-compatible"},
    {"::ffff:0:0", "::ffff:ffff:ffff", "ipv4-mapped"},
    {"::ffff:0:0:0", "::ffff:0:ffff:ffff", "ipv4-translated"},
    {"64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "ipv4-ipv6-translation"},
    {"100::", "100::ffff:ffff:ffff:ffff", "discard-only"},
    {"100:0:0:1::", "100:0:0:1:ffff:ffff:ffff:ffff", "dummy"},
    {"2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", "teredo"},
    {"2001:1::", "2001:1::", "ietf-protocol-assignments"},
    {"2001:1::4", "2001:1:ffff:ffff:ffff:ffff:ffff:ffff", "ietf-protocol-assignments"},
    {"2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", "benchmarking"},
    {"2001:2:1::", "2001:2:ffff:ffff:ffff:ffff:ffff:ffff", "ietf-protocol-assignments"},
    {"2001:4::", "2001:4:111:ffff:ffff:ffff:ffff:ffff", "ietf-protocol-assignments"},
    {"2001:4:113::", "2001:f:ffff:ffff:ffff:ffff:ffff:ffff", "ietf-protocol-assignments"},
    {"2001:10::", "2001:1f:ffff:ffff:ffff:ffff:ffff:ffff", "orchid"},
    {"2001:40::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "ietf-protocol-assignments"},
    {"2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "documentation"},
    {"2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "6to4"},
    {"3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "documentation"},
    {"5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "segment-routing"},
    {"fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "unique-local"},
    {"fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "link-local"},
    {"fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "site-local"},
    {"ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "multicast"},
};

void ExpectSpans(std::span<const Span> spans) {
  for (size_t i = 0; i < spans.size(); ++i) {
    const Span& span = spans[i];
    const IpAddress first = Ip(span.first);
    const IpAddress last = Ip(span.last);
    EXPECT_EQ(NameOf(first), span.name) << span.first;
    EXPECT_EQ(NameOf(last), span.name) << span.last;
    if (const auto before = Step(first, -1)) {
      const bool touches = i > 0 && Ip(spans[i - 1].last) == *before;
      EXPECT_EQ(NameOf(*before), touches ? spans[i - 1].name : "") << before->ToString();
    } else {
      EXPECT_EQ(i, 0u);
    }
    if (const auto behind = Step(last, 1)) {
      const bool touches = i + 1 < spans.size() && Ip(spans[i + 1].first) == *behind;
      EXPECT_EQ(NameOf(*behind), touches ? spans[i + 1].name : "") << behind->ToString();
    } else {
      EXPECT_EQ(i + 1, spans.size());
    }
  }
}

TEST(SpecialPurpose, EveryRangeFromItsFirstToItsLastAddress) {
  ExpectSpans(kSpans4);
  ExpectSpans(kSpans6);
}

TEST(SpecialPurpose, EveryRangeIsInTheSpans) {
  std::set<std::string> expected;
  for (const Span& span : kSpans4) {
    expected.insert(span.name);
  }
  for (const Span& span : kSpans6) {
    expected.insert(span.name);
  }
  std::set<std::string> names;
  size_t named = 0;
  for (const SpecialRange& range : SpecialRanges()) {
    names.emplace(range.name);
    // Its first address is its own or that of a range inside it.
    const SpecialRange* found = FindSpecialRange(range.prefix.address());
    ASSERT_NE(found, nullptr) << range.name;
    EXPECT_GE(found->prefix.length(), range.prefix.length());
  }
  EXPECT_EQ(names, expected);
  for (const std::string& name : names) {
    named += SpecialRangesNamed(name).size();
  }
  EXPECT_EQ(named, SpecialRanges().size());
  EXPECT_TRUE(SpecialRangesNamed("").empty());
  EXPECT_TRUE(SpecialRangesNamed("private").empty());
  EXPECT_EQ(SpecialRangesNamed("private-use").size(), 3u);
  EXPECT_EQ(SpecialRangesNamed("documentation").size(), 5u);
}

TEST(SpecialPurpose, GloballyReachableRangesAreOrdinary) {
  for (const char* address :
       {"192.0.0.9", "192.0.0.10", "192.31.196.1", "192.52.193.1", "192.175.48.1", "64:ff9b::1",
        "2001:1::1", "2001:1::2", "2001:1::3", "2001:3::1", "2001:4:112::1", "2001:20::1",
        "2001:2f:ffff::1", "2001:30::1", "2620:4f:8000::1", "8.8.8.8", "2a00::1"}) {
    EXPECT_EQ(NameOf(Ip(address)), "") << address;
  }
}

TEST(SpecialPurpose, NeverRemote) {
  const std::set<std::string> never = {"this-network", "loopback",        "link-local",
                                       "multicast",    "reserved",        "limited-broadcast",
                                       "unspecified",  "ipv4-compatible", "ipv4-mapped"};
  for (const SpecialRange& range : SpecialRanges()) {
    EXPECT_EQ(range.never_remote, never.contains(std::string(range.name))) << range.name;
  }
}

std::vector<std::string> EmbeddedIn(const char* address) {
  std::vector<std::string> texts;
  const EmbeddedIpv4 found = FindEmbeddedIpv4(Ip(address));
  for (const IpAddress& inner : found.all()) {
    texts.push_back(inner.ToString());
  }
  return texts;
}

using Texts = std::vector<std::string>;

TEST(EmbeddedIpv4, TranslatorsAndTunnels) {
  EXPECT_EQ(EmbeddedIn("64:ff9b::192.0.2.33"), Texts{"192.0.2.33"});
  EXPECT_EQ(EmbeddedIn("64:ff9b:1::192.0.2.33"), Texts{"192.0.2.33"});
  EXPECT_EQ(EmbeddedIn("64:ff9b:1:fffe::192.0.2.33"), Texts{"192.0.2.33"});
  EXPECT_EQ(EmbeddedIn("::ffff:0:192.0.2.33"), Texts{"192.0.2.33"});
  EXPECT_EQ(EmbeddedIn("2002:c000:221::1"), Texts{"192.0.2.33"});
  EXPECT_EQ(EmbeddedIn("2001:0:c000:221:8000:63bf:3fff:fdd2"),  // RFC 4380's example
            (Texts{"192.0.2.33", "192.0.2.45"}));
  EXPECT_EQ(EmbeddedIn("2001:db8::5efe:192.0.2.33"), Texts{"192.0.2.33"});
  EXPECT_EQ(EmbeddedIn("2001:db8::200:5efe:192.0.2.33"), Texts{"192.0.2.33"});
  EXPECT_EQ(EmbeddedIn("2002:c000:221::5efe:10.0.0.1"), (Texts{"192.0.2.33", "10.0.0.1"}));
}

// RFC 6052, 2.4: a translator with 64:ff9b:1::/48, /56 or /64 reads other bytes than the last four.
TEST(EmbeddedIpv4, ShorterPrefixesOfTheLocalTranslationRange) {
  EXPECT_EQ(EmbeddedIn("64:ff9b:1:c000:2:2100::")[1], "192.0.2.33");
  EXPECT_EQ(EmbeddedIn("64:ff9b:1:64c0:0:221::")[2], "192.0.2.33");
  EXPECT_EQ(EmbeddedIn("64:ff9b:1:64:c0:2:2100::")[3], "192.0.2.33");
}

TEST(EmbeddedIpv4, NoneElsewhere) {
  for (const char* address :
       {"192.0.2.33", "64:ff9b::1:c000:221", "64:ff9b:0:1::c000:221", "64:ff9b:2::c000:221",
        "2003:c000:221::1", "2001:1:c000:221::1", "2001:db8::5eff:c000:221",
        "2001:db8::400:5efe:c000:221", "2001:db8::c000:221", "::ffff:1:c000:221",
        "2a00:1450:4001:81b::200e"}) {
    EXPECT_EQ(EmbeddedIn(address), Texts{}) << address;
  }
}

}  // namespace
}  // namespace parallax::sensor
