// The tables of who may report to this collector: see collector/enrol/records.h, whose names these
// are. Part of schema version 4.
#pragma once

namespace parallax::collector {

// Sensors that are known already stay known, under a key that is yet to be seen.
inline constexpr const char* kVersion4Trust = R"sql(
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
)sql";

}  // namespace parallax::collector
