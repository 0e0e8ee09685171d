#include "collector/detect/loss_look.h"

namespace parallax::collector {

void LossLook::Add(VantageId sensor, const ProbeReport& report, size_t first) {
  for (size_t second = 0; second < report.tries.size(); ++second) {
    const ProbeState state = report.tries[second].state;
    if (state == ProbeState::kNotSent || state == ProbeState::kRefused) {
      continue;
    }
    const unsigned lost = state == ProbeState::kAnswered ? 0 : 1;
    for (LossTally* tally : {&sensors_[sensor], &pairs_[{sensor, report.target}]}) {
      ++tally->sent;
      tally->lost += lost;
    }
    if (lost > 0) {
      lossy_seconds_[sensor].insert(first + second);
    }
  }
}

bool LossLook::Loses(VantageId sensor) const {
  const auto seconds = lossy_seconds_.find(sensor);
  const LossTally tally = Of(sensor);
  return seconds != lossy_seconds_.end() && seconds->second.size() >= kFewestSeconds &&
         tally.lost >= kFewestLost && tally.share() >= kLeastShare;
}

LossTally LossLook::Of(VantageId sensor) const {
  const auto it = sensors_.find(sensor);
  return it == sensors_.end() ? LossTally{} : it->second;
}

std::vector<VantageId> LossLook::sensors() const {
  std::vector<VantageId> ids;
  for (const auto& [id, tally] : sensors_) {
    ids.push_back(id);
  }
  return ids;
}

}  // namespace parallax::collector
