// The store in one SQLite file. Holds the only connection that writes, and PATH.lock, so that no
// second collector opens the same file. Owned by the store thread.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "collector/store/database.h"
#include "collector/store/store.h"
#include "common/file_lock.h"

namespace parallax::collector {

class SqliteStore final : public Store {
 public:
  // Makes the file (mode 0600) if there is none, migrates an older one. Refuses, without touching
  // it, a file that is foreign, damaged or from a newer version, or that another collector has
  // open.
  static Result<std::unique_ptr<SqliteStore>> Open(const std::string& path);
  ~SqliteStore() override;  // folds the write-ahead log into the file if it can

  Result<void> Apply(std::span<const StoreOp> ops) override;
  Result<uint64_t> HighWater(const SensorName& sensor, uint64_t epoch) override;
  Result<SavedState> Load() override;
  Result<uint64_t> Prune(WallTime before, uint64_t max_rows) override;
  Result<void> Maintain(bool idle) override;
  uint64_t refused_rows() const override { return refused_rows_; }

 private:
  SqliteStore(FileLock lock, std::unique_ptr<Database> database)
      : lock_(std::move(lock)), db_(std::move(database)) {}

  Result<void> ReturnFreePages();
  Result<int64_t> SensorRow(const SensorName& name);
  // Ok also when the row itself was at fault: counted, and logged once.
  Result<void> Forgive(Result<void> done);
  Result<void> ApplyOne(const IngestedBatch& batch);
  Result<void> ApplyOne(const RefusedBatch& batch);
  Result<void> ApplyOne(const SensorIdentity& identity);
  Result<void> ApplyOne(const SensorRecord& record);
  Result<void> ApplyOne(const TargetRecord& record);
  Result<void> ApplyOne(const TargetForgotten& forgotten);
  Result<void> ApplyOne(const CellRecord& record);
  Result<void> ApplyOne(const PathRecord& record);
  Result<void> ApplyOne(const IncidentChange& change);
  Result<void> ApplyOne(const TrustChange& change);
  Result<void> StoreRecord(int64_t sensor, const IngestedBatch& batch, const Record& record);

  FileLock lock_;
  std::unique_ptr<Database> db_;
  std::unordered_map<SensorName, int64_t> sensor_rows_;  // emptied when a transaction fails
  uint64_t new_attempts_ = 0;                            // of the transaction under way
  uint64_t new_reports_ = 0;
  uint64_t refused_rows_ = 0;
};

}  // namespace parallax::collector
