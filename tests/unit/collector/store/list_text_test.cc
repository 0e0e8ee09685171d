#include "collector/store/list_text.h"

#include <gtest/gtest.h>

#include "tests/unit/collector/store/sample_records.h"

namespace parallax::collector {
namespace {

TEST(ListText, ListsComeBackAsTheyWere) {
  const std::vector<std::vector<std::string>> cases = {
      {}, {""}, {"", ""}, {"a"}, {"two\nlines", "tab\t", "back\\slash", "\\n", "\\"}, {"é", "-"}};
  for (const auto& items : cases) {
    EXPECT_EQ(DecodeList(EncodeList(items)), items);
  }
}

TEST(ListText, MapsComeBackAsTheyWere) {
  const std::map<std::string, std::string> items = {
      {"", ""}, {"a", ""}, {"key\twith tab", "value\nwith line"}, {"k\\", "\\v"}};
  EXPECT_EQ(DecodeMap(EncodeMap(items)), items);
  EXPECT_TRUE(DecodeMap("").empty());
}

TEST(ListText, AddressesPrefixesAndTargets) {
  const std::vector<IpAddress> addresses = {Ip("192.0.2.1"), Ip("2001:db8::1")};
  EXPECT_EQ(DecodeAddresses(EncodeAddresses(addresses)), addresses);
  const std::vector<Prefix> prefixes = {Prefix::Parse("10.0.0.0/8").value(),
                                        Prefix::Parse("2001:db8::/32").value()};
  EXPECT_EQ(DecodePrefixes(EncodePrefixes(prefixes)), prefixes);
  const std::vector<IncidentTarget> targets = {{addresses[0], false}, {addresses[1], true}};
  EXPECT_EQ(EncodeTargets(targets), "recovered 192.0.2.1\n2001:db8::1\n");
  EXPECT_EQ(DecodeTargets(EncodeTargets(targets)), targets);
}

TEST(ListText, WhatIsNoAddressIsPassedOver) {
  EXPECT_TRUE(DecodeAddresses("nonsense\n\n300.1.1.1").empty());
  EXPECT_TRUE(DecodeTargets("recovered \nrecovered\n").empty());
  EXPECT_EQ(DecodeList("odd \\x escape\\"), std::vector<std::string>{"odd \\x escape\\"});
}

}  // namespace
}  // namespace parallax::collector
