// How often one sensor may renew: ten times at once, and once a second over time. A sensor renews
// every ten days; one that asks all the time must not keep the others' streams waiting. Pure.
#pragma once

#include <map>

#include "collector/detect/model.h"
#include "common/time.h"

namespace parallax::collector {

class RenewalLimit {
 public:
  bool MayRenew(const SensorName& sensor, MonoTime now);

 private:
  struct Left {
    double renewals = 0;
    MonoTime at;
  };
  std::map<SensorName, Left> left_;  // of sensors that renewed within the last few seconds
};

}  // namespace parallax::collector
