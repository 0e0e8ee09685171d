#include "collector/operate/init.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "collector/config.h"
#include "common/tls.h"
#include "tests/unit/temp_dir.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const WallTime kNow = *ParseRfc3339("2026-11-23T13:30:18Z");

Result<void> MakeEmptyFile(const std::string& path) {
  std::ofstream(path) << "database";
  return {};
}

std::vector<std::string> Names(const std::string& path) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

mode_t Mode(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777;
}

class InitTest : public testing::Test {
 protected:
  Result<std::string> Init(const std::string& name = "noc.campus.example",
                           const std::string& listen = "") {
    return InitCollector({collector_, name, listen}, MakeEmptyFile, kNow);
  }
  AddSensorOptions Sensor() {
    AddSensorOptions options;
    options.name = "web-1";
    options.group = "physics";
    options.config_path = collector_ + "/collector.toml";
    options.out = sensor_;
    return options;
  }
  std::string Refusal(const AddSensorOptions& options, ErrorCode code) {
    const auto added = AddSensor(options, kNow);
    EXPECT_FALSE(added);
    EXPECT_EQ(added.error().code, code) << added.error().message;
    EXPECT_FALSE(std::filesystem::exists(sensor_)) << "nothing may be left half-made";
    return added.error().message;
  }

  TempDir dir_;
  const std::string collector_ = dir_.Path("collector");
  const std::string sensor_ = dir_.Path("web-1");
};

TEST_F(InitTest, MakesAWholeCollector) {
  const auto text = Init();
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_THAT(Names(collector_), ElementsAre("ca.key", "ca.pem", "collector.key", "collector.pem",
                                             "collector.toml", "parallax.db"));
  EXPECT_THAT(Names(dir_.path()), ElementsAre("collector"));
  EXPECT_EQ(Mode(collector_), 0700u);
  EXPECT_EQ(Mode(collector_ + "/ca.key"), 0600u);
  EXPECT_EQ(Mode(collector_ + "/collector.key"), 0600u);
  EXPECT_EQ(ReadAll(collector_ + "/parallax.db"), "database");

  const auto config = LoadCollectorConfig(collector_ + "/collector.toml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->server.listen.ToString(), "[::]:7443");
  EXPECT_EQ(config->store.path, collector_ + "/parallax.db");
  const auto identity = LoadTlsIdentity(config->tls.ca_file, config->tls.certificate_file,
                                        config->tls.key_file, kNow);
  EXPECT_TRUE(identity) << identity.error().message;
}

TEST_F(InitTest, PrintsTheNextCommands) {
  const auto text = Init();
  const std::string config = collector_ + "/collector.toml";
  const auto pin = DescribeCertificate(ReadAll(collector_ + "/ca.pem"));
  EXPECT_THAT(*text, AllOf(HasSubstr("\n  parallax-collector run --config " + config + "\n"),
                           HasSubstr("\n  parallax --socket " + collector_ +
                                     "/operator.sock token create --group GROUP > token\n"),
                           HasSubstr("--collector noc.campus.example:8443 "),
                           HasSubstr("--ca-pin sha256:" + pin->sha256 + " ")));
}

TEST_F(InitTest, AnotherPortForSensorsMovesThatOfNewOnesAlong) {
  const auto text = InitCollector(
      {collector_, "noc.campus.example", "127.0.0.1:17443"},
      [](const std::string&) -> Result<void> { return {}; }, kNow);
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_THAT(*text, HasSubstr("--collector noc.campus.example:18443 "));
  const auto config = LoadCollectorConfig(collector_ + "/collector.toml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->server.https_listen, (HostPort{"127.0.0.1", 18443}));
}

TEST_F(InitTest, QuotesPathsForTheShell) {
  const std::string odd = dir_.Path("it's here");
  const auto text = InitCollector({odd, "noc", ""}, MakeEmptyFile, kNow);
  ASSERT_TRUE(text);
  EXPECT_THAT(*text, HasSubstr("--config '" + dir_.Path("it'\\''s here") + "/collector.toml'"));
}

TEST_F(InitTest, ListenGoesIntoTheConfiguration) {
  ASSERT_TRUE(Init("192.0.2.1", "192.0.2.1:9000"));
  const auto config = LoadCollectorConfig(collector_ + "/collector.toml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->server.listen, (HostPort{"192.0.2.1", 9000}));
}

TEST_F(InitTest, SecondInitIsRefusedAndChangesNothing) {
  ASSERT_TRUE(Init());
  const std::string key = ReadAll(collector_ + "/ca.key");
  const auto again = Init();
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kFailure);
  EXPECT_EQ(again.error().message,
            collector_ + " already holds a collector; remove it or choose another folder");
  EXPECT_EQ(ReadAll(collector_ + "/ca.key"), key);
}

TEST_F(InitTest, FolderWithOtherThingsIsLeftAlone) {
  std::filesystem::create_directory(collector_);
  dir_.Write("collector/precious", "x");
  EXPECT_FALSE(Init());
  EXPECT_THAT(Names(collector_), ElementsAre("precious"));
}

TEST_F(InitTest, EmptyFolderWillDo) {
  std::filesystem::create_directory(collector_);
  ASSERT_TRUE(Init());
  EXPECT_THAT(Names(collector_), ElementsAre("ca.key", "ca.pem", "collector.key", "collector.pem",
                                             "collector.toml", "parallax.db"));
}

TEST_F(InitTest, BadWordsLeaveNothing) {
  for (const char* name : {"", "a b", "http://noc", "192.0.2.300", "noc:7443"}) {
    const auto text = Init(name);
    ASSERT_FALSE(text) << name;
    EXPECT_EQ(text.error().code, ErrorCode::kUsage);
  }
  for (const char* listen : {"7443", "localhost:7443", "[::]", "0.0.0.0:0", "x\"\n[evil]:1"}) {
    const auto text = Init("noc", listen);
    ASSERT_FALSE(text) << listen;
    EXPECT_EQ(text.error().code, ErrorCode::kUsage);
  }
  EXPECT_THAT(Names(dir_.path()), IsEmpty());
}

TEST_F(InitTest, DatabaseTroubleLeavesNothing) {
  const auto text = InitCollector(
      {collector_, "noc", ""},
      [](const std::string&) -> Result<void> { return Fail(ErrorCode::kFailure, "disk full"); },
      kNow);
  ASSERT_FALSE(text);
  EXPECT_THAT(text.error().message, HasSubstr("disk full"));
  EXPECT_THAT(Names(dir_.path()), IsEmpty());
}

TEST_F(InitTest, FolderThatCannotBeMade) {
  const auto text = InitCollector({"/proc/parallax/collector", "noc", ""}, MakeEmptyFile, kNow);
  ASSERT_FALSE(text);
  EXPECT_THAT(text.error().message, HasSubstr("/proc/parallax"));
}

TEST_F(InitTest, AddSensorMakesAWholeFolder) {
  ASSERT_TRUE(Init());
  const auto text = AddSensor(Sensor(), kNow);
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_THAT(Names(sensor_),
              ElementsAre("ca.pem", "policy.toml", "sensor.key", "sensor.pem", "sensor.toml"));
  EXPECT_EQ(Mode(sensor_), 0700u);
  EXPECT_EQ(Mode(sensor_ + "/sensor.key"), 0600u);
  const auto identity =
      LoadTlsIdentity(sensor_ + "/ca.pem", sensor_ + "/sensor.pem", sensor_ + "/sensor.key", kNow);
  ASSERT_TRUE(identity) << identity.error().message;
  EXPECT_EQ(DescribeCertificate(identity->certificate_pem)->spiffe_uri,
            "spiffe://parallax/sensor/physics/web-1");
  EXPECT_EQ(identity->ca_pem, ReadAll(collector_ + "/ca.pem"));
  EXPECT_THAT(ReadAll(sensor_ + "/sensor.toml"),
              HasSubstr("\naddresses = [\"noc.campus.example:7443\"]\n"));
  EXPECT_THAT(ReadAll(sensor_ + "/policy.toml"), HasSubstr("\n#packets_per_second = "));
  EXPECT_THAT(*text,
              AllOf(HasSubstr("noc.campus.example:7443"), HasSubstr("2026-12-23"),
                    HasSubstr("\n  parallax-sensor run --config " + sensor_ + "/sensor.toml\n")));
}

TEST_F(InitTest, AddressComesFromInitAndThePortFromTheConfiguration) {
  ASSERT_TRUE(Init("2001:db8::1", "[::]:9000"));
  ASSERT_TRUE(AddSensor(Sensor(), kNow));
  EXPECT_THAT(ReadAll(sensor_ + "/sensor.toml"),
              HasSubstr("\naddresses = [\"[2001:db8::1]:9000\"]\n"));
}

TEST_F(InitTest, CollectorsAndInterfacesAsTold) {
  ASSERT_TRUE(Init());
  AddSensorOptions options = Sensor();
  options.collectors = {"192.0.2.1:1", "[2001:db8::1]:2"};
  options.interfaces = {"eth0", "vlan.12"};
  ASSERT_TRUE(AddSensor(options, kNow));
  const std::string toml = ReadAll(sensor_ + "/sensor.toml");
  EXPECT_THAT(toml, HasSubstr("\naddresses = [\"192.0.2.1:1\", \"[2001:db8::1]:2\"]\n"));
  EXPECT_THAT(toml, HasSubstr("\ninterfaces = [\"eth0\", \"vlan.12\"]\n"));
  EXPECT_THAT(toml, Not(HasSubstr("#interfaces")));
}

TEST_F(InitTest, SameNameAgainInAnotherFolderIsARenewal) {
  ASSERT_TRUE(Init());
  ASSERT_TRUE(AddSensor(Sensor(), kNow));
  AddSensorOptions renewal = Sensor();
  renewal.out = dir_.Path("renewed");
  EXPECT_TRUE(AddSensor(renewal, kNow + 20 * 24h));
}

TEST_F(InitTest, TakenFolderIsRefused) {
  ASSERT_TRUE(Init());
  ASSERT_TRUE(AddSensor(Sensor(), kNow));
  const std::string key = ReadAll(sensor_ + "/sensor.key");
  const auto again = AddSensor(Sensor(), kNow);
  ASSERT_FALSE(again);
  EXPECT_THAT(again.error().message, HasSubstr(sensor_ + " exists"));
  EXPECT_EQ(ReadAll(sensor_ + "/sensor.key"), key);
}

TEST_F(InitTest, BadWordsForAddSensor) {
  ASSERT_TRUE(Init());
  AddSensorOptions options = Sensor();
  options.name = "Web 1";
  EXPECT_THAT(Refusal(options, ErrorCode::kUsage), HasSubstr("\"Web 1\" cannot name a sensor"));
  options = Sensor();
  options.group = "";
  EXPECT_THAT(Refusal(options, ErrorCode::kUsage), HasSubstr("cannot name a group"));
  options = Sensor();
  options.collectors = {"noc.campus.example"};
  EXPECT_THAT(Refusal(options, ErrorCode::kUsage), HasSubstr("is not HOST:PORT"));
  options = Sensor();
  options.interfaces = {"eth0\"]\nx = [\""};
  EXPECT_THAT(Refusal(options, ErrorCode::kUsage), HasSubstr("--interface"));
}

TEST_F(InitTest, MissingPiecesAreNamed) {
  ASSERT_TRUE(Init());
  AddSensorOptions options = Sensor();
  options.config_path = dir_.Path("none.toml");
  EXPECT_THAT(Refusal(options, ErrorCode::kBadConfig), HasSubstr("none.toml"));
  std::filesystem::remove(collector_ + "/ca.key");
  EXPECT_THAT(Refusal(Sensor(), ErrorCode::kNotFound), HasSubstr(collector_ + "/ca.key"));
  std::filesystem::remove(collector_ + "/collector.pem");
  EXPECT_THAT(Refusal(Sensor(), ErrorCode::kNotFound), HasSubstr("--collector HOST:PORT"));
}

TEST_F(InitTest, UnwritablePlaceIsNamed) {
  ASSERT_TRUE(Init());
  AddSensorOptions options = Sensor();
  options.out = "/proc/parallax/web-1";
  const auto added = AddSensor(options, kNow);
  ASSERT_FALSE(added);
  EXPECT_THAT(added.error().message, HasSubstr("/proc/parallax"));
}

}  // namespace
}  // namespace parallax::collector
