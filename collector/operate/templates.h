// The configuration files that new folders start from: deploy/config/*.toml, built in.
#pragma once

#include <string_view>

namespace parallax::collector {

extern const std::string_view kCollectorToml;
extern const std::string_view kSensorToml;
extern const std::string_view kPolicyToml;

}  // namespace parallax::collector
