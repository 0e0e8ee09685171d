#include "collector/ingest/renewal_limit.h"

#include <algorithm>

namespace parallax::collector {
namespace {

constexpr double kAtOnce = 10;
constexpr double kPerSecond = 1;
constexpr size_t kTidyAbove = 1'000;

}  // namespace

bool RenewalLimit::MayRenew(const SensorName& sensor, MonoTime now) {
  const auto refilled = [&](const Left& left) {
    return std::min(kAtOnce, left.renewals + ToSeconds(now - left.at) * kPerSecond);
  };
  if (left_.size() > kTidyAbove) {
    std::erase_if(left_, [&](const auto& entry) { return refilled(entry.second) >= kAtOnce; });
  }
  Left& left = left_.try_emplace(sensor, Left{kAtOnce, now}).first->second;
  left = {refilled(left), now};
  if (left.renewals < 1) {
    return false;
  }
  left.renewals -= 1;
  return true;
}

}  // namespace parallax::collector
