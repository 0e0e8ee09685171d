#include "collector/detect/loss_look.h"

#include <cmath>

namespace parallax::collector {

void LossLook::Add(VantageId sensor, const ProbeReport& report, size_t first) {
  unsigned run = 0;  // of lost ones
  const auto end_run = [&] {
    scattered_[sensor] += run < kSolid ? run : 0;
    solid_[sensor] += run < kSolid ? 0 : run;
    run = 0;
  };
  for (size_t second = 0; second < report.tries.size(); ++second) {
    const ProbeState state = report.tries[second].state;
    if (state == ProbeState::kNotSent || state == ProbeState::kRefused) {
      continue;
    }
    const bool lost = state != ProbeState::kAnswered;
    for (LossTally* tally :
         {&sensors_[sensor], &pairs_[{sensor, report.target}], &seconds_[sensor][first + second]}) {
      ++tally->sent;
      tally->lost += lost ? 1 : 0;
    }
    if (lost) {
      ++run;
    } else {
      end_run();
    }
  }
  end_run();
}

bool LossLook::Loses(VantageId sensor) const {
  const auto seconds = seconds_.find(sensor);
  if (seconds == seconds_.end()) {
    return false;
  }
  // Where every other packet is lost, some are in a row; but not to these and never to those.
  if (solid_.at(sensor) >= scattered_.at(sensor) && !IsEven(sensor)) {
    return false;
  }
  size_t lossy = 0;
  LossTally tally;
  for (const auto& [second, here] : seconds->second) {
    if (here.lost < here.sent) {
      lossy += here.lost > 0 ? 1 : 0;
      tally += here;
    }
  }
  return lossy >= kFewestSeconds && tally.lost >= kFewestLost && tally.share() >= kLeastShare;
}

bool LossLook::Spares(VantageId sensor, double share) const {
  const LossTally tally = Of(sensor);
  double term = std::pow(1 - share, tally.sent);  // of the binomial distribution
  double sum = term;
  for (unsigned k = 1; k <= tally.lost; ++k) {
    term *= (tally.sent - k + 1) / static_cast<double>(k) * share / (1 - share);
    sum += term;
  }
  return share < 1 && sum < kNoChance;
}

// A chi-squared test of equal shares; of few tries its variance is that of binomial counts.
bool LossLook::IsEven(VantageId sensor) const {
  const double p = Of(sensor).share();
  if (p <= 0 || p >= 1) {
    return true;
  }
  const double q = 1 - p;
  double sum = 0;
  double variance = 0;
  double targets = 0;
  for (const auto& [pair, tally] : pairs_) {
    if (pair.first == sensor && tally.sent > 0) {
      const double n = tally.sent;
      sum += (tally.lost - n * p) * (tally.lost - n * p) / (n * p * q);
      variance += 2 + (1 - 6 * p * q) / (n * p * q);
      ++targets;
    }
  }
  return targets < 2 || sum - (targets - 1) <= kDeviationsEven * std::sqrt(variance);
}

LossTally LossLook::Of(VantageId sensor) const {
  const auto it = sensors_.find(sensor);
  return it == sensors_.end() ? LossTally{} : it->second;
}

std::map<IpAddress, LossTally> LossLook::Hit(VantageId sensor) const {
  const unsigned fewest = IsEven(sensor) ? 1 : kNotChance;
  const double share = Of(sensor).share();
  std::map<IpAddress, LossTally> hit;
  for (const auto& [pair, tally] : pairs_) {
    if (pair.first == sensor && tally.lost >= fewest && tally.share() >= share / 2) {
      hit.emplace(pair.second, tally);
    }
  }
  return hit;
}

LossTally LossLook::OfHit(VantageId sensor) const {
  LossTally sum;
  for (const auto& [target, tally] : Hit(sensor)) {
    sum += tally;
  }
  return sum;
}

std::vector<VantageId> LossLook::sensors() const {
  std::vector<VantageId> ids;
  for (const auto& [id, tally] : sensors_) {
    ids.push_back(id);
  }
  return ids;
}

}  // namespace parallax::collector
