#include "sensor/probe/policy/policy.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sensor/probe/policy/special_purpose.h"

namespace parallax::sensor {

// For messages of gtest.
void PrintTo(Refusal refusal, std::ostream* out) { *out << ToString(refusal); }

namespace {

constexpr ProbeTry kEcho{ProbeMethod::kIcmpEcho, 0, 0};

IpAddress Ip(const std::string& text) { return *IpAddress::Parse(text); }

PrefixSet Set(std::initializer_list<const char*> prefixes) {
  std::vector<Prefix> parsed;
  for (const char* prefix : prefixes) {
    parsed.push_back(*Prefix::Parse(prefix));
  }
  return PrefixSet(std::move(parsed));
}

Policy Allowing(std::initializer_list<const char*> prefixes) {
  Policy policy;
  policy.allow = Set(prefixes);
  return policy;
}

Policy Open() { return Allowing({"0.0.0.0/0", "::/0"}); }

Refusal Ping(const Policy& policy, const char* target) {
  return Check(policy, Ip(target), kEcho, false);
}

TEST(Policy, DenyBeatsAllow) {
  Policy policy = Allowing({"198.50.0.0/16", "2a00:db8::/32"});
  policy.deny = Set({"198.50.100.128/25", "2a00:db8:bad::/48"});
  EXPECT_EQ(Ping(policy, "198.50.100.127"), Refusal::kNone);
  EXPECT_EQ(Ping(policy, "198.50.100.128"), Refusal::kDenied);
  EXPECT_EQ(Ping(policy, "198.50.100.255"), Refusal::kDenied);
  EXPECT_EQ(Ping(policy, "198.50.101.0"), Refusal::kNone);
  EXPECT_EQ(Ping(policy, "2a00:db8::1"), Refusal::kNone);
  EXPECT_EQ(Ping(policy, "2a00:db8:bad::1"), Refusal::kDenied);
  EXPECT_EQ(Ping(policy, "203.1.113.1"), Refusal::kNotAllowed);
  policy.allow = Set({"198.50.100.200/32"});  // more specific than what denies it: denied still
  EXPECT_EQ(Ping(policy, "198.50.100.200"), Refusal::kDenied);
}

TEST(Policy, AnEmptyAllowListAllowsNothing) {
  EXPECT_EQ(Ping(Policy{}, "198.50.100.1"), Refusal::kNotAllowed);
  EXPECT_EQ(Ping(Policy{}, "2a00::1"), Refusal::kNotAllowed);
  EXPECT_EQ(Ping(Allowing({"0.0.0.0/0"}), "2a00::1"), Refusal::kNotAllowed);
  EXPECT_EQ(Ping(Allowing({"::/0"}), "198.50.100.1"), Refusal::kNotAllowed);
}

TEST(Policy, NeverRemoteAddressesAreRefusedWhateverIsAllowed) {
  Policy policy = Open();
  for (const SpecialRange& range : SpecialRanges()) {
    policy.allow.Add(range.prefix);
  }
  for (const char* target :
       {"0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.255", "169.254.169.254", "224.0.0.1",
        "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1", "::198.50.100.1", "fe80::1",
        "febf::1", "ff02::1", "ffff::1", "::ffff:198.50.100.1", "::ffff:127.0.0.1"}) {
    policy.allow.Add(Prefix(Ip(target), Ip(target).bits()));
    EXPECT_EQ(Ping(policy, target), Refusal::kNotRemote) << target;
  }
  EXPECT_EQ(Ping(policy, "198.50.100.1"), Refusal::kNone);
}

struct SpecialCase {
  const char* target;
  const char* range;
  const char* inside;
  const char* around;  // the next larger prefix
};

constexpr SpecialCase kSpecialCases[] = {
    {"10.1.2.3", "10.0.0.0/8", "10.1.2.0/24", "10.0.0.0/7"},
    {"100.64.0.1", "100.64.0.0/10", "100.64.0.1/32", "100.0.0.0/9"},
    {"172.16.9.9", "172.16.0.0/12", "172.16.8.0/21", "172.0.0.0/11"},
    {"192.0.0.50", "192.0.0.0/24", "192.0.0.48/28", "192.0.0.0/23"},
    {"192.0.0.5", "192.0.0.0/29", "192.0.0.4/30", "192.0.0.0/28"},
    {"192.0.0.8", "192.0.0.8/32", "192.0.0.8/32", "192.0.0.8/31"},
    {"192.0.0.170", "192.0.0.170/32", "192.0.0.170/32", "192.0.0.170/31"},
    {"192.0.0.171", "192.0.0.171/32", "192.0.0.171/32", "192.0.0.170/31"},
    {"192.0.2.1", "192.0.2.0/24", "192.0.2.0/27", "192.0.2.0/23"},
    {"192.88.99.1", "192.88.99.0/24", "192.88.99.1/32", "192.88.98.0/23"},
    {"192.88.99.2", "192.88.99.2/32", "192.88.99.2/32", "192.88.99.2/31"},
    {"192.168.1.1", "192.168.0.0/16", "192.168.1.0/24", "192.168.0.0/15"},
    {"198.18.0.1", "198.18.0.0/15", "198.18.0.0/16", "198.16.0.0/14"},
    {"198.51.100.1", "198.51.100.0/24", "198.51.100.0/25", "198.51.100.0/23"},
    {"203.0.113.1", "203.0.113.0/24", "203.0.113.1/32", "203.0.112.0/23"},
    {"::ffff:0:8.8.8.8", "::ffff:0:0:0/96", "::ffff:0:808:0/112", "::ffff:0:0:0/95"},
    {"64:ff9b:1::8.8.8.8", "64:ff9b:1::/48", "64:ff9b:1::/96", "64:ff9b::/47"},
    {"100::1", "100::/64", "100::/96", "100::/63"},
    {"100:0:0:1::1", "100:0:0:1::/64", "100:0:0:1::1/128", "100::/63"},
    {"2001:100::1", "2001::/23", "2001:100::/32", "2001::/22"},
    {"2001:0:808:808:8000:63bf:f7f7:fbfb", "2001::/32", "2001:0:808:808::/64", "2001::/31"},
    {"2001:2::1", "2001:2::/48", "2001:2::/64", "2001:2::/47"},
    {"2001:10::1", "2001:10::/28", "2001:10::/32", "2001::/27"},
    {"2001:db8::1", "2001:db8::/32", "2001:db8::/48", "2001:db8::/31"},
    {"2002:808:808::1", "2002::/16", "2002:808:808::/48", "2002::/15"},
    {"3fff::1", "3fff::/20", "3fff::/32", "3fff::/19"},
    {"5f00::1", "5f00::/16", "5f00::/64", "5f00::/15"},
    {"fd00:1::1", "fc00::/7", "fd00:1::/48", "fc00::/6"},
    {"fec0::1", "fec0::/10", "fec0::/64", "fe80::/9"},
};

TEST(Policy, SpecialRangesAreProbedOnlyWhereAllowNamesThem) {
  std::set<std::string> seen;
  for (const SpecialCase& c : kSpecialCases) {
    const SpecialRange* range = FindSpecialRange(Ip(c.target));
    ASSERT_NE(range, nullptr) << c.target;
    EXPECT_EQ(range->prefix.ToString(), c.range);
    seen.insert(c.range);

    Policy policy = Open();
    EXPECT_EQ(Ping(policy, c.target), Refusal::kSpecialPurpose) << c.target;
    policy.allow.Add(*Prefix::Parse(c.around));
    EXPECT_EQ(Ping(policy, c.target), Refusal::kSpecialPurpose) << c.target << " in " << c.around;
    for (const char* name : {c.range, c.inside}) {
      policy = Open();
      policy.allow.Add(*Prefix::Parse(name));
      EXPECT_EQ(Ping(policy, c.target), Refusal::kNone) << c.target << " in " << name;
      policy.deny = Set({c.around});
      EXPECT_EQ(Ping(policy, c.target), Refusal::kDenied) << c.target;
    }
  }
  for (const SpecialRange& range : SpecialRanges()) {
    EXPECT_NE(seen.contains(range.prefix.ToString()), range.never_remote) << range.name;
  }
}

TEST(Policy, APartThatIsNamedIsNotTheWhole) {
  Policy policy = Open();
  policy.allow.Add(*Prefix::Parse("10.1.0.0/16"));
  EXPECT_EQ(Ping(policy, "10.1.255.255"), Refusal::kNone);
  EXPECT_EQ(Ping(policy, "10.2.0.0"), Refusal::kSpecialPurpose);
  policy.allow = Set({"10.1.0.0/16"});
  EXPECT_EQ(Ping(policy, "10.2.0.0"), Refusal::kNotAllowed);
}

// The collector must not reach through a translator or tunnel what it must not reach straight.
TEST(Policy, AnAddressThatStandsForAnIpv4HostMustPassAsThatHostToo) {
  Policy policy = Open();
  for (const char* tunnel : {"2001::/32", "2002::/16", "64:ff9b:1::/48", "::ffff:0:0:0/96"}) {
    policy.allow.Add(*Prefix::Parse(tunnel));
  }
  policy.deny = Set({"198.50.100.0/24"});
  for (const char* open :
       {"64:ff9b::8.8.8.8", "64:ff9b:1::8.8.8.8", "64:ff9b:1:fffe::8.8.8.8", "::ffff:0:8.8.8.8",
        "2002:808:808::1", "2001:0:808:808::f7f7:f7f7", "2a00::5efe:8.8.8.8"}) {
    EXPECT_EQ(Ping(policy, open), Refusal::kNone) << open;
  }
  const std::pair<const char*, Refusal> refused[] = {
      {"64:ff9b::127.0.0.1", Refusal::kNotRemote},
      {"64:ff9b::169.254.169.254", Refusal::kNotRemote},
      {"64:ff9b::224.0.0.1", Refusal::kNotRemote},
      {"64:ff9b::0.0.0.0", Refusal::kNotRemote},
      {"64:ff9b::10.0.0.1", Refusal::kSpecialPurpose},
      {"64:ff9b::192.168.0.1", Refusal::kSpecialPurpose},
      {"64:ff9b::198.50.100.7", Refusal::kDenied},
      {"64:ff9b:1::127.0.0.1", Refusal::kNotRemote},
      {"64:ff9b:1::198.50.100.7", Refusal::kDenied},
      {"64:ff9b:1:c632:64:700:808:808", Refusal::kDenied},  // 198.50.100.7 to a translator of /48
      {"::ffff:0:10.0.0.1", Refusal::kSpecialPurpose},
      {"2002:7f00:1::1", Refusal::kNotRemote},
      {"2002:a9fe:a9fe::1", Refusal::kNotRemote},
      {"2002:a00:1::1", Refusal::kSpecialPurpose},
      {"2002:c632:6407:1::1", Refusal::kDenied},
      {"2001:0:808:808::39cd:9bf8", Refusal::kDenied},     // the client: 198.50.100.7
      {"2001:0:c632:6407::f7f7:f7f7", Refusal::kDenied},   // the server
      {"2001:0:808:808::80ff:fffe", Refusal::kNotRemote},  // the client: 127.0.0.1
      {"2a00::5efe:10.0.0.1", Refusal::kSpecialPurpose},
      {"2a00::200:5efe:198.50.100.7", Refusal::kDenied},
      {"2002:808:808::5efe:127.0.0.1", Refusal::kNotRemote},
  };
  for (const auto& [target, refusal] : refused) {
    EXPECT_EQ(Ping(policy, target), refusal) << target;
  }
  policy.allow = Set({"::/0"});  // no IPv4 at all
  EXPECT_EQ(Ping(policy, "64:ff9b::8.8.8.8"), Refusal::kNotAllowed);
  policy.allow = Set({"::/0", "10.0.0.0/8"});  // one's own translator to one's own network
  EXPECT_EQ(Ping(policy, "64:ff9b::10.0.0.1"), Refusal::kNone);
}

TEST(Policy, Methods) {
  const IpAddress target = Ip("198.50.100.1");
  const std::pair<ProbeTry, bool Policy::*> methods[] = {
      {kEcho, &Policy::icmp},
      {{ProbeMethod::kTcpSyn, 443, 0}, &Policy::tcp},
      {{ProbeMethod::kUdp, 33434, 0}, &Policy::udp}};
  for (const auto& [attempt, on] : methods) {
    Policy policy = Open();
    for (const bool limited : {false, true}) {
      EXPECT_EQ(Check(policy, target, attempt, limited), Refusal::kNone);
      EXPECT_EQ(CheckMethod(policy, attempt, limited), Refusal::kNone);
    }
    policy.*on = false;
    for (const bool limited : {false, true}) {
      EXPECT_EQ(Check(policy, target, attempt, limited), Refusal::kMethod);
      EXPECT_EQ(CheckMethod(policy, attempt, limited), Refusal::kMethod);
    }
    policy = Open();
    policy.trace = false;
    EXPECT_EQ(Check(policy, target, attempt, false), Refusal::kNone);
    EXPECT_EQ(Check(policy, target, attempt, true), Refusal::kMethod);
    policy.icmp = policy.tcp = policy.udp = false;
    policy.*on = policy.trace = true;  // the others are of no concern
    EXPECT_EQ(Check(policy, target, attempt, true), Refusal::kNone);
  }
}

TEST(Policy, Ports) {
  const IpAddress target = Ip("198.50.100.1");
  Policy policy = Open();
  policy.tcp_ports = {{80, 80}, {443, 445}, {65535, 65535}};
  policy.udp_ports = {{53, 53}};
  const auto ask = [&](ProbeMethod method, int port) {
    return Check(policy, target, {method, static_cast<uint16_t>(port), 0}, false);
  };
  for (const int port : {80, 443, 444, 445, 65535}) {
    EXPECT_EQ(ask(ProbeMethod::kTcpSyn, port), Refusal::kNone) << port;
    EXPECT_EQ(ask(ProbeMethod::kUdp, port), Refusal::kPort) << port;
  }
  for (const int port : {0, 1, 53, 79, 81, 442, 446, 65534}) {
    EXPECT_EQ(ask(ProbeMethod::kTcpSyn, port), Refusal::kPort) << port;
  }
  EXPECT_EQ(ask(ProbeMethod::kUdp, 53), Refusal::kNone);
  EXPECT_EQ(ask(ProbeMethod::kUdp, 0), Refusal::kPort);
  policy.tcp_ports = policy.udp_ports = {};
  EXPECT_EQ(ask(ProbeMethod::kTcpSyn, 80), Refusal::kPort);
  EXPECT_EQ(ask(ProbeMethod::kUdp, 53), Refusal::kPort);
  EXPECT_EQ(ask(ProbeMethod::kIcmpEcho, 0), Refusal::kNone);
  policy.tcp_ports = {{0, 65535}};
  EXPECT_EQ(ask(ProbeMethod::kTcpSyn, 0), Refusal::kPort);  // there is no port 0
}

TEST(Policy, AMethodThatDoesNotExistIsRefused) {
  EXPECT_EQ(Check(Open(), Ip("198.50.100.1"), {static_cast<ProbeMethod>(9), 0, 0}, false),
            Refusal::kMethod);
}

TEST(Policy, TheFirstRefusalIsTold) {
  Policy policy = Allowing({"198.50.100.0/24"});
  policy.deny = Set({"127.0.0.0/8", "198.50.100.0/24"});
  policy.tcp = false;
  policy.udp_ports = {};
  const ProbeTry tcp{ProbeMethod::kTcpSyn, 0, 0};
  const ProbeTry udp{ProbeMethod::kUdp, 1, 0};
  EXPECT_EQ(Check(policy, Ip("127.0.0.1"), tcp, false), Refusal::kNotRemote);
  EXPECT_EQ(Check(policy, Ip("198.50.100.1"), tcp, false), Refusal::kMethod);
  EXPECT_EQ(Check(policy, Ip("198.50.100.1"), udp, false), Refusal::kPort);
  EXPECT_EQ(Ping(policy, "198.50.100.1"), Refusal::kDenied);
  EXPECT_EQ(Ping(policy, "10.0.0.1"), Refusal::kNotAllowed);
}

TEST(Policy, EveryRefusalHasItsOwnWords) {
  std::set<std::string_view> names;
  std::set<std::string_view> sentences;
  for (size_t i = 0; i < kRefusals; ++i) {
    names.insert(ToString(static_cast<Refusal>(i)));
    sentences.insert(Describe(static_cast<Refusal>(i)));
  }
  EXPECT_EQ(names.size(), kRefusals);
  EXPECT_EQ(sentences.size(), kRefusals);
  EXPECT_EQ(ToString(Refusal::kNone), "none");
  EXPECT_EQ(Describe(Refusal::kNone), "");
  EXPECT_EQ(ToString(Refusal::kPort), "port");
  EXPECT_EQ(Describe(Refusal::kDenied), "denied by this sensor's policy");
}

// --- a policy that is read again -----------------------------------------------------------------

Policy Other() {
  Policy policy = Open();
  policy.packets_per_second = 7;
  policy.deny = Set({"198.50.100.0/24"});
  return policy;
}

TEST(PolicyChange, AGoodFileIsAppliedWhole) {
  for (const auto& in_force : {std::optional<Policy>(), std::optional(Open())}) {
    const PolicyChange change = Reconsider(in_force, Other());
    EXPECT_EQ(change.policy, Other());
    EXPECT_TRUE(change.changed);
    EXPECT_EQ(change.problem, "");
  }
  const PolicyChange same = Reconsider(Open(), Open());
  EXPECT_EQ(same.policy, Open());
  EXPECT_FALSE(same.changed);
  EXPECT_EQ(same.problem, "");
}

TEST(PolicyChange, AWrongFileLeavesTheGoodOneInForceAndIsToldOf) {
  const PolicyChange change = Reconsider(Open(), Fail(ErrorCode::kBadConfig, "p.toml:1:1: odd"));
  EXPECT_EQ(change.policy, Open());
  EXPECT_FALSE(change.changed);
  EXPECT_EQ(change.problem, "p.toml:1:1: odd; the policy read before stays in force");
}

TEST(PolicyChange, AWrongFileAtStartIsNoPolicy) {
  const PolicyChange change =
      Reconsider(std::nullopt, Fail(ErrorCode::kBadConfig, "p.toml:1:1: odd"));
  EXPECT_EQ(change.policy, std::nullopt);
  EXPECT_FALSE(change.changed);
  EXPECT_EQ(change.problem, "p.toml:1:1: odd; nothing is probed");
}

TEST(PolicyChange, AFileThatIsGoneUnreadableOrUntrustedEndsTheProbing) {
  for (const ErrorCode code : {ErrorCode::kNoConfig, ErrorCode::kPermission, ErrorCode::kFailure}) {
    const PolicyChange change = Reconsider(Open(), Fail(code, "p.toml: gone"));
    EXPECT_EQ(change.policy, std::nullopt);
    EXPECT_TRUE(change.changed);
    EXPECT_EQ(change.problem, "p.toml: gone; nothing is probed");
    EXPECT_FALSE(Reconsider(std::nullopt, Fail(code, "p.toml: gone")).changed);
  }
}

}  // namespace
}  // namespace parallax::sensor
