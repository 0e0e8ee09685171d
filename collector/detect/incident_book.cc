// Evidence in: which incident takes it, and what it changes about its members. Connections:
// incident_connections.cc; the life of incidents: incident_life.cc; when two are one:
// incident_merge.cc.
#include "collector/detect/incident_book.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "collector/detect/sets.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

// A second round is a separate one if it began this much later: longer than a routing transient
// that a burst of retries would have ridden out.
constexpr Duration kSeparateRound = 4s;
constexpr Duration kLatestFirstRecheck = 15s;
constexpr size_t kMostMembers = 20'000;

std::set<SensorName> ToSet(const std::vector<SensorName>& names) {
  return {names.begin(), names.end()};
}

// `base` without `gone`, and with `more`.
std::set<SensorName> Updated(std::set<SensorName> base, const std::set<SensorName>& gone,
                             const std::set<SensorName>& more) {
  std::erase_if(base, [&](const SensorName& name) { return gone.contains(name); });
  base.insert(more.begin(), more.end());
  return base;
}

// What the members of an incident are evidence of, which is not always what it is called.
Verdict BasisOf(const IncidentRecord& record) {
  switch (record.verdict) {
    case Verdict::kBorderOutage:
      return Verdict::kTargetDown;
    case Verdict::kLossyPath:
    case Verdict::kMixed:
      return record.evidence.contains(kAbout) ? Verdict::kLossyPath : Verdict::kRouteAnomaly;
    default:
      return record.verdict;
  }
}

}  // namespace

const char* SeverityOf(Verdict verdict) {
  switch (verdict) {
    case Verdict::kRouteAnomaly:
    case Verdict::kBorderOutage:
    case Verdict::kMixed:
      return "critical";
    case Verdict::kSensorIsolated:
    case Verdict::kSensorDegraded:
    case Verdict::kLossyPath:
    case Verdict::kSynFlood:
      return "warning";
    default:
      return "info";
  }
}

bool IncidentBook::IsCondition(Verdict basis) {
  return basis != Verdict::kRouteAnomaly && basis != Verdict::kTargetDown;
}

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
  incident.serial = ++last_serial_;
  incident.record = incident.as_told = record;
  incident.started = now.mono - (now.wall - record.started_at);
  incident.basis = BasisOf(record);
  incident.suspect = record.suspect;
  if (record.suspect) {
    incident.places = {*record.suspect};
  }
  incident.holds_now = IsCondition(incident.basis) && record.state == IncidentState::kOpen;
  incident.held_at = now.mono;
  if (IsCondition(incident.basis)) {
    if (!record.failing_sensors.empty()) {  // as written by earlier versions
      incident.record.evidence.emplace(kAbout, record.failing_sensors.front());
    }
    incidents_.push_back(std::move(incident));
    return;
  }
  incident.half_open = CountIn(record, kHalfOpen);
  incident.half_open_repeated = CountIn(record, kHalfOpenRepeated);
  incident.completed = CountIn(record, kCompleted);
  const std::set<SensorName> accusers = ToSet(record.failing_sensors);
  for (const SensorName& sensor : accusers) {
    incident.groups.insert(GroupOf(sensor));
  }
  if (record.split == "per_flow") {
    incident.by_flow = accusers;
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
    if (incident.basis == Verdict::kTargetDown && it != incident.members.end()) {
      Recover(incident, it->second, now.mono);
    } else if (it != incident.members.end() && Intersect(it->second.failing, reaching_set) &&
               !Intersect(it->second.failing, failing_set)) {
      it->second.failing = Updated(it->second.failing, reaching_set, {});
      if (it->second.failing.empty()) {
        it->second.failing = ToSet(incident.record.failing_sensors);
        Recover(incident, it->second, now.mono);
      }
    }
  }
  std::map<size_t, std::set<SensorName>> accusers;  // by incident
  for (const SensorName& sensor : failing_set) {
    if (const auto i = FindOrCreate(GroupOf(sensor), began, now)) {
      accusers[*i].insert(sensor);
    }
  }
  for (auto& [i, sensors] : accusers) {
    AddRound(incidents_[i], target, sensors, reaching_set, began, now);
  }
}

void IncidentBook::Down(const IpAddress& target, const std::vector<SensorName>& failing,
                        const WayEnds& ends, MonoTime answered, MonoTime began, Moment now) {
  const std::set<SensorName> failing_set = ToSet(failing);
  for (Incident& incident : incidents_) {
    if (incident.basis != Verdict::kRouteAnomaly || !IsLive(incident)) {
      continue;
    }
    const auto it = incident.members.find(target);
    Member* member =
        it == incident.members.end() || !it->second.failing_now ? nullptr : &it->second;
    if (member != nullptr && !member->down_since) {
      member->down_since = now.mono;
    }
    // Where some flows of all those fail, a host may be out of luck with every one that was tried.
    const bool by_flow = incident.record.split == "per_flow" && !IsTentative(incident) &&
                         std::includes(incident.by_flow.begin(), incident.by_flow.end(),
                                       failing_set.begin(), failing_set.end());
    if (by_flow || (LeadsBy(incident, ends) && Uses(Part::kVictimsByWay)) ||
        (member != nullptr && !IsTentative(incident) && ends.empty() &&
         now.mono - *member->down_since < kUntraced)) {
      AddRound(incident, target, failing_set, {}, began, now);
      return;
    }
    if (member != nullptr) {  // what nobody reaches is no longer evidence for a split
      Recover(incident, *member, now.mono);
    }
  }
  std::optional<size_t> i = FindDown(target, answered);
  i = i ? i : Create(Verdict::kTargetDown, began, now);
  if (i) {
    AddRound(incidents_[*i], target, failing_set, {}, began, now);
    incidents_[*i].members.at(target).answered = answered;
  }
}

void IncidentBook::Discredit(const SensorName& sensor) {
  for (Incident& incident : incidents_) {
    if (incident.basis != Verdict::kRouteAnomaly || !Uses(Part::kDiscredit)) {
      continue;
    }
    incident.by_flow.erase(sensor);
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
    if (incident.basis != Verdict::kRouteAnomaly || !IsLive(incident)) {
      continue;
    }
    incident.by_flow.erase(sensor);
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

void IncidentBook::Holds(const Condition& condition, Moment now) {
  for (Incident& incident : incidents_) {
    if (!IsAbout(incident, condition.verdict, condition.about)) {
      continue;
    }
    if (incident.record.state == IncidentState::kClosed) {
      if (now.mono - incident.closed > kReopenWithin) {
        continue;
      }
      incident.record.state = IncidentState::kMonitoring;
      // With whatever else it was told, that was then.
      incident.record.verdict = condition.verdict;
      incident.record.severity = SeverityOf(condition.verdict);
      for (const char* key : {kMergedInto, kFlood, kFloodFeatures}) {
        incident.record.evidence.erase(key);
      }
    }
    if (!incident.holds_now) {
      incident.holds_now = true;
      incident.dirty = true;
    }
    incident.held_at = now.mono;
    Describe(incident, condition);
    return;
  }
  const auto i = Create(condition.verdict, condition.since.mono, now);
  if (!i) {
    return;
  }
  Incident& incident = incidents_[*i];
  incident.record.started_at = condition.since.wall;
  incident.record.evidence[kAbout] = condition.about;
  incident.holds_now = true;
  incident.held_at = now.mono;
  Describe(incident, condition);
}

void IncidentBook::Describe(Incident& incident, const Condition& condition) {
  IncidentRecord& record = incident.record;
  const IncidentRecord before = record;
  record.failing_sensors = condition.failing;
  record.reaching_sensors = condition.reaching;
  record.targets.clear();
  for (const IpAddress& target : condition.targets) {
    record.targets.push_back({target, true});
  }
  record.family = condition.family;
  record.split = condition.split;
  record.direction = condition.direction;
  record.suspect = condition.suspect ? condition.suspect : record.suspect;
  for (const auto& [key, value] : condition.evidence) {
    record.evidence[key] = value;
  }
  incident.dirty |= record != before;
}

void IncidentBook::Over(Verdict verdict, const std::string& about) {
  for (Incident& incident : incidents_) {
    if (incident.holds_now && IsAbout(incident, verdict, about)) {
      incident.holds_now = false;
      incident.dirty = true;
    }
  }
}

bool IncidentBook::IsAbout(const Incident& incident, Verdict verdict, const std::string& about) {
  const auto it = incident.record.evidence.find(kAbout);
  return incident.basis == verdict && it != incident.record.evidence.end() && it->second == about;
}

bool IncidentBook::IsFailing(const IpAddress& target, Verdict basis) const {
  return std::any_of(incidents_.begin(), incidents_.end(), [&](const Incident& incident) {
    const auto it = incident.members.find(target);
    return incident.basis == basis && IsLive(incident) && it != incident.members.end() &&
           it->second.failing_now;
  });
}

std::optional<size_t> IncidentBook::FindOrCreate(const std::string& group, MonoTime began,
                                                 Moment now) {
  const auto it = std::find_if(incidents_.begin(), incidents_.end(), [&](const Incident& incident) {
    return incident.basis == Verdict::kRouteAnomaly && IsLive(incident) &&
           incident.groups.contains(group);
  });
  const std::optional<size_t> i = it != incidents_.end()
                                      ? static_cast<size_t>(it - incidents_.begin())
                                      : Create(Verdict::kRouteAnomaly, began, now);
  if (i) {
    incidents_[*i].groups.insert(group);
  }
  return i;
}

// The one that it is a member of; or that it may have left together with.
std::optional<size_t> IncidentBook::FindDown(const IpAddress& target, MonoTime answered) const {
  std::optional<size_t> found;
  for (size_t i = 0; i < incidents_.size(); ++i) {
    const Incident& incident = incidents_[i];
    if (incident.basis != Verdict::kTargetDown || !IsLive(incident)) {
      continue;
    }
    if (incident.members.contains(target)) {
      return i;
    }
    if (!found && (IsTentative(incident) || answered < incident.started + kNotTogether)) {
      found = i;
    }
  }
  return found;
}

std::optional<size_t> IncidentBook::Create(Verdict basis, MonoTime started, Moment now) {
  if (incidents_.size() >= kMostIncidents) {
    return std::nullopt;
  }
  Incident& incident = incidents_.emplace_back();
  incident.serial = ++last_serial_;
  incident.basis = basis;
  incident.record.verdict = basis;
  incident.record.severity = SeverityOf(basis);
  incident.record.direction = "unknown";
  incident.record.split = "unknown";
  incident.started = started;
  incident.record.started_at = now.wall - (now.mono - started);
  return incidents_.size() - 1;
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
    // What comes and goes does not last until a second round, and has been confirmed before.
    member.confirmed = incident.record.evidence.contains(kFlapping) || !Uses(Part::kSecondRound);
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
  if (!reaching.empty()) {
    member.down_since.reset();
  }
  if (incident.record.split == "per_flow") {
    incident.by_flow.insert(failing.begin(), failing.end());
  }
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

}  // namespace parallax::collector
