#include <fmt/format.h>

#include "collector/store/list_text.h"
#include "collector/store/rows.h"

namespace parallax::collector {
namespace {

// The numbers in attempts.outcome; the schema lists them for readers of the file.
static_assert(static_cast<int>(AttemptOutcome::kPending) == 0);
static_assert(static_cast<int>(AttemptOutcome::kCompleted) == 1);
static_assert(static_cast<int>(AttemptOutcome::kHalfOpen) == 2);
static_assert(static_cast<int>(AttemptOutcome::kUnanswered) == 3);
static_assert(static_cast<int>(AttemptOutcome::kRefused) == 4);
static_assert(static_cast<int>(AttemptOutcome::kUnknown) == 5);

std::string_view Word(Reach reach) {
  switch (reach) {
    case Reach::kUp:
      return "up";
    case Reach::kDown:
      return "down";
    case Reach::kUnknown:
      break;
  }
  return "unknown";
}

// The statement is one of two constant texts that differ in the table and what goes before.
Result<void> RunIncident(Database& db, std::string_view sql, const IncidentRecord& incident,
                         const std::string& change, WallTime at) {
  const auto text = [&](const std::string Suspect::*field) {
    return incident.suspect ? std::optional<std::string>((*incident.suspect).*field) : std::nullopt;
  };
  std::optional<std::string> ambiguity;
  if (incident.suspect) {
    ambiguity = EncodeList(incident.suspect->ambiguity);
  }
  return db.Run(sql, incident.number, ToString(incident.state), ToString(incident.verdict),
                incident.severity, incident.started_at, incident.opened_at, incident.updated_at,
                incident.closed_at, incident.family, incident.direction, incident.split,
                EncodeList(incident.failing_sensors), EncodeList(incident.reaching_sensors),
                EncodeTargets(incident.targets), text(&Suspect::from), text(&Suspect::to),
                text(&Suspect::confidence), ambiguity, EncodeMap(incident.evidence),
                incident.summary, at, change);
}

}  // namespace

Result<void> WriteSensor(Database& db, int64_t sensor, const SensorRecord& record) {
  const SensorHealth& health = record.health;
  auto done = db.Run(
      "INSERT OR REPLACE INTO sensors VALUES "
      "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      sensor, record.group, ToString(record.state), record.version, record.address,
      record.first_seen, record.last_seen, EncodeAddresses(record.addresses),
      EncodePrefixes(record.local_networks), record.problem, health.syns_seen,
      health.packets_dropped, health.probes_sent, health.probes_refused, health.spool_records,
      health.spool_bytes, health.records_dropped, health.probing, health.probing_problem,
      health.attempts_evicted, health.segments_unsampled, health.spool_problem,
      record.clock_offset);
  if (done) {
    done = db.Run("DELETE FROM sensor_interfaces WHERE sensor = ?", sensor);
  }
  if (done) {
    done = db.Run("DELETE FROM sensor_gateways WHERE sensor = ?", sensor);
  }
  for (size_t i = 0; done && i < health.interfaces.size(); ++i) {
    const auto& interface = health.interfaces[i];
    done =
        db.Run("INSERT INTO sensor_interfaces VALUES (?, ?, ?, ?, ?, ?)", sensor, i, interface.name,
               interface.state, interface.packets_received, interface.packets_dropped);
  }
  for (size_t i = 0; done && i < health.gateways.size(); ++i) {
    done = db.Run("INSERT INTO sensor_gateways VALUES (?, ?, ?, ?)", sensor, i,
                  health.gateways[i].address, Word(health.gateways[i].reach));
  }
  return done;
}

Result<void> WriteTarget(Database& db, const TargetRecord& record) {
  return db.Run("INSERT OR REPLACE INTO targets VALUES (?, ?, ?, ?, ?, ?, ?, ?)", record.address,
                ToString(record.earned_by), record.first_seen, record.last_seen, record.checked_at,
                ToString(record.verdict), record.icmp_answered, record.tcp_answered);
}

Result<void> WriteCell(Database& db, int64_t sensor, const CellRecord& record) {
  return db.Run("INSERT OR REPLACE INTO cells VALUES (?, ?, ?, ?, ?)", record.target, sensor,
                ToString(record.state), record.changed_at, record.rtt);
}

Result<void> WriteIncidentChange(Database& db, const IncidentChange& change) {
  // ?21 and ?22 are for the event; naming them here keeps one list of values for both statements.
  static const std::string kIncident = fmt::format(
      "INSERT OR REPLACE INTO incidents ({}) SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
      "?, ?, ?, ?, ? WHERE ?21 IS NOT NULL AND ?22 IS NOT NULL",
      kIncidentColumns);
  static const std::string kEvent = fmt::format(
      "INSERT INTO incident_events ({}, at, change) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
      "?, ?, ?, ?, ?, ?, ?, ?21, ?22)",
      kIncidentColumns);
  auto done = RunIncident(db, kIncident, change.incident, change.change, change.at);
  if (done && change.change == "updated") {
    // Keeps the log short however long an incident grows: of a run of updates only the last.
    done = db.Run(
        "DELETE FROM incident_events WHERE change = 'updated' AND event = "
        "(SELECT max(event) FROM incident_events WHERE number = ?)",
        change.incident.number);
  }
  if (done) {
    done = RunIncident(db, kEvent, change.incident, change.change, change.at);
  }
  if (done) {
    done = db.Run("UPDATE totals SET value = max(value, ?) WHERE name = 'last_incident'",
                  change.incident.number);
  }
  return done;
}

Result<void> WriteAttempt(Database& db, int64_t sensor, WallTime received, const Attempt& attempt) {
  // The second report carries all that the first did, and more; a first that comes late, after its
  // second, says nothing new.
  return db.Run(
      "INSERT INTO attempts (sensor, received, first_seen, client, client_port, server, "
      "server_port, isn, outcome, rule, age, syns, syn_acks, ttl, interface, sampling) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
      "ON CONFLICT (first_seen, sensor, isn, client, client_port, server, server_port) DO UPDATE "
      "SET outcome = excluded.outcome, rule = excluded.rule, age = excluded.age, "
      "syns = excluded.syns, syn_acks = excluded.syn_acks, ttl = excluded.ttl, "
      "sampling = excluded.sampling "
      "WHERE excluded.outcome <> 0",
      sensor, received, attempt.first_seen, attempt.client.address, attempt.client.port,
      attempt.server.address, attempt.server.port, attempt.isn, static_cast<int>(attempt.outcome),
      attempt.rule, attempt.age, attempt.syns, attempt.syn_acks, attempt.ttl, attempt.interface,
      attempt.sampling);
}

Result<void> WriteProbeTry(Database& db, int64_t sensor, WallTime received,
                           const ProbeReport& report, size_t position) {
  const ProbeTryResult& result = report.tries[position];
  return db.Run(
      "INSERT INTO probe_tries (sensor, received, order_id, target, started_at, position, method, "
      "port, state, rtt, reporter, icmp_type, icmp_code, detail, flow) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      sensor, received, report.order_id, report.target, report.started_at, position,
      ToString(result.attempt.method), result.attempt.port, ToString(result.state), result.rtt,
      result.reporter, result.icmp_type, result.icmp_code, result.detail, result.attempt.flow);
}

Result<void> WritePath(Database& db, int64_t sensor, WallTime received, const PathReport& report) {
  return db.Run(
      "INSERT INTO paths (sensor, received, order_id, target, started_at, age, method, port, flow, "
      "trace_end, reporter, changed, hops) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      sensor, received, report.order_id, report.target, report.started_at, report.age,
      ToString(report.attempt.method), report.attempt.port, report.attempt.flow,
      ToString(report.end), report.reporter, report.changed, EncodeHops(report.hops));
}

Result<void> WriteAtlas(Database& db, int64_t sensor, const PathRecord& record) {
  return db.Run("INSERT OR REPLACE INTO atlas VALUES (?, ?, ?, ?)", record.target, sensor,
                record.seen_at, EncodeHops(record.hops));
}

Result<void> WriteAnnouncement(Database& db, int64_t sensor, WallTime received,
                               const Announcement& announcement) {
  const auto prefix = announcement.prefix
                          ? std::optional<std::string>(announcement.prefix->ToString())
                          : std::nullopt;
  return db.Run(
      "INSERT INTO announcements (sensor, received, kind, speaker, speaker_link, gateway, prefix, "
      "withdrawn, metric, interface, first_heard, age, times) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      sensor, received, ToString(announcement.kind), announcement.speaker,
      announcement.speaker_link, announcement.gateway, prefix, announcement.withdrawn,
      announcement.metric, announcement.interface, announcement.first_heard, announcement.age,
      announcement.times);
}

Result<void> WriteServerReport(Database& db, int64_t sensor, WallTime received,
                               const ServerReport& report) {
  static const std::string kReport = fmt::format(
      "INSERT INTO server_reports (sensor, received, {}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
      "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      kServerReportColumns);
  return db.Run(kReport, sensor, received, report.server, report.window_start, report.window,
                report.age, report.aggregate, report.sampling, report.syns, report.syn_acks,
                report.sources, report.port, report.port_syns, report.port_syn_acks,
                report.completed, report.half_open, report.unanswered, report.refused,
                report.unknown, report.half_open_repeated, report.half_open_known,
                report.all_or_nothing, report.syn_rate, report.usual_rate, report.excess,
                report.listen_overflows, report.syn_cookies_sent);
}

}  // namespace parallax::collector
