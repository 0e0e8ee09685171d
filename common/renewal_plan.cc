#include "common/renewal_plan.h"

#include <algorithm>

namespace parallax {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr double kJitter = 0.05;
constexpr Duration kLongestHurry = minutes(10);
constexpr Duration kFirstRetry = minutes(1);
constexpr Duration kSlowestRetry = hours(1);
constexpr Duration kLeastRetry = seconds(1);

}  // namespace

Duration RenewalPlan::Around(Duration d, double least, double most) {
  std::uniform_real_distribution<double> pick(least, most);
  return Duration(static_cast<int64_t>(static_cast<double>(d.count()) * pick(random_)));
}

void RenewalPlan::Hold(WallTime issued_at, WallTime expires_at) {
  issued_at_ = issued_at;
  expires_at_ = std::max(expires_at, issued_at);
  next_ = issued_at_ + Around(Life() / 3, 1 - kJitter, 1 + kJitter);
  retry_ = {};
}

void RenewalPlan::Hurry(WallTime now) {
  next_ = std::min(next_, now + Around(std::min(kLongestHurry, Life() / 20), 0, 1));
}

void RenewalPlan::NoteFailure(WallTime now) {
  // Of a short life, a minute may be all that is left.
  const Duration first = std::max(kLeastRetry, std::min(kFirstRetry, Life() / 50));
  const Duration slowest = std::max(kLeastRetry, std::min(kSlowestRetry, Life() / 20));
  retry_ = retry_ == Duration{} ? first : std::min(slowest, retry_ * 2);
  next_ = now + Around(retry_, 0.5, 1);
}

}  // namespace parallax
