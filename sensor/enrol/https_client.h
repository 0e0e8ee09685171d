// One HTTPS request to a collector's enrolment port, to a peer that is known by its CA's pin alone.
// The only file pair that knows Boost.Beast on the sensor's side. Keeps the calling thread until
// the answer is there or `kEnrolPatience` has passed. No state.
#pragma once

#include <string>

#include "common/enrolment.h"
#include "common/ip.h"
#include "common/result.h"

namespace parallax::sensor {

// Nothing of `body` is sent before the peer has proved to be the collector of `pin` (64 hex
// digits). kUnavailable if it cannot be reached, kDenied if it is somebody else.
Result<HttpAnswer> PostToCollector(const HostPort& address, const std::string& pin,
                                   const std::string& body);

}  // namespace parallax::sensor
