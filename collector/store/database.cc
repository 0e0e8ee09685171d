#include "collector/store/database.h"

#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <cstring>
#include <filesystem>
#include <utility>

namespace parallax::collector {
namespace {

// Virtual machine steps between two looks at the clock; about a tenth of a millisecond.
constexpr int kStepsPerLook = 10'000;

int PrimaryCode(int code) { return code & 0xff; }

Error MakeError(const std::string& path, sqlite3* handle, int code, Duration time_limit) {
  const char* text = handle != nullptr ? sqlite3_errmsg(handle) : sqlite3_errstr(code);
  const int system_error = handle != nullptr ? sqlite3_system_errno(handle) : 0;
  const std::string reason =
      system_error != 0 ? fmt::format("{} ({})", text, std::strerror(system_error)) : text;
  switch (PrimaryCode(code)) {
    case SQLITE_FULL: {
      const auto folder = std::filesystem::path(path).parent_path().string();
      return {ErrorCode::kFailure, fmt::format("{}: disk full; free some space in {}", path,
                                               folder.empty() ? "." : folder)};
    }
    case SQLITE_NOTADB:
      return {ErrorCode::kFailure, fmt::format("{}: not a Parallax database", path)};
    case SQLITE_CORRUPT:
      return {ErrorCode::kFailure,
              fmt::format("{}: database damaged ({}); put back a copy, or move the file away and "
                          "start with a new one",
                          path, text)};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {ErrorCode::kUnavailable,
              fmt::format("{}: locked by another program; close what has it open", path)};
    case SQLITE_INTERRUPT:
      return {ErrorCode::kUnavailable, fmt::format("{}: the question took longer than {}", path,
                                                   FormatDuration(time_limit))};
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN:
      return {system_error == ENOENT ? ErrorCode::kNotFound : ErrorCode::kPermission,
              fmt::format("{}: {}", path, reason)};
    default:
      return {ErrorCode::kFailure, fmt::format("{}: {}", path, reason)};
  }
}

}  // namespace

std::string SqliteVersion() { return sqlite3_libversion(); }

Statement::~Statement() { sqlite3_finalize(handle_); }

void Statement::Check(int code) {
  if (code != SQLITE_OK && bind_error_ == SQLITE_OK) {
    bind_error_ = code;
  }
}

void Statement::Bind(int index, std::nullptr_t, bool) { Check(sqlite3_bind_null(handle_, index)); }

void Statement::Bind(int index, std::string_view text, bool copy) {
  Check(sqlite3_bind_text64(handle_, index, text.data() != nullptr ? text.data() : "", text.size(),
                            copy ? SQLITE_TRANSIENT : SQLITE_STATIC, SQLITE_UTF8));
}

void Statement::Bind(int index, double value, bool) {
  Check(sqlite3_bind_double(handle_, index, value));
}

void Statement::Bind(int index, const IpAddress& address, bool copy) {
  const auto bytes = address.bytes();
  Check(sqlite3_bind_blob64(handle_, index, bytes.data(), bytes.size(),
                            copy ? SQLITE_TRANSIENT : SQLITE_STATIC));
}

void Statement::Bind(int index, Blob blob, bool copy) {
  Check(sqlite3_bind_blob64(handle_, index, blob.bytes.data(), blob.bytes.size(),
                            copy ? SQLITE_TRANSIENT : SQLITE_STATIC));
}

void Statement::Bind(int index, const std::optional<IpAddress>& address, bool copy) {
  if (address) {
    Bind(index, *address, copy);
  } else {
    Bind(index, nullptr, copy);
  }
}

void Statement::BindInteger(int index, int64_t value) {
  Check(sqlite3_bind_int64(handle_, index, value));
}

Result<bool> Statement::Step() {
  if (bind_error_ != SQLITE_OK) {
    return Fail(ErrorCode::kFailure, fmt::format("{}: cannot bind a value: {}", database_.path(),
                                                 sqlite3_errstr(bind_error_)));
  }
  switch (const int code = sqlite3_step(handle_)) {
    case SQLITE_ROW:
      return true;
    case SQLITE_DONE:
      return false;
    default:
      return tl::make_unexpected(
          MakeError(database_.path(), database_.handle_, code, database_.time_limit_));
  }
}

void Statement::Reset() {
  sqlite3_reset(handle_);
  bind_error_ = SQLITE_OK;
  active_ = false;
}

Rows::~Rows() {
  if (statement_ != nullptr) {
    statement_->Reset();
  }
}

bool Rows::Next() {
  if (!status_) {
    return false;
  }
  auto stepped = statement_->Step();
  if (!stepped) {
    status_ = tl::make_unexpected(stepped.error());
    return false;
  }
  return *stepped;
}

int64_t Rows::Int(int column) const { return sqlite3_column_int64(statement_->handle_, column); }

double Rows::Real(int column) const { return sqlite3_column_double(statement_->handle_, column); }

bool Rows::IsNull(int column) const {
  return sqlite3_column_type(statement_->handle_, column) == SQLITE_NULL;
}

std::string Rows::Text(int column) const {
  const void* text = sqlite3_column_text(statement_->handle_, column);
  const auto size = static_cast<size_t>(sqlite3_column_bytes(statement_->handle_, column));
  return text == nullptr ? std::string() : std::string(static_cast<const char*>(text), size);
}

std::optional<IpAddress> Rows::Address(int column) const {
  const void* blob = sqlite3_column_blob(statement_->handle_, column);
  const auto size = static_cast<size_t>(sqlite3_column_bytes(statement_->handle_, column));
  if (blob == nullptr) {
    return std::nullopt;
  }
  return IpAddress::FromBytes({static_cast<const uint8_t*>(blob), size});
}

Result<std::unique_ptr<Database>> Database::Open(const std::string& path, Mode mode) {
  const int flags = (mode == Mode::kReadWrite ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                                              : SQLITE_OPEN_READONLY) |
                    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  // No counters of memory used: each allocation would wait for a lock. Only before the first open.
  static const int without_counters = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  (void)without_counters;
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  if (code != SQLITE_OK) {
    Error error = MakeError(path, handle, code, Duration{});
    sqlite3_close(handle);
    return tl::make_unexpected(std::move(error));
  }
  std::unique_ptr<Database> database(new Database(path, handle));
  // The one writer never waits for itself: BUSY there is a fault worth seeing.
  sqlite3_busy_timeout(handle, mode == Mode::kReadWrite ? 0 : 5000);
  sqlite3_limit(handle, SQLITE_LIMIT_ATTACHED, 0);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  // Foreign keys are for people and their tools: the store looks each sensor's id up itself, and
  // checking it again for every row costs a tenth of all inserting.
  if (auto set = database->Execute("PRAGMA mmap_size=0; PRAGMA trusted_schema=OFF;"
                                   "PRAGMA foreign_keys=OFF;");
      !set) {
    return tl::make_unexpected(set.error());
  }
  return database;
}

Database::~Database() {
  statements_.clear();
  sqlite3_close(handle_);
}

Result<void> Database::Execute(const std::string& sql) {
  const int code = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) {
    return tl::make_unexpected(MakeError(path_, handle_, code, time_limit_));
  }
  return {};
}

Result<Statement*> Database::Cached(std::string_view sql) {
  // Rows come by the thousand with the same statement.
  if (latest_ == nullptr || latest_->first != sql) {
    auto found = statements_.find(std::string(sql));
    if (found == statements_.end()) {
      std::string key(sql);
      sqlite3_stmt* handle = nullptr;
      const int code = sqlite3_prepare_v3(handle_, key.c_str(), static_cast<int>(key.size() + 1),
                                          SQLITE_PREPARE_PERSISTENT, &handle, nullptr);
      if (code != SQLITE_OK) {
        return tl::make_unexpected(MakeError(path_, handle_, code, time_limit_));
      }
      found = statements_.emplace(std::move(key), std::make_unique<Statement>(*this, handle)).first;
    }
    latest_ = &*found;
  }
  Statement& statement = *latest_->second;
  if (std::exchange(statement.active_, true)) {
    return Fail(ErrorCode::kFailure, fmt::format("{}: statement still running: {}", path_, sql));
  }
  return &statement;
}

int64_t Database::changes() const { return sqlite3_changes64(handle_); }

int64_t Database::last_insert_id() const { return sqlite3_last_insert_rowid(handle_); }

void Database::ForgetLastInsert() { sqlite3_set_last_insert_rowid(handle_, 0); }

bool Database::last_error_is_content() const {
  switch (PrimaryCode(sqlite3_extended_errcode(handle_))) {
    case SQLITE_CONSTRAINT:
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH:
      return true;
    default:
      return false;
  }
}

int Database::OnProgress(void* self) {
  const auto* database = static_cast<const Database*>(self);
  return std::chrono::steady_clock::now() > database->deadline_ ? 1 : 0;
}

void Database::LimitTime(Duration limit) {
  time_limit_ = limit;
  if (limit == Duration{}) {
    sqlite3_progress_handler(handle_, 0, nullptr, nullptr);
    return;
  }
  deadline_ = std::chrono::steady_clock::now() + limit;
  sqlite3_progress_handler(handle_, kStepsPerLook, &Database::OnProgress, this);
}

Result<bool> Database::Checkpoint(CheckpointMode mode) {
  int frames = 0;
  int moved = 0;
  const int code = sqlite3_wal_checkpoint_v2(
      handle_, nullptr,
      mode == CheckpointMode::kPassive ? SQLITE_CHECKPOINT_PASSIVE : SQLITE_CHECKPOINT_TRUNCATE,
      &frames, &moved);
  if (PrimaryCode(code) == SQLITE_BUSY) {
    return false;
  }
  if (code != SQLITE_OK) {
    return tl::make_unexpected(MakeError(path_, handle_, code, time_limit_));
  }
  return moved >= frames;
}

Result<void> Database::CopyTo(const std::string& path) {
  const auto copy = Open(path, Mode::kReadWrite);
  if (!copy) {
    return tl::make_unexpected(copy.error());
  }
  // Nobody else looks at it before it is whole; whoever asked for it syncs it.
  sqlite3* const to = (*copy)->handle_;
  if (auto set = (*copy)->Execute("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"); !set) {
    return set;
  }
  sqlite3_backup* const backup = sqlite3_backup_init(to, "main", handle_, "main");
  if (backup == nullptr) {
    return tl::make_unexpected((*copy)->ErrorNow());
  }
  // In one go: in pieces, a collector that writes would have it begin anew each time.
  const int stepped = sqlite3_backup_step(backup, -1);
  const int finished = sqlite3_backup_finish(backup);
  if (finished != SQLITE_OK) {
    // That of the source, if it could not be read.
    return tl::make_unexpected(sqlite3_errcode(handle_) != SQLITE_OK ? ErrorNow()
                                                                     : (*copy)->ErrorNow());
  }
  return stepped == SQLITE_DONE ? Result<void>()
                                : tl::make_unexpected(MakeError(path_, nullptr, stepped, {}));
}

uint64_t Database::WalBytes() const {
  struct stat status = {};
  return ::stat((path_ + "-wal").c_str(), &status) == 0 ? static_cast<uint64_t>(status.st_size) : 0;
}

bool Database::in_transaction() const { return sqlite3_get_autocommit(handle_) == 0; }

Error Database::ErrorNow() const {
  return MakeError(path_, handle_, sqlite3_extended_errcode(handle_), time_limit_);
}

Result<Transaction> Transaction::Begin(Database& database, Kind kind) {
  auto begun = database.Run(kind == Kind::kWrite ? "BEGIN IMMEDIATE" : "BEGIN");
  if (!begun) {
    return tl::make_unexpected(begun.error());
  }
  return Transaction(database);
}

Transaction::~Transaction() {
  // After some errors (disk full) SQLite has rolled back by itself.
  if (database_ != nullptr && database_->in_transaction()) {
    (void)database_->Run("ROLLBACK");
  }
}

Result<void> Transaction::Commit() {
  auto committed = database_->Run("COMMIT");
  if (committed) {
    database_ = nullptr;
  }
  return committed;
}

}  // namespace parallax::collector
