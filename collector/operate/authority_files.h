// What a collector's folder says about it: its CA, and where sensors reach it. Read anew each time,
// so that what changes there is seen. No state.
#pragma once

#include <string>
#include <vector>

#include "collector/config.h"
#include "collector/operate/authority.h"
#include "common/result.h"

namespace parallax::collector {

// The CA beside the configuration: ca_file, and the key of the same name.
Result<KeyPair> ReadAuthority(const CollectorConfig& config);

// "HOST:PORT": the names that init put into the collector's certificate, with the port that it
// listens on for sensors.
Result<std::vector<std::string>> ReportAddresses(const CollectorConfig& config);

}  // namespace parallax::collector
