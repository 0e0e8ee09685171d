#include "collector/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/shipped_config.h"
#include "tests/unit/temp_dir.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;

class CollectorConfigTest : public testing::Test {
 protected:
  Result<CollectorConfig> Load(std::string_view toml) {
    return LoadCollectorConfig(dir_.Write("collector.toml", toml));
  }
  CollectorConfig Good(std::string_view toml) {
    const auto config = Load(toml);
    EXPECT_TRUE(config) << toml << "\n" << config.error().message;
    return config.value_or(CollectorConfig());
  }
  std::string Bad(std::string_view toml) {
    const auto config = Load(toml);
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
constexpr std::string_view kEveryKey = R"([server]
listen = "192.0.2.1:1"
https_listen = "192.0.2.1:2"
operator_socket = "/run/p.sock"
operator_listen = "192.0.2.1:3"
[tls]
ca_file = "a"
certificate_file = "b"
key_file = "sub/c"
sensor_certificate_life = "20d"
collector_certificate_life = "40d"
[store]
path = "d.db"
retention = "30d"
[ingest]
records_per_second = 500
[targets]
local_networks = ["192.0.2.0/24", "2001:db8::/32"]
deny = ["198.51.100.0/24"]
forget_after = "2h"
[schedule]
baseline_interval = "1m"
probe_tcp_port = 22
max_rounds_per_second = 2.5
[detect]
open_after = "20s"
close_after = "2m"
flap_quiet = "5m"
lost_after = "15s"
[log]
level = "debug"
)";

TEST(DefaultHttpsListenTest, IsAPortBesideThatForSensors) {
  EXPECT_EQ(DefaultHttpsListen({"::", 7443}), (HostPort{"::", 8443}));
  EXPECT_EQ(DefaultHttpsListen({"192.0.2.1", 64535}), (HostPort{"192.0.2.1", 65535}));
  EXPECT_EQ(DefaultHttpsListen({"192.0.2.1", 64536}), (HostPort{"192.0.2.1", 63536}));
}

TEST_F(CollectorConfigTest, EmptyFileGivesTheDefaults) {
  CollectorConfig expected;
  expected.server.operator_socket = dir_.Path("operator.sock");
  expected.tls = {dir_.Path("ca.pem"), dir_.Path("collector.pem"), dir_.Path("collector.key")};
  expected.store.path = dir_.Path("parallax.db");
  EXPECT_EQ(Good(""), expected);
  EXPECT_EQ(expected.server.listen.ToString(), "[::]:7443");
}

TEST_F(CollectorConfigTest, EveryKeyTakesEffect) {
  const CollectorConfig config = Good(kEveryKey);
  EXPECT_EQ(config.server.listen, (HostPort{"192.0.2.1", 1}));
  EXPECT_EQ(config.server.https_listen, (HostPort{"192.0.2.1", 2}));
  EXPECT_EQ(config.server.operator_listen, (HostPort{"192.0.2.1", 3}));
  EXPECT_EQ(config.tls.sensor_certificate_life, 20 * 24h);
  EXPECT_EQ(config.tls.collector_certificate_life, 40 * 24h);
  EXPECT_EQ(config.server.operator_socket, "/run/p.sock");
  EXPECT_EQ(config.tls.ca_file, dir_.Path("a"));
  EXPECT_EQ(config.tls.certificate_file, dir_.Path("b"));
  EXPECT_EQ(config.tls.key_file, dir_.Path("sub/c"));
  EXPECT_EQ(config.store.path, dir_.Path("d.db"));
  EXPECT_EQ(config.ingest.records_per_second, 500u);
  EXPECT_EQ(config.store.retention, 30 * 24h);
  EXPECT_EQ(config.targets.local_networks.prefixes().size(), 2u);
  EXPECT_EQ(config.targets.deny.prefixes().size(), 1u);
  EXPECT_EQ(config.targets.forget_after, 2h);
  EXPECT_EQ(config.schedule.baseline_interval, 1min);
  EXPECT_EQ(config.schedule.probe_tcp_port, 22);
  EXPECT_EQ(config.schedule.max_rounds_per_second, 2.5);
  EXPECT_EQ(config.detect.open_after, 20s);
  EXPECT_EQ(config.detect.close_after, 2min);
  EXPECT_EQ(config.detect.flap_quiet, 5min);
  EXPECT_EQ(config.detect.lost_after, 15s);
  EXPECT_EQ(config.log.level, LogLevel::kDebug);
}

TEST_F(CollectorConfigTest, ShippedFileListsEveryKeyWithItsDefault) {
  const std::string shipped = ReadAll(PARALLAX_CONFIG_DIR "/collector.toml");
  EXPECT_EQ(KeysOf(shipped), KeysOf(std::string(kEveryKey)));
  const CollectorConfig defaults = Good("");
  EXPECT_EQ(Good(shipped), defaults);
  EXPECT_EQ(Good(UncommentAll(shipped)), defaults);
  for (size_t i = 0; i < KeysOf(shipped).size(); ++i) {
    const std::string one = UncommentOne(shipped, i);
    ASSERT_FALSE(one.empty()) << i;
    EXPECT_EQ(Good(one), defaults) << one;
  }
}

TEST_F(CollectorConfigTest, ListenIsAnAddressOfThisHost) {
  EXPECT_EQ(Good("[server]\nlisten = \"0.0.0.0:7443\"\n").server.listen.host, "0.0.0.0");
  EXPECT_THAT(Bad("[server]\nlisten = \"localhost:7443\"\n"),
              HasSubstr(":2:10: server.listen: must be"));
  EXPECT_THAT(Bad("[server]\nlisten = \"7443\"\n"), HasSubstr("is not HOST:PORT"));
}

TEST_F(CollectorConfigTest, SocketNameMustFit) {
  EXPECT_THAT(Bad("[server]\noperator_socket = \"/" + std::string(107, 'x') + "\"\n"),
              HasSubstr("107 bytes"));
  Good("[server]\noperator_socket = \"/" + std::string(106, 'x') + "\"\n");
}

TEST_F(CollectorConfigTest, BoundsAreNamed) {
  EXPECT_THAT(Bad("[store]\nretention = \"1m\"\n"), HasSubstr("must be 1h to 3650d, not 1m"));
  EXPECT_THAT(Bad("[targets]\nforget_after = \"1s\"\n"), HasSubstr("must be 1m to 365d"));
  EXPECT_THAT(Bad("[schedule]\nprobe_tcp_port = 0\n"), HasSubstr("must be 1 to 65535, not 0"));
  EXPECT_THAT(Bad("[schedule]\nprobe_tcp_port = 443.0\n"), HasSubstr("must be an integer"));
  EXPECT_THAT(Bad("[schedule]\nmax_rounds_per_second = 0\n"), HasSubstr("must be 0.1 to 10000"));
  EXPECT_THAT(Bad("[schedule]\nbaseline_interval = 180\n"), HasSubstr("must be a duration"));
  EXPECT_THAT(Bad("[detect]\nopen_after = \"0s\"\n"), HasSubstr("must be 1s to 1h, not 0s"));
  EXPECT_THAT(Bad("[log]\nlevel = \"loud\"\n"), HasSubstr("\"loud\" is not a log level"));
}

TEST_F(CollectorConfigTest, AllErrorsAtOnce) {
  const std::string message = Bad(
      "[server]\nlisen = \"x\"\n[store]\nretention = \"14dd\"\n[detect]\nopen_after = \"0s\"\n");
  EXPECT_THAT(message, HasSubstr("unknown key server.lisen (did you mean server.listen?)"));
  EXPECT_THAT(message, HasSubstr("\"14dd\" is not a duration"));
  EXPECT_THAT(message, HasSubstr("detect.open_after"));
  EXPECT_THAT(message, EndsWith("3 errors"));
}

TEST_F(CollectorConfigTest, MissingFile) {
  const auto config = LoadCollectorConfig(dir_.Path("none.toml"));
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code, ErrorCode::kBadConfig);
}

}  // namespace
}  // namespace parallax::collector
