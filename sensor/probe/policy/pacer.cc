#include "sensor/probe/policy/pacer.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "common/address_hash.h"
#include "sensor/probe/policy/special_purpose.h"

namespace parallax::sensor {
namespace {

// How far ahead of its time a probe may go.
constexpr Duration kEarly = std::chrono::milliseconds(3);
constexpr double kLeastRate = 1e-3;
constexpr double kMostRate = 1e7;

double Clamped(double per_second) {
  // Also what is not a number.
  return per_second >= kLeastRate ? std::min(per_second, kMostRate) : kLeastRate;
}

Duration Interval(double per_second) {
  return Duration(static_cast<int64_t>(std::ceil(1e9 * kPaceMargin / Clamped(per_second))));
}

constexpr size_t kFewestSlots = size_t{1} << 12;
constexpr size_t kMostSlots = size_t{1} << 18;

// A bucket is in use for as long as its interval: twice as many slots as are in use at a time.
size_t SlotCount(double per_second, double all_per_second) {
  const double in_use = 2 * Clamped(all_per_second) / Clamped(per_second);
  return in_use >= static_cast<double>(kMostSlots)
             ? kMostSlots
             : std::bit_ceil(std::max(kFewestSlots, static_cast<size_t>(in_use)));
}

IpAddress PrefixOf(const IpAddress& address) {
  return Prefix(address, address.is_v4() ? 24 : 64).address();
}

}  // namespace

IpAddress PacedAddress(const IpAddress& target) {
  if (!target.is_v4()) {
    if (const EmbeddedIpv4 embedded = FindEmbeddedIpv4(target); embedded.count > 0) {
      return embedded.addresses[0];
    }
  }
  return target;
}

IpAddress PacedPrefix(const IpAddress& target) { return PrefixOf(PacedAddress(target)); }

TokenBucket::TokenBucket(double per_second) : interval_(Interval(per_second)) {}

void TokenBucket::SetRate(double per_second) { interval_ = Interval(per_second); }

void TokenBucket::Take(MonoTime now) { next_ = std::max(next_, now - kEarly) + interval_; }

Pacer::KeyedBuckets::KeyedBuckets(double per_second, double all_per_second)
    : interval_(Interval(per_second)), slots_(SlotCount(per_second, all_per_second)) {}

bool Pacer::KeyedBuckets::IsFree(const Slot& slot, MonoTime now) {
  return slot.next <= now - kEarly;
}

std::span<Pacer::KeyedBuckets::Slot> Pacer::KeyedBuckets::SetOf(uint64_t key) {
  return std::span(slots_).subspan(key % (slots_.size() / kWays) * kWays, kWays);
}

std::span<const Pacer::KeyedBuckets::Slot> Pacer::KeyedBuckets::SetOf(uint64_t key) const {
  return std::span(slots_).subspan(key % (slots_.size() / kWays) * kWays, kWays);
}

MonoTime Pacer::KeyedBuckets::Next(uint64_t key, MonoTime now) const {
  MonoTime soonest_free = MonoTime::max();
  for (const Slot& slot : SetOf(key)) {
    if (slot.key == key && !IsFree(slot, now)) {
      return slot.next;
    }
    soonest_free = std::min(soonest_free, slot.next + kEarly);
  }
  return soonest_free;
}

void Pacer::KeyedBuckets::Take(uint64_t key, MonoTime now) {
  Slot* free = nullptr;
  for (Slot& slot : SetOf(key)) {
    if (!IsFree(slot, now)) {
      if (slot.key == key) {
        slot.next += interval_;
        return;
      }
    } else if (free == nullptr) {
      free = &slot;
    }
  }
  if (free != nullptr) {
    *free = {key, now - kEarly + interval_};
  }
}

void Pacer::KeyedBuckets::SetRate(double per_second, double all_per_second) {
  KeyedBuckets fresh(per_second, all_per_second);
  // A smaller table would have no room for what was taken.
  fresh.slots_.resize(std::max(fresh.slots_.size(), slots_.size()));
  for (const Slot& old : slots_) {
    const auto set = fresh.SetOf(old.key);
    const auto first = std::min_element(
        set.begin(), set.end(), [](const Slot& a, const Slot& b) { return a.next < b.next; });
    if (first->next < old.next) {
      *first = old;
    }
  }
  *this = std::move(fresh);
}

Pacer::Pacer(const PaceRates& rates)
    : rates_(rates),
      all_(rates.all),
      prefixes_(rates.per_prefix, rates.all),
      targets_(rates.per_target, rates.all) {}

Pacer::Keys Pacer::KeysOf(const IpAddress& target) const {
  const IpAddress address = PacedAddress(target);
  return {AddressHash(key_, PrefixOf(address)), AddressHash(key_, address)};
}

Pacer::Word Pacer::Next(const IpAddress& target, MonoTime now) const {
  Word word{all_.next(), PaceLimit::kAll};
  if (word.at > now) {
    return word;
  }
  const Keys keys = KeysOf(target);
  const MonoTime prefix = prefixes_.Next(keys.prefix, now);
  const MonoTime own = targets_.Next(keys.target, now);
  if (own > now && own >= prefix) {
    return {own, PaceLimit::kTarget};
  }
  return prefix > now ? Word{prefix, PaceLimit::kPrefix} : word;
}

void Pacer::Take(const IpAddress& target, MonoTime now) {
  all_.Take(now);
  const Keys keys = KeysOf(target);
  prefixes_.Take(keys.prefix, now);
  targets_.Take(keys.target, now);
}

void Pacer::SetRates(const PaceRates& rates) {
  all_.SetRate(rates.all);
  prefixes_.SetRate(rates.per_prefix, rates.all);
  targets_.SetRate(rates.per_target, rates.all);
  rates_ = rates;
}

}  // namespace parallax::sensor
