// The belief about one cell: can this sensor reach this target?
//
// A one-sided sequential test (Page's CUSUM form of Wald's SPRT): every informative miss adds the
// log-likelihood ratio ln((1 - eps) / l), where l is the loss rate of the vantage's good paths and
// eps the chance of an answer over a dead path; an answer takes the sum back to zero. The cell is
// down when the sum passes ln((1 - beta) / alpha). A cell that was down is up again after two
// answered rounds, which is what the test for the other direction needs at these error rates.
// A method that was silent twice while another one was answered in the same round is filtered
// between this sensor and this target: its silence says nothing until it has answered again.
//
//        misses add up              sum >= kDownThreshold
//   up/unknown ---------------------------------------------> down
//        ^                                                      |
//        +------------- two answered rounds in a row -----------+
#pragma once

#include <array>
#include <cstdint>

#include "collector/detect/model.h"
#include "common/time.h"

namespace parallax::collector {

inline constexpr double kAlpha = 1e-4;  // accepted chance of calling a good cell down, per test
inline constexpr double kBeta = 1e-2;   // accepted chance of missing a dead one
inline constexpr double kEpsilon = 0.01;
inline constexpr double kLeastLoss = 0.02;
inline constexpr double kMostLoss = 0.6;

// What one miss weighs when good paths lose the share `loss` of probes.
double MissWeight(double loss);
// The sum at which a cell is down.
double DownThreshold();

class Cell {
 public:
  Cell() = default;
  // As persisted.
  Cell(CellState state, Duration rtt);

  // A round in which an answer came after `misses` informative misses. Returns the misses since the
  // last answer over a path that turns out to have been good all the while: losses, not an outage.
  unsigned Answered(ProbeMethod method, unsigned misses, Duration rtt);
  // For targets that answer nobody: the way there was seen to lead as far as others' ways do.
  void Led();
  // A round with `misses` informative misses, each of `weight`, and no answer.
  void Missed(unsigned misses, double weight);
  // A connection from the target completed at this sensor. For targets that answer no probe: two of
  // them take back a "down".
  void Completed();
  // Connections completed before and after the latest round that missed it. True if there has been
  // another such round since anything was answered.
  bool CompletedAround();
  // A filter said no; nothing else answered.
  void Prohibited();
  // `method` was silent, or refused by a filter, where another one was answered.
  void Contradicted(ProbeMethod method);

  CellState state() const;
  bool down() const { return down_; }
  // Down, and nothing was answered since the misses that say so. What loses packets answers now and
  // then; a miss or two in between are no evidence by themselves.
  bool accuses() const { return down_ && sum_ >= DownThreshold(); }
  bool filtered(ProbeMethod method) const;
  // Has it been reached from here before?
  bool reached() const { return reached_; }
  bool missing() const { return misses_ > 0; }  // no answer since the last miss
  Duration rtt() const { return rtt_; }

 private:
  unsigned Reached(unsigned misses);
  void Remember(unsigned misses, bool answered);

  double sum_ = 0;
  uint16_t history_ = 0;                   // last informative tries, newest in bit 0, 1 = miss
  uint8_t answered_rounds_ = 0;            // in a row, while down
  uint8_t completed_around_ = 0;           // missed rounds, since the last answer
  unsigned misses_ = 0;                    // informative, since the last answer
  std::array<uint8_t, 2> contradicted_{};  // rounds since it last answered, by ProbeMethod
  bool known_ = false;
  bool reached_ = false;
  bool down_ = false;
  bool policy_ = false;
  Duration rtt_{};
};

}  // namespace parallax::collector
