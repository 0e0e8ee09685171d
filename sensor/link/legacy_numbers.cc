#include "sensor/link/legacy_numbers.h"

#include <algorithm>

namespace parallax::sensor {

uint64_t LegacyNumbers::Assign(uint64_t epoch, uint64_t from, uint64_t count) {
  std::lock_guard lock(mutex_);
  const uint64_t number = next_;
  next_ += count;
  spans_.push_back({number, epoch, from, count});
  return number;
}

std::vector<std::pair<uint64_t, uint64_t>> LegacyNumbers::Committed(uint64_t number) {
  std::lock_guard lock(mutex_);
  std::vector<std::pair<uint64_t, uint64_t>> out;
  while (!spans_.empty() && spans_.front().number <= number) {
    Span& span = spans_.front();
    const uint64_t done = std::min(number - span.number + 1, span.count);
    out.emplace_back(span.epoch, span.from + done - 1);
    if (done < span.count) {
      span = {span.number + done, span.epoch, span.from + done, span.count - done};
      break;
    }
    spans_.pop_front();
  }
  return out;
}

std::vector<LegacyNumbers::Span> LegacyNumbers::Waiting() const {
  std::lock_guard lock(mutex_);
  return {spans_.begin(), spans_.end()};
}

void LegacyNumbers::Forget() {
  std::lock_guard lock(mutex_);
  spans_.clear();
}

}  // namespace parallax::sensor
