#include "collector/store/db_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <vector>

#include "collector/store/database.h"
#include "collector/store/schema.h"
#include "collector/store/sqlite_store.h"
#include "common/fd.h"

namespace parallax::collector {
namespace {

Result<std::unique_ptr<Database>> OpenExisting(const std::string& path) {
  const auto kind = InspectDatabaseFile(path);
  if (!kind) {
    return tl::make_unexpected(kind.error());
  }
  if (*kind != FileKind::kOurs) {
    return *kind == FileKind::kAbsent
               ? Fail(ErrorCode::kNotFound, path + ": there is no such file")
               : Fail(ErrorCode::kFailure, path +
                                               ": is empty; remove it, and a collector makes a "
                                               "new one when it starts");
  }
  auto database = Database::Open(path, Database::Mode::kReadOnly);
  if (database) {
    if (auto known = CheckSchema(**database); !known) {
      return tl::make_unexpected(known.error());
    }
  }
  return database;
}

// What SQLite, and then the schema's own references, complain of.
Result<std::vector<std::string>> Complaints(Database& database) {
  std::vector<std::string> complaints;
  auto checked = database.Query("SELECT integrity_check FROM pragma_integrity_check(20)");
  if (!checked) {
    return tl::make_unexpected(checked.error());
  }
  while (checked->Next()) {
    if (const std::string line = checked->Text(0); line != "ok") {
      complaints.push_back(line);
    }
  }
  if (auto done = checked->Done(); !done) {
    return tl::make_unexpected(done.error());
  }
  auto references = database.Query(
      "SELECT \"table\", count(*), \"parent\" FROM pragma_foreign_key_check GROUP BY 1, 3");
  if (!references) {
    return tl::make_unexpected(references.error());
  }
  while (references->Next()) {
    complaints.push_back(fmt::format("{} rows of {} belong to rows of {} that are not there",
                                     references->Int(1), references->Text(0), references->Text(2)));
  }
  if (auto done = references->Done(); !done) {
    return tl::make_unexpected(done.error());
  }
  return complaints;
}

uint64_t SizeOf(const std::string& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  return error ? 0 : size;
}

std::string Megabytes(const std::string& path) {
  return fmt::format("{:.1f} MiB", static_cast<double>(SizeOf(path)) / (1 << 20));
}

}  // namespace

Result<std::string> VerifyDatabase(const std::string& path) {
  const auto database = OpenExisting(path);
  if (!database) {
    return tl::make_unexpected(database.error());
  }
  const auto complaints = Complaints(**database);
  if (!complaints) {
    return tl::make_unexpected(complaints.error());
  }
  if (!complaints->empty()) {
    return Fail(
        ErrorCode::kFailure,
        fmt::format("{}: damaged:\n  {}\nPut back a copy (parallax-collector db backup makes "
                    "them), or move the file away and start with a new one.",
                    path, fmt::join(*complaints, "\n  ")));
  }
  const auto version = (*database)->QueryInt("PRAGMA user_version");
  const auto attempts = (*database)->QueryInt("SELECT count(*) FROM attempts");
  if (!version || !attempts) {
    return tl::make_unexpected(version ? attempts.error() : version.error());
  }
  return fmt::format("{}: whole; schema {}{}, {}, {} attempts\n", path, *version,
                     *version < kSchemaVersion
                         ? fmt::format(" (this program knows {}: db migrate)", kSchemaVersion)
                         : "",
                     Megabytes(path), *attempts);
}

Result<std::string> MigrateDatabase(const std::string& path) {
  int64_t before = 0;
  {
    const auto database = OpenExisting(path);
    if (!database) {
      return tl::make_unexpected(database.error());
    }
    const auto version = (*database)->QueryInt("PRAGMA user_version");
    if (!version) {
      return tl::make_unexpected(version.error());
    }
    before = *version;
  }
  if (const auto store = SqliteStore::Open(path); !store) {
    return tl::make_unexpected(store.error());
  }
  return before == kSchemaVersion
             ? fmt::format("{}: has schema {} already\n", path, before)
             : fmt::format("{}: brought from schema {} to {}\n", path, before, kSchemaVersion);
}

Result<std::string> BackupDatabase(const std::string& path, const std::string& out) {
  const auto database = OpenExisting(path);
  if (!database) {
    return tl::make_unexpected(database.error());
  }
  const std::string unfinished = out + ".unfinished";
  if (::access(out.c_str(), F_OK) == 0) {
    return Fail(ErrorCode::kFailure, out + ": exists; name a file that does not");
  }
  if (::unlink(unfinished.c_str()) != 0 && errno != ENOENT) {
    return tl::make_unexpected(ErrnoError(unfinished, errno));
  }
  if (const UniqueFd file(::open(unfinished.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
      !file) {
    return tl::make_unexpected(ErrnoError(unfinished, errno));
  }
  const auto copied =
      (*database)->CopyTo(unfinished).and_then([&] { return RenameDurably(unfinished, out); });
  if (!copied) {
    ::unlink(unfinished.c_str());
    return tl::make_unexpected(copied.error());
  }
  return fmt::format(
      "Copied {0} to {1} ({2}).\n\nTo go back to it: stop the collector, put the copy in the place of "
      "{0} (and remove {0}-wal and {0}-shm), start the collector.\n",
      path, out, Megabytes(out));
}

}  // namespace parallax::collector
