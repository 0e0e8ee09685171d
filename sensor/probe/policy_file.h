// Loads policy.toml. The file belongs to the host's administrator: it must be owned by root or by
// the user who runs the sensor, and nobody else may be able to write it. Reads files; no state.
//
//   packets_per_second = 100        # in all
//   per_target_per_second = 2
//   allow = ["0.0.0.0/0", "::/0"]   # must be given
//   deny = []                       # beats allow
#pragma once

#include <string>

#include "common/result.h"
#include "sensor/probe/policy.h"

namespace parallax::sensor {

// kBadConfig if the file is missing, no regular file or wrong; kPermission if it cannot be read or
// others could have written it. The message names the remedy.
Result<Policy> LoadPolicy(const std::string& path);

}  // namespace parallax::sensor
