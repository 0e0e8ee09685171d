// When two incidents are one.
#include <algorithm>
#include <utility>

#include "collector/detect/incident_book.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

constexpr Duration kMergeEvery = 1s;

}  // namespace

// What is about to open is compared with what is open (a candidate has too few victims to tell),
// and from time to time those that are open with each other.
void IncidentBook::MergeSame(Moment now) {
  const bool all = now.mono - merged_at_ >= kMergeEvery;
  merged_at_ = all ? now.mono : merged_at_;
  const auto takes_part = [&](const Incident& incident) {
    return incident.record.verdict == Verdict::kRouteAnomaly && IsLive(incident) &&
           (!IsTentative(incident) || HoldsLongEnough(incident, now));
  };
  for (size_t i = 0; i < incidents_.size(); ++i) {
    for (size_t j = i + 1; j < incidents_.size();) {
      Incident& a = incidents_[i];
      Incident& b = incidents_[j];
      if (!takes_part(a) || !takes_part(b) || !(all || IsTentative(a) || IsTentative(b)) ||
          !SameVictims(a, b)) {
        ++j;
        continue;
      }
      // The one that people know stays; of two such, the older one.
      if (IsTentative(a) && !IsTentative(b)) {
        std::swap(a, b);
      }
      Absorb(a, b, now);
      incidents_.erase(incidents_.begin() + static_cast<std::ptrdiff_t>(j));
    }
  }
}

bool IncidentBook::SameVictims(const Incident& a, const Incident& b) {
  const auto failing = [](const Incident& incident) {
    return static_cast<size_t>(std::count_if(incident.members.begin(), incident.members.end(),
                                             [](const auto& m) { return m.second.failing_now; }));
  };
  const size_t in_a = failing(a);
  const size_t in_b = failing(b);
  if (in_a == 0 || in_b == 0 || in_a >= 2 * in_b || in_b >= 2 * in_a) {
    return false;  // cannot share more than half
  }
  size_t shared = 0;
  for (const auto& [address, member] : a.members) {
    const auto it = b.members.find(address);
    shared += member.failing_now && it != b.members.end() && it->second.failing_now ? 1 : 0;
  }
  return 2 * shared > in_a + in_b - shared;
}

void IncidentBook::Absorb(Incident& into, Incident& from, Moment now) {
  for (auto& [address, member] : from.members) {
    const auto [it, is_new] = into.members.try_emplace(address, member);
    if (is_new) {
      continue;
    }
    Member& mine = it->second;
    if (member.failing_now && mine.failing_now) {
      mine.failing.insert(member.failing.begin(), member.failing.end());
      mine.reaching.insert(member.reaching.begin(), member.reaching.end());
      std::erase_if(mine.reaching, [&](const SensorName& s) { return mine.failing.contains(s); });
      mine.confirmed |= member.confirmed;
      mine.last_round = std::max(mine.last_round, member.last_round);
    } else if (member.failing_now) {
      mine = member;
    }
  }
  into.groups.insert(from.groups.begin(), from.groups.end());
  into.started = std::min(into.started, from.started);
  into.record.started_at = std::min(into.record.started_at, from.record.started_at);
  into.half_open += from.half_open;
  into.half_open_repeated += from.half_open_repeated;
  into.dirty = true;
  if (from.record.number != 0 && !from.reopening) {
    from.record.state = IncidentState::kClosed;
    from.record.closed_at = from.record.updated_at = now.wall;
    from.record.evidence["merged_into"] = IncidentId(into.record.number);
    from.record.summary = "One with " + IncidentId(into.record.number) + ": the same hosts fail.";
    changes_.push_back({"closed", now.wall, from.record});
  }
}

}  // namespace parallax::collector
