// Incidents of every kind as the engine writes them, for the page that tells of one.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "collector/detect/explain.h"
#include "collector/operate/operator_convert.h"
#include "tests/unit/collector/store/sample_records.h"

namespace parallax::cli {

using collector::IncidentRecord;
using collector::IncidentState;
using collector::Verdict;

inline v1::Incident Asked(IncidentRecord record) {
  if (!record.evidence.contains("merged_into")) {
    const auto count = [&](const char* key) {
      return record.evidence.contains(key) ? std::stoull(record.evidence[key]) : 0;
    };
    record.summary = collector::Summarise(record, count("half_open_attempts"),
                                          count("half_open_with_repeated_syn"));
  }
  v1::Incident incident;
  collector::ToProto(record, &incident);
  return incident;
}

// Mail's router sends every other destination to a box that drops it.
inline IncidentRecord RouteAnomaly() {
  IncidentRecord record = collector::SampleIncident(7, IncidentState::kOpen);
  record.family = "ipv4";
  record.failing_sensors = {"mail1"};
  record.reaching_sensors = {"lib1", "noc1", "web1"};
  record.targets.clear();
  for (int i = 10; i < 40; ++i) {
    record.targets.push_back({collector::Ip("198.51.100." + std::to_string(i)), i != 12});
  }
  record.suspect = collector::Suspect{
      "10.1.1.1", "10.1.1.66", "likely", {"10.1.1.66 -> silence", "10.1.1.2 -> 10.1.1.66"}};
  record.evidence = {
      {"half_open_attempts", "43"},
      {"half_open_with_repeated_syn", "41"},
      {"traced_ways", "8 that fail, 4 that work"},
      {"suspect_1", "10.1.1.66 -> silence: 8 of 8 ways over it fail (gain 35.5)"},
      {"suspect_2",
       "10.0.0.9 -> 10.0.0.13: 2 of 5 ways over it fail (gain 1.2); routers around it "
       "are silent"},
      {"suspect_word_of", "mail1"},
      {"suspect_instead_of", "10.0.0.1"},
      {"flows", "3 hosts asked over 8 flows: 3 lose all, 0 some flows, 0 single packets"},
      {"announcement",
       "10.1.1.66 (02:00:00:00:01:42) announces a default route by rip, gateway "
       "10.1.1.66; heard by mail1, first at 2027-01-15T07:59:58Z"},
      {"hosts_awaiting_second_look", "5"}};
  return record;
}

inline IncidentRecord Condition(Verdict verdict, const std::string& severity,
                                const std::string& about) {
  IncidentRecord record = collector::SampleIncident(8, IncidentState::kOpen);
  record.verdict = verdict;
  record.severity = severity;
  record.direction = record.split = "unknown";
  record.failing_sensors = {about};
  record.reaching_sensors.clear();
  record.targets.clear();
  record.suspect.reset();
  record.evidence = {{"about", about}};
  return record;
}

inline std::map<std::string, v1::Incident> SampleIncidents() {
  std::map<std::string, v1::Incident> all;
  IncidentRecord record = RouteAnomaly();
  all["route-anomaly"] = Asked(record);

  record.suspect->confidence = "confirmed";
  record.failing_sensors = {"mail1", "mail2", "web1"};
  record.reaching_sensors = {"lib1"};
  record.evidence["suspect_word_of"] = "mail1, web1";
  record.state = IncidentState::kClosed;
  record.closed_at = collector::At(140);
  for (auto& target : record.targets) {
    target.failing = false;
  }
  all["route-anomaly-closed"] = Asked(record);

  record = RouteAnomaly();
  record.split = "per_flow";
  record.direction = "inbound";
  record.family = "both";
  record.failing_sensors = {"mail1", "noc1"};
  record.reaching_sensors = {"lib1", "web1"};
  record.targets = {{collector::Ip("198.51.100.7"), true}, {collector::Ip("2001:db8::7"), true}};
  record.suspect = collector::Suspect{"10.1.1.1", "silence", "likely", {}};
  record.evidence = {
      {"by_flow", "noc1"},
      {"bad_flows", "50 %"},
      {"flows", "2 hosts asked over 8 flows: 0 lose all, 2 some flows, 0 single packets"},
      {"half_open_attempts", "0"},
      {"half_open_with_repeated_syn", "0"},
      {"arrivals", "37 connections were due from them since, none came: they do not reach us"},
      {"suspect_word_of", "mail1, web1"},
      {"unheard_accuser", "mail2"},
      {"members_not_listed", "12"}};
  all["route-anomaly-per-flow"] = Asked(record);

  record = RouteAnomaly();
  record.suspect = collector::Suspect{"10.0.0.9", "10.0.0.13", "confirmed", {}};
  record.evidence = {{"traced_ways", "8 that fail, 4 that work"},
                     {"suspect_1", "10.0.0.9 -> 10.0.0.13: 8 of 8 ways over it fail (gain 35.5)"},
                     {"suspect_word_of", "lib1, mail1, web1"},
                     {"ways_that_go_round", "8 of 8"}};
  all["route-anomaly-loop"] = Asked(record);

  record = RouteAnomaly();
  record.verdict = Verdict::kLossyPath;
  record.severity = "warning";
  record.split = "per_packet";
  record.suspect.reset();
  record.evidence = {
      {"loss", "34 %"},
      {"flows", "3 hosts asked over 8 flows: 0 lose all, 0 some flows, 3 single packets"},
      {"half_open_attempts", "9"},
      {"half_open_with_repeated_syn", "2"}};
  all["route-anomaly-per-packet"] = Asked(record);

  record = RouteAnomaly();
  record.evidence["flapping"] = "5 times in the last hour";
  record.suspect.reset();
  record.direction = "unknown";
  record.split = "unknown";
  std::erase_if(record.evidence, [](const auto& entry) {
    return entry.first != "flapping" && entry.first != "traced_ways";
  });
  record.evidence["half_open_attempts"] = "0";
  record.evidence["half_open_with_repeated_syn"] = "0";
  all["flapping"] = Asked(record);

  record = RouteAnomaly();
  record.verdict = Verdict::kMixed;
  record.evidence["flood"] = "192.0.2.25";
  record.evidence["flood_features"] =
      "half_open 3100; known_clients 0 %; sources about 2950 in 10 s; syn_rate 310 SYN/s, usually "
      "1.2; syn_repeated 1 %";
  all["mixed"] = Asked(record);

  record = RouteAnomaly();
  record.state = IncidentState::kClosed;
  record.closed_at = collector::At(50);
  record.evidence["merged_into"] = "INC-3";
  record.summary = "One with INC-3: the same hosts fail.";
  all["merged"] = Asked(record);

  record = Condition(Verdict::kSynFlood, "warning", "192.0.2.25");
  record.family = "ipv4";
  record.failing_sensors = {"mail1"};
  record.targets = {{collector::Ip("192.0.2.25"), true}};
  record.evidence = {{"about", "192.0.2.25"},           {"syn_rate", "310 SYN/s, usually 1.2"},
                     {"sources", "about 2950 in 10 s"}, {"half_open", "3100"},
                     {"syn_repeated", "1 %"},           {"known_clients", "0 %"},
                     {"syn_cookies_sent", "2890"},      {"listen_overflows", "4"}};
  all["syn-flood"] = Asked(record);

  record.state = IncidentState::kClosed;
  record.closed_at = collector::At(50);
  record.evidence["merged_into"] = "INC-7";
  record.summary = "One with INC-7: it tells of both.";
  all["syn-flood-merged"] = Asked(record);

  record = RouteAnomaly();
  record.verdict = Verdict::kTargetDown;
  record.severity = "info";
  record.direction = record.split = "unknown";
  record.failing_sensors = {"lib1", "mail1", "web1"};
  record.reaching_sensors.clear();
  record.targets = {{collector::Ip("198.51.100.7"), true}, {collector::Ip("198.51.100.9"), false}};
  record.suspect.reset();
  record.evidence = {{"traced_ways", "6 that fail, 2 that work"}};
  all["target-down"] = Asked(record);

  record.verdict = Verdict::kBorderOutage;
  record.severity = "critical";
  record.suspect = collector::Suspect{"10.0.0.1", "silence", "confirmed", {}};
  record.evidence = {{"extent", "94 % of 60 active hosts, in 12 networks, went silent at once"},
                     {"traced_ways", "16 that fail, 0 that work"},
                     {"suspect_1", "10.0.0.1 -> silence: 16 of 16 ways over it fail (gain 77.8)"},
                     {"suspect_word_of", "lib1, mail1, web1"},
                     {"suspect_instead_of", "192.0.2.254"}};
  all["border-outage"] = Asked(record);

  record = Condition(Verdict::kSensorIsolated, "warning", "web1");
  record.evidence["vantage"] =
      "unheard, and 2 of the other sensors cannot reach its host 192.0.2.40";
  all["sensor-isolated"] = Asked(record);

  record = Condition(Verdict::kSensorDegraded, "warning", "web1");
  record.evidence["vantage"] = "it loses 22 % of its packets on its own link";
  record.evidence["loss"] = "22 %";
  record.evidence["loss_usual"] = "0.4 %";
  all["sensor-degraded"] = Asked(record);

  record = Condition(Verdict::kLossyPath, "warning", "mail1");
  record.family = "ipv4";
  record.direction = "outbound";
  record.split = "per_packet";
  record.reaching_sensors = {"lib1", "web1"};
  record.targets = {{collector::Ip("198.51.100.7"), true}, {collector::Ip("203.0.113.9"), true}};
  record.suspect = collector::Suspect{"10.1.1.1", "10.0.0.1", "likely", {"mail1 -> 10.1.1.1"}};
  record.evidence = {
      {"about", "mail1"}, {"loss", "19 %"}, {"loss_usual", "0.3 %"}, {"loss_where_any", "21 %"}};
  all["lossy-path"] = Asked(record);

  record.verdict = Verdict::kMixed;
  record.severity = "critical";
  record.evidence["flood"] = "192.0.2.25";
  record.evidence["flood_features"] = "half_open 3100; known_clients 0 %; syn_repeated 1 %";
  all["mixed-loss"] = Asked(record);

  record = Condition(Verdict::kPolicy, "info", "library icmp");
  record.failing_sensors = {"lib1"};
  record.family = "ipv4";
  record.evidence["filtered_method"] = "icmp";
  all["policy"] = Asked(record);

  record = RouteAnomaly();
  record.state = IncidentState::kCandidate;
  record.opened_at = {};
  record.targets.clear();
  record.suspect.reset();
  record.evidence = {{"hosts_awaiting_second_look", "3"}};
  all["candidate"] = Asked(record);
  return all;
}

}  // namespace parallax::cli
