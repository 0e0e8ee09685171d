#include "collector/detect/incident_book.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "collector/detect/explain.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

constexpr Duration kReopenWithin = 30min;
// A second round is a separate one if it began this much later: longer than a routing transient that
// a burst of retries would have ridden out.
constexpr Duration kSeparateRound = 4s;
constexpr Duration kCandidateLife = 60s;
constexpr Duration kFirstRecheck = 5s;
constexpr Duration kMemberRecheck = 10s;
constexpr Duration kSlowestRecheck = 60s;
constexpr Duration kTellEvery = 1s;
constexpr Duration kTellCountsEvery = 15s;  // when nothing but a counter moved
constexpr size_t kMostMembers = 20'000;
constexpr size_t kMostIncidents = 1'000;

std::set<SensorName> ToSet(const std::vector<SensorName>& names) {
  return {names.begin(), names.end()};
}

size_t Overlap(const std::set<SensorName>& a, const std::vector<SensorName>& b) {
  return static_cast<size_t>(
      std::count_if(b.begin(), b.end(), [&](const SensorName& name) { return a.contains(name); }));
}

// Counters live on in the evidence, so that a restart goes on counting.
constexpr const char* kHalfOpen = "half_open_attempts";
constexpr const char* kHalfOpenRepeated = "half_open_with_repeated_syn";

uint64_t CountIn(const IncidentRecord& record, const char* key) {
  const auto it = record.evidence.find(key);
  return it == record.evidence.end() ? 0 : std::strtoull(it->second.c_str(), nullptr, 10);
}

const char* SeverityOf(Verdict verdict) {
  switch (verdict) {
    case Verdict::kRouteAnomaly:
      return "critical";
    case Verdict::kSensorIsolated:
      return "warning";
    default:
      return "info";
  }
}

}  // namespace

void IncidentBook::Restore(const IncidentRecord& record,
                           const std::map<IpAddress, std::vector<SensorName>>& failing,
                           Moment now) {
  Incident incident;
  incident.record = record;
  incident.started = now.mono - (now.wall - record.started_at);
  incident.isolated_now = record.verdict == Verdict::kSensorIsolated &&
                          record.state == IncidentState::kOpen;
  incident.half_open = CountIn(record, kHalfOpen);
  incident.half_open_repeated = CountIn(record, kHalfOpenRepeated);
  for (const IncidentTarget& target : record.targets) {
    Member member;
    const auto it = failing.find(target.address);
    member.failing = ToSet(it == failing.end() ? record.failing_sensors : it->second);
    member.reaching = ToSet(record.reaching_sensors);
    member.failing_now = target.failing;
    member.confirmed = true;
    member.first_round = now.mono;
    member.next_recheck = now.mono;
    member.gap = kMemberRecheck;
    incident.members.emplace(target.address, std::move(member));
  }
  incidents_.push_back(std::move(incident));
}

void IncidentBook::Split(const IpAddress& target, const std::vector<SensorName>& failing,
                         const std::vector<SensorName>& reaching, MonoTime began, Moment now) {
  const std::set<SensorName> failing_set = ToSet(failing);
  Incident* incident = FindFor(Verdict::kRouteAnomaly, target, failing_set, now);
  if (incident == nullptr) {
    incident = &Create(Verdict::kRouteAnomaly, began, now);
  }
  AddRound(*incident, target, failing_set, ToSet(reaching), began, now);
}

void IncidentBook::Down(const IpAddress& target, const std::vector<SensorName>& failing,
                        MonoTime began, Moment now) {
  // What nobody reaches is no longer evidence for a split.
  for (Incident& incident : incidents_) {
    const auto it = incident.members.find(target);
    if (incident.record.verdict == Verdict::kRouteAnomaly && it != incident.members.end()) {
      Recover(incident, it->second, now.mono);
    }
  }
  Incident* incident = FindFor(Verdict::kTargetDown, target, {}, now);
  if (incident == nullptr) {
    incident = &Create(Verdict::kTargetDown, began, now);
  }
  AddRound(*incident, target, ToSet(failing), {}, began, now);
}

void IncidentBook::Cleared(const IpAddress& target, Moment now) {
  for (Incident& incident : incidents_) {
    const auto it = incident.members.find(target);
    if (it != incident.members.end()) {
      Recover(incident, it->second, now.mono);
    }
  }
}

void IncidentBook::Isolated(const SensorName& sensor, const std::string& evidence, Moment since,
                            Moment now) {
  for (Incident& incident : incidents_) {
    if (incident.record.verdict == Verdict::kSensorIsolated &&
        incident.record.failing_sensors == std::vector{sensor}) {
      if (incident.record.state == IncidentState::kClosed) {
        if (now.mono - incident.closed > kReopenWithin) {
          continue;
        }
        incident.record.state = IncidentState::kMonitoring;
      }
      if (!incident.isolated_now) {
        incident.record.evidence["vantage"] = evidence;
        incident.isolated_now = true;
        incident.dirty = true;
      }
      return;
    }
  }
  Incident& incident = Create(Verdict::kSensorIsolated, since.mono, now);
  incident.record.started_at = since.wall;
  incident.record.failing_sensors = {sensor};
  incident.record.evidence["vantage"] = evidence;
  incident.isolated_now = true;
}

void IncidentBook::SensorBack(const SensorName& sensor, Moment) {
  for (Incident& incident : incidents_) {
    if (incident.record.verdict == Verdict::kSensorIsolated && incident.isolated_now &&
        incident.record.failing_sensors == std::vector{sensor}) {
      incident.isolated_now = false;
      incident.dirty = true;
    }
  }
}

void IncidentBook::HalfOpen(const IpAddress& client, const SensorName& sensor, bool syn_repeated) {
  for (Incident& incident : incidents_) {
    const auto it = incident.members.find(client);
    if (incident.record.verdict == Verdict::kRouteAnomaly &&
        incident.record.state != IncidentState::kClosed && it != incident.members.end() &&
        it->second.failing.contains(sensor)) {
      incident.dirty |= incident.half_open == 0;  // the first one gives the direction
      ++incident.half_open;
      incident.half_open_repeated += syn_repeated ? 1 : 0;
    }
  }
}

void IncidentBook::Tick(Moment now) {
  for (Incident& incident : incidents_) {
    Advance(incident, now);
  }
  std::erase_if(incidents_, [&](const Incident& incident) {
    if (incident.record.state == IncidentState::kClosed) {
      return now.mono - incident.closed > kReopenWithin;
    }
    const bool failing =
        incident.isolated_now ||
        std::any_of(incident.members.begin(), incident.members.end(),
                    [](const auto& member) { return member.second.failing_now; });
    return incident.record.state == IncidentState::kCandidate &&
           (!failing || now.mono - incident.started > kCandidateLife + options_.open_after);
  });
}

std::vector<Recheck> IncidentBook::TakeRechecks(MonoTime now, size_t most) {
  std::vector<Recheck> due;
  for (Incident& incident : incidents_) {
    if (incident.record.state == IncidentState::kClosed) {
      continue;
    }
    for (auto& [address, member] : incident.members) {
      if (due.size() >= most) {
        return due;
      }
      if (!member.failing_now || member.next_recheck > now) {
        continue;
      }
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
  }
  return due;
}

std::vector<IncidentChange> IncidentBook::Take() { return std::exchange(changes_, {}); }

bool IncidentBook::IsFailing(const IpAddress& target, Verdict verdict) const {
  return std::any_of(incidents_.begin(), incidents_.end(), [&](const Incident& incident) {
    const auto it = incident.members.find(target);
    return incident.record.verdict == verdict &&
           incident.record.state != IncidentState::kClosed && it != incident.members.end() &&
           it->second.failing_now;
  });
}

bool IncidentBook::HasCandidates() const {
  return std::any_of(incidents_.begin(), incidents_.end(), [](const Incident& incident) {
    return incident.record.state == IncidentState::kCandidate;
  });
}

IncidentBook::Incident* IncidentBook::FindFor(Verdict verdict, const IpAddress& target,
                                              const std::set<SensorName>& failing, Moment now) {
  Incident* best = nullptr;
  size_t best_score = 0;
  for (Incident& incident : incidents_) {
    if (incident.record.verdict != verdict) {
      continue;
    }
    const bool closed = incident.record.state == IncidentState::kClosed;
    if (closed && now.mono - incident.closed > kReopenWithin) {
      continue;
    }
    std::set<SensorName> known(incident.record.failing_sensors.begin(),
                               incident.record.failing_sensors.end());
    for (const auto& [address, member] : incident.members) {
      if (incident.record.state == IncidentState::kCandidate) {
        known.insert(member.failing.begin(), member.failing.end());
      }
    }
    const bool shares =
        verdict == Verdict::kTargetDown ||
        Overlap(failing, {known.begin(), known.end()}) > 0 || incident.members.contains(target);
    if (!shares) {
      continue;
    }
    // Live before closed, then the most failing sensors in common, then the older.
    const size_t score = (closed ? 0 : 1'000'000) + 1 +
                         Overlap(failing, {known.begin(), known.end()}) * 1'000;
    if (score > best_score) {
      best = &incident;
      best_score = score;
    }
  }
  return best;
}

IncidentBook::Incident& IncidentBook::Create(Verdict verdict, MonoTime started, Moment now) {
  if (incidents_.size() >= kMostIncidents) {
    const auto oldest_closed = std::find_if(
        incidents_.begin(), incidents_.end(),
        [](const Incident& i) { return i.record.state == IncidentState::kClosed; });
    if (oldest_closed != incidents_.end()) {
      incidents_.erase(oldest_closed);
    }
  }
  Incident& incident = incidents_.emplace_back();
  incident.record.verdict = verdict;
  incident.record.severity = SeverityOf(verdict);
  incident.record.direction = "unknown";
  incident.record.split = "unknown";
  incident.started = started;
  incident.record.started_at = now.wall - (now.mono - started);
  return incident;
}

void IncidentBook::AddRound(Incident& incident, const IpAddress& target,
                            std::set<SensorName> failing, std::set<SensorName> reaching,
                            MonoTime began, Moment now) {
  if (incident.record.state == IncidentState::kClosed) {
    // The same sensors fail again soon after: the same incident, if a second round agrees. Its old
    // members are history.
    std::erase_if(incident.members, [](const auto& entry) { return !entry.second.failing_now; });
    incident.record.state = IncidentState::kMonitoring;
  }
  if (incident.members.size() >= kMostMembers && !incident.members.contains(target)) {
    ++incident.members_dropped;
    return;
  }
  const auto [it, is_new] = incident.members.try_emplace(target);
  Member& member = it->second;
  if (is_new || !member.failing_now) {
    member.first_round = began;
    member.confirmed = false;
    member.failing_now = true;
    member.gap = kFirstRecheck;
    member.next_recheck = std::max(now.mono, began + kFirstRecheck);
    incident.dirty = true;
  } else if (!member.confirmed && began - member.first_round >= kSeparateRound) {
    member.confirmed = true;
    member.next_recheck = now.mono + kMemberRecheck;
    incident.dirty = true;
  }
  if (member.failing != failing || member.reaching != reaching) {
    member.failing = std::move(failing);
    member.reaching = std::move(reaching);
    incident.dirty = true;
  }
}

void IncidentBook::Recover(Incident& incident, Member& member, MonoTime now) {
  if (!member.failing_now) {
    return;
  }
  member.failing_now = false;
  incident.dirty = true;
  // Something changed: look at the others soon.
  for (auto& [address, other] : incident.members) {
    other.next_recheck = std::min(other.next_recheck, now);
  }
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
      if (any_failing && now.mono - incident.started >= options_.open_after) {
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
    record.targets.clear();
    for (const auto& [address, member] : incident.members) {
      if (!member.confirmed) {
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
    if (!families.empty()) {
      record.family = families.size() == 2           ? "both"
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

}  // namespace parallax::collector
