#include "collector/operate/ca_rotation.h"

#include <fmt/format.h>

#include <algorithm>

namespace parallax::collector {
namespace {

// A sensor whose certificate is over has to enroll anew, whatever we do.
bool MayComeBack(const KnownSensor& sensor, Duration life, WallTime now) {
  const WallTime expires =
      sensor.identity ? std::max(sensor.identity->certificate_expires, sensor.identity->told_at)
                      : sensor.last_seen + life;
  return expires > now;
}

template <typename Over>
std::vector<Dependent> Collect(const std::vector<KnownSensor>& sensors, Duration life, WallTime now,
                               std::string_view lacks, Over over) {
  std::vector<Dependent> dependents;
  for (const KnownSensor& sensor : sensors) {
    if (!MayComeBack(sensor, life, now)) {
      continue;
    }
    if (!sensor.identity) {
      dependents.push_back({sensor.name, fmt::format("has not said what it trusts; last seen {}",
                                                     FormatRfc3339(sensor.last_seen))});
    } else if (!over(*sensor.identity)) {
      dependents.push_back(
          {sensor.name, fmt::format("{}; last seen {}", lacks, FormatRfc3339(sensor.last_seen))});
    }
  }
  return dependents;
}

}  // namespace

std::vector<Dependent> NotYetTrusting(const std::string& ca,
                                      const std::vector<KnownSensor>& sensors, Duration life,
                                      WallTime now) {
  return Collect(sensors, life, now, "does not trust the new CA yet",
                 [&](const SensorIdentity& identity) {
                   return std::find(identity.trusted_cas.begin(), identity.trusted_cas.end(), ca) !=
                          identity.trusted_cas.end();
                 });
}

std::vector<Dependent> NotYetSignedBy(const std::string& ca,
                                      const std::vector<KnownSensor>& sensors, Duration life,
                                      WallTime now) {
  return Collect(sensors, life, now, "its certificate is still of the old CA",
                 [&](const SensorIdentity& identity) { return identity.certificate_ca == ca; });
}

}  // namespace parallax::collector
