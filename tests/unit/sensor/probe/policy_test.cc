#include "sensor/probe/policy.h"

#include <gtest/gtest.h>

#include "tests/unit/sensor/probe/test_answers.h"

namespace parallax::sensor {
namespace {

using test::Ip;

PrefixSet Set(std::initializer_list<const char*> prefixes) {
  PrefixSet set;
  for (const char* prefix : prefixes) {
    set.Add(*Prefix::Parse(prefix));
  }
  return set;
}

bool Allows(const Policy& policy, const char* target) {
  const PolicyVerdict verdict = Check(policy, Ip(target), ProbeMethod::kIcmpEcho, 0);
  EXPECT_EQ(verdict.allowed, verdict.reason.empty());
  return verdict.allowed;
}

TEST(Policy, DenyBeatsAllow) {
  Policy policy;
  policy.allow = Set({"198.51.100.0/24", "2001:db8::/32"});
  policy.deny = Set({"198.51.100.128/25", "2001:db8:bad::/48"});
  EXPECT_TRUE(Allows(policy, "198.51.100.1"));
  EXPECT_FALSE(Allows(policy, "198.51.100.200"));
  EXPECT_TRUE(Allows(policy, "2001:db8::1"));
  EXPECT_FALSE(Allows(policy, "2001:db8:bad::1"));
  EXPECT_FALSE(Allows(policy, "203.0.113.1"));
}

TEST(Policy, AnEmptyAllowListAllowsNothing) {
  EXPECT_FALSE(Allows(Policy{}, "198.51.100.1"));
  EXPECT_FALSE(Allows(Policy{}, "2001:db8::1"));
}

TEST(Policy, NeverRemoteAddressesAreRefusedWhateverIsAllowed) {
  Policy policy;
  policy.allow = Set({"0.0.0.0/0", "::/0"});
  for (const char* target :
       {"0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "::", "::1", "fe80::1",
        "ff02::1", "::ffff:198.51.100.1", "::ffff:127.0.0.1"}) {
    EXPECT_FALSE(Allows(policy, target)) << target;
  }
  EXPECT_TRUE(Allows(policy, "198.51.100.1"));
}

TEST(Policy, PortZeroIsNoPort) {
  Policy policy;
  policy.allow = Set({"0.0.0.0/0"});
  EXPECT_FALSE(Check(policy, Ip("198.51.100.1"), ProbeMethod::kTcpSyn, 0).allowed);
  EXPECT_TRUE(Check(policy, Ip("198.51.100.1"), ProbeMethod::kTcpSyn, 1).allowed);
}

}  // namespace
}  // namespace parallax::sensor
