// One call to a collector: a sensor's next certificate. Blocks; thread-safe: no state.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "common/ip.h"
#include "common/tls.h"
#include "sensor/link/identity_keeper.h"

namespace parallax::sensor {

// Asks one address after the other until a collector answers, yes or no, each for five seconds at
// most. kDenied if the answer is no, kUnavailable if nobody answers.
Result<RenewedCertificate> AskToRenew(const std::vector<HostPort>& addresses,
                                      const TlsIdentity& identity, const std::string& request_pem,
                                      const std::stop_token& stop);

}  // namespace parallax::sensor
