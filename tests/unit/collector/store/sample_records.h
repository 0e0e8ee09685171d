// Records with every field set, for tests of the store and of what is built on it.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "collector/store/ops.h"
#include "common/time.h"

namespace parallax::collector {

inline IpAddress Ip(std::string_view text) { return IpAddress::Parse(text).value(); }
inline WallTime At(int seconds) {
  return FromUnixNanos(1'800'000'000'000'000'000) + std::chrono::seconds(seconds);
}

inline Attempt SampleAttempt(uint16_t client_port,
                             AttemptOutcome outcome = AttemptOutcome::kPending,
                             std::string_view client = "198.51.100.7") {
  Attempt attempt;
  attempt.client = {Ip(client), client_port};
  attempt.server = {Ip("192.0.2.25"), 25};
  attempt.isn = 0xfedcba98;
  attempt.first_seen = At(client_port % 60);
  attempt.outcome = outcome;
  attempt.syns = 1;
  attempt.ttl = 57;
  attempt.interface = "eth0";
  if (outcome != AttemptOutcome::kPending) {
    attempt.rule = "syn_ack_repeated";
    attempt.age = std::chrono::seconds(3);
    attempt.syn_acks = 2;
  }
  return attempt;
}

inline ProbeReport SampleReport(uint64_t order) {
  ProbeReport report;
  report.order_id = order;
  report.target = Ip("2001:db8::7");
  report.started_at = At(5);
  report.tries = {{{ProbeMethod::kIcmpEcho, 0}, ProbeState::kSilent, {}, {}, 0, 0, ""},
                  {{ProbeMethod::kTcpSyn, 443},
                   ProbeState::kAnswered,
                   std::chrono::microseconds(12'345),
                   Ip("2001:db8::7"),
                   0,
                   0,
                   ""}};
  return report;
}

inline ServerReport SampleServerReport(std::string_view server = "192.0.2.25",
                                       double syn_rate = 120'000) {
  ServerReport report;
  report.server = Ip(server);
  report.window_start = At(60);
  report.window = std::chrono::seconds(30);
  report.age = std::chrono::seconds(2);
  report.aggregate = true;
  report.sampling = 64;
  report.syns = 3'600'000;
  report.syn_acks = 3'500'000;
  report.sources = 3'400'000;
  report.port = 25;
  report.port_syns = 3'599'000;
  report.port_syn_acks = 3'499'000;
  report.completed = 12;
  report.half_open = 55'000;
  report.unanswered = 700;
  report.refused = 3;
  report.unknown = 40;
  report.half_open_repeated = 0.012;
  report.half_open_known = 0;
  report.all_or_nothing = 0.04;
  report.syn_rate = syn_rate;
  report.usual_rate = 7.25;
  report.excess = 16'000.5;
  report.listen_overflows = 0;
  report.syn_cookies_sent = 2'900'000;
  return report;
}

// Of a server in peace but for a few attempts, too few to take shares of, seen from elsewhere.
inline ServerReport SampleQuietReport(std::string_view server) {
  ServerReport report;
  report.server = Ip(server);
  report.window_start = At(62);
  report.window = std::chrono::seconds(30);
  report.syns = 14;
  report.half_open = 2;
  report.syn_rate = 0.4;
  report.usual_rate = 0.5;
  return report;
}

inline IngestedBatch SampleBatch(uint64_t first_sequence, std::vector<Record> records,
                                 std::string sensor = "mail-1", uint64_t epoch = 42) {
  return {std::move(sensor), epoch, first_sequence, At(100), std::move(records)};
}

inline SensorRecord SampleSensor(std::string name) {
  SensorRecord record;
  record.name = std::move(name);
  record.group = "physics";
  record.state = SensorState::kConnected;
  record.version = "0.1.0";
  record.address = Ip("192.0.2.40");
  record.first_seen = At(0);
  record.last_seen = At(90);
  record.addresses = {Ip("192.0.2.40"), Ip("2001:db8:5::40")};
  record.local_networks = {Prefix::Parse("192.0.2.0/24").value(),
                           Prefix::Parse("2001:db8:5::/48").value()};
  record.health.interfaces = {{"eth0", "up", 1000, 3}, {"eth1", "gone", 0, 0}};
  record.health.gateways = {{Ip("192.0.2.1"), Reach::kUp}, {Ip("fe80::1"), Reach::kUnknown}};
  record.health.syns_seen = 1234;
  record.health.packets_dropped = 3;
  record.health.probes_sent = 77;
  record.health.probes_refused = 1;
  record.health.spool_records = 2;
  record.health.spool_bytes = 512;
  record.health.records_dropped = 4;
  record.health.attempts_evicted = 5;
  record.health.segments_unsampled = 123'456;
  record.health.probing = true;
  return record;
}

inline TargetRecord SampleTarget(std::string_view address, Verdict verdict = Verdict::kHealthy) {
  return {Ip(address), EarnedBy::kRepeatedSyn, At(1), At(80), At(85), verdict, At(84), At(0)};
}

inline CellRecord SampleCell(std::string sensor, std::string_view target, CellState state) {
  return {std::move(sensor), Ip(target), state, At(70), std::chrono::microseconds(1500)};
}

inline IncidentRecord SampleIncident(uint64_t number, IncidentState state) {
  IncidentRecord incident;
  incident.number = number;
  incident.state = state;
  incident.verdict = Verdict::kRouteAnomaly;
  incident.severity = "critical";
  incident.started_at = At(10);
  incident.opened_at = state == IncidentState::kCandidate ? WallTime{} : At(20);
  incident.updated_at = At(30);
  incident.closed_at = state == IncidentState::kClosed ? At(60) : WallTime{};
  incident.family = "both";
  incident.direction = "outbound";
  incident.split = "per_destination";
  incident.failing_sensors = {"mail-1"};
  incident.reaching_sensors = {"library-1", "web-1"};
  incident.targets = {{Ip("198.51.100.7"), true}, {Ip("2001:db8::7"), false}};
  incident.suspect = Suspect{"192.0.2.37", "192.0.2.99", "likely", {"a -> b", "c -> d"}};
  incident.evidence = {{"first_round", "1 of 2\tfailed"}, {"note", "two\nlines \\ and a tab"}};
  incident.summary = "mail-1 cannot reach 1 host that 2 other sensors reach";
  return incident;
}

inline IncidentChange SampleChange(std::string change, uint64_t number, IncidentState state) {
  IncidentRecord incident = SampleIncident(number, state);
  return {std::move(change), incident.updated_at, std::move(incident)};
}

}  // namespace parallax::collector
