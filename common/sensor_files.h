// What a sensor's folder starts from, whoever makes it: deploy/config/sensor.toml and policy.toml,
// built in, and the way to set a key in such a template. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace parallax {

extern const std::string_view kSensorToml;
extern const std::string_view kPolicyToml;

// Replaces the line of `key` in a template, commented out or not. `value` is TOML. The template is
// ours: a missing key is a mistake of the build.
Result<void> SetTemplateKey(std::string& toml, std::string_view key, const std::string& value);

// `addresses`: "HOST:PORT" of the collector, one or more. `interfaces` empty: all. REQUIRES: no
// quotes or control characters in either.
Result<std::string> MakeSensorToml(const std::vector<std::string>& addresses,
                                   const std::vector<std::string>& interfaces);

}  // namespace parallax
