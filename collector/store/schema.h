// The shape of the database file and how it gets from one version to the next. The version is
// SQLite's user_version; a file is ours if its application_id says so. Files that are not ours, or
// newer than this program, are refused before a byte of them changes.
#pragma once

#include <cstdint>
#include <string>

#include "collector/store/database.h"
#include "common/result.h"

namespace parallax::collector {

inline constexpr int64_t kSchemaVersion = 5;
inline constexpr int64_t kApplicationId = 0x506c7878;  // "Plxx"

// What the first bytes of a file say, read without SQLite.
enum class FileKind { kAbsent, kEmpty, kOurs };
// Fails if `path` is there and is no whole Parallax database of a version that this program knows.
Result<FileKind> InspectDatabaseFile(const std::string& path);

// Fails as InspectDatabaseFile does, but by what SQLite reads, write-ahead log included.
Result<void> CheckSchema(Database& database);

// Sets what the writing connection needs, makes the schema in an empty file, brings an older one up
// to date. Each step is one transaction: whatever happens, a whole version is on disk.
Result<void> PrepareForWriting(Database& database, bool empty);

}  // namespace parallax::collector
