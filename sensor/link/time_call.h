// One call to a collector: what time it is there, and whether it would let this sensor in. Blocks;
// thread-safe: no state.
#pragma once

#include <string>

#include "common/ip.h"
#include "common/result.h"
#include "common/time.h"
#include "common/tls.h"

namespace parallax::sensor {

struct CollectorClock {
  Duration ahead{};        // our clock less the collector's
  Duration uncertainty{};  // half of what the call took
  std::string version;     // of the collector
};

// kDenied if the collector does not let this sensor in, kUnavailable if it does not answer in time
// or is too old to tell.
Result<CollectorClock> AskTime(const HostPort& where, const TlsIdentity& identity,
                               MonoTime deadline);

}  // namespace parallax::sensor
