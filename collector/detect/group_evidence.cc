#include "collector/detect/group_evidence.h"

#include <algorithm>
#include <cmath>

#include "collector/detect/cell.h"

namespace parallax::collector {

double PoissonTail(size_t k, double mean) {
  double term = std::exp(-mean);
  double below = 0;
  for (size_t i = 0; i < k; ++i) {
    below += term;
    term *= mean / static_cast<double>(i + 1);
  }
  return std::max(0.0, 1 - below);
}

void GroupEvidence::Note(size_t tries, bool missed, double loss, MonoTime now) {
  rounds_.push_back({now, std::pow(loss, static_cast<double>(tries)), missed});
  while (now - rounds_.front().at > kLately || rounds_.size() > kMostRounds) {
    rounds_.pop_front();
  }
}

bool GroupEvidence::Fails() const {
  size_t missed = 0;
  double mean = 0;
  for (const Seen& round : rounds_) {
    missed += round.missed ? 1 : 0;
    mean += round.chance;
  }
  return missed >= kFewest && PoissonTail(missed, mean) < kAlpha;
}

}  // namespace parallax::collector
