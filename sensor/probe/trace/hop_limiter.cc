#include "sensor/probe/trace/hop_limiter.h"

#include <algorithm>
#include <cmath>

namespace parallax::sensor {
namespace {

// As long as the routers that answered a TTL are believed to be still there.
constexpr Duration kRemember = std::chrono::seconds(60);
// Far more routers than answer in the few seconds for which a budget is anything but full.
constexpr size_t kMostBuckets = 65536;
constexpr Duration kWaitForRoom = std::chrono::seconds(1);

IpAddress AnyOf(Family family) {
  return family == Family::kV4 ? IpAddress() : *IpAddress::FromBytes(std::array<uint8_t, 16>{});
}

}  // namespace

HopLimiter::HopLimiter(const HopRates& rates) : rates_(rates) {}

Duration HopLimiter::Interval(Family family) const {
  const double rate = family == Family::kV4 ? rates_.v4_per_second : rates_.v6_per_second;
  return Duration(static_cast<int64_t>(std::ceil(1e9 / std::clamp(rate, 1e-3, 1e6))));
}

MonoTime HopLimiter::NextOf(const Key& key, MonoTime now) const {
  const auto it = buckets_.find(key);
  if (it == buckets_.end()) {
    return buckets_.size() < kMostBuckets ? now : now + kWaitForRoom;
  }
  const double spare = std::max(rates_.burst - 1, 0.0);
  const auto tolerance = Duration(
      static_cast<int64_t>(spare * static_cast<double>(Interval(key.router.family()).count())));
  return it->second - tolerance;
}

void HopLimiter::Pay(const Key& key, MonoTime at) {
  const auto it = buckets_.find(key);
  if (it != buckets_.end()) {
    it->second = std::max(it->second, at) + Interval(key.router.family());
  } else if (buckets_.size() < kMostBuckets) {
    buckets_.emplace(key, at + Interval(key.router.family()));
  }
}

HopLimiter::Charge HopLimiter::Payers(Family family, uint8_t ttl,
                                      const std::optional<IpAddress>& router, MonoTime now) const {
  Charge charge;
  charge.at = now;
  charge.guess = !router;
  if (router) {
    charge.keys[charge.count++] = {*router, 0};
    return charge;
  }
  size_t recent = 0;
  for (const Known& known : known_[family == Family::kV6 ? 1 : 0][ttl]) {
    if (known.seen + kRemember > now && ++recent <= kMostGuesses) {
      charge.keys[charge.count++] = {known.router, 0};
    }
  }
  if (recent == 0 || recent > kMostGuesses) {
    charge.keys[0] = {AnyOf(family), ttl};
    charge.count = 1;
  }
  return charge;
}

MonoTime HopLimiter::Next(Family family, uint8_t ttl, const std::optional<IpAddress>& router,
                          MonoTime now) const {
  const Charge charge = Payers(family, ttl, router, now);
  MonoTime next = MonoTime::min();
  for (size_t i = 0; i < charge.count; ++i) {
    next = std::max(next, NextOf(charge.keys[i], now));
  }
  return next;
}

HopLimiter::Charge HopLimiter::Take(Family family, uint8_t ttl,
                                    const std::optional<IpAddress>& router, MonoTime now) {
  Forget(now);
  const Charge charge = Payers(family, ttl, router, now);
  for (size_t i = 0; i < charge.count; ++i) {
    Pay(charge.keys[i], now);
  }
  return charge;
}

void HopLimiter::OnError(Charge& charge, uint8_t ttl, const IpAddress& router, MonoTime now) {
  Learn(ttl, router, now);
  const MonoTime at = charge.count == 0 ? now : charge.at;
  Refund(charge);
  charge.keys[0] = {router, 0};
  charge.count = 1;
  charge.guess = false;
  charge.at = at;
  Pay(charge.keys[0], at);
}

void HopLimiter::OnLost(Charge& charge) {
  if (charge.guess) {
    Refund(charge);
  }
}

void HopLimiter::Refund(Charge& charge) {
  for (size_t i = 0; i < charge.count; ++i) {
    if (const auto it = buckets_.find(charge.keys[i]); it != buckets_.end()) {
      it->second -= Interval(charge.keys[i].router.family());
    }
  }
  charge.count = 0;
}

void HopLimiter::Learn(uint8_t ttl, const IpAddress& router, MonoTime now) {
  std::vector<Known>& known = known_[router.is_v4() ? 0 : 1][ttl];
  const auto same = [&](const Known& k) { return k.router == router; };
  if (const auto it = std::find_if(known.begin(), known.end(), same); it != known.end()) {
    it->seen = now;
    return;
  }
  if (known.size() < kMostKnown) {
    known.push_back({router, now});
    return;
  }
  const auto earlier = [](const Known& a, const Known& b) { return a.seen < b.seen; };
  *std::min_element(known.begin(), known.end(), earlier) = {router, now};
}

void HopLimiter::Forget(MonoTime now) {
  if (buckets_.size() < forget_at_ || now < forget_after_) {
    return;
  }
  forget_after_ = now + kWaitForRoom;
  std::erase_if(buckets_, [&](const auto& bucket) { return bucket.second <= now; });
  forget_at_ = std::clamp<size_t>(2 * buckets_.size(), 1024, kMostBuckets);
}

}  // namespace parallax::sensor
