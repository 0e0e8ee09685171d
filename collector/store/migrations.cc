#include "collector/store/migrations.h"

#include <array>

#include "collector/store/schema.h"

namespace parallax::collector {
namespace {

// Words for states and verdicts, so that a person reads them with any tool; numbers where rows come
// by the million. Times are nanoseconds since the Unix epoch: "received" by the collector's clock,
// "first_seen" and "started_at" of attempts and probes by the sensor's.
//
// attempts and probe_tries are logs: row ids grow in the order of arrival, and each has one more
// index. That of attempts is unique: a second report of an attempt finds its first through it.
constexpr const char* kVersion1 = R"sql(
CREATE TABLE sensor_names (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE sensors (
  sensor INTEGER PRIMARY KEY REFERENCES sensor_names(id),
  sensor_group TEXT NOT NULL,
  state TEXT NOT NULL,
  version TEXT NOT NULL,
  address BLOB CHECK (address IS NULL OR length(address) IN (4, 16)),
  first_seen INTEGER NOT NULL,
  last_seen INTEGER NOT NULL,
  addresses TEXT NOT NULL,
  local_networks TEXT NOT NULL,
  problem TEXT NOT NULL,
  syns_seen INTEGER NOT NULL,
  packets_dropped INTEGER NOT NULL,
  probes_sent INTEGER NOT NULL,
  probes_refused INTEGER NOT NULL,
  spool_records INTEGER NOT NULL,
  spool_bytes INTEGER NOT NULL,
  records_dropped INTEGER NOT NULL,
  probing INTEGER NOT NULL,
  probing_problem TEXT NOT NULL
) STRICT;

CREATE TABLE sensor_interfaces (
  sensor INTEGER NOT NULL REFERENCES sensor_names(id),
  position INTEGER NOT NULL,
  name TEXT NOT NULL,
  state TEXT NOT NULL,
  packets_received INTEGER NOT NULL,
  packets_dropped INTEGER NOT NULL,
  PRIMARY KEY (sensor, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE sensor_gateways (
  sensor INTEGER NOT NULL REFERENCES sensor_names(id),
  position INTEGER NOT NULL,
  address BLOB NOT NULL CHECK (length(address) IN (4, 16)),
  reach TEXT NOT NULL,
  PRIMARY KEY (sensor, position)
) STRICT, WITHOUT ROWID;

-- Everything of (sensor, epoch) up to and including `sequence` is in this database.
CREATE TABLE ingest_marks (
  sensor INTEGER NOT NULL REFERENCES sensor_names(id),
  epoch INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  PRIMARY KEY (sensor, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE attempts (
  id INTEGER PRIMARY KEY,
  sensor INTEGER NOT NULL REFERENCES sensor_names(id),
  received INTEGER NOT NULL,
  first_seen INTEGER NOT NULL,
  client BLOB NOT NULL CHECK (length(client) IN (4, 16)),
  client_port INTEGER NOT NULL,
  server BLOB NOT NULL CHECK (length(server) IN (4, 16)),
  server_port INTEGER NOT NULL,
  isn INTEGER NOT NULL,
  -- 0 pending, 1 completed, 2 half_open, 3 unanswered, 4 refused, 5 unknown
  outcome INTEGER NOT NULL CHECK (outcome BETWEEN 0 AND 5),
  rule TEXT NOT NULL,
  age INTEGER NOT NULL,
  syns INTEGER NOT NULL,
  syn_acks INTEGER NOT NULL,
  ttl INTEGER NOT NULL,
  interface TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX attempts_key ON attempts
  (first_seen, sensor, isn, client, client_port, server, server_port);

CREATE TABLE probe_tries (
  id INTEGER PRIMARY KEY,
  sensor INTEGER NOT NULL REFERENCES sensor_names(id),
  received INTEGER NOT NULL,
  order_id INTEGER NOT NULL,
  target BLOB NOT NULL CHECK (length(target) IN (4, 16)),
  started_at INTEGER NOT NULL,
  position INTEGER NOT NULL,
  method TEXT NOT NULL,
  port INTEGER NOT NULL,
  state TEXT NOT NULL,
  rtt INTEGER NOT NULL,
  reporter BLOB CHECK (reporter IS NULL OR length(reporter) IN (4, 16)),
  icmp_type INTEGER NOT NULL,
  icmp_code INTEGER NOT NULL,
  detail TEXT NOT NULL
) STRICT;
CREATE INDEX probe_tries_target ON probe_tries (target, started_at);

CREATE TABLE targets (
  address BLOB PRIMARY KEY NOT NULL CHECK (length(address) IN (4, 16)),
  earned_by TEXT NOT NULL,
  first_seen INTEGER NOT NULL,
  last_seen INTEGER NOT NULL,
  checked_at INTEGER NOT NULL,
  verdict TEXT NOT NULL,
  icmp_answered INTEGER NOT NULL,
  tcp_answered INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE cells (
  target BLOB NOT NULL CHECK (length(target) IN (4, 16)),
  sensor INTEGER NOT NULL REFERENCES sensor_names(id),
  state TEXT NOT NULL,
  changed_at INTEGER NOT NULL,
  rtt INTEGER NOT NULL,
  PRIMARY KEY (target, sensor)
) STRICT, WITHOUT ROWID;

CREATE TABLE incidents (
  number INTEGER PRIMARY KEY,
  state TEXT NOT NULL,
  verdict TEXT NOT NULL,
  severity TEXT NOT NULL,
  started_at INTEGER NOT NULL,
  opened_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  closed_at INTEGER NOT NULL,
  family TEXT NOT NULL,
  direction TEXT NOT NULL,
  split TEXT NOT NULL,
  failing_sensors TEXT NOT NULL,
  reaching_sensors TEXT NOT NULL,
  targets TEXT NOT NULL,
  suspect_from TEXT,
  suspect_to TEXT,
  suspect_confidence TEXT,
  suspect_ambiguity TEXT,
  evidence TEXT NOT NULL,
  summary TEXT NOT NULL
) STRICT;

-- Each step of an incident with the incident as it then was. Of several updates in a row only the
-- last is kept. Numbers are never used again.
CREATE TABLE incident_events (
  event INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  change TEXT NOT NULL,
  number INTEGER NOT NULL,
  state TEXT NOT NULL,
  verdict TEXT NOT NULL,
  severity TEXT NOT NULL,
  started_at INTEGER NOT NULL,
  opened_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  closed_at INTEGER NOT NULL,
  family TEXT NOT NULL,
  direction TEXT NOT NULL,
  split TEXT NOT NULL,
  failing_sensors TEXT NOT NULL,
  reaching_sensors TEXT NOT NULL,
  targets TEXT NOT NULL,
  suspect_from TEXT,
  suspect_to TEXT,
  suspect_confidence TEXT,
  suspect_ambiguity TEXT,
  evidence TEXT NOT NULL,
  summary TEXT NOT NULL
) STRICT;
CREATE INDEX incident_events_number ON incident_events (number, event);

-- attempts, reports: committed since the file was made. last_incident: the highest number given.
CREATE TABLE totals (
  name TEXT PRIMARY KEY NOT NULL,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO totals VALUES ('attempts', 0), ('reports', 0), ('last_incident', 0);
)sql";

// server_reports is a third log. Its names are those of ServerReport in common/records.h, which
// says what they mean; what a sensor could not tell is NULL.
constexpr const char* kVersion2 = R"sql(
ALTER TABLE attempts ADD COLUMN sampling INTEGER NOT NULL DEFAULT 1;
ALTER TABLE sensors ADD COLUMN attempts_evicted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sensors ADD COLUMN segments_unsampled INTEGER NOT NULL DEFAULT 0;

CREATE TABLE server_reports (
  id INTEGER PRIMARY KEY,
  sensor INTEGER NOT NULL REFERENCES sensor_names(id),
  received INTEGER NOT NULL,
  server BLOB NOT NULL CHECK (length(server) IN (4, 16)),
  window_start INTEGER NOT NULL,
  window INTEGER NOT NULL,
  age INTEGER NOT NULL,
  aggregate INTEGER NOT NULL,
  sampling INTEGER NOT NULL,
  syns INTEGER NOT NULL,
  syn_acks INTEGER NOT NULL,
  sources INTEGER NOT NULL,
  port INTEGER NOT NULL,
  port_syns INTEGER NOT NULL,
  port_syn_acks INTEGER NOT NULL,
  completed INTEGER NOT NULL,
  half_open INTEGER NOT NULL,
  unanswered INTEGER NOT NULL,
  refused INTEGER NOT NULL,
  unknown INTEGER NOT NULL,
  half_open_repeated REAL,
  half_open_known REAL,
  all_or_nothing REAL,
  syn_rate REAL NOT NULL,
  usual_rate REAL NOT NULL,
  excess REAL NOT NULL,
  listen_overflows INTEGER,
  syn_cookies_sent INTEGER
) STRICT;
)sql";

// paths and announcements are logs, too: PathReport and Announcement in common/records.h. atlas
// remembers the last way that worked. Hops are one line each, the routers at that distance with
// spaces between; an empty line: nobody answered.
constexpr const char* kVersion3 = R"sql(
ALTER TABLE probe_tries ADD COLUMN flow INTEGER NOT NULL DEFAULT 0;

CREATE TABLE paths (
  id INTEGER PRIMARY KEY,
  sensor INTEGER NOT NULL REFERENCES sensor_names(id),
  received INTEGER NOT NULL,
  order_id INTEGER NOT NULL,
  target BLOB NOT NULL CHECK (length(target) IN (4, 16)),
  started_at INTEGER NOT NULL,
  age INTEGER NOT NULL,
  method TEXT NOT NULL,
  port INTEGER NOT NULL,
  flow INTEGER NOT NULL,
  trace_end TEXT NOT NULL,
  reporter BLOB,
  changed INTEGER NOT NULL,
  hops TEXT NOT NULL
) STRICT;
CREATE INDEX paths_target ON paths (target, sensor, id);

CREATE TABLE atlas (
  target BLOB NOT NULL CHECK (length(target) IN (4, 16)),
  sensor INTEGER NOT NULL REFERENCES sensor_names(id),
  seen_at INTEGER NOT NULL,
  hops TEXT NOT NULL,
  PRIMARY KEY (target, sensor)
) STRICT, WITHOUT ROWID;

CREATE TABLE announcements (
  id INTEGER PRIMARY KEY,
  sensor INTEGER NOT NULL REFERENCES sensor_names(id),
  received INTEGER NOT NULL,
  kind TEXT NOT NULL,
  speaker BLOB NOT NULL CHECK (length(speaker) IN (4, 16)),
  speaker_link TEXT NOT NULL,
  gateway BLOB NOT NULL CHECK (length(gateway) IN (4, 16)),
  prefix TEXT,
  withdrawn INTEGER NOT NULL,
  metric INTEGER NOT NULL,
  interface TEXT NOT NULL,
  first_heard INTEGER NOT NULL,
  age INTEGER NOT NULL,
  times INTEGER NOT NULL
) STRICT;
)sql";

// gaps: what sensors had and could not deliver (Gap in common/records.h); last_sequence 0: nobody
// knows how much. refused_batches: malformed ones, the latest two hundred, as they came.
constexpr const char* kVersion4 = R"sql(
ALTER TABLE sensors ADD COLUMN spool_problem TEXT NOT NULL DEFAULT '';
-- Its clock less the collector's, in ns; NULL: it has not told.
ALTER TABLE sensors ADD COLUMN clock_offset INTEGER;

CREATE TABLE gaps (
  sensor INTEGER NOT NULL REFERENCES sensor_names(id),
  epoch INTEGER NOT NULL,
  first_sequence INTEGER NOT NULL,
  last_sequence INTEGER NOT NULL,
  kind TEXT NOT NULL,
  reason TEXT NOT NULL,
  noticed_at INTEGER NOT NULL,
  received INTEGER NOT NULL,
  PRIMARY KEY (sensor, epoch, first_sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE refused_batches (
  id INTEGER PRIMARY KEY,
  sensor INTEGER NOT NULL REFERENCES sensor_names(id),
  received INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  first_sequence INTEGER NOT NULL,
  last_sequence INTEGER NOT NULL,
  refused INTEGER NOT NULL,
  reason TEXT NOT NULL,
  body BLOB NOT NULL
) STRICT;
)sql";

// Who may report: collector/enrol/records.h, whose names these are. Sensors that are known already
// stay known, under a key that is yet to be seen.
constexpr const char* kVersion5 = R"sql(
CREATE TABLE join_tokens (
  id TEXT PRIMARY KEY,
  sha256 TEXT NOT NULL,
  sensor_group TEXT NOT NULL,
  network TEXT,
  replaces TEXT NOT NULL,
  uses INTEGER NOT NULL,
  uses_left INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  revoked_at INTEGER NOT NULL,
  created_by TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE trusted_sensors (
  name TEXT PRIMARY KEY,
  sensor_group TEXT NOT NULL,
  state TEXT NOT NULL,
  key_sha256 TEXT NOT NULL,
  issued_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  refused_until INTEGER NOT NULL,
  pick_up_until INTEGER NOT NULL,
  token TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE pending_sensors (
  key_sha256 TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  address BLOB NOT NULL CHECK (length(address) IN (4, 16)),
  asked_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO trusted_sensors
  SELECT n.name, s.sensor_group, 'approved', '', 0, 0, 0, 0, ''
  FROM sensors s JOIN sensor_names n ON n.id = s.sensor;

-- What a sensor goes by, as it said last (SensorIdentity); CAs by their SHA-256, blanks between.
CREATE TABLE sensor_identities (
  sensor INTEGER PRIMARY KEY REFERENCES sensor_names(id),
  trusted_cas TEXT NOT NULL,
  certificate_ca TEXT NOT NULL,
  certificate_expires INTEGER NOT NULL,
  told_at INTEGER NOT NULL
) STRICT;
)sql";

}  // namespace

std::span<const char* const> Migrations() {
  static constexpr std::array kMigrations = {kVersion1, kVersion2, kVersion3, kVersion4, kVersion5};
  static_assert(kMigrations.size() == kSchemaVersion);
  return kMigrations;
}

}  // namespace parallax::collector
