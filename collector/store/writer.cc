#include "collector/store/writer.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <map>
#include <numeric>
#include <thread>

#include "common/log.h"

namespace parallax::collector {
namespace {

// How often a wait looks whether the queue has been closed.
constexpr Duration kLook = std::chrono::milliseconds(20);
// Whoever waits for acknowledgements sends nothing more meanwhile.
constexpr Duration kLull = std::chrono::milliseconds(2);

size_t RowsOf(const StoreOp& op) {
  const auto* batch = std::get_if<IngestedBatch>(&op);
  return batch == nullptr ? 1 : batch->records.size();
}

size_t RowsOf(std::span<const StoreOp> ops) {
  return std::accumulate(ops.begin(), ops.end(), size_t{0},
                         [](size_t rows, const StoreOp& op) { return rows + RowsOf(op); });
}

}  // namespace

StoreWriter::StoreWriter(Store& store, BoundedQueue<StoreOp>& queue, Committed committed,
                         StoreWriterOptions options)
    : store_(store), queue_(queue), committed_(std::move(committed)), options_(options) {}

void StoreWriter::Run() {
  next_prune_ = Now().mono;
  for (;;) {
    const std::vector<StoreOp> ops = Gather();
    for (std::span<const StoreOp> left = ops; !left.empty();) {
      const auto slice = left.first(Slice(left));
      if (!Commit(slice)) {
        GiveUp(left.size());
        return;
      }
      TellCommitted(slice);
      left = left.subspan(slice.size());
    }
    if (ops.empty() && queue_.closed() && queue_.size() == 0) {
      break;
    }
    KeepHouse(ops.empty());
  }
  KeepHouse(true);
}

std::vector<StoreOp> StoreWriter::Gather() {
  std::vector<StoreOp> ops = queue_.PopBatch(options_.most_ops, options_.idle_after);
  if (ops.empty()) {
    return ops;
  }
  const MonoTime until = Now().mono + options_.gather;
  size_t rows = RowsOf(ops);
  while (ops.size() < options_.most_ops && rows < options_.most_rows && !queue_.closed()) {
    const bool enough = rows >= options_.enough_rows;
    const Duration left = until - Now().mono;
    if (left <= Duration{}) {
      break;
    }
    auto more =
        queue_.PopBatch(options_.most_ops - ops.size(), enough ? std::min(left, kLull) : left);
    if (enough && more.empty()) {
      break;
    }
    rows += RowsOf(more);
    std::move(more.begin(), more.end(), std::back_inserter(ops));
  }
  return ops;
}

size_t StoreWriter::Slice(std::span<const StoreOp> ops) const {
  size_t rows = 0;
  size_t count = 0;
  for (; count < ops.size() && (count == 0 || rows < options_.most_rows); ++count) {
    rows += RowsOf(ops[count]);
  }
  return count;
}

bool StoreWriter::Commit(std::span<const StoreOp> ops) {
  Duration delay = options_.first_retry;
  int attempts_left = options_.attempts_at_close;
  while (!TryOnce(ops)) {
    if (queue_.closed() && --attempts_left <= 0) {
      return false;
    }
    WaitBeforeRetry(delay);
    delay = std::min(delay * 2, options_.longest_retry);
  }
  return true;
}

// Nothing that follows may be stored either: a later batch would raise the mark above the records
// given up, and their sensor's next attempt to deliver them would be taken for a re-send.
void StoreWriter::GiveUp(size_t in_hand) {
  size_t lost = in_hand;
  for (auto ops = queue_.PopBatch(options_.most_ops, Duration{}); !ops.empty();
       ops = queue_.PopBatch(options_.most_ops, Duration{})) {
    lost += ops.size();
  }
  LogError("store still failing at shutdown: {} changes given up, none of them acknowledged", lost);
  const std::lock_guard lock(mutex_);
  stats_.given_up = lost;
}

bool StoreWriter::TryOnce(std::span<const StoreOp> ops) {
  const auto applied = store_.Apply(ops);
  const std::lock_guard lock(mutex_);
  if (applied) {
    if (stats_.failing) {
      LogInfo("store works again");
    }
    stats_.failing = false;
    ++stats_.transactions;
    stats_.ops += ops.size();
    return true;
  }
  if (!stats_.failing) {
    LogError("cannot store, will keep trying: {}", applied.error().message);
  }
  stats_.failing = true;
  stats_.last_error = applied.error().message;
  ++stats_.failures;
  return false;
}

StoreWriterStats StoreWriter::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void StoreWriter::WaitBeforeRetry(Duration delay) const {
  const MonoTime until = Now().mono + delay;
  const bool was_closed = queue_.closed();
  for (MonoTime now = Now().mono; now < until && queue_.closed() == was_closed; now = Now().mono) {
    std::this_thread::sleep_for(std::min(kLook, Duration(until - now)));
  }
}

void StoreWriter::TellCommitted(std::span<const StoreOp> ops) const {
  if (options_.trust_committed) {
    for (const StoreOp& op : ops) {
      if (const auto* change = std::get_if<TrustChange>(&op)) {
        options_.trust_committed(change->ticket);
      }
    }
  }
  if (!committed_) {
    return;
  }
  // One word per sensor and epoch, for the highest sequence.
  std::map<std::pair<SensorName, uint64_t>, uint64_t> last;
  for (const StoreOp& op : ops) {
    const auto* batch = std::get_if<IngestedBatch>(&op);
    if (batch == nullptr || batch->records.empty()) {
      continue;
    }
    const uint64_t room = std::numeric_limits<uint64_t>::max() - batch->first_sequence;
    const uint64_t count = std::min<uint64_t>(batch->records.size(), room);
    uint64_t& sequence = last[{batch->sensor, batch->epoch}];
    sequence = std::max(sequence, batch->first_sequence + count - 1);
  }
  for (const auto& [key, sequence] : last) {
    committed_(key.first, key.second, sequence);
  }
}

void StoreWriter::KeepHouse(bool idle) {
  const Moment now = Now();
  Result<void> done;
  if (now.mono >= next_prune_) {
    auto pruned = store_.Prune(now.wall - options_.retention, options_.prune_rows);
    if (pruned && *pruned >= options_.prune_rows && !queue_.closed()) {
      next_prune_ = now.mono;  // more to delete: go on between the next transactions
    } else {
      next_prune_ = now.mono + options_.prune_every;
    }
    if (!pruned) {
      done = tl::make_unexpected(pruned.error());
    }
  }
  if (done) {
    done = store_.Maintain(idle);
  }
  if (!done && !housework_failed_) {
    LogWarning("store housekeeping failed, will try again: {}", done.error().message);
  }
  housework_failed_ = !done;
}

}  // namespace parallax::collector
