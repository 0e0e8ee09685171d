#include "collector/detect/incident_book.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "collector/detect/explain.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

constexpr Duration kReopenWithin = 30min;
// A second round is a separate one if it began this much later: longer than a routing transient
// that a burst of retries would have ridden out.
constexpr Duration kSeparateRound = 4s;
constexpr Duration kCandidateLife = 60s;
constexpr Duration kFirstRecheck = 5s;
constexpr Duration kLatestFirstRecheck = 15s;
// The last look before an incident opens may have begun this much before open_after has passed: it
// takes that long to be answered.
constexpr Duration kLook = 2s;
constexpr Duration kMemberRecheck = 10s;
constexpr Duration kSlowestRecheck = 60s;
constexpr Duration kTellEvery = 1s;
constexpr Duration kTellCountsEvery = 15s;  // when nothing but a counter moved
constexpr Duration kMergeEvery = 1s;
constexpr size_t kMostMembers = 20'000;
constexpr size_t kMostIncidents = 1'000;

std::set<SensorName> ToSet(const std::vector<SensorName>& names) {
  return {names.begin(), names.end()};
}

bool Share(const std::set<SensorName>& a, const std::set<SensorName>& b) {
  return std::any_of(a.begin(), a.end(), [&](const SensorName& name) { return b.contains(name); });
}

// `base` without `gone`, and with `more`.
std::set<SensorName> Updated(std::set<SensorName> base, const std::set<SensorName>& gone,
                             const std::set<SensorName>& more) {
  std::erase_if(base, [&](const SensorName& name) { return gone.contains(name); });
  base.insert(more.begin(), more.end());
  return base;
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

void IncidentBook::SetGroup(const SensorName& sensor, const std::string& group) {
  groups_[sensor] = group;
}

std::string IncidentBook::GroupOf(const SensorName& sensor) const {
  const auto it = groups_.find(sensor);
  return it == groups_.end() || it->second.empty() ? "sensor " + sensor : it->second;
}

void IncidentBook::Restore(const IncidentRecord& record,
                           const std::map<IpAddress, std::vector<SensorName>>& failing,
                           Moment now) {
  Incident incident;
  incident.record = record;
  incident.started = now.mono - (now.wall - record.started_at);
  incident.isolated_now =
      record.verdict == Verdict::kSensorIsolated && record.state == IncidentState::kOpen;
  incident.half_open = CountIn(record, kHalfOpen);
  incident.half_open_repeated = CountIn(record, kHalfOpenRepeated);
  const std::set<SensorName> accusers = ToSet(record.failing_sensors);
  for (const SensorName& sensor : accusers) {
    incident.groups.insert(GroupOf(sensor));
  }
  for (const IncidentTarget& target : record.targets) {
    Member member;
    const auto it = failing.find(target.address);
    if (it != failing.end()) {
      member.failing = ToSet(it->second);
      std::erase_if(member.failing, [&](const SensorName& s) { return !accusers.contains(s); });
    }
    if (member.failing.empty()) {
      member.failing = accusers;
    }
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
  const std::set<SensorName> reaching_set = ToSet(reaching);
  // Those whose accusers reach it again.
  for (Incident& incident : incidents_) {
    const auto it = incident.members.find(target);
    if (incident.record.verdict == Verdict::kTargetDown && it != incident.members.end()) {
      Recover(incident, it->second, now.mono);
    } else if (it != incident.members.end() && Share(it->second.failing, reaching_set) &&
               !Share(it->second.failing, failing_set)) {
      it->second.failing = Updated(it->second.failing, reaching_set, {});
      if (it->second.failing.empty()) {
        it->second.failing = ToSet(incident.record.failing_sensors);
        Recover(incident, it->second, now.mono);
      }
    }
  }
  std::map<size_t, std::set<SensorName>> accusers;  // by incident
  for (const SensorName& sensor : failing_set) {
    if (const auto i = FindOrCreate(Verdict::kRouteAnomaly, GroupOf(sensor), began, now)) {
      accusers[*i].insert(sensor);
    }
  }
  for (auto& [i, sensors] : accusers) {
    AddRound(incidents_[i], target, sensors, reaching_set, began, now);
  }
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
  if (const auto i = FindOrCreate(Verdict::kTargetDown, {}, began, now)) {
    AddRound(incidents_[*i], target, ToSet(failing), {}, began, now);
  }
}

void IncidentBook::Discredit(const SensorName& sensor) {
  for (Incident& incident : incidents_) {
    if (incident.record.verdict != Verdict::kRouteAnomaly) {
      continue;
    }
    for (auto& [address, member] : incident.members) {
      if (member.failing_now && (IsTentative(incident) || !member.confirmed)) {
        member.failing.erase(sensor);
        member.failing_now = !member.failing.empty();
        incident.dirty = true;
      }
    }
  }
}

void IncidentBook::Forget(const SensorName& sensor, Moment now) {
  for (Incident& incident : incidents_) {
    if (incident.record.verdict != Verdict::kRouteAnomaly || !IsLive(incident)) {
      continue;
    }
    for (auto& [address, member] : incident.members) {
      if (member.failing_now && member.failing.erase(sensor) > 0 && member.failing.empty()) {
        member.failing.insert(sensor);  // whom it was about
        incident.record.evidence["unheard_accuser"] = sensor;
        Recover(incident, member, now.mono);
      }
    }
  }
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
    if (incident.record.verdict == Verdict::kRouteAnomaly && IsLive(incident) &&
        it != incident.members.end() && it->second.failing.contains(sensor)) {
      incident.dirty |= incident.half_open == 0;  // the first one gives the direction
      ++incident.half_open;
      incident.half_open_repeated += syn_repeated ? 1 : 0;
    }
  }
}

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

std::vector<Recheck> IncidentBook::TakeRechecks(MonoTime now, size_t most) {
  std::vector<Recheck> due;
  for (Incident& incident : incidents_) {
    if (!IsLive(incident)) {
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
    return incident.record.verdict == verdict && IsLive(incident) && it != incident.members.end() &&
           it->second.failing_now;
  });
}

std::optional<size_t> IncidentBook::FindOrCreate(Verdict verdict, const std::string& group,
                                                 MonoTime began, Moment now) {
  std::optional<size_t> best;
  for (size_t i = 0; i < incidents_.size(); ++i) {
    const Incident& incident = incidents_[i];
    if (incident.record.verdict == verdict &&
        (verdict == Verdict::kTargetDown || incident.groups.contains(group)) &&
        (!best || (IsLive(incident) && !IsLive(incidents_[*best])))) {
      best = i;
    }
  }
  if (!best) {
    if (incidents_.size() >= kMostIncidents) {
      return std::nullopt;
    }
    Create(verdict, began, now);
    best = incidents_.size() - 1;
  }
  Incident& incident = incidents_[*best];
  incident.groups.insert(group);
  if (!IsLive(incident)) {
    incident.reopening = true;
    incident.started = began;
    incident.members.clear();  // its old members are history
  }
  return best;
}

IncidentBook::Incident& IncidentBook::Create(Verdict verdict, MonoTime started, Moment now) {
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
                            const std::set<SensorName>& failing,
                            const std::set<SensorName>& reaching, MonoTime began, Moment now) {
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
    member.gap = FirstRecheck(incident);
    member.next_recheck = std::max(now.mono, began + member.gap);
    member.failing.clear();
    incident.dirty = true;
  } else if (!member.confirmed && began - member.first_round >= kSeparateRound) {
    member.confirmed = true;
    member.next_recheck = now.mono + kMemberRecheck;
    incident.dirty = true;
  }
  member.last_round = began;
  // A round may have asked only some of them: what the others said stands.
  const size_t before = member.failing.size() * kMostMembers + member.reaching.size();
  for (const SensorName& name : reaching) {
    member.failing.erase(name);
    member.reaching.insert(name);
  }
  for (const SensorName& name : failing) {
    member.reaching.erase(name);
    member.failing.insert(name);
  }
  incident.dirty |= before != member.failing.size() * kMostMembers + member.reaching.size();
}

// What an incident opens on is looked at once more just before it does, so that it has held till
// then.
Duration IncidentBook::FirstRecheck(const Incident& incident) const {
  return IsTentative(incident)
             ? std::clamp<Duration>(options_.open_after - kLook, kFirstRecheck, kLatestFirstRecheck)
             : kFirstRecheck;
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

}  // namespace parallax::collector
