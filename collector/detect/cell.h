// The belief about one cell: can this sensor reach this target?
//
// A one-sided sequential test (Page's CUSUM form of Wald's SPRT): every informative miss adds the
// log-likelihood ratio ln((1 - eps) / l), where l is the loss rate of the vantage's good paths and
// eps the chance of an answer over a dead path; an answer takes the sum back to zero. The cell is
// down when the sum passes ln((1 - beta) / alpha). A cell that was down is up again after two
// answered rounds, which is what the test for the other direction needs at these error rates.
//
//        misses add up              sum >= kDownThreshold
//   up/unknown ---------------------------------------------> down
//        ^                                                      |
//        +------------- two answered rounds in a row -----------+
#pragma once

#include <cstdint>

#include "collector/detect/model.h"
#include "common/time.h"

namespace parallax::collector {

inline constexpr double kAlpha = 1e-4;  // accepted chance of calling a good cell down, per test
inline constexpr double kBeta = 1e-2;   // accepted chance of missing a dead one
inline constexpr double kEpsilon = 0.01;
inline constexpr double kLeastLoss = 0.02;
inline constexpr double kMostLoss = 0.3;

// What one miss weighs when good paths lose the share `loss` of probes.
double MissWeight(double loss);
// The sum at which a cell is down.
double DownThreshold();

class Cell {
 public:
  Cell() = default;
  // As persisted.
  Cell(CellState state, Duration rtt);

  // A round in which an answer came after `misses` informative misses.
  void Answered(unsigned misses, Duration rtt);
  // A round with `misses` informative misses, each of `weight`, and no answer.
  void Missed(unsigned misses, double weight);
  // A filter said no; nothing else answered.
  void Prohibited();

  CellState state() const;
  bool down() const { return down_; }
  Duration rtt() const { return rtt_; }

 private:
  void Remember(unsigned misses, bool answered);

  double sum_ = 0;
  uint16_t history_ = 0;  // last informative tries, newest in bit 0, 1 = miss
  uint8_t answered_rounds_ = 0;  // in a row, while down
  bool known_ = false;
  bool down_ = false;
  bool policy_ = false;
  Duration rtt_{};
};

}  // namespace parallax::collector
