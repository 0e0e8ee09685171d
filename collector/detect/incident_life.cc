// The life of incidents: from candidate to closed, what is looked at again, and what is told.
#include <algorithm>
#include <utility>

#include "collector/detect/explain.h"
#include "collector/detect/incident_book.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

constexpr Duration kCandidateLife = 60s;
constexpr Duration kSlowestRecheck = 60s;
constexpr Duration kTellEvery = 1s;
constexpr Duration kFlapMemory = 1h;
constexpr Duration kTellCountsEvery = 15s;  // when nothing but a counter moved

}  // namespace

void IncidentBook::Tick(Moment now) {
  MergeSame(now);
  for (Incident& incident : incidents_) {
    Advance(incident, now);
  }
  DropStale(now);
}

void IncidentBook::DropLeavers(Incident& incident, Moment now) const {
  if (incident.basis != Verdict::kTargetDown || !IsTentative(incident)) {
    return;
  }
  std::erase_if(incident.members, [&](const auto& entry) {
    return now.mono - entry.second.first_round > kCandidateLife + options_.open_after;
  });
  const auto first = std::min_element(
      incident.members.begin(), incident.members.end(),
      [](const auto& a, const auto& b) { return a.second.first_round < b.second.first_round; });
  if (first != incident.members.end()) {
    incident.started = first->second.first_round;
    incident.record.started_at = now.wall - (now.mono - incident.started);
  }
}

void IncidentBook::DropStale(Moment now) {
  for (Incident& incident : incidents_) {
    DropLeavers(incident, now);
    const bool failing = incident.holds_now ||
                         std::any_of(incident.members.begin(), incident.members.end(),
                                     [](const auto& member) { return member.second.failing_now; });
    if (!failing && IsTentative(incident)) {
      NoteOutage(incident, now);
    }
    const bool stale =
        !failing || now.mono - incident.started > kCandidateLife + options_.open_after;
    if (incident.record.state == IncidentState::kCandidate && stale) {
      incident.record.state = IncidentState::kClosed;  // nobody ever heard of it
      incident.closed = now.mono - kReopenWithin;
    }
  }
  std::erase_if(incidents_, [&](const Incident& incident) {
    return !IsLive(incident) && now.mono - incident.closed >= kReopenWithin;
  });
  while (incidents_.size() >= kMostIncidents) {
    const auto oldest_closed = std::find_if(incidents_.begin(), incidents_.end(),
                                            [this](const Incident& i) { return !IsLive(i); });
    if (oldest_closed == incidents_.end()) {
      break;
    }
    incidents_.erase(oldest_closed);
  }
}

void IncidentBook::NoteOutage(const Incident& incident, Moment now) {
  if (incident.basis != Verdict::kRouteAnomaly || incident.members.size() < kHostsToFlap) {
    return;
  }
  for (const std::string& group : incident.groups) {
    if (outages_.size() >= kMostOutageGroups && !outages_.contains(group)) {
      continue;
    }
    auto& times = outages_[group];
    times.push_back(now.mono);
    while (now.mono - times.front() > options_.flap_quiet) {
      times.pop_front();
    }
  }
}

std::deque<MonoTime> IncidentBook::OutagesLately(const Incident& incident, Moment now) const {
  std::deque<MonoTime> most;
  for (const std::string& group : incident.groups) {
    if (const auto it = outages_.find(group); it != outages_.end()) {
      std::deque<MonoTime> times = it->second;
      std::erase_if(times, [&](MonoTime time) { return now.mono - time > options_.flap_quiet; });
      if (times.size() > most.size()) {
        most = std::move(times);
      }
    }
  }
  return most;
}

Duration IncidentBook::OpenAfter(const Incident& incident) const {
  return incident.settles ? std::max(options_.open_after, kLoopsSettle) : options_.open_after;
}

bool IncidentBook::ComesAndGoes(const Incident& incident, Moment now) const {
  return Uses(Part::kFlaps) && incident.basis == Verdict::kRouteAnomaly &&
         incident.members.size() >= kHostsToFlap &&
         OutagesLately(incident, now).size() >= kOutagesToFlap;
}

// Nothing to tell people of: hosts that leave one by one, as hosts do; a few that can be reached at
// all by one sensor's word against those of many; those whose connections complete where every
// probe is said to fail.
bool IncidentBook::IsDoubtful(const Incident& incident) const {
  if (incident.basis == Verdict::kTargetDown) {
    return Uses(Part::kGoneTogether) && !incident.together;
  }
  if (incident.basis != Verdict::kRouteAnomaly) {
    return false;
  }
  if (NothingPasses(incident) && incident.completed > incident.half_open) {
    return true;
  }
  size_t hosts = 0;
  std::set<SensorName> reaching;
  for (const auto& [address, member] : incident.members) {
    if (member.failing_now) {
      ++hosts;
      reaching.insert(member.reaching.begin(), member.reaching.end());
    }
  }
  return Uses(Part::kLoneWitness) && hosts <= kFewHosts && reaching.size() == 1 &&
         groups_.size() >= kManySensors;
}

bool IncidentBook::HoldsLongEnough(const Incident& incident, Moment now) const {
  if (IsDoubtful(incident)) {
    return false;
  }
  if (ComesAndGoes(incident, now)) {
    return true;  // it does not hold, and will not
  }
  if (now.mono - incident.started < OpenAfter(incident)) {
    return false;
  }
  return IsCondition(incident.basis) ||
         std::any_of(incident.members.begin(), incident.members.end(), [&](const auto& entry) {
           const Member& member = entry.second;
           const bool held = member.last_round - incident.started >= OpenAfter(incident) - kLook;
           return member.failing_now && member.confirmed && (held || !Uses(Part::kSecondRound));
         });
}

void IncidentBook::Advance(Incident& incident, Moment now) {
  if (IsTentative(incident) && ComesAndGoes(incident, now)) {
    for (auto& [address, member] : incident.members) {
      member.confirmed |= member.failing_now;  // by the times before
    }
  }
  size_t confirmed = 0;
  size_t failing = 0;
  for (const auto& [address, member] : incident.members) {
    if (member.confirmed) {
      ++confirmed;
      failing += member.failing_now ? 1 : 0;
    }
  }
  if (Uses(Part::kRecovery)) {
    WatchPeak(incident, failing, now);
  }
  const bool condition = IsCondition(incident.basis);
  if (condition && incident.basis != Verdict::kSensorIsolated &&
      now.mono - incident.held_at > kConditionLife) {
    incident.dirty |= incident.holds_now;
    incident.holds_now = false;
  }
  const bool any_failing = condition ? incident.holds_now : failing > 0;
  const bool mostly_failing = condition ? incident.holds_now : failing * 5 > confirmed;
  const bool flapping = WatchFlaps(incident, mostly_failing, now);
  if (any_failing) {
    incident.quiet_since.reset();
  } else if (!incident.quiet_since) {
    incident.quiet_since = now.mono;
  }
  switch (incident.record.state) {
    case IncidentState::kCandidate:
      if (any_failing && HoldsLongEnough(incident, now) && !MayBeOneWithAnother(incident, now)) {
        Open(incident, now);
      }
      return;
    case IncidentState::kOpen:
      if (!mostly_failing && !flapping) {
        incident.record.state = IncidentState::kMonitoring;
        Tell(incident, "monitoring", now);
      }
      break;
    case IncidentState::kMonitoring:
      if (mostly_failing) {
        incident.record.state = IncidentState::kOpen;
        incident.record.closed_at = WallTime{};
        incident.opened = now.mono;
        Tell(incident, "reopened", now);
      } else if (!any_failing && now.mono - *incident.quiet_since >= options_.close_after) {
        incident.record.state = IncidentState::kClosed;
        incident.record.closed_at = now.wall;
        incident.closed = now.mono;
        NoteOutage(incident, now);
        Tell(incident, "closed", now);
      }
      break;
    case IncidentState::kClosed:
      return;
  }
  const bool news = incident.half_open != incident.half_open_told;
  if ((incident.dirty && now.mono - incident.told >= kTellEvery) ||
      (news && now.mono - incident.told >= kTellCountsEvery)) {
    Refresh(incident);
    if (incident.record != incident.as_told) {
      Tell(incident, "updated", now);
    }
    incident.dirty = false;
  }
}

void IncidentBook::WatchPeak(Incident& incident, size_t failing, Moment now) {
  if (2 * failing >= incident.peak || now.mono - incident.peak_at > kRecovery) {
    incident.peak = 2 * failing >= incident.peak ? std::max(incident.peak, failing) : failing;
    incident.peak_at = now.mono;
  }
  incident.recovering = 2 * failing < incident.peak;
}

// It may have been there before, under a number that people know.
void IncidentBook::Open(Incident& incident, Moment now) {
  Incident* former = Former(incident);
  incident.record.state = IncidentState::kOpen;
  incident.opened = now.mono;
  if (former == nullptr) {
    incident.record.number = ++last_number_;
    incident.record.opened_at = now.wall;
    Tell(incident, "opened", now);
    return;
  }
  incident.record.number = std::exchange(former->record.number, 0);
  incident.record.opened_at = former->record.opened_at;
  incident.record.started_at = former->record.started_at;
  incident.record.evidence[kFailingAgainSince] =
      FormatRfc3339(now.wall - (now.mono - incident.started));
  former->members.clear();
  former->closed = now.mono - kReopenWithin;  // it lives on here
  Tell(incident, "reopened", now);
}

// What came every twenty seconds and has not come for minutes is over; what came every few minutes
// may only pause.
Duration IncidentBook::FlapQuiet(const Incident& incident) const {
  Duration longest{};
  for (size_t i = 1; i < incident.flips.size(); ++i) {
    longest = std::max(longest, incident.flips[i] - incident.flips[i - 1]);
  }
  return std::min(options_.flap_quiet, std::max(kPausesToEnd * longest, kFlapPause));
}

// Failing again and again is one state of the incident, which stays open all the while.
bool IncidentBook::WatchFlaps(Incident& incident, bool failing, Moment now) {
  if (!Uses(Part::kFlaps)) {
    return false;
  }
  while (!incident.flips.empty() && now.mono - incident.flips.front() > kFlapMemory) {
    incident.flips.pop_front();
  }
  if (failing && !incident.failing_before && !IsTentative(incident)) {
    incident.flips.push_back(now.mono);
  } else if (IsTentative(incident)) {  // what went before counts, too
    incident.flips = OutagesLately(incident, now);
    incident.flips.push_back(now.mono);
  }
  incident.failing_before = failing;
  const bool was = incident.record.evidence.contains(kFlapping);
  const bool flapping = incident.flips.size() > kMostFlips &&
                        (failing || now.mono - incident.flips.back() < FlapQuiet(incident));
  if (flapping) {
    incident.record.evidence[kFlapping] =
        std::to_string(incident.flips.size()) + " times in the last hour";
  } else if (was) {
    incident.record.evidence.erase(kFlapping);
  }
  incident.dirty |= flapping != was;
  return flapping;
}

void IncidentBook::Refresh(Incident& incident) {
  IncidentRecord& record = incident.record;
  if (!IsCondition(incident.basis)) {
    std::set<SensorName> failing;
    std::set<SensorName> reaching;
    std::set<Family> families;
    size_t awaiting = 0;
    record.targets.clear();
    for (const auto& [address, member] : incident.members) {
      if (!member.confirmed) {
        awaiting += member.failing_now ? 1 : 0;
        continue;
      }
      record.targets.push_back({address, member.failing_now});
      families.insert(address.family());
      if (member.failing_now) {
        failing.insert(member.failing.begin(), member.failing.end());
        reaching.insert(member.reaching.begin(), member.reaching.end());
      }
    }
    // Else all recovered, or most: keep who it was.
    if (!failing.empty() && (!incident.recovering || record.failing_sensors.empty())) {
      std::string lucky;
      for (const SensorName& name : incident.by_flow) {
        if (!failing.contains(name)) {
          lucky += (lucky.empty() ? "" : ", ") + name;
        }
      }
      record.evidence.erase(kByFlow);
      if (!lucky.empty()) {
        record.evidence[kByFlow] = lucky;
      }
      failing.insert(incident.by_flow.begin(), incident.by_flow.end());
      // What comes and goes is not seen by all at the same time.
      if (record.evidence.contains(kFlapping)) {
        failing.insert(record.failing_sensors.begin(), record.failing_sensors.end());
      }
      // Who has reached them goes on being told, though the last to recover were asked by few.
      reaching.insert(record.reaching_sensors.begin(), record.reaching_sensors.end());
      for (const SensorName& name : failing) {
        reaching.erase(name);
      }
      record.failing_sensors.assign(failing.begin(), failing.end());
      record.reaching_sensors.assign(reaching.begin(), reaching.end());
    }
    record.evidence.erase(kAwaiting);
    if (awaiting > 0) {
      record.evidence[kAwaiting] = std::to_string(awaiting);
    }
    if (!families.empty()) {
      record.family = families.size() == 2               ? "both"
                      : *families.begin() == Family::kV4 ? "ipv4"
                                                         : "ipv6";
    }
  }
  if (incident.basis == Verdict::kRouteAnomaly) {
    record.direction = incident.half_open > 0 ? "outbound" : record.direction;
    record.evidence[kHalfOpen] = std::to_string(incident.half_open);
    record.evidence[kHalfOpenRepeated] = std::to_string(incident.half_open_repeated);
    if (incident.completed > 0) {
      record.evidence[kCompleted] = std::to_string(incident.completed);
    }
  }
  if (incident.members_dropped > 0) {
    record.evidence["members_not_listed"] = std::to_string(incident.members_dropped);
  }
  record.summary = Summarise(record, incident.half_open, incident.half_open_repeated);
}

void IncidentBook::Tell(Incident& incident, const char* change, Moment now) {
  incident.record.updated_at = now.wall;
  Refresh(incident);
  incident.told = now.mono;
  incident.half_open_told = incident.half_open;
  incident.dirty = false;
  incident.as_told = incident.record;
  changes_.push_back({change, now.wall, incident.record});
}

std::vector<IncidentChange> IncidentBook::Take() { return std::exchange(changes_, {}); }

std::vector<Recheck> IncidentBook::TakeRechecks(MonoTime now, size_t most) {
  // Who has waited longest comes first, so that none of many starves.
  std::vector<std::pair<MonoTime, std::pair<const IpAddress, Member>*>> waiting;
  for (Incident& incident : incidents_) {
    if (IsLive(incident)) {
      for (auto& entry : incident.members) {
        if (entry.second.failing_now && entry.second.next_recheck <= now) {
          waiting.emplace_back(entry.second.next_recheck, &entry);
        }
      }
    }
  }
  std::stable_sort(waiting.begin(), waiting.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  waiting.resize(std::min(waiting.size(), most));
  std::vector<Recheck> due;
  for (const auto& [since, entry] : waiting) {
    auto& [address, member] = *entry;
    due.push_back({address,
                   {member.failing.begin(), member.failing.end()},
                   {member.reaching.begin(), member.reaching.end()}});
    // Until a round reports: not again. A steady member is looked at ever less often.
    member.gap = member.confirmed
                     ? std::min<Duration>(std::max<Duration>(member.gap * 3 / 2, kMemberRecheck),
                                          kSlowestRecheck)
                     : kFirstRecheck;
    member.next_recheck = now + member.gap;
  }
  return due;
}

}  // namespace parallax::collector
