#include "collector/store/sqlite_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <limits>

#include "collector/store/rows.h"
#include "collector/store/schema.h"
#include "collector/store/trust_rows.h"
#include "common/log.h"

namespace parallax::collector {
namespace {

// Above this the write-ahead log is copied into the file between commits; above the second it is
// cut to nothing, for which readers must be out of it for a moment.
constexpr uint64_t kPassiveBytes = 16ull << 20;
constexpr uint64_t kTruncateBytes = 128ull << 20;

// Marks kept per sensor. A sensor has a new epoch per start; older ones come back only if their
// records still wait in a spool.
constexpr int kMarksPerSensor = 1024;

// Closed incidents kept, newest first.
constexpr int kClosedIncidents = 10'000;

// Free pages go back to the file system when they are more than half of the file.
constexpr int kPagesPerVacuum = 2000;

// Makes the database out of sight and moves it into place whole: SQLite by itself leaves, if the
// power goes at the wrong moment, a file that is neither empty nor ours.
Result<void> MakeDatabase(const std::string& path) {
  const std::string unfinished = path + ".new";
  for (const char* ending : {"", "-journal", "-wal", "-shm"}) {
    const std::string file = unfinished + ending;
    if (::unlink(file.c_str()) != 0 && errno != ENOENT) {
      return tl::make_unexpected(ErrnoError(file, errno));
    }
  }
  {
    // A folder that is missing or may not be written to has a clearer message than SQLite's.
    const UniqueFd file(::open(unfinished.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file) {
      return tl::make_unexpected(ErrnoError(path, errno));
    }
    const auto database = Database::Open(unfinished, Database::Mode::kReadWrite);
    if (!database) {
      return tl::make_unexpected(database.error());
    }
    const auto made = PrepareForWriting(**database, true).and_then([&] {
      return (*database)->Checkpoint(Database::CheckpointMode::kTruncate);
    });
    if (!made) {
      return tl::make_unexpected(made.error());
    }
  }  // closed: the write-ahead log is gone
  return RenameDurably(unfinished, path);
}

}  // namespace

Result<std::unique_ptr<SqliteStore>> SqliteStore::Open(const std::string& path) {
  auto kind = InspectDatabaseFile(path);
  if (!kind) {
    return tl::make_unexpected(kind.error());
  }
  auto lock = FileLock::Take(path, path + ".lock", {.holder = "collector", .key = "store.path"});
  if (!lock) {
    return tl::make_unexpected(lock.error());
  }
  kind = InspectDatabaseFile(path);  // the last holder of the lock may have made it meanwhile
  if (!kind) {
    return tl::make_unexpected(kind.error());
  }
  if (*kind != FileKind::kOurs) {
    if (auto made = MakeDatabase(path); !made) {
      return tl::make_unexpected(made.error());
    }
  }
  auto database = Database::Open(path, Database::Mode::kReadWrite);
  if (!database) {
    return tl::make_unexpected(database.error());
  }
  if (auto ready = PrepareForWriting(**database, false); !ready) {
    return tl::make_unexpected(ready.error());
  }
  return std::unique_ptr<SqliteStore>(new SqliteStore(std::move(*lock), std::move(*database)));
}

SqliteStore::~SqliteStore() { (void)db_->Checkpoint(Database::CheckpointMode::kTruncate); }

Result<void> SqliteStore::Apply(std::span<const StoreOp> ops) {
  if (ops.empty()) {
    return {};
  }
  new_attempts_ = 0;
  new_reports_ = 0;
  const auto apply = [&]() -> Result<void> {
    auto transaction = Transaction::Begin(*db_, Transaction::Kind::kWrite);
    if (!transaction) {
      return tl::make_unexpected(transaction.error());
    }
    for (const StoreOp& op : ops) {
      auto done = std::visit([&](const auto& value) { return ApplyOne(value); }, op);
      if (!done) {
        return done;
      }
    }
    if (new_attempts_ > 0 || new_reports_ > 0) {
      auto done = db_->Run(
          "UPDATE totals SET value = value + iif(name = 'attempts', ?1, ?2) "
          "WHERE name IN ('attempts', 'reports')",
          new_attempts_, new_reports_);
      if (!done) {
        return done;
      }
    }
    return transaction->Commit();
  };
  auto applied = apply();
  if (!applied) {
    sensor_rows_.clear();  // rows it made are gone with the transaction
  }
  return applied;
}

Result<void> SqliteStore::Forgive(Result<void> done) {
  if (done || !db_->last_error_is_content()) {
    return done;
  }
  if (++refused_rows_ == 1) {
    LogWarning("store refused a row and goes on without it: {}", done.error().message);
  }
  return {};
}

Result<int64_t> SqliteStore::SensorRow(const SensorName& name) {
  if (const auto found = sensor_rows_.find(name); found != sensor_rows_.end()) {
    return found->second;
  }
  auto made = db_->Run("INSERT INTO sensor_names (name) VALUES (?) ON CONFLICT DO NOTHING", name);
  if (!made) {
    return tl::make_unexpected(made.error());
  }
  auto row = db_->QueryInt("SELECT id FROM sensor_names WHERE name = ?", name);
  if (row) {
    sensor_rows_.emplace(name, *row);
  }
  return row;
}

Result<void> SqliteStore::ApplyOne(const IngestedBatch& batch) {
  if (batch.records.empty()) {
    return {};
  }
  auto sensor = SensorRow(batch.sensor);
  if (!sensor) {
    return tl::make_unexpected(sensor.error());
  }
  auto mark = HighWater(batch.sensor, batch.epoch);
  if (!mark) {
    return tl::make_unexpected(mark.error());
  }
  // Sequences end where the number does; a sensor that claims more has the rest ignored.
  const uint64_t room = std::numeric_limits<uint64_t>::max() - batch.first_sequence;
  const uint64_t count = std::min<uint64_t>(batch.records.size(), room);
  const uint64_t known = *mark >= batch.first_sequence ? *mark - batch.first_sequence + 1 : 0;
  if (known >= count) {
    return {};
  }
  for (uint64_t i = known; i < count; ++i) {
    if (auto done = StoreRecord(*sensor, batch, batch.records[i]); !done) {
      return done;
    }
  }
  return db_->Run("INSERT OR REPLACE INTO ingest_marks VALUES (?, ?, ?, ?)", *sensor, batch.epoch,
                  batch.first_sequence + count - 1, batch.received);
}

Result<void> SqliteStore::ApplyOne(const RefusedBatch& batch) {
  auto sensor = SensorRow(batch.sensor);
  if (!sensor) {
    return tl::make_unexpected(sensor.error());
  }
  return Forgive(WriteRefusedBatch(*db_, *sensor, batch));
}

Result<void> SqliteStore::StoreRecord(int64_t sensor, const IngestedBatch& batch,
                                      const Record& record) {
  const WallTime received = batch.received;
  if (const auto* attempt = std::get_if<Attempt>(&record)) {
    db_->ForgetLastInsert();
    auto done = Forgive(WriteAttempt(*db_, sensor, received, *attempt));
    new_attempts_ += db_->last_insert_id() != 0 ? 1 : 0;  // not for the second report of one
    return done;
  }
  if (const auto* server = std::get_if<ServerReport>(&record)) {
    return Forgive(WriteServerReport(*db_, sensor, received, *server));
  }
  if (const auto* path = std::get_if<PathReport>(&record)) {
    return Forgive(WritePath(*db_, sensor, received, *path));
  }
  if (const auto* announcement = std::get_if<Announcement>(&record)) {
    return Forgive(WriteAnnouncement(*db_, sensor, received, *announcement));
  }
  if (const auto* gap = std::get_if<Gap>(&record)) {
    auto mark = HighWater(batch.sensor, gap->epoch);
    return mark ? Forgive(WriteGap(*db_, sensor, received, *gap, *mark))
                : tl::make_unexpected(mark.error());
  }
  const auto& report = std::get<ProbeReport>(record);
  ++new_reports_;
  for (size_t i = 0; i < report.tries.size(); ++i) {
    if (auto done = Forgive(WriteProbeTry(*db_, sensor, received, report, i)); !done) {
      return done;
    }
  }
  return {};
}

Result<void> SqliteStore::ApplyOne(const SensorIdentity& identity) {
  auto sensor = SensorRow(identity.sensor);
  if (!sensor) {
    return tl::make_unexpected(sensor.error());
  }
  return Forgive(WriteIdentity(*db_, *sensor, identity));
}

Result<void> SqliteStore::ApplyOne(const SensorRecord& record) {
  auto sensor = SensorRow(record.name);
  if (!sensor) {
    return tl::make_unexpected(sensor.error());
  }
  return Forgive(WriteSensor(*db_, *sensor, record));
}

Result<void> SqliteStore::ApplyOne(const TargetRecord& record) {
  return Forgive(WriteTarget(*db_, record));
}

Result<void> SqliteStore::ApplyOne(const TargetForgotten& forgotten) {
  for (const std::string_view sql :
       {"DELETE FROM cells WHERE target = ?", "DELETE FROM atlas WHERE target = ?"}) {
    if (auto done = db_->Run(sql, forgotten.address); !done) {
      return done;
    }
  }
  return db_->Run("DELETE FROM targets WHERE address = ?", forgotten.address);
}

Result<void> SqliteStore::ApplyOne(const CellRecord& record) {
  auto sensor = SensorRow(record.sensor);
  if (!sensor) {
    return tl::make_unexpected(sensor.error());
  }
  return Forgive(WriteCell(*db_, *sensor, record));
}

Result<void> SqliteStore::ApplyOne(const PathRecord& record) {
  auto sensor = SensorRow(record.sensor);
  if (!sensor) {
    return tl::make_unexpected(sensor.error());
  }
  return Forgive(WriteAtlas(*db_, *sensor, record));
}

Result<void> SqliteStore::ApplyOne(const IncidentChange& change) {
  return Forgive(WriteIncidentChange(*db_, change));
}

Result<void> SqliteStore::ApplyOne(const TrustChange& change) {
  for (const TrustRow& row : change.rows) {
    if (auto done = WriteTrust(*db_, row); !done) {
      return Forgive(done);
    }
  }
  return {};
}

Result<uint64_t> SqliteStore::HighWater(const SensorName& sensor, uint64_t epoch) {
  auto mark = db_->QueryInt(
      "SELECT m.sequence FROM ingest_marks m JOIN sensor_names n ON n.id = m.sensor "
      "WHERE n.name = ? AND m.epoch = ?",
      sensor, epoch);
  if (!mark) {
    return tl::make_unexpected(mark.error());
  }
  return static_cast<uint64_t>(*mark);
}

Result<SavedState> SqliteStore::Load() {
  auto transaction = Transaction::Begin(*db_, Transaction::Kind::kWrite);
  if (!transaction) {
    return tl::make_unexpected(transaction.error());
  }
  // Cells and ways that were written after their target was forgotten belong to nothing.
  for (const std::string_view sql :
       {"DELETE FROM cells WHERE target NOT IN (SELECT address FROM targets)",
        "DELETE FROM atlas WHERE target NOT IN (SELECT address FROM targets)"}) {
    if (auto done = db_->Run(sql); !done) {
      return tl::make_unexpected(done.error());
    }
  }
  SavedState state;
  auto sensors = ReadSensors(*db_, std::nullopt);
  auto targets = ReadTargets(*db_, std::nullopt, std::numeric_limits<int64_t>::max());
  auto cells = ReadCells(*db_, std::nullopt);
  auto paths = ReadAtlas(*db_);
  auto marks = ReadMarks(*db_);
  auto trust = ReadTrust(*db_);
  auto last = db_->QueryInt("SELECT value FROM totals WHERE name = 'last_incident'");
  static const std::string kLive = fmt::format(
      "SELECT {} FROM incidents WHERE state <> 'closed' ORDER BY number", kIncidentColumns);
  auto rows = db_->Query(kLive);
  for (const Error* error :
       {sensors ? nullptr : &sensors.error(), targets ? nullptr : &targets.error(),
        cells ? nullptr : &cells.error(), paths ? nullptr : &paths.error(),
        marks ? nullptr : &marks.error(), trust ? nullptr : &trust.error(),
        last ? nullptr : &last.error(), rows ? nullptr : &rows.error()}) {
    if (error != nullptr) {
      return tl::make_unexpected(*error);
    }
  }
  while (rows->Next()) {
    state.live_incidents.push_back(IncidentFrom(*rows, 0));
  }
  if (auto done = rows->Done(); !done) {
    return tl::make_unexpected(done.error());
  }
  state.sensors = std::move(*sensors);
  state.targets = std::move(*targets);
  state.cells = std::move(*cells);
  state.paths = std::move(*paths);
  state.marks = std::move(*marks);
  state.trust = std::move(*trust);
  state.last_incident = static_cast<uint64_t>(*last);
  if (auto done = transaction->Commit(); !done) {
    return tl::make_unexpected(done.error());
  }
  return state;
}

Result<uint64_t> SqliteStore::Prune(WallTime before, uint64_t max_rows) {
  auto transaction = Transaction::Begin(*db_, Transaction::Kind::kWrite);
  if (!transaction) {
    return tl::make_unexpected(transaction.error());
  }
  uint64_t deleted = 0;
  // Logs: the oldest rows have the lowest ids, so that only those are looked at.
  for (const std::string_view sql :
       {"DELETE FROM attempts WHERE id IN (SELECT id FROM (SELECT id, received FROM attempts "
        "ORDER BY id LIMIT ?2) WHERE received < ?1)",
        "DELETE FROM probe_tries WHERE id IN (SELECT id FROM (SELECT id, received FROM "
        "probe_tries ORDER BY id LIMIT ?2) WHERE received < ?1)",
        "DELETE FROM server_reports WHERE id IN (SELECT id FROM (SELECT id, received FROM "
        "server_reports ORDER BY id LIMIT ?2) WHERE received < ?1)",
        "DELETE FROM paths WHERE id IN (SELECT id FROM (SELECT id, received FROM "
        "paths ORDER BY id LIMIT ?2) WHERE received < ?1)",
        "DELETE FROM announcements WHERE id IN (SELECT id FROM (SELECT id, received FROM "
        "announcements ORDER BY id LIMIT ?2) WHERE received < ?1)",
        "DELETE FROM incident_events WHERE event IN (SELECT e.event FROM incident_events e "
        "JOIN incidents i ON i.number = e.number WHERE i.state = 'closed' AND e.at < ?1 "
        "ORDER BY e.event LIMIT ?2)",
        "DELETE FROM gaps WHERE received < ?1 AND ?2 >= 0",
        "DELETE FROM ingest_marks WHERE updated < ?1 AND ?2 >= 0"}) {
    if (auto done = db_->Run(sql, before, max_rows); !done) {
      return tl::make_unexpected(done.error());
    }
    deleted = std::max(deleted, static_cast<uint64_t>(db_->changes()));
  }
  auto done = db_->Run(
      "DELETE FROM ingest_marks WHERE (sensor, epoch) IN (SELECT sensor, epoch FROM (SELECT "
      "sensor, epoch, row_number() OVER (PARTITION BY sensor ORDER BY updated DESC) AS place "
      "FROM ingest_marks) WHERE place > ?)",
      kMarksPerSensor);
  if (done) {
    done = db_->Run(
        "DELETE FROM incidents WHERE state = 'closed' AND number <= "
        "(SELECT number FROM incidents WHERE state = 'closed' ORDER BY number DESC LIMIT 1 "
        "OFFSET ?)",
        kClosedIncidents);
  }
  if (done) {
    done = transaction->Commit();
  }
  if (!done) {
    return tl::make_unexpected(done.error());
  }
  return deleted;
}

Result<void> SqliteStore::ReturnFreePages() {
  auto free_pages = db_->QueryInt("PRAGMA freelist_count");
  auto pages = db_->QueryInt("PRAGMA page_count");
  if (!free_pages || !pages || *free_pages <= *pages / 2 || *free_pages <= kPagesPerVacuum) {
    return {};
  }
  return db_->Execute(fmt::format("PRAGMA incremental_vacuum({})", kPagesPerVacuum));
}

Result<void> SqliteStore::Maintain(bool idle) {
  const uint64_t bytes = db_->WalBytes();
  if (bytes == 0 || (!idle && bytes < kPassiveBytes)) {
    return {};
  }
  const auto mode = idle || bytes >= kTruncateBytes ? Database::CheckpointMode::kTruncate
                                                    : Database::CheckpointMode::kPassive;
  auto done = db_->Checkpoint(mode);
  if (!done) {
    return tl::make_unexpected(done.error());
  }
  // Readers in the way of a checkpoint are no error: the next time will do.
  return idle ? ReturnFreePages() : Result<void>();
}

}  // namespace parallax::collector
