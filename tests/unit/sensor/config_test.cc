#include "sensor/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sensor/probe/policy/policy_file.h"
#include "tests/unit/shipped_config.h"
#include "tests/unit/temp_dir.h"

namespace parallax::sensor {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::SizeIs;
using testing::UnorderedElementsAre;

constexpr std::string_view kLeast = "[collector]\naddresses = [\"192.0.2.10:7443\"]\n";

class SensorConfigTest : public testing::Test {
 protected:
  Result<SensorConfig> Load(std::string_view toml) {
    return LoadSensorConfig(dir_.Write("sensor.toml", toml));
  }
  SensorConfig Good(std::string_view toml) {
    const auto config = Load(toml);
    EXPECT_TRUE(config) << toml << "\n" << config.error().message;
    return config.value_or(SensorConfig());
  }
  // The complaint about `toml` behind the collector's address.
  std::string Bad(std::string_view toml) {
    const auto config = Load(std::string(kLeast) + std::string(toml));
    EXPECT_FALSE(config) << toml;
    if (config) {
      return "";
    }
    EXPECT_EQ(config.error().code, ErrorCode::kBadConfig);
    return config.error().message;
  }

  TempDir dir_;
};

// One value for each key, none of them the default.
constexpr std::string_view kEveryKey = R"([collector]
addresses = ["noc.example:1", "[2001:db8::1]:2"]
ca_file = "a"
certificate_file = "b"
key_file = "/c"
[capture]
interfaces = ["eth0", "vlan.12"]
local_networks = ["192.0.2.0/24"]
promiscuous = true
ring_mib = 8
[observe]
attempts = 2048
attempts_per_second = 7
attempts_per_second_total = 9
[probe]
policy_file = "/etc/parallax/policy.toml"
[spool]
dir = "/var/lib/parallax/spool"
max_mib = 64
memory_mib = 8
[log]
level = "error"
)";

TEST_F(SensorConfigTest, AddressesAreEnough) {
  SensorConfig expected;
  expected.collector.addresses = {{"192.0.2.10", 7443}};
  expected.collector.ca_file = dir_.Path("ca.pem");
  expected.collector.certificate_file = dir_.Path("sensor.pem");
  expected.collector.key_file = dir_.Path("sensor.key");
  expected.probe.policy_file = dir_.Path("policy.toml");
  expected.spool.dir = dir_.Path("spool");
  EXPECT_EQ(Good(kLeast), expected);
}

TEST_F(SensorConfigTest, EveryKeyTakesEffect) {
  const SensorConfig config = Good(kEveryKey);
  EXPECT_THAT(config.collector.addresses,
              ElementsAre(HostPort{"noc.example", 1}, HostPort{"2001:db8::1", 2}));
  EXPECT_EQ(config.collector.ca_file, dir_.Path("a"));
  EXPECT_EQ(config.collector.certificate_file, dir_.Path("b"));
  EXPECT_EQ(config.collector.key_file, "/c");
  EXPECT_THAT(config.capture.interfaces, ElementsAre("eth0", "vlan.12"));
  EXPECT_THAT(config.capture.local_networks.prefixes(), SizeIs(1));
  EXPECT_TRUE(config.capture.promiscuous);
  EXPECT_EQ(config.capture.ring_mib, 8u);
  EXPECT_EQ(config.observe.attempts, 2048u);
  EXPECT_EQ(config.observe.attempts_per_second, 7u);
  EXPECT_EQ(config.observe.attempts_per_second_total, 9u);
  EXPECT_EQ(config.probe.policy_file, "/etc/parallax/policy.toml");
  EXPECT_EQ(config.spool.dir, "/var/lib/parallax/spool");
  EXPECT_EQ(config.spool.max_mib, 64u);
  EXPECT_EQ(config.spool.memory_mib, 8u);
  EXPECT_EQ(config.log.level, LogLevel::kError);
}

TEST_F(SensorConfigTest, ShippedFileListsEveryKeyWithItsDefault) {
  const std::string shipped = ReadAll(PARALLAX_CONFIG_DIR "/sensor.toml");
  EXPECT_EQ(KeysOf(shipped), KeysOf(std::string(kEveryKey)));
  const SensorConfig defaults = Good(kLeast);
  EXPECT_EQ(Good(shipped), defaults);
  EXPECT_EQ(Good(UncommentAll(shipped)), defaults);
  for (size_t i = 0; i + 1 < KeysOf(shipped).size(); ++i) {  // all but the addresses
    const std::string one = UncommentOne(shipped, i);
    ASSERT_FALSE(one.empty()) << i;
    EXPECT_EQ(Good(one), defaults) << one;
  }
}

TEST_F(SensorConfigTest, CollectorMustBeNamed) {
  for (const char* toml : {"", "[collector]\n", "[collector]\naddresses = []\n"}) {
    const auto config = Load(toml);
    ASSERT_FALSE(config) << toml;
    EXPECT_THAT(config.error().message, HasSubstr("collector.addresses: must name at least one"));
    EXPECT_THAT(config.error().message, EndsWith("1 error"));
  }
  const auto config = Load("[collector]\naddresses = [\"192.0.2.10\"]\n");
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error().message,
              HasSubstr(":2:14: collector.addresses: \"192.0.2.10\" is not"));
  EXPECT_THAT(config.error().message, EndsWith("1 error"));
}

TEST_F(SensorConfigTest, CollectorsAreBounded) {
  std::string toml = "[collector]\naddresses = [\"a:1\"";
  for (int i = 0; i < 8; ++i) {
    toml += ", \"a:1\"";
  }
  EXPECT_FALSE(Load(toml + "]\n"));
}

TEST_F(SensorConfigTest, InterfaceNamesMustBePossible) {
  EXPECT_THAT(Bad("[capture]\ninterfaces = [\"\"]\n"), HasSubstr("cannot be the name"));
  EXPECT_THAT(Bad("[capture]\ninterfaces = [\"eth0/1\"]\n"), HasSubstr("\"eth0/1\" cannot be"));
  EXPECT_THAT(Bad("[capture]\ninterfaces = [\"sixteen-letters-\"]\n"), HasSubstr("cannot be"));
  EXPECT_THAT(Bad("[capture]\ninterfaces = [\"eth0\", \"eth0\"]\n"), HasSubstr("named twice"));
  EXPECT_THAT(Bad("[capture]\ninterfaces = \"eth0\"\n"), HasSubstr("must be a list"));
}

TEST_F(SensorConfigTest, BoundsAreNamed) {
  EXPECT_THAT(Bad("[capture]\nring_mib = 0\n"), HasSubstr("must be 1 to 1024, not 0"));
  EXPECT_THAT(Bad("[observe]\nattempts = 10\n"), HasSubstr("must be 1024 to 16777216, not 10"));
  EXPECT_THAT(Bad("[observe]\nattempts_per_second = 0\n"),
              HasSubstr("must be 1 to 1000000, not 0"));
  EXPECT_THAT(Bad("[spool]\nmax_mib = 0\n"), HasSubstr("must be 1 to 65536, not 0"));
  EXPECT_THAT(Bad("[spool]\nmax_mib = 4\n"), HasSubstr("must not be more than spool.max_mib"));
  EXPECT_THAT(Bad("[log]\nlevel = \"\"\n"), HasSubstr("is not a log level"));
  EXPECT_THAT(Bad("[capture]\npromiscuous = 1\n"), HasSubstr("must be true or false"));
}

TEST_F(SensorConfigTest, PolicyDoesNotBelongHere) {
  EXPECT_THAT(Bad("[probe]\npackets_per_second = 5\n"),
              HasSubstr("unknown key probe.packets_per_second"));
}

class ShippedPolicyTest : public SensorConfigTest {
 protected:
  Policy Loaded(const std::string& toml) {
    const std::string path = dir_.Write("policy.toml", toml);
    std::filesystem::permissions(path, std::filesystem::perms(0644));
    const auto policy = LoadPolicy(path);
    EXPECT_TRUE(policy) << policy.error().message;
    return policy.value_or(Policy());
  }
};

// Each key stands in the file with its default; only what is allowed has none.
TEST_F(ShippedPolicyTest, SoundAndComplete) {
  const std::string shipped = ReadAll(PARALLAX_CONFIG_DIR "/policy.toml");
  EXPECT_THAT(
      KeysOf(shipped),
      UnorderedElementsAre("packets_per_second", "per_prefix_per_second", "per_target_per_second",
                           "allow", "deny", "methods", "tcp_ports", "udp_ports", "contact"));
  Policy expected;
  expected.allow = PrefixSet({Prefix::Parse("0.0.0.0/0").value(), Prefix::Parse("::/0").value()});
  EXPECT_EQ(Loaded(shipped), expected);
  EXPECT_EQ(Loaded(UncommentAll(shipped)), expected);
  for (size_t i = 0; i + 1 < KeysOf(shipped).size(); ++i) {  // all but `allow`
    const std::string one = UncommentOne(shipped, i);
    ASSERT_FALSE(one.empty()) << i;
    EXPECT_EQ(Loaded(one), expected) << one;
  }
}

// The names that its comments tell are names.
TEST_F(ShippedPolicyTest, ItsNamesAreUnderstood) {
  const std::string shipped = ReadAll(PARALLAX_CONFIG_DIR "/policy.toml");
  for (const char* name : {"private-use", "shared-address-space", "unique-local", "documentation",
                           "benchmarking", "discard-only", "6to4", "teredo"}) {
    EXPECT_THAT(shipped, HasSubstr(std::string("\"") + name + '"'));
    EXPECT_FALSE(Loaded(std::string("allow = [\"") + name + "\"]").allow.empty());
  }
}

}  // namespace
}  // namespace parallax::sensor
