#include "collector/enrol/trust_desk.h"

#include <algorithm>
#include <utility>

#include "common/log.h"

namespace parallax::collector {
namespace {

constexpr Duration kHandOnEvery = std::chrono::milliseconds(20);

}  // namespace

TrustDesk::TrustDesk(Registry registry, BoundedQueue<StoreOp>& store)
    : store_(store), registry_(std::move(registry)), drained_(registry_.Drained()) {}

void TrustDesk::Do(const std::function<void(Registry&)>& decide, std::function<void()> then) {
  After after;
  bool now = false;
  {
    const std::lock_guard lock(mutex_);
    decide(registry_);
    const uint64_t ticket = SettleLocked(after);
    now = ticket <= committed_;
    if (!now) {
      then_.emplace(ticket, then);
    }
  }
  Tell(after);
  if (now) {
    then();
  }
}

Result<void> TrustDesk::DoAndWait(const std::function<void(Registry&)>& decide, Duration patience) {
  const MonoTime until = Now().mono + patience;
  After after;
  uint64_t ticket = 0;
  {
    const std::lock_guard lock(mutex_);
    decide(registry_);
    ticket = SettleLocked(after);
  }
  Tell(after);
  std::unique_lock lock(mutex_);
  while (committed_ < ticket) {
    if (Now().mono >= until) {
      return Fail(ErrorCode::kUnavailable,
                  "the database does not take the change in time (see the collector's log); it may "
                  "still come true");
    }
    HandOnLocked();
    committed_changed_.wait_for(lock, kHandOnEvery);
  }
  return {};
}

uint64_t TrustDesk::SettleLocked(After& after) {
  after = {registry_.TakeNotes(), registry_.TakeEnded()};
  if (std::vector<TrustRow> rows = registry_.TakeRows(); !rows.empty()) {
    waiting_.emplace_back(TrustChange{++last_ticket_, std::move(rows)});
    if (std::set<SensorName> drained = registry_.Drained(); drained != drained_) {
      drained_ = std::move(drained);
      ++drained_version_;
    }
  }
  HandOnLocked();
  return last_ticket_;
}

void TrustDesk::HandOnLocked() {
  while (!waiting_.empty() && store_.TryPush(std::move(waiting_.front()))) {
    waiting_.pop_front();
  }
}

void TrustDesk::Tell(const After& after) const {
  for (const std::string& note : after.notes) {
    LogInfo("{}", note);
  }
  for (const auto& [sensor, why] : after.ended) {
    if (end_) {
      end_(sensor, why);
    }
  }
}

void TrustDesk::Committed(uint64_t ticket) {
  std::vector<std::function<void()>> ready;
  {
    const std::lock_guard lock(mutex_);
    committed_ = std::max(committed_, ticket);
    const auto end = then_.upper_bound(committed_);
    for (auto it = then_.begin(); it != end; ++it) {
      ready.push_back(std::move(it->second));
    }
    then_.erase(then_.begin(), end);
    HandOnLocked();
  }
  committed_changed_.notify_all();
  for (const auto& then : ready) {
    then();
  }
}

void TrustDesk::Tick(WallTime now) {
  Do([now](Registry& registry) { registry.Age(now); }, [] {});
}

Result<void> TrustDesk::MaySpeak(const ShownCertificate& certificate) {
  Result<void> may;
  Do([&](Registry& registry) { may = registry.MaySpeak(certificate); }, [] {});
  return may;
}

std::set<SensorName> TrustDesk::Drained() const {
  const std::lock_guard lock(mutex_);
  return drained_;
}

}  // namespace parallax::collector
