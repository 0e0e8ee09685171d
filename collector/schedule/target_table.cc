#include "collector/schedule/target_table.h"

#include <algorithm>

namespace parallax::collector {

bool TargetTable::Allowed(const IpAddress& address) const {
  return !address.IsNeverRemote() && !options_.local_networks.Contains(address) &&
         !options_.deny.Contains(address);
}

std::optional<EarnedBy> TargetTable::Earned(const Attempt& attempt) {
  // A SYN flood tool does not wait a second and ask again with the same ISN; a TCP stack does.
  const auto by_repeating =
      attempt.syns >= 2 ? std::optional(EarnedBy::kRepeatedSyn) : std::nullopt;
  switch (attempt.outcome) {
    case AttemptOutcome::kCompleted:
      // A server that draws too many attempts to follow each may be flooded, and send SYN cookies:
      // it never repeats its SYN-ACK then, and every forged SYN looks completed.
      return attempt.sampling > 1 ? by_repeating : std::optional(EarnedBy::kCompleted);
    case AttemptOutcome::kHalfOpen:
    case AttemptOutcome::kUnanswered:
      return by_repeating;
    case AttemptOutcome::kPending:
    case AttemptOutcome::kRefused:
    case AttemptOutcome::kUnknown:
      return std::nullopt;
  }
  return std::nullopt;
}

Target* TargetTable::Earn(const IpAddress& address, EarnedBy earned_by, Moment now) {
  if (!Allowed(address)) {
    return nullptr;
  }
  const auto it = targets_.find(address);
  if (it != targets_.end()) {
    return &it->second;
  }
  if (targets_.size() >= options_.capacity) {
    ++refused_;
    return nullptr;
  }
  Target& target = targets_[address];
  target.record.address = address;
  target.record.earned_by = earned_by;
  target.record.first_seen = now.wall;
  target.record.last_seen = now.wall;
  return &target;
}

Target* TargetTable::Find(const IpAddress& address) {
  const auto it = targets_.find(address);
  return it == targets_.end() ? nullptr : &it->second;
}

const Target* TargetTable::Find(const IpAddress& address) const {
  const auto it = targets_.find(address);
  return it == targets_.end() ? nullptr : &it->second;
}

std::vector<IpAddress> TargetTable::Forget(const std::function<bool(const IpAddress&)>& never,
                                           Moment now, size_t part) {
  std::vector<IpAddress> gone;
  const size_t buckets = targets_.bucket_count();
  const size_t end = std::min(buckets, next_bucket_ + buckets / std::max<size_t>(part, 1) + 1);
  for (size_t bucket = std::min(next_bucket_, end); bucket < end; ++bucket) {
    for (auto it = targets_.begin(bucket); it != targets_.end(bucket); ++it) {
      const bool old = now.wall - it->second.record.last_seen > options_.forget_after;
      if ((old && it->second.open_round == 0) || !Allowed(it->first) || never(it->first)) {
        gone.push_back(it->first);
      }
    }
  }
  for (const IpAddress& address : gone) {
    targets_.erase(address);
  }
  next_bucket_ = end >= buckets ? 0 : end;
  if (next_bucket_ == 0 && targets_.size() * 20 > options_.capacity * 19) {
    EvictOldest(gone);
  }
  std::sort(gone.begin(), gone.end());
  return gone;
}

void TargetTable::EvictOldest(std::vector<IpAddress>& gone) {
  std::vector<std::pair<WallTime, IpAddress>> idle;
  for (const auto& [address, target] : targets_) {
    const Verdict verdict = target.record.verdict;
    if (target.open_round == 0 && (verdict == Verdict::kHealthy || verdict == Verdict::kUnknown)) {
      idle.emplace_back(target.record.last_seen, address);
    }
  }
  const auto most = static_cast<std::ptrdiff_t>(std::min(idle.size(), options_.capacity / 50 + 1));
  std::nth_element(idle.begin(), idle.begin() + most, idle.end());
  for (auto it = idle.begin(); it != idle.begin() + most; ++it) {
    gone.push_back(it->second);
    targets_.erase(it->second);
  }
}

}  // namespace parallax::collector
