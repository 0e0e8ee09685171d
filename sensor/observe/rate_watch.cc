#include "sensor/observe/rate_watch.h"

#include <algorithm>

namespace parallax::sensor {
namespace {

constexpr int kBlockSeconds = 5;
constexpr double kRateMemory = 3;       // seconds
constexpr double kUsualMemory = 300;    // seconds
constexpr double kUnusualSlowdown = 4;  // what goes on long enough becomes usual
constexpr double kLeastSlack = 10;      // per second; below it no rate is news
constexpr double kSlackShare = 0.5;     // of what is usual
// What has gone on for longer than this many usual seconds is drained within minutes once it has
// become usual.
constexpr double kMostExcess = 50;

}  // namespace

void RateWatch::Second(double count, bool learning) {
  rate_ += (count - rate_) / kRateMemory;
  if (learning) {
    block_sum_ += count;
    ++block_seconds_;
    const double average = block_sum_ / block_seconds_;
    if (!learnt_) {
      usual_ = average;
    }
    if (block_seconds_ == kBlockSeconds) {
      usual_ = std::min(usual_, average);
      learnt_ = true;
      block_sum_ = 0;
      block_seconds_ = 0;
    }
    return;
  }
  const double slack = std::max(kLeastSlack, kSlackShare * usual_);
  sum_ = std::clamp(sum_ + count - usual_ - slack, 0.0, kMostExcess * std::max(usual_, 1.0));
  usual_ += (count - usual_) / (kUsualMemory * (sum_ > 0 ? kUnusualSlowdown : 1));
}

}  // namespace parallax::sensor
