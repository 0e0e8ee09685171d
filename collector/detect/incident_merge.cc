// When two incidents are one.
#include <algorithm>
#include <utility>

#include "collector/detect/incident_book.h"
#include "collector/detect/sets.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

constexpr Duration kMergeEvery = 1s;
constexpr Duration kLongestWait = 35s;
constexpr Duration kLongestWaitIfKnown = 20s;
constexpr Duration kLately = 60s;
constexpr Duration kTogether = 15s;
constexpr Duration kOneRouter = 3min;
constexpr size_t kMany = 3;
constexpr size_t kFewestToContain = 8;
constexpr double kHalfOfThem = 0.5;
constexpr double kThreeQuarters = 0.75;

bool MayBeOneSplit(const std::string& one, const std::string& other) {
  return one == other || one == "unknown" || other == "unknown";
}

}  // namespace

// What is about to open is compared with what is open (a candidate has too few victims to tell),
// and from time to time those that are open with each other.
void IncidentBook::MergeSame(Moment now) {
  if (!Uses(Part::kMerging)) {
    return;
  }
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
  const auto same_victims = [&] { return SameVictims(a, b) && IsAlone(a) == IsAlone(b); };
  return (both && ((Uses(Part::kSameVictims) && same_victims()) ||
                   (Uses(Part::kBeganTogether) && BeganWithMany(a, b)) ||
                   (Uses(Part::kOneRouter) && MayBeOneRouter(a, b)) || SameFlows(a, b))) ||
         (routes && Uses(Part::kSamePlace) && SamePlace(a, b));
}

// A router has an address for each department that asks; beyond it the ways are the same. So they
// are beyond several routers on one network, but these do not fail within minutes of each other.
// Is it silent altogether, one of them may be told of by the place before it.
bool IncidentBook::MayBeOneRouter(const Incident& a, const Incident& b) {
  const auto leads_to = [](const Incident& one, const Incident& other) {
    return std::any_of(other.places.begin(), other.places.end(), [&](const Suspect& place) {
      const auto router = IpAddress::Parse(place.from);
      return router && one.onward.contains(*router);
    });
  };
  return a.started - b.started < kOneRouter && b.started - a.started < kOneRouter &&
         (leads_to(a, b) || leads_to(b, a) || Intersect(a.onward, b.onward));
}

// In a department of one of them flows to the hosts of the other fail, too; unless all else that it
// accuses fails as a whole, which may be a trouble of its own.
bool IncidentBook::SameFlows(const Incident& a, const Incident& b) const {
  const auto shares = [this](const Incident& one, const Incident& other) {
    return other.record.split != "per_destination" &&
           std::any_of(one.by_flow.begin(), one.by_flow.end(), [&](const SensorName& sensor) {
             return other.groups.contains(GroupOf(sensor));
           });
  };
  return a.started - b.started < kOneRouter && b.started - a.started < kOneRouter &&
         (shares(a, b) || shares(b, a));
}

// Two faults may begin at the same moment; three are one, beyond the routers of those who see them.
bool IncidentBook::BeganWithMany(const Incident& a, const Incident& b) const {
  const auto together = [](const Incident& one, const Incident& other) {
    return one.started - other.started < kTogether && other.started - one.started < kTogether;
  };
  return together(a, b) &&
         std::count_if(incidents_.begin(), incidents_.end(), [&](const Incident& incident) {
           return incident.basis == Verdict::kRouteAnomaly && IsLive(incident) &&
                  together(a, incident) && together(b, incident);
         }) >= static_cast<std::ptrdiff_t>(kMany);
}

// Two edges that lead to the same place, or that leave the same router: where it sends them may
// have a name for each department that asks.
bool IncidentBook::Same(const Suspect& one, const Suspect& other) {
  return one.from == other.from || (one.to == other.to && one.to != kIntoSilence);
}

bool IncidentBook::SamePlace(const Incident& a, const Incident& b) {
  return std::any_of(a.places.begin(), a.places.end(), [&](const Suspect& one) {
    return std::any_of(b.places.begin(), b.places.end(),
                       [&](const Suspect& other) { return Same(one, other); });
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

// People have just been told of another fault: whether this is the same one is worth a moment,
// until it is known where both are, or that they hit other hosts.
bool IncidentBook::MayBeOneWithAnother(const Incident& incident, Moment now) const {
  const Duration waited = now.mono - incident.started - OpenAfter(incident);
  return Uses(Part::kMerging) && Uses(Part::kMergeWait) && !IsCondition(incident.basis) &&
         waited < kLongestWait &&
         std::any_of(incidents_.begin(), incidents_.end(), [&](const Incident& other) {
           const bool lately = other.basis == Verdict::kRouteAnomaly && IsLive(other) &&
                               !IsTentative(other) && now.mono - other.opened < kLately;
           const bool unknown = incident.basis == Verdict::kTargetDown || incident.places.empty() ||
                                other.places.empty();
           return lately &&
                  (unknown || (waited < kLongestWaitIfKnown && ShareVictims(incident, other)));
         });
}

// A quarter of the smaller one's.
bool IncidentBook::ShareVictims(const Incident& a, const Incident& b) {
  const Overlap overlap = OverlapOf(a, b);
  return 4 * overlap.shared > std::min(overlap.in_a, overlap.in_b);
}

// One of the same suspect; else of the same place; or, as long as that is not known, of the same
// hosts. Of several, the last.
IncidentBook::Incident* IncidentBook::Former(const Incident& candidate) {
  if (IsCondition(candidate.basis) || !Uses(Part::kReopening)) {
    return nullptr;  // those are known by name
  }
  Incident* best = nullptr;
  std::pair<int, MonoTime> best_rank;
  for (Incident& old : incidents_) {
    const bool related = old.basis == candidate.basis && !IsLive(old) && old.record.number != 0 &&
                         !old.record.evidence.contains(kMergedInto) &&
                         Intersect(old.groups, candidate.groups) &&
                         MayBeOneSplit(old.record.split, candidate.record.split);
    if (!related) {
      continue;
    }
    const bool elsewhere = !old.places.empty() && !candidate.places.empty();
    const int likeness = old.suspect && candidate.suspect && Same(*old.suspect, *candidate.suspect)
                             ? 3
                         : SamePlace(old, candidate) && SharedOf(old, candidate) >= kHalfOfThem ? 2
                         : !elsewhere && SameHostsAgain(old, candidate)                         ? 1
                                                                                                : 0;
    const std::pair rank(likeness, old.closed);
    if (likeness > 0 && (best == nullptr || rank > best_rank)) {
      best = &old;
      best_rank = rank;
    }
  }
  return best;
}

// Three quarters of those that fail now failed then; if nearly all hosts did, that says nothing.
bool IncidentBook::SameHostsAgain(const Incident& old, const Incident& candidate) const {
  return SharedOf(old, candidate) >= kThreeQuarters &&
         (hosts_ == 0 || 3 * old.members.size() < 2 * hosts_);
}

double IncidentBook::SharedOf(const Incident& old, const Incident& candidate) {
  size_t shared = 0;
  size_t failing = 0;
  for (const auto& [address, member] : candidate.members) {
    failing += member.failing_now ? 1 : 0;
    shared += member.failing_now && old.members.contains(address) ? 1 : 0;
  }
  return failing == 0 ? 0 : static_cast<double>(shared) / static_cast<double>(failing);
}

IncidentBook::Overlap IncidentBook::OverlapOf(const Incident& a, const Incident& b) {
  const auto failing = [](const Incident& incident) {
    return static_cast<size_t>(std::count_if(incident.members.begin(), incident.members.end(),
                                             [](const auto& m) { return m.second.failing_now; }));
  };
  Overlap overlap{failing(a), failing(b), 0};
  for (const auto& [address, member] : a.members) {
    const auto it = b.members.find(address);
    overlap.shared += member.failing_now && it != b.members.end() && it->second.failing_now ? 1 : 0;
  }
  return overlap;
}

// One sensor, and others of its group reach nearly all of what it does not: the trouble is its own.
bool IncidentBook::IsAlone(const Incident& incident) const {
  if (incident.groups.size() != 1) {
    return false;
  }
  std::set<SensorName> accusers;
  size_t failing = 0;
  size_t contradicted = 0;
  for (const auto& [address, member] : incident.members) {
    if (!member.failing_now) {
      continue;
    }
    accusers.insert(member.failing.begin(), member.failing.end());
    ++failing;
    contradicted += std::any_of(member.reaching.begin(), member.reaching.end(),
                                [&](const SensorName& sensor) {
                                  return incident.groups.contains(GroupOf(sensor));
                                })
                        ? 1
                        : 0;
  }
  return accusers.size() == 1 && 10 * contradicted >= 9 * failing;
}

// Half of all; or nearly all of the smaller one's, which may be what was found so far: so many that
// they would not all be in the half of the world that another fault hits.
bool IncidentBook::SameVictims(const Incident& a, const Incident& b) {
  const Overlap overlap = OverlapOf(a, b);
  const size_t smaller = std::min(overlap.in_a, overlap.in_b);
  return 2 * overlap.shared > overlap.in_a + overlap.in_b - overlap.shared ||
         (smaller >= kFewestToContain && 10 * overlap.shared >= 9 * smaller);
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
  into.by_flow.insert(from.by_flow.begin(), from.by_flow.end());
  into.started = std::min(into.started, from.started);
  into.record.started_at = std::min(into.record.started_at, from.record.started_at);
  into.half_open += from.half_open;
  into.half_open_repeated += from.half_open_repeated;
  into.completed += from.completed;
  into.dirty = true;
  if (from.record.number != 0) {
    CloseInto(into, from, "the same hosts fail", now);
  }
}

void IncidentBook::Joins(const Condition& condition, const Incident& into, Moment now) {
  for (Incident& incident : incidents_) {
    if (IsAbout(incident, condition.verdict, condition.about) && IsLive(incident)) {
      incident.holds_now = false;
      incident.closed = now.mono;
      if (incident.record.number != 0) {
        CloseInto(into, incident, "it tells of both", now);
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
