#include "collector/cli/json.h"

#include <gtest/gtest.h>

#include "parallax/v1/operator.pb.h"

namespace parallax::cli {
namespace {

TEST(CliJson, NeverAndNothingAreNull) {
  const Json incident = ToJson(v1::Incident());
  EXPECT_TRUE(incident["opened_at"].is_null());
  EXPECT_TRUE(incident["closed_at"].is_null());
  EXPECT_TRUE(incident["suspect"].is_null());
  EXPECT_TRUE(incident["evidence"].is_object());
  EXPECT_TRUE(incident["failing_sensors"].is_array());
  const Json target = ToJson(v1::Target());
  EXPECT_TRUE(target["reach"].is_object());
  EXPECT_TRUE(target["last_seen_at"].is_null());
  EXPECT_TRUE(ToJson(v1::Sensor())["problem"].is_null());
  v1::SynServer server;
  for (const char* name : {"half_open_repeated", "half_open_known", "all_or_nothing",
                           "listen_overflows", "syn_cookies_sent"}) {
    EXPECT_TRUE(ToJson(server).contains(name) && ToJson(server)[name].is_null()) << name;
  }
  server.set_half_open_known(0);
  server.set_listen_overflows(0);
  EXPECT_EQ(ToJson(server)["half_open_known"], 0.0);
  EXPECT_EQ(ToJson(server)["listen_overflows"], 0);
}

TEST(CliJson, TheNamesThatScriptsRelyOn) {
  const Json incident = ToJson(v1::Incident());
  for (const char* name :
       {"id", "state", "verdict", "severity", "opened_at", "updated_at", "closed_at", "family",
        "direction", "split", "failing_sensors", "reaching_sensors", "targets", "target_count",
        "suspect", "evidence", "started_at", "summary", "targets_still_failing"}) {
    EXPECT_TRUE(incident.contains(name)) << name;
  }
  const Json sensor = ToJson(v1::Sensor());
  for (const char* name : {"id", "name", "group", "state", "version", "last_seen_at", "syns_seen",
                           "packets_dropped", "spool_bytes"}) {
    EXPECT_TRUE(sensor.contains(name)) << name;
  }
  const Json target = ToJson(v1::Target());
  for (const char* name : {"address", "first_seen_at", "last_seen_at", "verdict", "reach"}) {
    EXPECT_TRUE(target.contains(name)) << name;
  }
  v1::Incident with_suspect;
  with_suspect.mutable_suspect()->set_from("a");
  for (const char* name : {"from", "to", "confidence", "ambiguity"}) {
    EXPECT_TRUE(ToJson(with_suspect)["suspect"].contains(name)) << name;
  }
}

TEST(CliJson, MapsAreSorted) {
  v1::Target target;
  for (const char* name : {"zeta", "alpha", "mid"}) {
    (*target.mutable_reach())[name] = "up";
  }
  EXPECT_EQ(ToJson(target)["reach"].dump(), R"({"alpha":"up","mid":"up","zeta":"up"})");
}

TEST(CliJson, BrokenTextDoesNotBreakTheJson) {
  EXPECT_EQ(Dump(Json{{"a", "\xff\x1b"}}, -1), "{\"a\":\"\xef\xbf\xbd\\u001b\"}\n");
}

TEST(CliJson, KindsComeFirst) {
  EXPECT_EQ(Dump(WithKind("Thing", {{"x", 1}}), -1),
            "{\"api_version\":\"parallax/v1\",\"kind\":\"Thing\",\"x\":1}\n");
}

}  // namespace
}  // namespace parallax::cli
