#include "collector/detect/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parallax::collector {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

IncidentRecord Anomaly() {
  IncidentRecord record;
  record.verdict = Verdict::kRouteAnomaly;
  record.family = "ipv4";
  record.failing_sensors = {"mail1"};
  record.reaching_sensors = {"library1", "web1"};
  record.targets = {{*IpAddress::Parse("198.51.100.1"), true},
                    {*IpAddress::Parse("198.51.100.2"), true}};
  return record;
}

TEST(Summarise, AnomalyNamesWhoAndHowMany) {
  EXPECT_EQ(Summarise(Anomaly(), 0, 0),
            "mail1 cannot reach 2 IPv4 hosts that library1 and web1 reach.");
  IncidentRecord one = Anomaly();
  one.targets.pop_back();
  EXPECT_THAT(Summarise(one, 0, 0), HasSubstr("1 IPv4 host that"));
}

TEST(Summarise, AsItOpensMostHaveBeenLookedAtOnce) {
  IncidentRecord record = Anomaly();
  record.evidence["hosts_awaiting_second_look"] = "36";
  EXPECT_EQ(Summarise(record, 0, 0),
            "mail1 cannot reach 2 IPv4 hosts, and at a first look 36 more, that library1 and web1 "
            "reach.");
  record.evidence["hosts_awaiting_second_look"] = "2";
  EXPECT_EQ(Summarise(record, 0, 0), Summarise(Anomaly(), 0, 0));
}

TEST(Summarise, HalfOpenAttemptsSayThatItIsNoFlood) {
  EXPECT_THAT(Summarise(Anomaly(), 10, 9),
              AllOf(HasSubstr("10 connection attempts"), HasSubstr("the way in works"),
                    HasSubstr("no SYN flood")));
  EXPECT_THAT(Summarise(Anomaly(), 10, 1), Not(HasSubstr("no SYN flood")));
}

TEST(Summarise, Recovery) {
  IncidentRecord record = Anomaly();
  record.targets[0].failing = false;
  EXPECT_THAT(Summarise(record, 0, 0), HasSubstr("1 still fails."));
  record.targets[1].failing = false;
  EXPECT_THAT(Summarise(record, 0, 0),
              AllOf(HasSubstr("could not reach"), HasSubstr("reachable again")));
}

TEST(Summarise, ManyNamesAreCut) {
  IncidentRecord record = Anomaly();
  record.reaching_sensors = {"a", "b", "c", "d", "e", "f"};
  EXPECT_THAT(Summarise(record, 0, 0), HasSubstr("a, b, c, d and 2 more"));
  record.reaching_sensors.clear();
  EXPECT_THAT(Summarise(record, 0, 0), HasSubstr("some of them these and some of them those"));
}

TEST(Summarise, OtherVerdicts) {
  IncidentRecord record = Anomaly();
  record.verdict = Verdict::kTargetDown;
  EXPECT_THAT(Summarise(record, 0, 0), HasSubstr("2 hosts"));
  record.verdict = Verdict::kSensorIsolated;
  record.evidence["vantage"] = "its gateway does not answer it";
  EXPECT_THAT(Summarise(record, 0, 0),
              AllOf(HasSubstr("mail1"), HasSubstr("its gateway does not answer it")));
}

}  // namespace
}  // namespace parallax::collector
