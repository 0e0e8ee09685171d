#include "collector/store/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "collector/store/list_text.h"
#include "collector/store/rows.h"
#include "collector/store/schema.h"
#include "collector/store/trust_rows.h"

namespace parallax::collector {
namespace {

// Rows of a log that one question looks at: bounds its time and memory in the middle of a flood.
constexpr int64_t kMostLogRows = 1'000'000;

uint64_t BytesOf(const std::string& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  return error ? 0 : size;
}

constexpr std::string_view KeyColumn(SynKey key) {
  switch (key) {
    case SynKey::kSource:
      return "client";
    case SynKey::kDestination:
      return "server";
    case SynKey::kPort:
      break;
  }
  return "server_port";
}

// Both sides sorted by address bytes; cells of unknown targets and sensors are passed over.
std::vector<TargetView> Join(std::vector<TargetRecord> targets,
                             const std::vector<CellRecord>& cells,
                             const std::vector<SensorName>& sensors) {
  const auto bytes_less = [](const IpAddress& a, const IpAddress& b) {
    return std::ranges::lexicographical_compare(a.bytes(), b.bytes());
  };
  std::vector<TargetView> views;
  views.reserve(targets.size());
  size_t next = 0;
  for (auto& target : targets) {
    TargetView view;
    view.cells.reserve(sensors.size());
    for (const auto& sensor : sensors) {
      view.cells.push_back({sensor, target.address, CellState::kUnknown, WallTime{}, Duration{}});
    }
    while (next < cells.size() && bytes_less(cells[next].target, target.address)) {
      ++next;
    }
    for (; next < cells.size() && cells[next].target == target.address; ++next) {
      const auto place = std::ranges::lower_bound(sensors, cells[next].sensor);
      if (place != sensors.end() && *place == cells[next].sensor) {
        view.cells[static_cast<size_t>(place - sensors.begin())] = cells[next];
      }
    }
    view.target = std::move(target);
    views.push_back(std::move(view));
  }
  std::ranges::sort(views, {}, [](const TargetView& view) { return view.target.address; });
  return views;
}

}  // namespace

Result<std::unique_ptr<Reader>> Reader::Open(const std::string& path, Duration time_limit) {
  auto db = Database::Open(path, Database::Mode::kReadOnly);
  if (!db) {
    return tl::make_unexpected(db.error());
  }
  if (auto known = CheckSchema(**db); !known) {
    return tl::make_unexpected(known.error());
  }
  return std::unique_ptr<Reader>(new Reader(std::move(*db), time_limit));
}

template <typename Ask>
auto Reader::InSnapshot(Ask ask) -> decltype(ask()) {
  db_->LimitTime(time_limit_);
  auto snapshot = Transaction::Begin(*db_, Transaction::Kind::kRead);
  if (!snapshot) {
    return tl::make_unexpected(snapshot.error());
  }
  auto answer = ask();
  db_->LimitTime(Duration{});  // letting go of the snapshot must not be cut short
  return answer;
}

Result<std::map<std::string, uint32_t>> Reader::CountBy(std::string_view sql) {
  auto rows = db_->Query(sql);
  if (!rows) {
    return tl::make_unexpected(rows.error());
  }
  std::map<std::string, uint32_t> counts;
  while (rows->Next()) {
    counts[rows->Text(0)] = static_cast<uint32_t>(rows->Int(1));
  }
  if (auto done = rows->Done(); !done) {
    return tl::make_unexpected(done.error());
  }
  return counts;
}

// Row ids grow with the time of receipt, so halving finds the place without an index. If the
// collector's clock was set back in between, the place is somewhere near the jump.
Result<int64_t> Reader::FirstSince(std::string_view log, WallTime since) {
  auto lowest = db_->QueryInt(fmt::format("SELECT min(id) FROM {}", log));
  auto highest = db_->QueryInt(fmt::format("SELECT max(id) FROM {}", log));
  if (!lowest || !highest) {
    return lowest ? highest : lowest;
  }
  const std::string sql =
      fmt::format("SELECT id, received FROM {} WHERE id >= ? ORDER BY id LIMIT 1", log);
  int64_t low = *lowest;
  int64_t high = *highest + 1;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    auto rows = db_->Query(sql, middle);
    if (!rows) {
      return tl::make_unexpected(rows.error());
    }
    const bool found = rows->Next();
    if (auto done = rows->Done(); !done) {
      return tl::make_unexpected(done.error());
    }
    if (!found || rows->Time(1) >= since) {
      high = middle;
    } else {
      low = rows->Int(0) + 1;
    }
  }
  return low;
}

Result<Reader::Start> Reader::StartIn(std::string_view log, WallTime since) {
  auto first = FirstSince(log, since);
  auto last = db_->QueryInt(fmt::format("SELECT max(id) FROM {}", log));
  if (!first || !last) {
    return tl::make_unexpected(first ? last.error() : first.error());
  }
  const int64_t id = std::max(*first, *last - kMostLogRows + 1);
  return Start{id, id > *first};
}

Result<StatusCounts> Reader::Status(WallTime now) {
  return InSnapshot([&]() -> Result<StatusCounts> {
    StatusCounts counts;
    auto sensors = CountBy("SELECT state, count(*) FROM sensors GROUP BY state");
    auto targets = CountBy("SELECT verdict, count(*) FROM targets GROUP BY verdict");
    auto incidents =
        CountBy("SELECT verdict, count(*) FROM incidents WHERE state <> 'closed' GROUP BY verdict");
    for (const auto* answer : {&sensors, &targets, &incidents}) {
      if (!*answer) {
        return tl::make_unexpected(answer->error());
      }
    }
    counts.sensors = std::move(*sensors);
    counts.targets = std::move(*targets);
    counts.incidents = std::move(*incidents);

    const WallTime since = now - std::chrono::minutes(1);
    auto first = FirstSince("attempts", since);
    if (!first) {
      return tl::make_unexpected(first.error());
    }
    auto rows = db_->Query(
        "SELECT (SELECT value FROM totals WHERE name = 'attempts'), "
        "(SELECT value FROM totals WHERE name = 'reports'), "
        "(SELECT count(*) FROM attempts WHERE id >= ?1 AND received >= ?2), "
        "(SELECT count(*) FROM attempts WHERE id >= ?1 AND received >= ?2 AND outcome = 2)",
        *first, since);
    if (!rows) {
      return tl::make_unexpected(rows.error());
    }
    if (rows->Next()) {
      counts.attempts_total = rows->Unsigned(0);
      counts.reports_total = rows->Unsigned(1);
      counts.attempts_last_minute = rows->Unsigned(2);
      counts.half_open_last_minute = rows->Unsigned(3);
    }
    if (auto done = rows->Done(); !done) {
      return tl::make_unexpected(done.error());
    }
    counts.database_bytes = BytesOf(db_->path()) + BytesOf(db_->path() + "-wal");
    return counts;
  });
}

Result<std::vector<SensorRecord>> Reader::Sensors(const std::optional<SensorName>& name) {
  return InSnapshot([&] { return ReadSensors(*db_, name); });
}

Result<SavedTrust> Reader::Trust() {
  return InSnapshot([&] { return ReadTrust(*db_); });
}

Result<std::vector<KnownSensor>> Reader::KnownSensors() {
  return InSnapshot([&] { return ReadKnownSensors(*db_); });
}

Result<TargetPage> Reader::Targets(const std::optional<IpAddress>& address, uint64_t limit) {
  return InSnapshot([&]() -> Result<TargetPage> {
    auto targets = ReadTargets(*db_, address, limit);
    auto cells = ReadCells(*db_, address);
    auto total = db_->QueryInt("SELECT count(*) FROM targets");
    auto names = db_->Query(
        "SELECT n.name FROM sensors s JOIN sensor_names n ON n.id = s.sensor ORDER BY n.name");
    for (const Error* error :
         {targets ? nullptr : &targets.error(), cells ? nullptr : &cells.error(),
          total ? nullptr : &total.error(), names ? nullptr : &names.error()}) {
      if (error != nullptr) {
        return tl::make_unexpected(*error);
      }
    }
    std::vector<SensorName> sensors;
    while (names->Next()) {
      sensors.push_back(names->Text(0));
    }
    if (auto done = names->Done(); !done) {
      return tl::make_unexpected(done.error());
    }
    TargetPage page;
    page.items = Join(std::move(*targets), *cells, sensors);
    page.total = address ? page.items.size() : static_cast<uint64_t>(*total);
    return page;
  });
}

Result<IncidentPage> Reader::Incidents(const IncidentFilter& filter, uint64_t limit) {
  static const std::string kList = fmt::format(
      "SELECT {}, count(*) OVER () FROM incidents WHERE (?1 = 0 OR number = ?1) "
      "AND (?2 = '' OR state = ?2) AND (?3 = 0 OR state <> 'closed') ORDER BY number DESC LIMIT ?4",
      kIncidentColumns);
  constexpr int kTotalColumn = 20;
  return InSnapshot([&]() -> Result<IncidentPage> {
    const std::string_view state = filter.state ? ToString(*filter.state) : std::string_view();
    auto rows = db_->Query(kList, filter.number.value_or(0), state, filter.live_only, limit);
    if (!rows) {
      return tl::make_unexpected(rows.error());
    }
    IncidentPage page;
    while (rows->Next()) {
      page.items.push_back(IncidentFrom(*rows, 0));
      page.total = rows->Unsigned(kTotalColumn);
    }
    if (auto done = rows->Done(); !done) {
      return tl::make_unexpected(done.error());
    }
    auto last = db_->QueryInt("SELECT max(event) FROM incident_events");
    if (!last) {
      return tl::make_unexpected(last.error());
    }
    page.last_event = static_cast<uint64_t>(*last);
    return page;
  });
}

Result<std::vector<IncidentEventView>> Reader::EventsAfter(uint64_t event, uint64_t limit) {
  static const std::string kEvents = fmt::format(
      "SELECT event, at, change, {} FROM incident_events WHERE event > ? ORDER BY event LIMIT ?",
      kIncidentColumns);
  return InSnapshot([&]() -> Result<std::vector<IncidentEventView>> {
    auto rows = db_->Query(kEvents, event, limit);
    if (!rows) {
      return tl::make_unexpected(rows.error());
    }
    std::vector<IncidentEventView> events;
    while (rows->Next()) {
      events.push_back({rows->Unsigned(0), {rows->Text(2), rows->Time(1), IncidentFrom(*rows, 3)}});
    }
    if (auto done = rows->Done(); !done) {
      return tl::make_unexpected(done.error());
    }
    return events;
  });
}

Result<SynTopPage> Reader::TopSyns(SynKey key, WallTime since, uint64_t limit) {
  return InSnapshot([&]() -> Result<SynTopPage> {
    auto start = StartIn("attempts", since);
    if (!start) {
      return tl::make_unexpected(start.error());
    }
    const std::string sql = fmt::format(
        "SELECT {0}, count(*), sum(outcome = 0), sum(outcome = 1), sum(outcome = 2), "
        "sum(outcome = 3), sum(outcome = 4), sum(outcome = 5), count(DISTINCT sensor), "
        "max(received), count(*) OVER () FROM attempts WHERE id >= ?1 AND "
        "received >= ?2 GROUP BY {0} ORDER BY 2 DESC, 1 LIMIT ?3",
        KeyColumn(key));
    auto rows = db_->Query(sql, start->id, since, limit);
    if (!rows) {
      return tl::make_unexpected(rows.error());
    }
    SynTopPage page;
    page.truncated = start->truncated;
    while (rows->Next()) {
      SynTopRow row;
      row.key = key == SynKey::kPort ? std::to_string(rows->Int(0))
                                     : rows->Address(0).value_or(IpAddress()).ToString();
      row.attempts = rows->Unsigned(1);
      row.pending = rows->Unsigned(2);
      row.completed = rows->Unsigned(3);
      row.half_open = rows->Unsigned(4);
      row.unanswered = rows->Unsigned(5);
      row.refused = rows->Unsigned(6);
      row.unknown = rows->Unsigned(7);
      row.sensors = rows->Unsigned(8);
      row.last_seen = rows->Time(9);
      page.total = rows->Unsigned(10);
      page.items.push_back(std::move(row));
    }
    if (auto done = rows->Done(); !done) {
      return tl::make_unexpected(done.error());
    }
    return page;
  });
}

Result<PathPage> Reader::Paths(const IpAddress& target, const std::optional<SensorName>& sensor,
                               uint64_t limit) {
  return InSnapshot([&]() -> Result<PathPage> {
    PathPage page;
    auto traces = db_->Query(
        "SELECT n.name, p.received - p.age, p.method, p.port, p.flow, p.trace_end, p.reporter, "
        "p.changed, p.hops, count(*) OVER () FROM paths p JOIN sensor_names n ON n.id = p.sensor "
        "WHERE p.target = ?1 AND (?2 = 0 OR n.name = ?3) ORDER BY p.id DESC LIMIT ?4",
        target, sensor.has_value(), sensor.value_or(SensorName()), limit);
    if (!traces) {
      return tl::make_unexpected(traces.error());
    }
    while (traces->Next()) {
      PathView& view = page.items.emplace_back();
      view.sensor = traces->Text(0);
      view.at = traces->Time(1);
      view.report = PathFrom(*traces, 2);
      view.report.target = target;
      page.total = traces->Unsigned(9);
    }
    if (auto done = traces->Done(); !done) {
      return tl::make_unexpected(done.error());
    }
    auto known = db_->Query(
        "SELECT n.name, a.seen_at, a.hops FROM atlas a JOIN sensor_names n ON n.id = a.sensor "
        "WHERE a.target = ?1 AND (?2 = 0 OR n.name = ?3) ORDER BY n.name",
        target, sensor.has_value(), sensor.value_or(SensorName()));
    if (!known) {
      return tl::make_unexpected(known.error());
    }
    while (known->Next()) {
      PathView& view = page.items.emplace_back();
      view.sensor = known->Text(0);
      view.at = known->Time(1);
      view.remembered = true;
      view.report.target = target;
      view.report.hops = DecodeHops(known->Text(2));
    }
    if (auto done = known->Done(); !done) {
      return tl::make_unexpected(done.error());
    }
    return page;
  });
}

Result<ServerReportPage> Reader::LatestServerReports(WallTime since, uint64_t limit) {
  static const std::string kLatest = fmt::format(
      "SELECT n.name, received - age, {}, count(*) OVER () FROM server_reports r "
      "JOIN sensor_names n ON n.id = r.sensor WHERE r.id IN (SELECT id FROM "
      "(SELECT id, max(received - age) FROM server_reports WHERE id >= ?1 AND received - age >= ?2 "
      "GROUP BY server, sensor)) ORDER BY syn_rate DESC, 2 DESC, server, n.name LIMIT ?3",
      kServerReportColumns);
  constexpr int kTotalColumn = 27;
  return InSnapshot([&]() -> Result<ServerReportPage> {
    auto start = StartIn("server_reports", since);
    if (!start) {
      return tl::make_unexpected(start.error());
    }
    auto rows = db_->Query(kLatest, start->id, since, limit);
    if (!rows) {
      return tl::make_unexpected(rows.error());
    }
    ServerReportPage page;
    page.truncated = start->truncated;
    while (rows->Next()) {
      page.items.push_back({rows->Text(0), rows->Time(1), ServerReportFrom(*rows, 2)});
      page.total = rows->Unsigned(kTotalColumn);
    }
    if (auto done = rows->Done(); !done) {
      return tl::make_unexpected(done.error());
    }
    return page;
  });
}

Result<uint64_t> Reader::HighWater(const SensorName& sensor, uint64_t epoch) {
  return InSnapshot([&]() -> Result<uint64_t> {
    auto mark = db_->QueryInt(
        "SELECT m.sequence FROM ingest_marks m JOIN sensor_names n ON n.id = m.sensor "
        "WHERE n.name = ? AND m.epoch = ?",
        sensor, epoch);
    if (!mark) {
      return tl::make_unexpected(mark.error());
    }
    return static_cast<uint64_t>(*mark);
  });
}

}  // namespace parallax::collector
