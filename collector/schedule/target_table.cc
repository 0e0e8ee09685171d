#include "collector/schedule/target_table.h"

#include <algorithm>

namespace parallax::collector {
namespace {

constexpr size_t kMostPlaces = 32;

template <typename Map, typename When>
void MakeRoomIn(Map& map, VantageId sensor, When when) {
  if (map.size() >= kMostPlaces && !map.contains(sensor)) {
    map.erase(std::min_element(map.begin(), map.end(), [&](const auto& a, const auto& b) {
      return when(a.second) < when(b.second);
    }));
  }
}

}  // namespace

Cell& Target::CellOf(VantageId sensor) {
  if (cells.size() >= kMostPlaces && !cells.contains(sensor)) {
    const auto is_dull = [](const auto& entry) {
      const Cell& cell = entry.second;
      return !cell.down() && !cell.missing() && !cell.filtered(ProbeMethod::kIcmpEcho) &&
             !cell.filtered(ProbeMethod::kTcpSyn);
    };
    // Now this one, now that.
    const auto middle = cells.begin() + static_cast<std::ptrdiff_t>(trickles % cells.size());
    auto dull = std::find_if(middle, cells.end(), is_dull);
    dull = dull != cells.end() ? dull : std::find_if(cells.begin(), middle, is_dull);
    if (dull != cells.end() && is_dull(*dull)) {
      cells.erase(dull);
    }
  }
  return cells[sensor];
}

void Target::MakeRoomFor(VantageId sensor) {
  MakeRoomIn(arrivals, sensor,
             [](const Arrivals& a) { return std::max(a.last, a.stuck.value_or(MonoTime{})); });
  MakeRoomIn(completed, sensor, [](MonoTime began) { return began; });
  MakeRoomIn(half_open, sensor, [](const HalfOpen& h) { return h.at; });
}

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
  std::vector<std::pair<WallTime, IpAddress>> idle;  // and in no trouble
  Walk(next_bucket_, part, [&](const Target& target) {
    const IpAddress& address = target.record.address;
    const Verdict verdict = target.record.verdict;
    const bool old = now.wall - target.record.last_seen > options_.forget_after;
    if ((old && target.open_round == 0) || !Allowed(address) || never(address)) {
      gone.push_back(address);
    } else if (target.open_round == 0 &&
               (verdict == Verdict::kHealthy || verdict == Verdict::kUnknown)) {
      idle.emplace_back(target.record.last_seen, address);
    }
  });
  for (const IpAddress& address : gone) {
    targets_.erase(address);
  }
  if (targets_.size() * 20 > options_.capacity * 19) {
    EvictOldest(std::move(idle), gone);
  }
  std::sort(gone.begin(), gone.end());
  return gone;
}

void TargetTable::EvictOldest(std::vector<std::pair<WallTime, IpAddress>> idle,
                              std::vector<IpAddress>& gone) {
  const auto most = static_cast<std::ptrdiff_t>((idle.size() + 49) / 50);
  std::nth_element(idle.begin(), idle.begin() + most, idle.end());
  for (auto it = idle.begin(); it != idle.begin() + most; ++it) {
    gone.push_back(it->second);
    targets_.erase(it->second);
  }
}

}  // namespace parallax::collector
