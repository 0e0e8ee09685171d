// Who may report to this collector, to and from its tables (version 5 in migrations.cc).
#pragma once

#include "collector/enrol/records.h"
#include "collector/store/database.h"
#include "common/result.h"

namespace parallax::collector {

Result<SavedTrust> ReadTrust(Database& db);
// Inside the caller's transaction.
Result<void> WriteTrust(Database& db, const TrustRow& row);

}  // namespace parallax::collector
