#include "sensor/link/spool.h"

#include <algorithm>
#include <utility>

namespace parallax::sensor {
namespace {

size_t BytesOf(const Record& record) {
  size_t bytes = sizeof(Record);
  if (const auto* report = std::get_if<ProbeReport>(&record)) {
    bytes += report->tries.capacity() * sizeof(ProbeTryResult);
  } else if (const auto* path = std::get_if<PathReport>(&record)) {
    bytes += path->hops.capacity() * (sizeof(path->hops[0]) + sizeof(IpAddress));
  }
  return bytes;
}

void Age(Record& record, Duration by) {
  std::visit([by](auto& r) { r.age += by; }, record);
}

}  // namespace

void Spool::Append(Record record, MonoTime now) {
  const size_t bytes = BytesOf(record);
  {
    std::lock_guard lock(mutex_);
    entries_.push_back({std::move(record), now, bytes});
    bytes_ += bytes;
    while (entries_.size() > capacity_) {
      bytes_ -= entries_.front().bytes;
      entries_.pop_front();
      ++first_;
      ++dropped_;
    }
  }
  readable_.notify_one();
}

Spool::Chunk Spool::Read(uint64_t from, size_t most, Duration timeout) {
  std::unique_lock lock(mutex_);
  readable_.wait_for(lock, timeout, [&] { return woken_ || first_ + entries_.size() > from; });
  woken_ = false;
  const MonoTime now = Now().mono;
  Chunk chunk;
  chunk.first_sequence = std::max(from, first_);
  for (uint64_t s = chunk.first_sequence; s < first_ + entries_.size() && most > 0; ++s, --most) {
    const Entry& entry = entries_[s - first_];
    chunk.records.push_back(entry.record);
    Age(chunk.records.back(), now - entry.appended);
  }
  return chunk;
}

void Spool::Acknowledge(uint64_t sequence) {
  std::lock_guard lock(mutex_);
  // A collector cannot have committed what was never sent.
  sequence = std::min(sequence, first_ + entries_.size() - 1);
  acknowledged_ = std::max(acknowledged_, sequence);
  while (!entries_.empty() && first_ <= sequence) {
    bytes_ -= entries_.front().bytes;
    entries_.pop_front();
    ++first_;
  }
}

uint64_t Spool::acknowledged() const {
  std::lock_guard lock(mutex_);
  return acknowledged_;
}

void Spool::Wake() {
  {
    std::lock_guard lock(mutex_);
    woken_ = true;
  }
  readable_.notify_all();
}

Spool::Stats Spool::stats() const {
  std::lock_guard lock(mutex_);
  return {entries_.size(), bytes_, dropped_};
}

}  // namespace parallax::sensor
