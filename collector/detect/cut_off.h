// Sensors that are cut off, and which of them by one cause: those of one group that fell silent
// within a minute of each other share a router, or a switch, or a plug.
//
// Pure; owned by the engine's thread.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "collector/detect/model.h"
#include "common/time.h"

namespace parallax::collector {

class CutOff {
 public:
  struct Trouble {
    std::string about;  // its name: the sensor that was the first
    std::string group;
    Moment since;                               // of the first
    MonoTime last{};                            // that another one joined
    std::map<SensorName, std::string> sensors;  // and why they are taken for cut off
    std::set<SensorName> all;                   // and those that are back
  };

  // `sensor` is cut off since `since`; what it is part of now.
  const Trouble& Add(const SensorName& sensor, const std::string& group, const std::string& why,
                     Moment since, Moment now);
  // As an earlier life of the collector left it.
  void Restore(const std::string& about, const std::string& group,
               const std::vector<SensorName>& sensors, Moment since);
  // It is no more; what it was part of, without it, and perhaps without anybody. nullopt: it was
  // not cut off.
  std::optional<Trouble> Remove(const SensorName& sensor);

 private:
  static constexpr Duration kTogether = std::chrono::seconds(60);

  std::map<std::string, Trouble> troubles_;  // by `about`
};

}  // namespace parallax::collector
