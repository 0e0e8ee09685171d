#include "sensor/observe/rate_watch.h"

#include <algorithm>
#include <cmath>

namespace parallax::sensor {
namespace {

constexpr int kBlockSeconds = 5;
constexpr double kRateMemory = 3;     // seconds
constexpr double kUsualMemory = 300;  // seconds
// What goes on long enough becomes usual, by and by: of how many times it is what is usual a part
// is taken off each second, so that a thousandfold rate does not pass for usual within a minute.
constexpr double kUnusualMemory = 750;
constexpr double kLeastSlack = 10;   // per second; below it no rate is news
constexpr double kSlackShare = 0.5;  // of what is usual
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
  if (sum_ > 0 && rate_ > std::max(usual_, 1.0)) {
    usual_ = std::max(usual_, 1.0);
    usual_ *= std::pow(rate_ / usual_, 1 / kUnusualMemory);
  } else if (sum_ == 0) {
    usual_ += (count - usual_) / kUsualMemory;
  }
}

}  // namespace parallax::sensor
