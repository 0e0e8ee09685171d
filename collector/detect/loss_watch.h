// Does a vantage lose more than is usual there? A CUSUM over seconds: all that was lost is one
// sample of a second, and all that was answered another one, since loss comes in bursts and probes
// sent together share their fate. Its alarm is a reason to look, and proves nothing by itself.
//
//   usual loss l0 (learnt slowly), loss to be seen l1 = max(4 l0, 5 %):
//   S := max(0, S + ln(l1 / l0)) if lost, max(0, S + ln((1 - l1) / (1 - l0))) if answered
//
// Pure; owned by the engine's thread.
#pragma once

#include <algorithm>
#include <cmath>

#include "common/time.h"

namespace parallax::collector {

class LossWatch {
 public:
  // Two lost within two dozen, where next to nothing is lost else; or three.
  static constexpr double kTwo = 3.5;
  static constexpr double kThree = 5.5;
  explicit LossWatch(double alarm = kTwo) : alarm_(alarm) {}

  // Of probes over a path that works: `lost` came to nothing, and then one was answered.
  void Note(unsigned lost, MonoTime now) {
    if (now - second_ >= std::chrono::seconds(1)) {
      if (lost_) {
        Take(true);
      }
      if (answered_) {
        Take(false);
      }
      lost_ = false;
      second_ = now;
    }
    lost_ |= lost > 0;
    answered_ = true;
  }

  bool alarm() const { return sum_ >= alarm_; }
  // It was looked into.
  void Reset() { sum_ = 0; }
  double usual() const { return usual_; }
  // Over the last two dozen samples or so.
  double recent() const { return recent_; }

 private:
  static constexpr double kLeast = 0.005;
  static constexpr double kMost = 0.2;
  static constexpr double kLeastSeen = 0.05;
  static constexpr double kLearn = 0.0005;
  static constexpr double kLearnFast = 0.08;

  void Take(bool lost) {
    const double l0 = std::clamp(usual_, kLeast, kMost);
    const double l1 = std::max(4 * l0, kLeastSeen);
    sum_ = std::max(0.0, sum_ + (lost ? std::log(l1 / l0) : std::log((1 - l1) / (1 - l0))));
    usual_ += kLearn * ((lost ? 1 : 0) - usual_);
    recent_ += kLearnFast * ((lost ? 1 : 0) - recent_);
  }

  double alarm_;
  MonoTime second_{};
  bool lost_ = false;
  bool answered_ = false;
  double usual_ = kLeast;
  double recent_ = 0;
  double sum_ = 0;
};

}  // namespace parallax::collector
