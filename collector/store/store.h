// What the collector remembers. One Store is used by one thread at a time, the store thread; a
// backend passes the contract suite in tests/unit/collector/store/store_contract_test.cc.
#pragma once

#include <cstdint>
#include <span>

#include "collector/store/ops.h"
#include "common/result.h"
#include "common/time.h"

namespace parallax::collector {

class Store {
 public:
  Store() = default;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  virtual ~Store() = default;

  // All of `ops`, in order, or none of them: one transaction, durable when this returns. After an
  // error the same ops may be tried again. Records at or below their sensor's high-water mark are
  // skipped. What the backend's own rules refuse (never a whole batch) is counted, not retried.
  virtual Result<void> Apply(std::span<const StoreOp> ops) = 0;

  // The highest sequence stored for (sensor, epoch); 0 if none.
  virtual Result<uint64_t> HighWater(const SensorName& sensor, uint64_t epoch) = 0;

  // What a collector needs to go on where the last one stopped.
  virtual Result<SavedState> Load() = 0;

  // Deletes the oldest attempts, probe tries and server reports received before `before`,
  // `max_rows` of each at the most, and what else has no use after that. The number of rows deleted
  // from the longest table; less than `max_rows` means that there is nothing left to delete.
  virtual Result<uint64_t> Prune(WallTime before, uint64_t max_rows) = 0;

  // Housekeeping of the backend's own log. `idle`: nothing else is waiting, so it may take longer.
  virtual Result<void> Maintain(bool idle) = 0;

  // Rows refused by the backend's rules since it was opened.
  virtual uint64_t refused_rows() const = 0;
};

}  // namespace parallax::collector
