// What a collector's folder says about it: its CA, and where sensors reach it. Read anew each time,
// so that what changes there is seen. No state.
#pragma once

#include <string>
#include <vector>

#include "collector/config.h"
#include "collector/operate/authority.h"
#include "common/result.h"
#include "common/tls.h"

namespace parallax::collector {

// The CA beside the configuration: ca_file, and the key of the same name.
Result<KeyPair> ReadAuthority(const CollectorConfig& config);

// A sensor's certificate, made with that CA as it is now, valid as long as the configuration says.
Result<std::string> SignForSensor(const CollectorConfig& config, const std::string& request_pem,
                                  const PeerName& peer, WallTime issue_at);

// The names and addresses of its host in a collector's certificate.
std::vector<std::string> HostsOf(const CertificateInfo& collector);

// "HOST:PORT": the names that init put into the collector's certificate, with the port that it
// listens on for sensors.
Result<std::vector<std::string>> ReportAddresses(const CollectorConfig& config);

}  // namespace parallax::collector
