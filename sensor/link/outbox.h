// What is sent next over one stream: of the classes the more telling first, live records before a
// backlog, and not more than the collector may owe acknowledgements for. Pure.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "common/allowance.h"
#include "common/time.h"
#include "sensor/spool/spool.h"

namespace parallax::sensor {

struct OutboxLimits {
  uint64_t records = 20'000;            // sent and not acknowledged
  uint64_t bytes = uint64_t{4} << 20;   // of these
  uint64_t backlog_per_second = 5'000;  // records of a backlog
  uint64_t batch = 1'000;               // records
};

class Outbox {
 public:
  struct Pick {
    uint64_t epoch = 0;
    uint64_t from = 0;
    uint64_t most = 0;
    bool operator==(const Pick&) const = default;
  };

  explicit Outbox(const OutboxLimits& limits = {})
      : limits_(limits),
        backlog_(static_cast<double>(limits.backlog_per_second),
                 static_cast<double>(limits.backlog_per_second)) {}

  // nullopt: nothing to send, or nothing that may be.
  std::optional<Pick> Next(const std::vector<Spool::Lane>& lanes, MonoTime now);
  // Records `first` to `last` are on their way, or are skipped for good (0 bytes).
  void Sent(uint64_t epoch, uint64_t first, uint64_t last, size_t bytes);
  // `epoch` goes on behind `sequence`, whatever is acknowledged.
  void GoOnAfter(uint64_t epoch, uint64_t sequence);

 private:
  struct Flight {
    uint64_t next = 1;
    bool live = true;
    std::deque<std::pair<uint64_t, size_t>> unacked;  // last sequence and bytes of each batch
  };

  void Update(const std::vector<Spool::Lane>& lanes);

  const OutboxLimits limits_;
  std::map<uint64_t, Flight> flights_;
  uint64_t records_ = 0;  // in flight
  uint64_t backlog_records_ = 0;
  uint64_t bytes_ = 0;
  Allowance backlog_;
};

}  // namespace parallax::sensor
