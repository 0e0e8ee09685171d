// Decides whether one CA can make way for another: which sensors would be cut off. Pure: what is
// known of sensors and the time come in, names and reasons come out.
#pragma once

#include <string>
#include <vector>

#include "collector/store/ops.h"
#include "common/time.h"

namespace parallax::collector {

struct Dependent {
  SensorName name;
  std::string why;
};

// Sensors with a certificate that may still be valid (`life`: what certificates are made for), in
// the order in which they come, that do not trust `ca` yet ...
std::vector<Dependent> NotYetTrusting(const std::string& ca,
                                      const std::vector<KnownSensor>& sensors, Duration life,
                                      WallTime now);
// ... or whose certificate is of another CA than `ca`.
std::vector<Dependent> NotYetSignedBy(const std::string& ca,
                                      const std::vector<KnownSensor>& sensors, Duration life,
                                      WallTime now);

}  // namespace parallax::collector
