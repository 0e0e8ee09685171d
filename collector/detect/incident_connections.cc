// What connections of its members, completed or half-open, say for and against an incident.
#include "collector/detect/incident_book.h"

namespace parallax::collector {

void IncidentBook::HalfOpen(const IpAddress& client, const SensorName& sensor, bool syn_repeated) {
  for (Incident& incident : incidents_) {
    if (MissedFrom(incident, client, sensor) != nullptr) {
      incident.dirty |= incident.half_open == 0;  // the first one gives the direction
      ++incident.half_open;
      incident.half_open_repeated += syn_repeated ? 1 : 0;
    }
  }
}

bool IncidentBook::Completed(const IpAddress& client, const SensorName& sensor, MonoTime began) {
  bool refuted = false;
  for (Incident& incident : incidents_) {
    const Member* member = MissedFrom(incident, client, sensor);
    if (member != nullptr && member->failing_now && began > member->first_round) {
      ++incident.completed;
      refuted |= NothingPasses(incident) && incident.completed >= kRefuteMany &&
                 incident.completed > kRefuteRatio * incident.half_open;
    }
  }
  return refuted;
}

const IncidentBook::Member* IncidentBook::MissedFrom(const Incident& incident,
                                                     const IpAddress& target,
                                                     const SensorName& sensor) {
  if (incident.basis != Verdict::kRouteAnomaly || !IsLive(incident)) {
    return nullptr;  // most, and every connection comes by here
  }
  const auto it = incident.members.find(target);
  return it != incident.members.end() && it->second.failing.contains(sensor) ? &it->second
                                                                             : nullptr;
}

bool IncidentBook::NothingPasses(const Incident& incident) {
  return incident.record.split != "per_flow" && incident.record.split != "per_packet";
}

}  // namespace parallax::collector
