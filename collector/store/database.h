// A thin, typed layer over the SQLite C API: connection, rows, transaction, errors as values. The
// only pair of files that knows sqlite3.h. A Database and what it hands out belong to one thread
// (connections are opened without SQLite's own mutexes).
//
//   auto rows = db.Query("SELECT name, size FROM t WHERE size > ?", 10);
//   if (!rows) return tl::make_unexpected(rows.error());
//   while (rows->Next()) Use(rows->Text(0), rows->Int(1));
//   if (auto done = rows->Done(); !done) return done;
//
// Every message starts with the database's path. Times are stored as nanoseconds since the Unix
// epoch, addresses as blobs of 4 or 16 bytes.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>

#include "common/ip.h"
#include "common/result.h"
#include "common/time.h"

struct sqlite3;
struct sqlite3_stmt;

namespace parallax::collector {

class Database;

// Bytes that are no text.
struct Blob {
  std::string_view bytes;
};

// A prepared statement, reset and ready to be bound. Owned by its Database's cache.
class Statement {
 public:
  Statement(Database& database, sqlite3_stmt* handle) : database_(database), handle_(handle) {}
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement();

  // `copy`: the value may die before the statement is reset.
  void Bind(int index, std::nullptr_t, bool copy);
  void Bind(int index, std::string_view text, bool copy);
  void Bind(int index, const IpAddress& address, bool copy);
  void Bind(int index, const std::optional<IpAddress>& address, bool copy);
  void Bind(int index, const std::optional<Duration>& duration, bool copy) {
    if (duration) {
      Bind(index, *duration, copy);
    } else {
      Bind(index, nullptr, copy);
    }
  }
  void Bind(int index, const std::optional<std::string>& text, bool copy) {
    if (text) {
      Bind(index, std::string_view(*text), copy);
    } else {
      Bind(index, nullptr, copy);
    }
  }
  void Bind(int index, const std::string& text, bool copy) {
    Bind(index, std::string_view(text), copy);
  }
  void Bind(int index, double value, bool copy);
  void Bind(int index, Blob blob, bool copy);
  template <typename T>
  requires std::is_arithmetic_v<T>
  void Bind(int index, const std::optional<T>& value, bool copy) {
    if (value) {
      Bind(index, *value, copy);
    } else {
      Bind(index, nullptr, copy);
    }
  }
  void Bind(int index, WallTime time, bool copy) { Bind(index, ToUnixNanos(time), copy); }
  void Bind(int index, Duration duration, bool copy) { Bind(index, duration.count(), copy); }
  // Unsigned values above 2^63-1 are stored as their two's complement, and read back unchanged.
  template <std::integral T>
  void Bind(int index, T value, bool) {
    BindInteger(index, static_cast<int64_t>(value));
  }

  template <typename... Args>
  void BindAll([[maybe_unused]] bool copy, const Args&... args) {
    int index = 0;
    (Bind(++index, args, copy), ...);
  }

  Result<bool> Step();  // true: a row is there
  void Reset();

 private:
  friend class Rows;
  void BindInteger(int index, int64_t value);
  void Check(int code);

  Database& database_;
  sqlite3_stmt* handle_;
  int bind_error_ = 0;
  bool active_ = false;  // between being handed out and Reset()
  friend class Database;
};

// The rows of one running query; ends (and lets go of the snapshot) when destroyed.
class Rows {
 public:
  explicit Rows(Statement& statement) : statement_(&statement) {}
  Rows(Rows&& other) noexcept
      : statement_(std::exchange(other.statement_, nullptr)), status_(std::move(other.status_)) {}
  Rows& operator=(Rows&&) = delete;
  ~Rows();

  bool Next();  // false: no more, or an error that Done() tells
  Result<void> Done() const { return status_; }

  int64_t Int(int column) const;
  uint64_t Unsigned(int column) const { return static_cast<uint64_t>(Int(column)); }
  bool Bool(int column) const { return Int(column) != 0; }
  double Real(int column) const;
  bool IsNull(int column) const;
  std::string Text(int column) const;
  std::optional<IpAddress> Address(int column) const;  // nullopt for NULL or an odd length
  WallTime Time(int column) const { return FromUnixNanos(Int(column)); }

 private:
  Statement* statement_;
  Result<void> status_;
};

class Database {
 public:
  enum class Mode { kReadWrite, kReadOnly };  // kReadWrite creates the file if need be

  // Opens and sets what every connection needs; the schema is the caller's business.
  static Result<std::unique_ptr<Database>> Open(const std::string& path, Mode mode);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database();

  // One or more statements without parameters and results of interest.
  Result<void> Execute(const std::string& sql);

  // One statement to its end. `sql` must be one of few constant texts: prepared statements are
  // kept.
  template <typename... Args>
  Result<void> Run(std::string_view sql, const Args&... args) {
    auto statement = Cached(sql);
    if (!statement) {
      return tl::make_unexpected(statement.error());
    }
    (*statement)->BindAll(false, args...);
    auto stepped = (*statement)->Step();
    (*statement)->Reset();
    if (!stepped) {
      return tl::make_unexpected(stepped.error());
    }
    return {};
  }

  template <typename... Args>
  Result<Rows> Query(std::string_view sql, const Args&... args) {
    auto statement = Cached(sql);
    if (!statement) {
      return tl::make_unexpected(statement.error());
    }
    (*statement)->BindAll(true, args...);
    return Rows(**statement);
  }

  // The first column of the first row; 0 if there is none.
  template <typename... Args>
  Result<int64_t> QueryInt(std::string_view sql, const Args&... args) {
    auto rows = Query(sql, args...);
    if (!rows) {
      return tl::make_unexpected(rows.error());
    }
    const int64_t value = rows->Next() ? rows->Int(0) : 0;
    if (auto done = rows->Done(); !done) {
      return tl::make_unexpected(done.error());
    }
    return value;
  }

  // Rows that the last Run inserted, changed or deleted.
  int64_t changes() const;
  // The id of the last row inserted since ForgetLastInsert; 0 if none. An upsert that only updates
  // leaves it alone.
  int64_t last_insert_id() const;
  void ForgetLastInsert();
  // True if the last error was about the values (a constraint, a size), not about the file: trying
  // again cannot help.
  bool last_error_is_content() const;

  // From now on until the next call, everything together may take this long; then it fails with
  // kUnavailable. Zero: no limit.
  void LimitTime(Duration limit);

  enum class CheckpointMode { kPassive, kTruncate };
  // False if readers kept it from finishing; harmless, a later one will.
  Result<bool> Checkpoint(CheckpointMode mode);
  uint64_t WalBytes() const;
  // All of it, as it is at one moment, into the empty file `path`. Not synced.
  Result<void> CopyTo(const std::string& path);
  bool in_transaction() const;

  const std::string& path() const { return path_; }
  Error ErrorNow() const;  // of the last call that failed

 private:
  Database(std::string path, sqlite3* handle) : path_(std::move(path)), handle_(handle) {}
  Result<Statement*> Cached(std::string_view sql);
  static int OnProgress(void* self);
  friend class Statement;

  const std::string path_;
  sqlite3* handle_;
  using Statements = std::unordered_map<std::string, std::unique_ptr<Statement>>;
  Statements statements_;
  const Statements::value_type* latest_ = nullptr;
  Duration time_limit_{};
  MonoTime deadline_;
};

// BEGIN ... COMMIT; rolls back unless Commit() succeeded.
class Transaction {
 public:
  enum class Kind { kRead, kWrite };
  static Result<Transaction> Begin(Database& database, Kind kind);
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  Result<void> Commit();

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  Database* database_;
};

std::string SqliteVersion();  // of the library in use, "3.40.1"

}  // namespace parallax::collector
