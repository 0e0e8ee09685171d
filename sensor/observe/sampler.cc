#include "sensor/observe/sampler.h"

#include <algorithm>
#include <bit>
#include <chrono>

namespace parallax::sensor {
namespace {

constexpr uint32_t kCalmSeconds = 10;
constexpr uint32_t kMostSampling = uint32_t{1} << 24;

}  // namespace

void Sampler::Offer(MonoTime now) {
  Pass(now);
  ++offered_;
}

bool Sampler::Follow() {
  ++followed_in_second_;
  if (budget_ > 0 && ++followed_ > budget_ && sampling_ < kMostSampling) {
    sampling_ *= 2;
    followed_ = 0;
    calm_seconds_ = 0;
  }
  return budget_ == 0 || followed_in_second_ <= budget_;
}

void Sampler::Pass(MonoTime now) {
  const int64_t second = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()).count();
  if (second <= second_) {
    return;
  }
  CloseSecond();
  if (second - second_ > 1 && sampling_ > 1) {  // seconds with nothing in them
    // Twice ten: the first ten may still count the last busy second.
    for (int64_t i = std::min<int64_t>(second - second_ - 1, 2 * kCalmSeconds); i > 0; --i) {
      CloseSecond();
    }
  }
  second_ = second;
}

void Sampler::CloseSecond() {
  if (sampling_ > 1) {
    // So small an N would have kept us within half the budget.
    const uint64_t enough =
        std::bit_ceil(std::max<uint64_t>(1, (2 * offered_ + budget_ - 1) / budget_));
    calm_seconds_ = enough < sampling_ ? calm_seconds_ + 1 : 0;
    calm_peak_ = calm_seconds_ <= 1 ? enough : std::max(calm_peak_, enough);
    if (calm_seconds_ >= kCalmSeconds) {
      sampling_ = static_cast<uint32_t>(calm_peak_);
      calm_seconds_ = 0;
    }
  }
  offered_ = 0;
  followed_ = 0;
  followed_in_second_ = 0;
}

}  // namespace parallax::sensor
