// What sensors go by.
#include <fmt/format.h>

#include "collector/store/rows.h"

namespace parallax::collector {
namespace {

std::vector<std::string> Words(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

}  // namespace

Result<void> WriteIdentity(Database& db, int64_t sensor, const SensorIdentity& identity) {
  return db.Run("INSERT OR REPLACE INTO sensor_identities VALUES (?, ?, ?, ?, ?)", sensor,
                fmt::format("{}", fmt::join(identity.trusted_cas, " ")), identity.certificate_ca,
                identity.certificate_expires, identity.told_at);
}

Result<std::vector<KnownSensor>> ReadKnownSensors(Database& db) {
  auto rows = db.Query(
      "SELECT n.name, s.last_seen, i.sensor, i.trusted_cas, i.certificate_ca, "
      "i.certificate_expires, i.told_at FROM sensors s JOIN sensor_names n ON n.id = s.sensor "
      "LEFT JOIN sensor_identities i ON i.sensor = s.sensor ORDER BY n.name");
  if (!rows) {
    return tl::make_unexpected(rows.error());
  }
  std::vector<KnownSensor> sensors;
  while (rows->Next()) {
    KnownSensor& sensor = sensors.emplace_back();
    sensor.name = rows->Text(0);
    sensor.last_seen = rows->Time(1);
    if (!rows->IsNull(2)) {
      sensor.identity = SensorIdentity{sensor.name, Words(rows->Text(3)), rows->Text(4),
                                       rows->Time(5), rows->Time(6)};
    }
  }
  if (auto done = rows->Done(); !done) {
    return tl::make_unexpected(done.error());
  }
  return sensors;
}

}  // namespace parallax::collector
