// What the link service tells the engine: the only way in.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "collector/store/ops.h"
#include "common/records.h"

namespace parallax::collector {

struct SensorConnected {
  SensorName name;
  std::string group;
  std::optional<IpAddress> address;
  SensorHello hello;
};

struct SensorHealthReported {
  SensorName name;
  SensorHealth health;
};

struct SensorDisconnected {
  SensorName name;
  bool goodbye = false;
};

using LinkEvent = std::variant<SensorConnected, SensorHealthReported, SensorDisconnected,
                               IngestedBatch, RefusedBatch, SensorIdentity>;

}  // namespace parallax::collector
