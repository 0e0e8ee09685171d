#include "sensor/probe/last_schedule.h"

#include <algorithm>
#include <iterator>

namespace parallax::sensor {

void LastSchedule::Heard(const ProbeOrder& order, MonoTime now) {
  if (const auto known = places_.find(order.target); known != places_.end()) {
    targets_.erase(known->second);
    places_.erase(known);
  }
  targets_.push_back({order, now});
  targets_.back().order.id = 0;
  targets_.back().order.start_after = {};
  places_[order.target] = std::prev(targets_.end());
  Forget(now);
}

void LastSchedule::Forget(MonoTime now) {
  // While alone, what was current when the collector went away stays so.
  const MonoTime since = alone_since_.value_or(now) - kKept;
  while (!targets_.empty() && (targets_.size() > kMostTargets || targets_.front().heard < since)) {
    places_.erase(targets_.front().order.target);
    targets_.pop_front();
  }
}

void LastSchedule::Connected(bool yes, MonoTime now) {
  if (yes) {
    alone_since_.reset();
    turn_.clear();
  } else if (!alone_since_) {
    alone_since_ = now;
    turn_begun_ = now - kEvery;  // the first turn begins at once
    turn_size_ = 0;
  }
}

std::vector<ProbeOrder> LastSchedule::Due(MonoTime now) {
  std::vector<ProbeOrder> due;
  if (!alone_since_ || now - *alone_since_ >= kKept) {
    turn_.clear();
    return due;
  }
  if (now - turn_begun_ >= kEvery) {
    Forget(now);
    turn_begun_ = now;
    turn_.clear();
    std::transform(targets_.rbegin(), targets_.rend(), std::back_inserter(turn_),
                   [](const Target& target) { return target.order; });
    turn_size_ = turn_.size();
  }
  // Evenly over the turn.
  const double share = std::min(1.0, ToSeconds(now - turn_begun_) / ToSeconds(kEvery));
  const auto asked = static_cast<size_t>(share * static_cast<double>(turn_size_));
  while (!turn_.empty() && turn_size_ - turn_.size() <= asked) {
    due.push_back(std::move(turn_.back()));
    turn_.pop_back();
  }
  return due;
}

}  // namespace parallax::sensor
