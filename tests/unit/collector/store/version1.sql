-- A file of schema version 1 with rows in it: what sqlite3's .dump says of one that the code of
-- then wrote. For the migration's test; as released, never to be edited.
BEGIN TRANSACTION;
CREATE TABLE sensor_names (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;
INSERT INTO sensor_names VALUES(1,'mail-1');
INSERT INTO sensor_names VALUES(2,'web-1');
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
INSERT INTO sensors VALUES(1,'physics','connected','0.1.0',X'c0000228',1800000000000000000,1800000090000000000,replace('192.0.2.40\n2001:db8:5::40\n','\n',char(10)),replace('192.0.2.0/24\n2001:db8:5::/48\n','\n',char(10)),'',1234,3,77,1,2,512,4,1,'');
INSERT INTO sensors VALUES(2,'physics','isolated','0.1.0',NULL,1800000000000000000,1800000090000000000,replace('192.0.2.40\n2001:db8:5::40\n','\n',char(10)),replace('192.0.2.0/24\n2001:db8:5::/48\n','\n',char(10)),'no policy',0,0,0,0,0,0,0,0,'no policy');
CREATE TABLE sensor_interfaces (
  sensor INTEGER NOT NULL REFERENCES sensor_names(id),
  position INTEGER NOT NULL,
  name TEXT NOT NULL,
  state TEXT NOT NULL,
  packets_received INTEGER NOT NULL,
  packets_dropped INTEGER NOT NULL,
  PRIMARY KEY (sensor, position)
) STRICT, WITHOUT ROWID;
INSERT INTO sensor_interfaces VALUES(1,0,'eth0','up',1000,3);
INSERT INTO sensor_interfaces VALUES(1,1,'eth1','gone',0,0);
CREATE TABLE sensor_gateways (
  sensor INTEGER NOT NULL REFERENCES sensor_names(id),
  position INTEGER NOT NULL,
  address BLOB NOT NULL CHECK (length(address) IN (4, 16)),
  reach TEXT NOT NULL,
  PRIMARY KEY (sensor, position)
) STRICT, WITHOUT ROWID;
INSERT INTO sensor_gateways VALUES(1,0,X'c0000201','up');
INSERT INTO sensor_gateways VALUES(1,1,X'fe800000000000000000000000000001','unknown');
CREATE TABLE ingest_marks (
  sensor INTEGER NOT NULL REFERENCES sensor_names(id),
  epoch INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  PRIMARY KEY (sensor, epoch)
) STRICT, WITHOUT ROWID;
INSERT INTO ingest_marks VALUES(1,42,3,1800000100000000000);
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
INSERT INTO attempts VALUES(1,1,1800000100000000000,1800000001000000000,X'c6336407',1,X'c0000219',25,4275878552,0,'',0,1,0,57,'eth0');
INSERT INTO attempts VALUES(2,1,1800000100000000000,1800000002000000000,X'c6336407',2,X'c0000219',25,4275878552,2,'syn_ack_repeated',3000000000,1,2,57,'eth0');
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
INSERT INTO probe_tries VALUES(1,1,1800000100000000000,5,X'20010db8000000000000000000000007',1800000005000000000,0,'icmp',0,'silent',0,NULL,0,0,'');
INSERT INTO probe_tries VALUES(2,1,1800000100000000000,5,X'20010db8000000000000000000000007',1800000005000000000,1,'tcp',443,'answered',12345000,X'20010db8000000000000000000000007',0,0,'');
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
INSERT INTO targets VALUES(X'c6336407','repeated_syn',1800000001000000000,1800000080000000000,1800000085000000000,'route_anomaly',1800000084000000000,1800000000000000000);
CREATE TABLE cells (
  target BLOB NOT NULL CHECK (length(target) IN (4, 16)),
  sensor INTEGER NOT NULL REFERENCES sensor_names(id),
  state TEXT NOT NULL,
  changed_at INTEGER NOT NULL,
  rtt INTEGER NOT NULL,
  PRIMARY KEY (target, sensor)
) STRICT, WITHOUT ROWID;
INSERT INTO cells VALUES(X'c6336407',1,'down',1800000070000000000,1500000);
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
INSERT INTO incidents VALUES(7,'open','route_anomaly','critical',1800000010000000000,1800000020000000000,1800000030000000000,0,'both','outbound','per_destination',replace('mail-1\n','\n',char(10)),replace('library-1\nweb-1\n','\n',char(10)),replace('198.51.100.7\nrecovered 2001:db8::7\n','\n',char(10)),'192.0.2.37','192.0.2.99','likely',replace('a -> b\nc -> d\n','\n',char(10)),replace('first_round	1 of 2\tfailed\012note	two\nlines \\ and a tab\012','\012',char(10)),'mail-1 cannot reach 1 host that 2 other sensors reach');
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
INSERT INTO incident_events VALUES(1,1800000030000000000,'opened',7,'open','route_anomaly','critical',1800000010000000000,1800000020000000000,1800000030000000000,0,'both','outbound','per_destination',replace('mail-1\n','\n',char(10)),replace('library-1\nweb-1\n','\n',char(10)),replace('198.51.100.7\nrecovered 2001:db8::7\n','\n',char(10)),'192.0.2.37','192.0.2.99','likely',replace('a -> b\nc -> d\n','\n',char(10)),replace('first_round	1 of 2\tfailed\012note	two\nlines \\ and a tab\012','\012',char(10)),'mail-1 cannot reach 1 host that 2 other sensors reach');
CREATE TABLE totals (
  name TEXT PRIMARY KEY NOT NULL,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO totals VALUES('attempts',2);
INSERT INTO totals VALUES('last_incident',7);
INSERT INTO totals VALUES('reports',1);
CREATE UNIQUE INDEX attempts_key ON attempts
  (first_seen, sensor, isn, client, client_port, server, server_port);
CREATE INDEX probe_tries_target ON probe_tries (target, started_at);
CREATE INDEX incident_events_number ON incident_events (number, event);
COMMIT;
PRAGMA application_id=1349286008;
PRAGMA user_version=1;
