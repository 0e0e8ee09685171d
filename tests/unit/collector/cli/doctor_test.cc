#include "collector/cli/doctor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parallax::cli {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint64_t kHour = 3'600'000'000'000;
constexpr uint64_t kNow = 100'000 * kHour;

v1::Sensor SensorNamed(const std::string& name) {
  v1::Sensor sensor;
  sensor.set_name(name);
  sensor.set_state("connected");
  sensor.set_probing(true);
  auto* interface = sensor.add_interfaces();
  interface->set_name("eth0");
  interface->set_packets_received(100'000);
  return sensor;
}

CollectorFacts Healthy() {
  CollectorFacts facts;
  facts.socket = "/run/parallax/operator.sock";
  facts.version = "1.2.3";
  v1::Status status;
  status.set_version("1.2.3");
  status.set_started_at(kNow - kHour);
  status.set_answered_at(kNow);
  status.set_database_path("/var/lib/parallax/parallax.db");
  status.set_database_bytes(1'000'000);
  status.set_database_wal_bytes(4096);
  status.set_disk_free_bytes(uint64_t{50} << 30);
  status.set_certificate_made_at(kNow - 24 * kHour);
  status.set_certificate_expires_at(kNow + 8000 * kHour);
  status.set_ca_made_at(kNow - 24 * kHour);
  status.set_ca_expires_at(kNow + 80'000 * kHour);
  status.set_local_networks(2);
  status.set_retention_nanos(14 * 24 * kHour);
  facts.status = status;
  v1::SensorList sensors;
  *sensors.add_items() = SensorNamed("mail1");
  *sensors.add_items() = SensorNamed("web1");
  facts.sensors = sensors;
  return facts;
}

std::vector<std::string> NotOk(const CollectorFacts& facts) {
  std::vector<std::string> names;
  for (const CheckLine& line : JudgeCollector(facts)) {
    if (line.finding != Finding::kOk) {
      names.push_back(std::string(ToString(line.finding)) + " " + line.check);
      EXPECT_FALSE(line.fix.empty()) << line.check;
    } else {
      EXPECT_EQ(line.fix, "") << line.check;
    }
  }
  return names;
}

CheckLine LineOf(const CollectorFacts& facts, std::string_view check) {
  for (CheckLine& line : JudgeCollector(facts)) {
    if (line.check == check) {
      return line;
    }
  }
  ADD_FAILURE() << "no line " << check;
  return {};
}

TEST(CollectorDoctor, FindsNothingWrongWithAHealthyOne) {
  EXPECT_THAT(NotOk(Healthy()), IsEmpty());
  EXPECT_THAT(LineOf(Healthy(), "sensors").says, HasSubstr("2 of 2 connected"));
}

TEST(CollectorDoctor, NobodyAnswers) {
  CollectorFacts facts = Healthy();
  facts.status = Fail(ErrorCode::kUnavailable, "cannot reach the collector");
  EXPECT_THAT(NotOk(facts), ElementsAre("FAIL collector"));
  EXPECT_EQ(LineOf(facts, "collector").fix, "parallax-collector run --config collector.toml");
  facts.status = Fail(ErrorCode::kPermission, "no permission");
  EXPECT_EQ(LineOf(facts, "collector").fix,
            "sudo parallax --socket /run/parallax/operator.sock doctor");
}

TEST(CollectorDoctor, FilesAreLookedAtIfNamed) {
  CollectorFacts facts = Healthy();
  facts.files = LocalFiles{"/c/collector.toml", {}, {}, "/c/collector.key", 0600};
  EXPECT_THAT(NotOk(facts), IsEmpty());
  facts.files->identity_problem =
      Error{ErrorCode::kBadConfig, "/c/collector.key: the private key is open to other users"};
  facts.files->key_mode = 0644;
  EXPECT_THAT(NotOk(facts), ElementsAre("FAIL files"));
  EXPECT_EQ(LineOf(facts, "files").fix, "chmod 600 /c/collector.key");
  facts.files->config_problem = Error{ErrorCode::kBadConfig, "collector.toml:3:1: unknown key"};
  EXPECT_THAT(NotOk(facts), ElementsAre("FAIL configuration"));
}

TEST(CollectorDoctor, TheStoreAndItsDisk) {
  CollectorFacts facts = Healthy();
  facts.status->set_store_problem("database or disk is full");
  EXPECT_THAT(NotOk(facts), ElementsAre("FAIL store"));
  EXPECT_EQ(LineOf(facts, "store").fix, "df -h /var/lib/parallax");
  facts.status->clear_store_problem();
  facts.status->set_disk_free_bytes(1000);
  EXPECT_THAT(NotOk(facts), ElementsAre("FAIL disk"));
  facts.status->set_disk_free_bytes(uint64_t{1} << 30);
  EXPECT_THAT(NotOk(facts), ElementsAre("WARN disk"));
  facts.status->set_disk_free_bytes(uint64_t{50} << 30);
  facts.status->set_database_wal_bytes(uint64_t{1} << 30);
  EXPECT_THAT(NotOk(facts), ElementsAre("WARN write-ahead log"));
}

TEST(CollectorDoctor, CertificatesVersionsAndSettings) {
  CollectorFacts facts = Healthy();
  facts.status->set_certificate_expires_at(kNow + kHour);
  facts.status->set_local_networks(0);
  facts.version = "1.3.0";
  EXPECT_THAT(NotOk(facts), ElementsAre("WARN version", "WARN certificate", "WARN local networks"));
  facts.status->set_certificate_expires_at(kNow - kHour);
  EXPECT_EQ(LineOf(facts, "certificate").finding, Finding::kFail);
}

TEST(CollectorDoctor, AnOlderCollectorThatTellsLessIsNotAccused) {
  CollectorFacts facts = Healthy();
  v1::Status old;
  old.set_version("1.2.3");
  old.set_started_at(kNow - kHour);
  old.set_answered_at(kNow);
  facts.status = old;
  EXPECT_THAT(NotOk(facts), IsEmpty());
}

TEST(CollectorDoctor, SensorsInTrouble) {
  CollectorFacts facts = Healthy();
  v1::Sensor& mail = *facts.sensors->mutable_items(0);
  mail.set_state("lost");
  mail.set_problem("unheard for 1m");
  EXPECT_THAT(NotOk(facts), ElementsAre("WARN sensors"));
  EXPECT_THAT(LineOf(facts, "sensors").says, HasSubstr("lost: mail1 (unheard for 1m)"));
  EXPECT_EQ(LineOf(facts, "sensors").fix, "on mail1: parallax-sensor doctor --config sensor.toml");
  facts.sensors->mutable_items(1)->set_state("isolated");
  EXPECT_THAT(NotOk(facts), ElementsAre("FAIL sensors"));
  facts.sensors->clear_items();
  EXPECT_THAT(NotOk(facts), ElementsAre("WARN sensors"));
}

TEST(CollectorDoctor, SensorsThatMissSomething) {
  CollectorFacts facts = Healthy();
  v1::Sensor& mail = *facts.sensors->mutable_items(0);
  mail.set_probing(false);
  mail.set_probing_problem("policy.toml: no such file");
  mail.set_packets_dropped(50);  // of 100,000: as good as none
  EXPECT_THAT(NotOk(facts), ElementsAre("WARN probing"));
  mail.set_packets_dropped(500);
  mail.set_spool_records(100'000);
  mail.set_records_dropped(1);
  mail.set_problem("its gateway does not answer");
  EXPECT_THAT(NotOk(facts), ElementsAre("WARN probing", "WARN troubles", "WARN packet drops",
                                        "WARN spools", "WARN records lost"));
  EXPECT_EQ(LineOf(facts, "spools").fix, "parallax sensor show mail1");
}

TEST(CollectorDoctor, ManySensorsAreNotAllNamed) {
  CollectorFacts facts = Healthy();
  for (int i = 0; i < 20; ++i) {
    v1::Sensor lost = SensorNamed("lost" + std::to_string(i));
    lost.set_state("lost");
    *facts.sensors->add_items() = lost;
  }
  EXPECT_THAT(LineOf(facts, "sensors").says, HasSubstr("and 12 more"));
}

}  // namespace
}  // namespace parallax::cli
