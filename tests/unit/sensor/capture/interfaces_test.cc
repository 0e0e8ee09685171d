#include "sensor/capture/interfaces.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace parallax::sensor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

InterfaceAddress Address(const char* address, unsigned length) {
  return {*IpAddress::Parse(address), length};
}

std::vector<HostInterface> Host() {
  return {{.name = "lo",
           .index = 1,
           .up = true,
           .loopback = true,
           .addresses = {Address("127.0.0.1", 8)}},
          {.name = "eth0",
           .index = 2,
           .up = true,
           .loopback = false,
           .addresses = {Address("192.0.2.7", 24), Address("192.0.2.8", 24),
                         Address("2001:db8::7", 64), Address("fe80::7", 64)}},
          {.name = "eth1",
           .index = 3,
           .up = false,
           .loopback = false,
           .addresses = {Address("198.51.100.1", 24)}},
          {.name = "span0", .index = 4, .up = true, .loopback = false, .addresses = {}},
          {.name = "wg0",
           .index = 5,
           .up = true,
           .loopback = false,
           .addresses = {Address("203.0.113.5", 32), Address("10.0.0.1", 0)}}};
}

TEST(Interfaces, DefaultsAreThoseUpWithAnAddress) {
  EXPECT_THAT(DefaultCaptureInterfaces(Host()), ElementsAre("eth0", "wg0"));
}

TEST(Interfaces, LocalNetworksAreTheirNetworksEachOnce) {
  const std::vector<std::string> names{"eth0", "wg0"};
  std::vector<std::string> networks;
  for (const Prefix& prefix : NetworksOf(Host(), names)) {
    networks.push_back(prefix.ToString());
  }
  EXPECT_THAT(networks,
              ElementsAre("192.0.2.0/24", "2001:db8::/64", "fe80::/64", "203.0.113.5/32"));
  EXPECT_EQ(AddressesOf(Host(), names).size(), 6u);
}

TEST(Interfaces, ThisHostHasLoopback) {
  const auto all = ListInterfaces();
  ASSERT_TRUE(all);
  const auto lo =
      std::find_if(all->begin(), all->end(), [](const HostInterface& i) { return i.loopback; });
  if (lo == all->end()) {
    GTEST_SKIP() << "no loopback interface here";
  }
  EXPECT_EQ(FindInterface(lo->name).index, lo->index);
  EXPECT_EQ(FindInterface(lo->name).up, lo->up);
  for (const InterfaceAddress& a : lo->addresses) {
    if (a.address.ToString() == "127.0.0.1") {
      EXPECT_EQ(a.prefix_length, 8u);
    }
  }
}

TEST(Interfaces, AMissingOneIsNamedTogetherWithThoseThatExist) {
  EXPECT_EQ(FindInterface("no-such-if").index, 0u);
  EXPECT_EQ(FindInterface("").index, 0u);
  EXPECT_EQ(FindInterface(std::string(100, 'x')).index, 0u);
  const Error error = NoSuchInterface("eth9");
  EXPECT_EQ(error.code, ErrorCode::kNotFound);
  EXPECT_THAT(error.message, HasSubstr("no interface named \"eth9\"; this host has: "));
}

}  // namespace
}  // namespace parallax::sensor
