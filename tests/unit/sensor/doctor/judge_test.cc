#include "sensor/doctor/judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

IpAddress Ip(std::string_view text) { return *IpAddress::Parse(text); }

// A sensor of which all is well.
SensorFacts Healthy() {
  SensorFacts facts;
  facts.config_file = "/s/sensor.toml";
  facts.program = "/usr/bin/parallax-sensor";
  facts.person = {0, true};
  IdentityFacts& identity = facts.identity;
  identity.ca_file = "/s/ca.pem";
  identity.certificate_file = "/s/sensor.pem";
  identity.key_file = "/s/sensor.key";
  identity.now = WallTime(1000h);
  identity.ca.not_before = identity.certificate.not_before = WallTime(990h);
  identity.ca.not_after = WallTime(90'000h);
  identity.certificate.not_after = WallTime(1710h);
  identity.certificate.spiffe_uri = SensorUri({"mail", "mail1"});
  identity.key_mode = 0600;
  facts.policy = {"/s/policy.toml", Policy{}};
  facts.policy.policy->allow = PrefixSet({*Prefix::Parse("0.0.0.0/0")});
  InterfaceFacts eth0;
  eth0.name = "eth0";
  eth0.exists = eth0.up = eth0.carrier = true;
  eth0.looked = 500ms;
  eth0.frames = 12;
  eth0.frames_ever = 1000;
  facts.interfaces = InterfacesFacts{{}, false, false, {eth0}};
  DialFacts dial;
  dial.address = Ip("192.0.2.131");
  dial.step = DialFacts::Step::kDone;
  dial.tls_tried = true;
  CollectorFacts collector;
  collector.where = {"noc.example", 7443};
  collector.finished = true;
  collector.dials = {dial};
  facts.collectors = {collector};
  facts.clock.synchronised = true;
  facts.spool = SpoolFacts{"/s", "/", {}, false, false, uint64_t{10} << 30};
  facts.way = WayFacts{{}, {{Ip("192.0.2.33"), Reach::kUp, 2, 2}}, true, true, false, {}};
  facts.loopback = LoopbackFacts{{}, 100us};
  facts.waited = 8s;
  return facts;
}

std::vector<std::string> NotOk(const SensorFacts& facts) {
  std::vector<std::string> names;
  for (const CheckLine& line : JudgeSensor(facts)) {
    if (line.finding != Finding::kOk) {
      names.push_back(std::string(ToString(line.finding)) + " " + line.check);
      EXPECT_FALSE(line.fix.empty()) << line.check << ": " << line.says;
    } else {
      EXPECT_EQ(line.fix, "") << line.check;
    }
    EXPECT_FALSE(line.says.empty()) << line.check;
  }
  return names;
}

CheckLine LineOf(const SensorFacts& facts, std::string_view check) {
  for (CheckLine& line : JudgeSensor(facts)) {
    if (line.check == check) {
      return line;
    }
  }
  ADD_FAILURE() << "no line " << check;
  return {};
}

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Doctor, FindsNothingWrongWithAHealthySensor) {
  EXPECT_THAT(NotOk(Healthy()), IsEmpty());
  EXPECT_THAT(LineOf(Healthy(), "certificate").says, HasSubstr("sensor mail1 of group mail"));
}

TEST(Doctor, AnOpenKeyIsClosed) {
  SensorFacts facts = Healthy();
  facts.identity.key_mode = 0644;
  facts.identity.whole = Error{ErrorCode::kBadConfig,
                               "/s/sensor.key: the private key is open to other users (mode 0644); "
                               "run: chmod 600 /s/sensor.key"};
  EXPECT_THAT(NotOk(facts), ElementsAre("FAIL key"));
  EXPECT_EQ(LineOf(facts, "key").fix, "chmod 600 /s/sensor.key");
}

TEST(Doctor, AKeyOfAnotherCertificateIsNotMendedByItsMode) {
  SensorFacts facts = Healthy();
  facts.identity.whole =
      Error{ErrorCode::kBadConfig,
            "/s/sensor.key: the private key does not belong to the certificate in /s/sensor.pem"};
  EXPECT_THAT(NotOk(facts), ElementsAre("FAIL key"));
  EXPECT_THAT(LineOf(facts, "key").fix, HasSubstr("add-sensor mail1 --group mail"));
}

TEST(Doctor, WrongCaIsTheCertificatesTrouble) {
  SensorFacts facts = Healthy();
  facts.identity.whole = Error{ErrorCode::kBadConfig,
                               "/s/sensor.pem: the certificate is not signed by the CA in "
                               "/s/ca.pem; take both from the same collector"};
  facts.collectors[0].dials[0].tls_tried = false;
  EXPECT_THAT(NotOk(facts), ElementsAre("FAIL certificate", "WARN collector noc.example:7443"));
}

TEST(Doctor, CertificatesEnd) {
  SensorFacts facts = Healthy();
  facts.identity.now = WallTime(1500h);
  EXPECT_THAT(NotOk(facts), ElementsAre("WARN certificate"));
  facts.identity.now = WallTime(1711h);
  facts.identity.whole =
      Error{ErrorCode::kBadConfig, "/s/sensor.pem: the certificate expired at ..."};
  EXPECT_THAT(NotOk(facts), ElementsAre("FAIL certificate"));
}

TEST(Doctor, FilesThatAreNotThereAreTold) {
  SensorFacts facts = Healthy();
  facts.identity.certificate_problem = Error{ErrorCode::kNotFound, "/s/sensor.pem: no such file"};
  facts.identity.whole =
      Error{ErrorCode::kBadConfig, "cannot read the certificate: /s/sensor.pem: no such file"};
  EXPECT_THAT(NotOk(facts), ElementsAre("FAIL certificate"));
}

TEST(Doctor, SaysWhatItCouldNotLookAt) {
  SensorFacts facts = Healthy();
  facts.person = {1000, false};
  const Error no_right{ErrorCode::kPermission, "no permission to capture"};
  facts.interfaces->items[0].capture_problem = no_right;
  facts.loopback->problem = no_right;
  EXPECT_THAT(NotOk(facts),
              ElementsAre("WARN privilege", "WARN interface eth0", "WARN raw sockets"));
  EXPECT_EQ(LineOf(facts, "privilege").fix,
            "sudo /usr/bin/parallax-sensor doctor --config /s/sensor.toml");
  facts.person.uid = 0;
  EXPECT_EQ(LineOf(facts, "privilege").finding, Finding::kFail);
}

TEST(Doctor, InterfacesAreUpAndHearSomething) {
  SensorFacts facts = Healthy();
  InterfaceFacts& eth0 = facts.interfaces->items[0];
  eth0.frames = 0;
  EXPECT_THAT(NotOk(facts), ElementsAre("WARN interface eth0"));
  EXPECT_THAT(LineOf(facts, "interface eth0").says, HasSubstr("1000 since it is there"));
  eth0.frames = 12;
  eth0.dropped = 3;
  EXPECT_THAT(NotOk(facts), ElementsAre("WARN interface eth0"));
  eth0.dropped = 0;
  eth0.up = false;
  EXPECT_THAT(NotOk(facts), ElementsAre("FAIL interface eth0"));
  EXPECT_EQ(LineOf(facts, "interface eth0").fix, "ip link set eth0 up");
  eth0.exists = false;
  EXPECT_THAT(NotOk(facts), ElementsAre("FAIL interface eth0"));
  facts.interfaces->items.clear();
  EXPECT_THAT(NotOk(facts), ElementsAre("FAIL interfaces"));
}

TEST(Doctor, PromiscuousAsConfigured) {
  SensorFacts facts = Healthy();
  facts.interfaces->want_promiscuous = true;
  EXPECT_THAT(NotOk(facts), ElementsAre("WARN interface eth0"));
  facts.interfaces->items[0].promiscuous = true;
  EXPECT_THAT(NotOk(facts), IsEmpty());
}

TEST(Doctor, AMissingPolicyCanBeMadeAsPrinted) {
  SensorFacts facts = Healthy();
  facts.policy.policy = Fail(ErrorCode::kNoConfig, "/s/policy.toml: no such file");
  EXPECT_THAT(NotOk(facts), ElementsAre("FAIL policy"));
  EXPECT_EQ(
      LineOf(facts, "policy").fix,
      R"(printf 'allow = ["0.0.0.0/0", "::/0"]\n' >/s/policy.toml && chmod 644 /s/policy.toml)");
  facts.policy.policy = Fail(ErrorCode::kPermission, "/s/policy.toml: others may write it");
  EXPECT_EQ(LineOf(facts, "policy").fix,
            "chown root /s/policy.toml /s && chmod go-w /s/policy.toml /s");
}

TEST(Doctor, SaysWhichStepTowardsTheCollectorFails) {
  SensorFacts facts = Healthy();
  DialFacts& dial = facts.collectors[0].dials[0];
  dial.step = DialFacts::Step::kConnect;
  dial.problem = "connection refused";
  EXPECT_THAT(NotOk(facts), ElementsAre("FAIL collector noc.example:7443"));
  EXPECT_THAT(LineOf(facts, "collector noc.example:7443").fix, HasSubstr("parallax-collector run"));
  dial.problem = "connection timed out";
  EXPECT_EQ(LineOf(facts, "collector noc.example:7443").fix,
            "parallax-sensor probe trace 192.0.2.131 --port 7443");
  dial.step = DialFacts::Step::kHandshake;
  EXPECT_THAT(LineOf(facts, "collector noc.example:7443").says, HasSubstr("TLS handshake fails"));
  dial.step = DialFacts::Step::kAnswer;
  EXPECT_THAT(LineOf(facts, "collector noc.example:7443").says, HasSubstr("does not accept ours"));
}

TEST(Doctor, OneAddressOfSeveralIsNotTheEnd) {
  SensorFacts facts = Healthy();
  facts.collectors.push_back(facts.collectors[0]);
  facts.collectors[1].where.host = "other.example";
  facts.collectors[1].dials.clear();
  facts.collectors[1].resolve_problem = "Name or service not known";
  EXPECT_THAT(NotOk(facts), ElementsAre("WARN collector other.example:7443"));
  facts.collectors[0].dials[0].step = DialFacts::Step::kConnect;
  EXPECT_THAT(NotOk(facts),
              ElementsAre("FAIL collector noc.example:7443", "FAIL collector other.example:7443"));
}

TEST(Doctor, OneFamilyOfTwoIsNotTheEnd) {
  SensorFacts facts = Healthy();
  DialFacts v6 = facts.collectors[0].dials[0];
  v6.address = Ip("2001:db8::1");
  v6.step = DialFacts::Step::kConnect;
  v6.problem = "network is unreachable";
  facts.collectors[0].dials.push_back(v6);
  EXPECT_THAT(NotOk(facts), ElementsAre("WARN collector noc.example:7443"));
}

TEST(Doctor, TheSpoolHasToTakeWhatComes) {
  SensorFacts facts = Healthy();
  facts.spool->read_only = true;
  facts.spool->mount_point = "/var";
  EXPECT_THAT(NotOk(facts), ElementsAre("FAIL spool"));
  EXPECT_EQ(LineOf(facts, "spool").fix, "mount -o remount,rw /var");
  facts.spool->read_only = false;
  facts.spool->in_memory = true;
  EXPECT_THAT(NotOk(facts), ElementsAre("WARN spool"));
  facts.spool->in_memory = false;
  facts.spool->free_bytes = 1000;
  EXPECT_THAT(NotOk(facts), ElementsAre("FAIL spool"));
  facts.spool->free_bytes = uint64_t{100} << 20;
  EXPECT_THAT(NotOk(facts), ElementsAre("WARN spool"));
}

TEST(Doctor, AClockIsComparedWithEveryCollectors) {
  SensorFacts facts = Healthy();
  facts.collectors[0].clock = CollectorClock{2ms, 1ms, "1"};
  EXPECT_THAT(NotOk(facts), IsEmpty());
  EXPECT_THAT(LineOf(facts, "clock").says, HasSubstr("2.0 ms from the collector's"));
  facts.collectors.push_back(facts.collectors[0]);
  facts.collectors[1].where.host = "noc2.example";
  facts.collectors[1].clock->ahead = -67s;
  EXPECT_THAT(NotOk(facts), ElementsAre("WARN clock"));
  EXPECT_THAT(LineOf(facts, "clock").says,
              HasSubstr("1m07s behind that of the collector noc2.example:7443"));
  facts.collectors[1].clock->uncertainty = 63s;  // it may be the call that took so long
  EXPECT_THAT(NotOk(facts), IsEmpty());
}

TEST(Doctor, ACollectorThatTakesTheCertificateMayRefuseTheSensor) {
  SensorFacts facts = Healthy();
  facts.collectors[0].refusal = "this sensor was revoked";
  EXPECT_THAT(NotOk(facts), ElementsAre("FAIL collector noc.example:7443"));
  EXPECT_THAT(LineOf(facts, "collector noc.example:7443").says, HasSubstr("was revoked"));
}

TEST(Doctor, ClocksAreNotGuessedAt) {
  SensorFacts facts = Healthy();
  EXPECT_THAT(LineOf(facts, "clock").says, HasSubstr("were not compared"));
  facts.clock.synchronised = false;
  EXPECT_THAT(NotOk(facts), ElementsAre("WARN clock"));
  facts.clock.synchronised.reset();
  EXPECT_THAT(NotOk(facts), ElementsAre("WARN clock"));
}

TEST(Doctor, GatewaysOfEachFamily) {
  SensorFacts facts = Healthy();
  facts.way->gateways[0].reach = Reach::kDown;
  EXPECT_THAT(NotOk(facts), ElementsAre("FAIL gateway IPv4"));
  facts.way->gateways[0].reach = Reach::kUnknown;
  EXPECT_THAT(NotOk(facts), ElementsAre("WARN gateway IPv4"));
  facts.way->gateways.clear();
  facts.way->has_v6 = true;
  EXPECT_THAT(NotOk(facts), ElementsAre("WARN gateway IPv4", "WARN gateway IPv6"));
}

TEST(Doctor, WhatDidNotComeBackInTimeIsNoFact) {
  SensorFacts facts = Healthy();
  facts.interfaces.reset();
  facts.spool.reset();
  facts.way.reset();
  facts.loopback.reset();
  EXPECT_THAT(NotOk(facts),
              ElementsAre("WARN interfaces", "WARN spool", "WARN gateways", "WARN raw sockets"));
  EXPECT_THAT(LineOf(facts, "spool").says, StartsWith("not finished within 8 s"));
}

}  // namespace
}  // namespace parallax::sensor
