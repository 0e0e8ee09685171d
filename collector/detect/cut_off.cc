#include "collector/detect/cut_off.h"

#include <algorithm>

namespace parallax::collector {

const CutOff::Trouble& CutOff::Add(const SensorName& sensor, const std::string& group,
                                   const std::string& why, Moment since, Moment now) {
  auto it = std::find_if(troubles_.begin(), troubles_.end(),
                         [&](const auto& entry) { return entry.second.sensors.contains(sensor); });
  if (it == troubles_.end() && !group.empty()) {
    it = std::find_if(troubles_.begin(), troubles_.end(), [&](const auto& entry) {
      const Trouble& trouble = entry.second;
      return trouble.group == group && now.mono - trouble.last <= kTogether;
    });
  }
  if (it == troubles_.end()) {
    it = troubles_.emplace(sensor, Trouble{sensor, group, since, {}, {}, {}}).first;
  }
  Trouble& trouble = it->second;
  if (trouble.sensors.insert_or_assign(sensor, why).second) {
    trouble.last = now.mono;
    trouble.all.insert(sensor);
  }
  return trouble;
}

void CutOff::Restore(const std::string& about, const std::string& group,
                     const std::vector<SensorName>& sensors, Moment since) {
  Trouble trouble{about, group, since, {}, {}, {sensors.begin(), sensors.end()}};
  for (const SensorName& sensor : sensors) {
    trouble.sensors.emplace(sensor, std::string());
  }
  troubles_.insert_or_assign(about, std::move(trouble));
}

std::optional<CutOff::Trouble> CutOff::Remove(const SensorName& sensor) {
  for (auto it = troubles_.begin(); it != troubles_.end(); ++it) {
    if (it->second.sensors.erase(sensor) == 0) {
      continue;
    }
    if (!it->second.sensors.empty()) {
      return it->second;
    }
    Trouble over = std::move(it->second);
    troubles_.erase(it);
    return over;
  }
  return std::nullopt;
}

}  // namespace parallax::collector
