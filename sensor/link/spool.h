// What the sensor has to report and the collector has not committed yet: numbered records in
// memory, bounded. When it is full the oldest record goes first, and is counted; a number is never
// given twice. Thread-safe: capture and probe threads append, the link thread reads and
// acknowledges.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

#include "common/records.h"
#include "common/time.h"

namespace parallax::sensor {

class Spool {
 public:
  struct Stats {
    uint64_t records = 0;
    uint64_t bytes = 0;  // roughly, as held in memory
    uint64_t dropped = 0;
  };
  struct Chunk {
    uint64_t first_sequence = 0;
    std::vector<Record> records;  // ages brought up to the moment of reading
  };

  explicit Spool(size_t capacity) : capacity_(capacity) {}

  void Append(Record record, MonoTime now);

  // Waits until there is a record with a sequence >= `from`, Wake() is called or `timeout` is over;
  // returns up to `most` of them. Sequences count from 1.
  Chunk Read(uint64_t from, size_t most, Duration timeout);

  // Everything up to `sequence` is committed and may go.
  void Acknowledge(uint64_t sequence);
  uint64_t acknowledged() const;

  void Wake();
  Stats stats() const;

 private:
  struct Entry {
    Record record;
    MonoTime appended;
    size_t bytes;
  };

  const size_t capacity_;
  mutable std::mutex mutex_;
  std::condition_variable readable_;
  std::deque<Entry> entries_;  // sequences first_ ... first_ + size - 1
  uint64_t first_ = 1;
  uint64_t acknowledged_ = 0;
  uint64_t bytes_ = 0;
  uint64_t dropped_ = 0;
  bool woken_ = false;
};

}  // namespace parallax::sensor
