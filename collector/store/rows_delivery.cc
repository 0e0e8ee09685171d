// What was not delivered, and what was refused.
#include <algorithm>

#include "collector/store/rows.h"

namespace parallax::collector {
namespace {

constexpr int kRefusedBatches = 200;

}  // namespace

Result<void> WriteGap(Database& db, int64_t sensor, WallTime received, const Gap& gap,
                      uint64_t mark) {
  const uint64_t first = gap.last == 0 ? std::max(gap.first, mark + 1) : gap.first;
  // The same gap may be told again, by another start of the sensor.
  return db.Run("INSERT OR IGNORE INTO gaps VALUES (?, ?, ?, ?, ?, ?, ?, ?)", sensor, gap.epoch,
                first, gap.last, ToString(gap.kind), ToString(gap.reason), gap.noticed_at,
                received);
}

Result<void> WriteRefusedBatch(Database& db, int64_t sensor, const RefusedBatch& batch) {
  auto done = db.Run(
      "INSERT INTO refused_batches (sensor, received, epoch, first_sequence, last_sequence, "
      "refused, reason, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      sensor, batch.received, batch.epoch, batch.first_sequence, batch.last_sequence, batch.refused,
      batch.reason, Blob{batch.body});
  if (done) {
    done =
        db.Run("DELETE FROM refused_batches WHERE id <= (SELECT max(id) FROM refused_batches) - ?",
               kRefusedBatches);
  }
  return done;
}

}  // namespace parallax::collector
