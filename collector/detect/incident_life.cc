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
constexpr Duration kTellCountsEvery = 15s;  // when nothing but a counter moved

}  // namespace

void IncidentBook::Tick(Moment now) {
  MergeSame(now);
  for (Incident& incident : incidents_) {
    Advance(incident, now);
  }
  DropStale(now);
}

void IncidentBook::DropStale(Moment now) {
  for (Incident& incident : incidents_) {
    const bool failing = incident.isolated_now ||
                         std::any_of(incident.members.begin(), incident.members.end(),
                                     [](const auto& member) { return member.second.failing_now; });
    const bool stale =
        !failing || now.mono - incident.started > kCandidateLife + options_.open_after;
    if (incident.reopening && stale) {
      incident.reopening = false;
      incident.members.clear();
    } else if (incident.record.state == IncidentState::kCandidate && stale) {
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

bool IncidentBook::HoldsLongEnough(const Incident& incident, Moment now) const {
  if (now.mono - incident.started < options_.open_after) {
    return false;
  }
  return incident.record.verdict == Verdict::kSensorIsolated ||
         std::any_of(incident.members.begin(), incident.members.end(), [&](const auto& entry) {
           const Member& member = entry.second;
           return member.failing_now && member.confirmed &&
                  member.last_round - incident.started >= options_.open_after - kLook;
         });
}

void IncidentBook::Advance(Incident& incident, Moment now) {
  size_t confirmed = 0;
  size_t failing = 0;
  for (const auto& [address, member] : incident.members) {
    if (member.confirmed) {
      ++confirmed;
      failing += member.failing_now ? 1 : 0;
    }
  }
  const bool isolation = incident.record.verdict == Verdict::kSensorIsolated;
  const bool any_failing = isolation ? incident.isolated_now : failing > 0;
  const bool mostly_failing = isolation ? incident.isolated_now : failing * 5 > confirmed;
  if (any_failing) {
    incident.quiet_since.reset();
  } else if (!incident.quiet_since) {
    incident.quiet_since = now.mono;
  }
  switch (incident.record.state) {
    case IncidentState::kCandidate:
      if (any_failing && HoldsLongEnough(incident, now)) {
        incident.record.number = ++last_number_;
        incident.record.state = IncidentState::kOpen;
        incident.record.opened_at = now.wall;
        Tell(incident, "opened", now);
      }
      return;
    case IncidentState::kOpen:
      if (!mostly_failing) {
        incident.record.state = IncidentState::kMonitoring;
        Tell(incident, "monitoring", now);
      }
      break;
    case IncidentState::kMonitoring:
      if (mostly_failing) {
        incident.record.state = IncidentState::kOpen;
        incident.record.closed_at = WallTime{};
        Tell(incident, "reopened", now);
      } else if (!any_failing && now.mono - *incident.quiet_since >= options_.close_after) {
        incident.record.state = IncidentState::kClosed;
        incident.record.closed_at = now.wall;
        incident.closed = now.mono;
        Tell(incident, "closed", now);
      }
      break;
    case IncidentState::kClosed:
      if (incident.reopening && any_failing && HoldsLongEnough(incident, now)) {
        incident.reopening = false;
        incident.record.state = IncidentState::kOpen;
        incident.record.closed_at = WallTime{};
        Tell(incident, "reopened", now);
      }
      return;
  }
  const bool news = incident.half_open != incident.half_open_told;
  if ((incident.dirty && now.mono - incident.told >= kTellEvery) ||
      (news && now.mono - incident.told >= kTellCountsEvery)) {
    const IncidentRecord before = incident.record;
    Refresh(incident);
    if (incident.record != before) {
      Tell(incident, "updated", now);
    }
    incident.dirty = false;
  }
}

void IncidentBook::Refresh(Incident& incident) {
  IncidentRecord& record = incident.record;
  if (record.verdict == Verdict::kSensorIsolated) {
    record.family = "both";
  } else {
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
    if (!failing.empty()) {  // else all recovered: keep who it was
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
  if (record.verdict == Verdict::kRouteAnomaly) {
    record.direction = incident.half_open > 0 ? "outbound" : record.direction;
    record.evidence[kHalfOpen] = std::to_string(incident.half_open);
    record.evidence[kHalfOpenRepeated] = std::to_string(incident.half_open_repeated);
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
