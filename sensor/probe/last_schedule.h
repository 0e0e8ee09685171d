// What the collector wanted to know lately, asked on the sensor's own account while the collector
// cannot be reached: for a quarter of an hour, each target once in five minutes, with the tries of
// the last order about it. Then no more, but for the gateways, which are watched without orders.
// The answers wait in the spool. Pure.
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <optional>
#include <vector>

#include "common/records.h"

namespace parallax::sensor {

class LastSchedule {
 public:
  static constexpr Duration kKept = std::chrono::minutes(15);
  static constexpr Duration kEvery = std::chrono::minutes(5);
  static constexpr size_t kMostTargets = 4096;

  // The collector asks for this.
  void Heard(const ProbeOrder& order, MonoTime now);
  // Whether it can be reached; also told when nothing has changed.
  void Connected(bool yes, MonoTime now);
  // What to ask now, a few at a time. Their id is 0: no round of the collector's.
  std::vector<ProbeOrder> Due(MonoTime now);

  size_t targets() const { return targets_.size(); }

 private:
  struct Target {
    ProbeOrder order;
    MonoTime heard;
  };
  void Forget(MonoTime now);

  std::list<Target> targets_;  // by when they were heard of, oldest first
  std::map<IpAddress, std::list<Target>::iterator> places_;
  std::optional<MonoTime> alone_since_;
  std::vector<ProbeOrder> turn_;  // to be asked in this turn of five minutes, last first
  MonoTime turn_begun_{};
  size_t turn_size_ = 0;
};

}  // namespace parallax::sensor
