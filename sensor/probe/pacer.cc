#include "sensor/probe/pacer.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace parallax::sensor {
namespace {

constexpr Duration kTimerSlack = std::chrono::milliseconds(2);

Duration Interval(double per_second) {
  const double rate = std::clamp(per_second, 1e-3, 1e6);
  return Duration(static_cast<int64_t>(std::ceil(1e9 / rate)));
}

}  // namespace

TokenBucket::TokenBucket(double per_second)
    : interval_(Interval(per_second)),
      slack_(std::max(kTimerSlack - interval_, Duration::zero())) {}

void TokenBucket::Take(MonoTime now) { next_ = std::max(next_, now - slack_) + interval_; }

Pacer::Pacer(double per_second, double per_target_per_second)
    : all_(per_second), target_interval_(Interval(per_target_per_second)), slots_(kWays * kSets) {}

size_t Pacer::SetOf(const IpAddress& target) const {
  return std::hash<IpAddress>{}(target) % kSets * kWays;
}

MonoTime Pacer::NextFor(const IpAddress& target, MonoTime now) const {
  MonoTime soonest_free = MonoTime::max();
  const size_t set = SetOf(target);
  for (size_t i = set; i < set + kWays; ++i) {
    if (slots_[i].target == target && slots_[i].next > now) {
      return slots_[i].next;
    }
    soonest_free = std::min(soonest_free, slots_[i].next);
  }
  return soonest_free;
}

void Pacer::Take(const IpAddress& target, MonoTime now) {
  all_.Take(now);
  const size_t set = SetOf(target);
  for (size_t i = set; i < set + kWays; ++i) {
    if (slots_[i].next <= now) {
      slots_[i] = {target, now + target_interval_};
      return;
    }
  }
}

}  // namespace parallax::sensor
