// Turns the queue of StoreOps into transactions: the body of the store thread. Gathers ops for a
// short while, commits them together, and only then tells who waits for it.
//
//   engine --BoundedQueue<StoreOp>--> StoreWriter --Apply--> Store
//                                          \--committed(sensor, epoch, last sequence)--> acks
//
// When the store fails (disk full, I/O error) the ops stay in hand and are tried again, at growing
// intervals, for as long as it takes; meanwhile the queue fills and its producer waits. Nothing is
// acknowledged that is not committed. Also runs the store's housekeeping and retention.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "collector/store/store.h"
#include "common/queue.h"
#include "common/time.h"

namespace parallax::collector {

struct StoreWriterOptions {
  size_t most_ops = 5000;                            // taken from the queue at once
  size_t most_rows = 20'000;                         // per transaction, roughly
  Duration gather = std::chrono::milliseconds(50);   // from the first op of a transaction, at most
  size_t enough_rows = 1'000;                        // with so many, no longer than until a lull
  Duration retention = std::chrono::hours(14 * 24);  // of attempts, tries and server reports
  Duration prune_every = std::chrono::minutes(1);
  uint64_t prune_rows = 5000;                             // per transaction
  Duration idle_after = std::chrono::seconds(2);          // without ops; then tidy up
  Duration first_retry = std::chrono::milliseconds(100);  // doubles with each failure ...
  Duration longest_retry = std::chrono::seconds(5);       // ... up to this
  int attempts_at_close = 5;                              // then what is left is given up
  // A change of who may report is on disk; called on the store thread, as Committed below.
  std::function<void(uint64_t ticket)> trust_committed;
};

struct StoreWriterStats {
  uint64_t transactions = 0;
  uint64_t ops = 0;       // committed
  uint64_t failures = 0;  // of Apply
  uint64_t given_up = 0;  // ops lost at close, because the store still failed
  bool failing = false;   // now
  std::string last_error;
  bool operator==(const StoreWriterStats&) const = default;
};

class StoreWriter {
 public:
  // Called on the store thread after the commit; the batch's records are then durable.
  using Committed =
      std::function<void(const SensorName& sensor, uint64_t epoch, uint64_t last_sequence)>;

  // `store` and `queue` must outlive the writer.
  StoreWriter(Store& store, BoundedQueue<StoreOp>& queue, Committed committed,
              StoreWriterOptions options = {});

  // Works until the queue is closed and everything in it is stored (or given up).
  void Run();

  StoreWriterStats stats() const;  // from any thread

 private:
  std::vector<StoreOp> Gather();
  // The first of `ops`, as many as fit one transaction; at least one.
  size_t Slice(std::span<const StoreOp> ops) const;
  bool Commit(std::span<const StoreOp> ops);  // false: closed, and still failing
  void GiveUp(size_t in_hand);
  bool TryOnce(std::span<const StoreOp> ops);
  void WaitBeforeRetry(Duration delay) const;
  void TellCommitted(std::span<const StoreOp> ops) const;
  void KeepHouse(bool idle);

  Store& store_;
  BoundedQueue<StoreOp>& queue_;
  const Committed committed_;
  const StoreWriterOptions options_;

  MonoTime next_prune_;
  bool housework_failed_ = false;
  mutable std::mutex mutex_;
  StoreWriterStats stats_;
};

}  // namespace parallax::collector
