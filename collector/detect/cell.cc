#include "collector/detect/cell.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace parallax::collector {
namespace {

constexpr int kLossyMisses = 3;  // of the last 16 informative tries
constexpr int kContradictionsToFilter = 2;
constexpr unsigned kRoundsToUp = 2;  // ceil(ln(beta/(1-alpha)) / ln(eps/(1-l))) for l <= 0.3

}  // namespace

double MissWeight(double loss) { return std::log((1 - kEpsilon) / loss); }

double DownThreshold() {
  static const double threshold = std::log((1 - kBeta) / kAlpha);
  return threshold;
}

Cell::Cell(CellState state, Duration rtt)
    : sum_(state == CellState::kDown ? DownThreshold() : 0),
      known_(state != CellState::kUnknown),
      reached_(known_ && state != CellState::kPolicy),
      down_(state == CellState::kDown),
      policy_(state == CellState::kPolicy),
      rtt_(rtt) {}

unsigned Cell::Answered(ProbeMethod method, unsigned misses, Duration rtt) {
  contradicted_[static_cast<size_t>(method)] = 0;
  rtt_ = rtt;
  return Reached(misses);
}

void Cell::Led() { Reached(0); }

unsigned Cell::Reached(unsigned misses) {
  Remember(misses, true);
  reached_ = true;
  known_ = true;
  policy_ = false;
  sum_ = 0;
  const unsigned lost = down_ ? 0 : misses_ + misses;
  misses_ = 0;
  completed_around_ = 0;
  if (down_ && ++answered_rounds_ >= kRoundsToUp) {
    down_ = false;
    history_ = 0;
    answered_rounds_ = 0;
  }
  return lost;
}

void Cell::Completed() {
  if (down_ && ++answered_rounds_ >= kRoundsToUp) {
    *this = Cell();
  }
}

bool Cell::CompletedAround() {
  constexpr uint8_t kNoChance = 2;
  completed_around_ = std::min<uint8_t>(completed_around_ + 1, kNoChance);
  return completed_around_ == kNoChance;
}

void Cell::Missed(unsigned misses, double weight) {
  Remember(misses, false);
  answered_rounds_ = 0;
  misses_ += misses;
  sum_ = std::min(sum_ + misses * weight, 2 * DownThreshold());
  if (sum_ >= DownThreshold()) {
    known_ = true;
    policy_ = false;
    down_ = true;
  }
}

void Cell::Prohibited() {
  known_ = true;
  policy_ = !down_;
}

void Cell::Contradicted(ProbeMethod method) {
  uint8_t& rounds = contradicted_[static_cast<size_t>(method)];
  rounds = static_cast<uint8_t>(std::min<int>(rounds + 1, kContradictionsToFilter));
}

bool Cell::filtered(ProbeMethod method) const {
  return contradicted_[static_cast<size_t>(method)] >= kContradictionsToFilter;
}

CellState Cell::state() const {
  if (down_) {
    return CellState::kDown;
  }
  if (!known_) {
    return CellState::kUnknown;
  }
  if (policy_) {
    return CellState::kPolicy;
  }
  return std::popcount(history_) >= kLossyMisses ? CellState::kLossy : CellState::kUp;
}

void Cell::Remember(unsigned misses, bool answered) {
  const auto push = [this](bool miss) {
    history_ = static_cast<uint16_t>(history_ << 1 | (miss ? 1 : 0));
  };
  for (unsigned i = 0; i < misses; ++i) {
    push(true);
  }
  if (answered) {
    push(false);
  }
}

}  // namespace parallax::collector
