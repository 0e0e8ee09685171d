// What is wanted to explain an incident, and what an explanation changes.
#include <algorithm>

#include "collector/detect/incident_book.h"

namespace parallax::collector {
namespace {

// So many say what all would.
constexpr size_t kMostShown = 256;

}  // namespace

std::vector<IncidentView> IncidentBook::Views() const {
  std::vector<IncidentView> views;
  for (const Incident& incident : incidents_) {
    if (!IsLive(incident) || IsCondition(incident.basis)) {
      continue;
    }
    IncidentView& view = views.emplace_back();
    view.serial = incident.serial;
    view.verdict = incident.record.verdict;
    view.basis = incident.basis;
    view.open = !IsTentative(incident);
    view.started = incident.started;
    for (const auto& [address, member] : incident.members) {
      if (!member.failing_now) {
        continue;
      }
      ++view.failing;
      view.confirmed += member.confirmed ? 1 : 0;
      if (view.members.size() < kMostShown) {
        view.members.push_back({address,
                                {member.failing.begin(), member.failing.end()},
                                {member.reaching.begin(), member.reaching.end()},
                                member.first_round,
                                member.answered});
      }
    }
  }
  return views;
}

IncidentBook::Incident* IncidentBook::Find(uint64_t serial) {
  const auto it = std::find_if(incidents_.begin(), incidents_.end(),
                               [&](const Incident& i) { return i.serial == serial; });
  return it != incidents_.end() ? &*it : nullptr;
}

void IncidentBook::LosesFlows(uint64_t serial, const SensorName& sensor) {
  Incident* const incident = Find(serial);
  if (incident != nullptr && IsLive(*incident) && incident->by_flow.insert(sensor).second) {
    incident->groups.insert(GroupOf(sensor));
    incident->dirty = true;
  }
}

bool IncidentBook::IsSeenBy(const Incident& incident, const std::vector<SensorName>& sensors) {
  const auto among = [&](const auto& names) {
    return std::ranges::any_of(
        names, [&](const SensorName& name) { return std::ranges::binary_search(sensors, name); });
  };
  if (IsCondition(incident.basis)) {
    return among(incident.record.failing_sensors);
  }
  return among(incident.by_flow) ||
         std::any_of(incident.members.begin(), incident.members.end(), [&](const auto& entry) {
           return entry.second.failing_now && among(entry.second.failing);
         });
}

bool IncidentBook::MixFlood(const Condition& flood, Moment now) {
  bool told = false;
  for (const Incident& incident : incidents_) {
    const bool failing = incident.basis == Verdict::kRouteAnomaly ||
                         (incident.basis == Verdict::kLossyPath && incident.holds_now);
    if (!Uses(Part::kMixed) || !failing || !IsLive(incident) ||
        !IsSeenBy(incident, flood.failing)) {
      continue;
    }
    std::string features;
    for (const auto& [key, value] : flood.evidence) {
      features += (features.empty() ? "" : "; ") + key + " " + value;
    }
    Explain(incident.serial, {.verdict = Verdict::kMixed,
                              .suspect = {},
                              .split = {},
                              .direction = {},
                              .evidence = {{kFlood, flood.about}, {kFloodFeatures, features}}});
    if (!IsTentative(incident)) {
      Joins(flood, incident, now);
      told = true;
    }
  }
  return told;
}

void IncidentBook::Explain(uint64_t serial, const Explanation& explanation) {
  Incident* const it = Find(serial);
  if (it == nullptr || (it->recovering && it->suspect && !IsTentative(*it))) {
    return;  // what was said while it lasted stands
  }
  IncidentRecord& record = it->record;
  const IncidentRecord before = record;
  if (explanation.verdict != Verdict::kUnknown) {
    record.verdict = explanation.verdict;
    record.severity = SeverityOf(explanation.verdict);
  }
  it->settles |= explanation.settles;
  if (IsTentative(*it)) {
    it->together = explanation.together.value_or(it->together);
  }
  if (explanation.suspect) {
    it->suspect = explanation.suspect;
    it->places = explanation.places;
    it->onward = explanation.onward;
    if (it->places.empty()) {
      it->places = {*explanation.suspect};
    }
  }
  // Where the ways to hosts that are gone end is where they were, and nobody's fault.
  if (it->suspect && record.verdict != Verdict::kTargetDown) {
    record.suspect = it->suspect;
  }
  if (!explanation.split.empty()) {
    record.split = explanation.split;
  }
  if (!explanation.direction.empty()) {
    record.direction = explanation.direction;
  }
  for (const auto& [key, value] : explanation.evidence) {
    if (value.empty() || (record.verdict == Verdict::kTargetDown && key.starts_with("suspect"))) {
      record.evidence.erase(key);
    } else {
      record.evidence[key] = value;
    }
  }
  it->dirty |= record != before;
}

}  // namespace parallax::collector
