#include "tests/sim/icmp_limit.h"

#include <algorithm>

namespace parallax::sim {

void IcmpLimit::Fill(Bucket& bucket, double per_second, double burst, MonoTime now) {
  const Duration passed = std::max(now - bucket.filled, Duration::zero());
  const double grown = passed > Duration::zero() ? ToSeconds(passed) * per_second : 0;
  bucket.tokens = std::min(burst, bucket.tokens + grown);
  bucket.filled = std::max(bucket.filled, now);
}

bool IcmpLimit::Allows(const IpAddress& to, MonoTime now) {
  if (!started_) {
    started_ = true;
    all_ = {options_.all_burst, now};
  }
  const auto [it, fresh] = peers_.try_emplace(to, Bucket{options_.burst, now});
  Bucket& peer = it->second;
  Fill(all_, options_.all_per_second, options_.all_burst, now);
  Fill(peer, options_.per_second, options_.burst, now);
  if (all_.tokens < 1 || peer.tokens < 1) {
    return false;
  }
  --all_.tokens;
  --peer.tokens;
  return true;
}

}  // namespace parallax::sim
