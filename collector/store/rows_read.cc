#include <fmt/format.h>

#include <unordered_map>

#include "collector/store/list_text.h"
#include "collector/store/rows.h"

namespace parallax::collector {
namespace {

Reach ParseReach(std::string_view text) {
  if (text == "up") {
    return Reach::kUp;
  }
  return text == "down" ? Reach::kDown : Reach::kUnknown;
}

SensorRecord SensorFrom(const Rows& rows) {
  SensorRecord record;
  record.name = rows.Text(1);
  record.group = rows.Text(2);
  record.state = ParseSensorState(rows.Text(3)).value_or(SensorState::kLost);
  record.version = rows.Text(4);
  record.address = rows.Address(5);
  record.first_seen = rows.Time(6);
  record.last_seen = rows.Time(7);
  record.addresses = DecodeAddresses(rows.Text(8));
  record.local_networks = DecodePrefixes(rows.Text(9));
  record.problem = rows.Text(10);
  record.health.syns_seen = rows.Unsigned(11);
  record.health.packets_dropped = rows.Unsigned(12);
  record.health.probes_sent = rows.Unsigned(13);
  record.health.probes_refused = rows.Unsigned(14);
  record.health.spool_records = rows.Unsigned(15);
  record.health.spool_bytes = rows.Unsigned(16);
  record.health.records_dropped = rows.Unsigned(17);
  record.health.probing = rows.Bool(18);
  record.health.probing_problem = rows.Text(19);
  record.health.attempts_evicted = rows.Unsigned(20);
  record.health.segments_unsampled = rows.Unsigned(21);
  record.health.spool_problem = rows.Text(22);
  if (!rows.IsNull(23)) {
    record.clock_offset = Duration(rows.Int(23));
  }
  return record;
}

std::optional<double> Share(const Rows& rows, int column) {
  return rows.IsNull(column) ? std::nullopt : std::optional(rows.Real(column));
}

std::optional<uint64_t> Counter(const Rows& rows, int column) {
  return rows.IsNull(column) ? std::nullopt : std::optional(rows.Unsigned(column));
}

}  // namespace

Result<std::vector<SensorRecord>> ReadSensors(Database& db, const std::optional<SensorName>& name) {
  auto rows = db.Query(
      "SELECT s.sensor, n.name, s.sensor_group, s.state, s.version, s.address, s.first_seen, "
      "s.last_seen, s.addresses, s.local_networks, s.problem, s.syns_seen, s.packets_dropped, "
      "s.probes_sent, s.probes_refused, s.spool_records, s.spool_bytes, s.records_dropped, "
      "s.probing, s.probing_problem, s.attempts_evicted, s.segments_unsampled, "
      "s.spool_problem, s.clock_offset "
      "FROM sensors s JOIN sensor_names n ON n.id = s.sensor "
      "WHERE ?1 = 0 OR n.name = ?2 ORDER BY n.name",
      name.has_value(), name.value_or(std::string()));
  if (!rows) {
    return tl::make_unexpected(rows.error());
  }
  std::vector<SensorRecord> records;
  std::unordered_map<int64_t, size_t> place;
  while (rows->Next()) {
    place.emplace(rows->Int(0), records.size());
    records.push_back(SensorFrom(*rows));
  }
  if (auto done = rows->Done(); !done) {
    return tl::make_unexpected(done.error());
  }

  auto undelivered = db.Query(
      "SELECT sensor, sum(iif(last_sequence = 0, 0, last_sequence - first_sequence + 1)), "
      "sum(last_sequence = 0), 0 FROM gaps GROUP BY sensor UNION ALL "
      "SELECT sensor, 0, 0, sum(refused) FROM refused_batches GROUP BY sensor");
  if (!undelivered) {
    return tl::make_unexpected(undelivered.error());
  }
  while (undelivered->Next()) {
    if (const auto found = place.find(undelivered->Int(0)); found != place.end()) {
      SensorRecord::Undelivered& sum = records[found->second].undelivered;
      sum.lost += undelivered->Unsigned(1);
      sum.unknown += undelivered->Unsigned(2);
      sum.refused += undelivered->Unsigned(3);
    }
  }
  if (auto done = undelivered->Done(); !done) {
    return tl::make_unexpected(done.error());
  }

  auto interfaces = db.Query(
      "SELECT sensor, name, state, packets_received, packets_dropped FROM sensor_interfaces "
      "ORDER BY sensor, position");
  if (!interfaces) {
    return tl::make_unexpected(interfaces.error());
  }
  while (interfaces->Next()) {
    if (const auto found = place.find(interfaces->Int(0)); found != place.end()) {
      records[found->second].health.interfaces.push_back({interfaces->Text(1), interfaces->Text(2),
                                                          interfaces->Unsigned(3),
                                                          interfaces->Unsigned(4)});
    }
  }
  if (auto done = interfaces->Done(); !done) {
    return tl::make_unexpected(done.error());
  }

  auto gateways =
      db.Query("SELECT sensor, address, reach FROM sensor_gateways ORDER BY sensor, position");
  if (!gateways) {
    return tl::make_unexpected(gateways.error());
  }
  while (gateways->Next()) {
    const auto found = place.find(gateways->Int(0));
    const auto address = gateways->Address(1);
    if (found != place.end() && address) {
      records[found->second].health.gateways.push_back({*address, ParseReach(gateways->Text(2))});
    }
  }
  if (auto done = gateways->Done(); !done) {
    return tl::make_unexpected(done.error());
  }
  return records;
}

Result<std::vector<TargetRecord>> ReadTargets(Database& db, const std::optional<IpAddress>& address,
                                              uint64_t limit) {
  constexpr std::string_view kAll =
      "SELECT address, earned_by, first_seen, last_seen, checked_at, verdict, icmp_answered, "
      "tcp_answered FROM targets ORDER BY address LIMIT ?";
  constexpr std::string_view kOne =
      "SELECT address, earned_by, first_seen, last_seen, checked_at, verdict, icmp_answered, "
      "tcp_answered FROM targets WHERE address = ?";
  auto rows = address ? db.Query(kOne, *address) : db.Query(kAll, limit);
  if (!rows) {
    return tl::make_unexpected(rows.error());
  }
  std::vector<TargetRecord> records;
  while (rows->Next()) {
    TargetRecord record;
    record.address = rows->Address(0).value_or(IpAddress());
    record.earned_by = ParseEarnedBy(rows->Text(1)).value_or(EarnedBy::kCompleted);
    record.first_seen = rows->Time(2);
    record.last_seen = rows->Time(3);
    record.checked_at = rows->Time(4);
    record.verdict = ParseVerdict(rows->Text(5)).value_or(Verdict::kUnknown);
    record.icmp_answered = rows->Time(6);
    record.tcp_answered = rows->Time(7);
    records.push_back(std::move(record));
  }
  if (auto done = rows->Done(); !done) {
    return tl::make_unexpected(done.error());
  }
  return records;
}

Result<std::vector<CellRecord>> ReadCells(Database& db, const std::optional<IpAddress>& target) {
  constexpr std::string_view kAll =
      "SELECT c.target, n.name, c.state, c.changed_at, c.rtt FROM cells c "
      "JOIN sensor_names n ON n.id = c.sensor ORDER BY c.target, c.sensor";
  constexpr std::string_view kOne =
      "SELECT c.target, n.name, c.state, c.changed_at, c.rtt FROM cells c "
      "JOIN sensor_names n ON n.id = c.sensor WHERE c.target = ? ORDER BY c.sensor";
  auto rows = target ? db.Query(kOne, *target) : db.Query(kAll);
  if (!rows) {
    return tl::make_unexpected(rows.error());
  }
  std::vector<CellRecord> records;
  while (rows->Next()) {
    records.push_back({rows->Text(1), rows->Address(0).value_or(IpAddress()),
                       ParseCellState(rows->Text(2)).value_or(CellState::kUnknown), rows->Time(3),
                       Duration(rows->Int(4))});
  }
  if (auto done = rows->Done(); !done) {
    return tl::make_unexpected(done.error());
  }
  return records;
}

Result<std::vector<PathRecord>> ReadAtlas(Database& db) {
  auto rows = db.Query(
      "SELECT n.name, a.target, a.seen_at, a.hops FROM atlas a "
      "JOIN sensor_names n ON n.id = a.sensor ORDER BY a.target, n.name");
  if (!rows) {
    return tl::make_unexpected(rows.error());
  }
  std::vector<PathRecord> records;
  while (rows->Next()) {
    if (const auto target = rows->Address(1)) {
      records.push_back({rows->Text(0), *target, rows->Time(2), DecodeHops(rows->Text(3))});
    }
  }
  if (auto done = rows->Done(); !done) {
    return tl::make_unexpected(done.error());
  }
  return records;
}

Result<std::vector<HighWaterMark>> ReadMarks(Database& db) {
  auto rows = db.Query(
      "SELECT n.name, m.epoch, m.sequence FROM ingest_marks m "
      "JOIN sensor_names n ON n.id = m.sensor ORDER BY n.name, m.updated, m.epoch");
  if (!rows) {
    return tl::make_unexpected(rows.error());
  }
  std::vector<HighWaterMark> marks;
  while (rows->Next()) {
    marks.push_back({rows->Text(0), rows->Unsigned(1), rows->Unsigned(2)});
  }
  if (auto done = rows->Done(); !done) {
    return tl::make_unexpected(done.error());
  }
  return marks;
}

IncidentRecord IncidentFrom(const Rows& rows, int first) {
  IncidentRecord record;
  record.number = rows.Unsigned(first);
  record.state = ParseIncidentState(rows.Text(first + 1)).value_or(IncidentState::kCandidate);
  record.verdict = ParseVerdict(rows.Text(first + 2)).value_or(Verdict::kUnknown);
  record.severity = rows.Text(first + 3);
  record.started_at = rows.Time(first + 4);
  record.opened_at = rows.Time(first + 5);
  record.updated_at = rows.Time(first + 6);
  record.closed_at = rows.Time(first + 7);
  record.family = rows.Text(first + 8);
  record.direction = rows.Text(first + 9);
  record.split = rows.Text(first + 10);
  record.failing_sensors = DecodeList(rows.Text(first + 11));
  record.reaching_sensors = DecodeList(rows.Text(first + 12));
  record.targets = DecodeTargets(rows.Text(first + 13));
  if (!rows.IsNull(first + 14)) {
    record.suspect = Suspect{rows.Text(first + 14), rows.Text(first + 15), rows.Text(first + 16),
                             DecodeList(rows.Text(first + 17))};
  }
  record.evidence = DecodeMap(rows.Text(first + 18));
  record.summary = rows.Text(first + 19);
  return record;
}

PathReport PathFrom(const Rows& rows, int first) {
  PathReport report;
  const std::string method = rows.Text(first);
  for (const ProbeMethod known :
       {ProbeMethod::kIcmpEcho, ProbeMethod::kTcpSyn, ProbeMethod::kUdp}) {
    report.attempt.method = ToString(known) == method ? known : report.attempt.method;
  }
  report.attempt.port = static_cast<uint16_t>(rows.Int(first + 1));
  report.attempt.flow = static_cast<uint16_t>(rows.Int(first + 2));
  report.end = ParseTraceEnd(rows.Text(first + 3)).value_or(TraceEnd::kUnfinished);
  report.reporter = rows.Address(first + 4);
  report.changed = rows.Bool(first + 5);
  report.hops = DecodeHops(rows.Text(first + 6));
  return report;
}

ServerReport ServerReportFrom(const Rows& rows, int first) {
  ServerReport report;
  report.server = rows.Address(first).value_or(IpAddress());
  report.window_start = rows.Time(first + 1);
  report.window = Duration(rows.Int(first + 2));
  report.age = Duration(rows.Int(first + 3));
  report.aggregate = rows.Bool(first + 4);
  report.sampling = static_cast<uint32_t>(rows.Int(first + 5));
  report.syns = rows.Unsigned(first + 6);
  report.syn_acks = rows.Unsigned(first + 7);
  report.sources = rows.Unsigned(first + 8);
  report.port = static_cast<uint16_t>(rows.Int(first + 9));
  report.port_syns = rows.Unsigned(first + 10);
  report.port_syn_acks = rows.Unsigned(first + 11);
  report.completed = rows.Unsigned(first + 12);
  report.half_open = rows.Unsigned(first + 13);
  report.unanswered = rows.Unsigned(first + 14);
  report.refused = rows.Unsigned(first + 15);
  report.unknown = rows.Unsigned(first + 16);
  report.half_open_repeated = Share(rows, first + 17);
  report.half_open_known = Share(rows, first + 18);
  report.all_or_nothing = Share(rows, first + 19);
  report.syn_rate = rows.Real(first + 20);
  report.usual_rate = rows.Real(first + 21);
  report.excess = rows.Real(first + 22);
  report.listen_overflows = Counter(rows, first + 23);
  report.syn_cookies_sent = Counter(rows, first + 24);
  return report;
}

}  // namespace parallax::collector
