#include "collector/enrol/attempt_limit.h"

#include <algorithm>

namespace parallax::collector {
namespace {

Prefix KeyOf(const IpAddress& address) { return {address, address.is_v4() ? 32u : 64u}; }

}  // namespace

double AttemptLimit::Left(const Bucket& bucket, MonoTime now) const {
  return std::min(options_.burst,
                  bucket.left + ToSeconds(now - bucket.at) / ToSeconds(options_.refill));
}

bool AttemptLimit::MayTry(const IpAddress& address, MonoTime now) const {
  const auto it = buckets_.find(KeyOf(address));
  return it == buckets_.end() || Left(it->second, now) >= 1;
}

void AttemptLimit::NoteFailure(const IpAddress& address, MonoTime now) {
  const Prefix key = KeyOf(address);
  if (!buckets_.contains(key) && buckets_.size() >= options_.most_addresses) {
    MakeRoom(now);
  }
  const auto [it, added] = buckets_.try_emplace(key, Bucket{options_.burst, now});
  it->second = {std::max(0.0, Left(it->second, now) - 1), now};
}

void AttemptLimit::MakeRoom(MonoTime now) {
  std::erase_if(buckets_,
                [&](const auto& entry) { return Left(entry.second, now) >= options_.burst; });
  if (buckets_.size() >= options_.most_addresses) {
    buckets_.erase(
        std::min_element(buckets_.begin(), buckets_.end(),
                         [](const auto& a, const auto& b) { return a.second.at < b.second.at; }));
  }
}

}  // namespace parallax::collector
