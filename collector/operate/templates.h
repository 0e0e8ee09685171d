// The configuration file that a collector's folder starts from: deploy/config/collector.toml, built
// in. A sensor's are in common/sensor_files.h.
#pragma once

#include <string_view>

namespace parallax::collector {

extern const std::string_view kCollectorToml;

}  // namespace parallax::collector
