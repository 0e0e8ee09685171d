#include "collector/store/schema.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <span>
#include <string_view>

#include "collector/store/migrations.h"
#include "common/fd.h"

namespace parallax::collector {
namespace {

Error Newer(const std::string& path, int64_t version) {
  return {
      ErrorCode::kFailure,
      fmt::format("{}: written by a newer Parallax (schema {}, this one knows {}); upgrade this "
                  "collector or restore an older copy",
                  path, version, kSchemaVersion)};
}

Error Foreign(const std::string& path) {
  return {ErrorCode::kFailure,
          fmt::format("{}: not a Parallax database; name another file in store.path", path)};
}

// The fields of SQLite's file header that matter here (sqlite.org/fileformat2.html, section 1.3).
constexpr size_t kHeaderSize = 100;
constexpr std::string_view kMagic("SQLite format 3\0", 16);

int64_t BigEndian(std::span<const uint8_t> header, size_t offset, size_t size) {
  int64_t value = 0;
  for (const uint8_t byte : header.subspan(offset, size)) {
    value = value << 8 | byte;
  }
  return value;
}

bool HasWriteAheadLog(const std::string& path) {
  struct stat status = {};
  return ::stat((path + "-wal").c_str(), &status) == 0 && status.st_size > 0;
}

}  // namespace

Result<FileKind> InspectDatabaseFile(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) {
    if (errno == ENOENT) {
      return FileKind::kAbsent;
    }
    return tl::make_unexpected(ErrnoError(path, errno));
  }
  struct stat status = {};
  if (::fstat(file.get(), &status) != 0) {
    return tl::make_unexpected(ErrnoError(path, errno));
  }
  if (!S_ISREG(status.st_mode)) {
    return tl::make_unexpected(Foreign(path));
  }
  if (status.st_size == 0) {
    return FileKind::kEmpty;
  }
  std::array<uint8_t, kHeaderSize> header = {};
  const ssize_t size = ::pread(file.get(), header.data(), header.size(), 0);
  if (size < 0) {
    return tl::make_unexpected(ErrnoError(path, errno));
  }
  if (static_cast<size_t>(size) < header.size() ||
      !std::equal(kMagic.begin(), kMagic.end(), header.begin(),
                  [](char a, uint8_t b) { return static_cast<uint8_t>(a) == b; }) ||
      BigEndian(header, 68, 4) != kApplicationId) {
    return tl::make_unexpected(Foreign(path));
  }
  if (const int64_t version = BigEndian(header, 60, 4); version > kSchemaVersion) {
    return tl::make_unexpected(Newer(path, version));
  }
  const int64_t raw_page_size = BigEndian(header, 16, 2);
  const int64_t page_size = raw_page_size == 1 ? 65536 : raw_page_size;
  const int64_t expected = page_size * BigEndian(header, 28, 4);
  if (status.st_size < expected && !HasWriteAheadLog(path)) {
    return Fail(
        ErrorCode::kFailure,
        fmt::format("{}: cut short ({} of {} bytes); put back a copy, or move the file away "
                    "and start with a new one",
                    path, status.st_size, expected));
  }
  return FileKind::kOurs;
}

Result<void> CheckSchema(Database& database) {
  auto application = database.QueryInt("PRAGMA application_id");
  if (!application) {
    return tl::make_unexpected(application.error());
  }
  if (*application != kApplicationId) {
    return tl::make_unexpected(Foreign(database.path()));
  }
  auto version = database.QueryInt("PRAGMA user_version");
  if (!version) {
    return tl::make_unexpected(version.error());
  }
  if (*version > kSchemaVersion) {
    return tl::make_unexpected(Newer(database.path(), *version));
  }
  return {};
}

Result<void> PrepareForWriting(Database& database, bool empty) {
  if (!empty) {
    if (auto known = CheckSchema(database); !known) {
      return known;
    }
  } else if (auto set = database.Execute("PRAGMA page_size=4096; PRAGMA auto_vacuum=INCREMENTAL");
             !set) {
    return set;
  }
  auto version = empty ? Result<int64_t>(0) : database.QueryInt("PRAGMA user_version");
  if (!version) {
    return tl::make_unexpected(version.error());
  }
  for (int64_t v = *version; v < kSchemaVersion; ++v) {
    auto step = Transaction::Begin(database, Transaction::Kind::kWrite);
    if (!step) {
      return tl::make_unexpected(step.error());
    }
    const std::string sql =
        fmt::format("{}\nPRAGMA application_id={}; PRAGMA user_version={};",
                    Migrations()[static_cast<size_t>(v)], kApplicationId, v + 1);
    if (auto done = database.Execute(sql); !done) {
      return done;
    }
    if (auto done = step->Commit(); !done) {
      return done;
    }
  }
  // An acknowledgement to a sensor means durable, hence FULL. Checkpoints are made by hand, on this
  // connection only: SQLite before 3.51.3 can lose pages when a checkpoint on one connection meets
  // a commit on another.
  return database.Execute(
      "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;"
      "PRAGMA journal_size_limit=67108864; PRAGMA cache_size=-65536; PRAGMA temp_store=MEMORY");
}

}  // namespace parallax::collector
