// Probes that operators ask for: hands the order to the sensors' links, and what comes back to
// whoever waits for it. What was found is stored as every report is; verdicts do not rest on it.
// Thread-safe: operators wait on threads of their own, reports come from the engine's.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "collector/store/ops.h"
#include "common/records.h"
#include "common/result.h"
#include "common/time.h"

namespace parallax::collector {

struct ProbeAnswer {
  SensorName sensor;
  std::variant<ProbeReport, PathReport> report;
};

class ProbeDesk {
 public:
  using Send = std::function<void(const SensorName& sensor, const std::vector<Order>& orders)>;

  // `first`: ids of orders count on from there, with the highest bit set, which no round has.
  explicit ProbeDesk(uint64_t first) : next_id_(first | kMark) {}

  // Before other threads come.
  void OnSend(Send send) { send_ = std::move(send); }

  // Asks these sensors. The number to wait with; kUnavailable if too many questions are open.
  Result<uint64_t> Ask(Order order, const std::vector<SensorName>& sensors);
  // The next answer, waiting for it until `deadline`; nullopt if none has come by then, or all
  // have.
  std::optional<ProbeAnswer> Next(uint64_t question, MonoTime deadline);
  // Nobody waits any more.
  void Forget(uint64_t question);

  // What a sensor reported, in whatever order; what answers no question is passed over.
  void Hear(const IngestedBatch& batch);

 private:
  static constexpr uint64_t kMark = uint64_t{1} << 63;
  static constexpr size_t kMostQuestions = 8;

  struct Question {
    IpAddress target;
    std::set<SensorName> missing;
    std::deque<ProbeAnswer> answers;
  };

  Send send_;
  mutable std::mutex mutex_;
  std::condition_variable heard_;
  uint64_t next_id_;
  std::map<uint64_t, Question> questions_;
  std::atomic<size_t> open_ = 0;  // questions, read without the mutex for every batch
};

}  // namespace parallax::collector
