// When two incidents are one.
#include <algorithm>
#include <utility>

#include "collector/detect/incident_book.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

constexpr Duration kMergeEvery = 1s;
constexpr Duration kLongestWait = 35s;
constexpr Duration kLately = 60s;

}  // namespace

// What is about to open is compared with what is open (a candidate has too few victims to tell),
// and from time to time those that are open with each other.
void IncidentBook::MergeSame(Moment now) {
  const bool all = now.mono - merged_at_ >= kMergeEvery;
  merged_at_ = all ? now.mono : merged_at_;
  const auto takes_part = [&](const Incident& incident) {
    return !IsCondition(incident.basis) && IsLive(incident) &&
           (!IsTentative(incident) || HoldsLongEnough(incident, now));
  };
  for (size_t i = 0; i < incidents_.size(); ++i) {
    for (size_t j = i + 1; j < incidents_.size();) {
      Incident& a = incidents_[i];
      Incident& b = incidents_[j];
      if (!takes_part(a) || !takes_part(b) || !(all || IsTentative(a) || IsTentative(b)) ||
          !IsOneCause(a, b)) {
        ++j;
        continue;
      }
      // Routes before hosts; then the one that people know; of two such, the older one.
      const bool b_has_routes =
          a.basis != Verdict::kRouteAnomaly && b.basis == Verdict::kRouteAnomaly;
      if (b_has_routes || (a.basis == b.basis && IsTentative(a) && !IsTentative(b))) {
        std::swap(a, b);
      }
      Absorb(a, b, now);
      incidents_.erase(incidents_.begin() + static_cast<std::ptrdiff_t>(j));
    }
  }
}

bool IncidentBook::IsOneCause(const Incident& a, const Incident& b) const {
  const bool both = a.basis == Verdict::kRouteAnomaly && b.basis == Verdict::kRouteAnomaly;
  const bool routes = (a.basis == Verdict::kRouteAnomaly && (both || !IsTentative(a))) ||
                      (b.basis == Verdict::kRouteAnomaly && (both || !IsTentative(b)));
  // What nobody reaches because all ways to it lead by the suspect is a victim, too.
  return (both && SameVictims(a, b)) || (routes && SamePlace(a, b));
}

// Two edges that lead to the same place, or that fall silent behind the same router.
bool IncidentBook::SamePlace(const Incident& a, const Incident& b) {
  const auto same = [](const Suspect& one, const Suspect& other) {
    return one.to == other.to && (one.to != kIntoSilence || one.from == other.from);
  };
  return std::any_of(a.places.begin(), a.places.end(), [&](const Suspect& one) {
    return std::any_of(b.places.begin(), b.places.end(),
                       [&](const Suspect& other) { return same(one, other); });
  });
}

bool IncidentBook::LeadsBy(const Incident& incident, const WayEnds& ends) {
  return std::any_of(ends.begin(), ends.end(), [&](const auto& end) {
    const auto& [before, last] = end;
    return std::any_of(incident.places.begin(), incident.places.end(), [&](const Suspect& place) {
      return place.to == kIntoSilence ? last == place.from : last == place.to || before == place.to;
    });
  });
}

// People have just been told of another fault: whether this is the same one is worth a moment.
bool IncidentBook::AwaitsSuspect(const Incident& incident, Moment now) const {
  return !IsCondition(incident.basis) &&
         now.mono - incident.started < options_.open_after + kLongestWait &&
         std::any_of(incidents_.begin(), incidents_.end(), [&](const Incident& other) {
           return other.basis == Verdict::kRouteAnomaly && IsLive(other) && !IsTentative(other) &&
                  (incident.places.empty() || other.places.empty()) &&
                  now.wall - other.record.opened_at < kLately;
         });
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
    CloseInto(into, from, "the same hosts fail", now);
  }
}

void IncidentBook::Joins(Verdict verdict, const std::string& about, uint64_t serial, Moment now) {
  const auto into = std::find_if(incidents_.begin(), incidents_.end(),
                                 [&](const auto& incident) { return incident.serial == serial; });
  if (into == incidents_.end() || into->record.number == 0) {
    return;
  }
  for (Incident& incident : incidents_) {
    if (IsAbout(incident, verdict, about) && IsLive(incident)) {
      incident.holds_now = false;
      incident.closed = now.mono;
      if (incident.record.number != 0) {
        CloseInto(*into, incident, "it tells of both", now);
      }
      incident.record.state = IncidentState::kClosed;
    }
  }
}

void IncidentBook::CloseInto(const Incident& into, Incident& from, const char* why, Moment now) {
  const std::string id = IncidentId(into.record.number);
  from.record.state = IncidentState::kClosed;
  from.record.closed_at = from.record.updated_at = now.wall;
  from.record.evidence[kMergedInto] = id;
  from.record.summary = "One with " + id + ": " + why + ".";
  changes_.push_back({"closed", now.wall, from.record});
}

}  // namespace parallax::collector
