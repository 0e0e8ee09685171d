#include "collector/operate/probe_desk.h"

#include <chrono>

namespace parallax::collector {

Result<uint64_t> ProbeDesk::Ask(Order order, const std::vector<SensorName>& sensors) {
  uint64_t id = 0;
  {
    const std::lock_guard lock(mutex_);
    if (questions_.size() >= kMostQuestions) {
      return Fail(ErrorCode::kUnavailable,
                  "operators have several probes under way; try again when one has ended");
    }
    id = next_id_++ | kMark;
    std::visit([&](auto& kind) { kind.id = id; }, order);
    Question& question = questions_[id];
    question.target = std::visit([](const auto& kind) { return kind.target; }, order);
    question.missing.insert(sensors.begin(), sensors.end());
    open_ = questions_.size();
  }
  for (const SensorName& sensor : sensors) {
    send_(sensor, {order});
  }
  return id;
}

std::optional<ProbeAnswer> ProbeDesk::Next(uint64_t question, MonoTime deadline) {
  std::unique_lock lock(mutex_);
  const auto it = questions_.find(question);
  if (it == questions_.end()) {
    return std::nullopt;
  }
  Question& asked = it->second;  // stays where it is until Forget, which only our caller calls
  heard_.wait_until(lock, deadline,
                    [&] { return !asked.answers.empty() || asked.missing.empty(); });
  if (asked.answers.empty()) {
    return std::nullopt;
  }
  ProbeAnswer answer = std::move(asked.answers.front());
  asked.answers.pop_front();
  return answer;
}

void ProbeDesk::Forget(uint64_t question) {
  const std::lock_guard lock(mutex_);
  questions_.erase(question);
  open_ = questions_.size();
}

void ProbeDesk::Hear(const IngestedBatch& batch) {
  if (open_ == 0) {
    return;
  }
  const auto take = [&](const auto& report) {
    const auto it = questions_.find(report.order_id);
    if (it != questions_.end() && it->second.target == report.target &&
        it->second.missing.erase(batch.sensor) > 0) {
      it->second.answers.push_back({batch.sensor, report});
      heard_.notify_all();
    }
  };
  const std::lock_guard lock(mutex_);
  for (const Record& record : batch.records) {
    if (const auto* probed = std::get_if<ProbeReport>(&record)) {
      take(*probed);
    } else if (const auto* traced = std::get_if<PathReport>(&record)) {
      take(*traced);
    }
  }
}

}  // namespace parallax::collector
