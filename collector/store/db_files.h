// What an operator does with a database as a file: see whether it is whole, bring it up to date,
// and copy it while a collector writes to it. Each returns what to tell him. No state; any process.
#pragma once

#include <string>

#include "common/result.h"

namespace parallax::collector {

// Reads all of it, beside a collector that runs or not. kFailure, with what is wrong, if anything
// is; kNotFound if there is no file.
Result<std::string> VerifyDatabase(const std::string& path);

// Brings an older schema up to date, as a collector does when it starts. kUnavailable while one has
// the file open; kNotFound if there is no file: none is made.
Result<std::string> MigrateDatabase(const std::string& path);

// A whole copy of one moment in `out`, which must not exist, mode 0600; a collector may go on
// writing meanwhile. What is there at the end is the copy or nothing, also after a power loss.
Result<std::string> BackupDatabase(const std::string& path, const std::string& out);

}  // namespace parallax::collector
