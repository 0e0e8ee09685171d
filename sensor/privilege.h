// Gives up what is not needed once the sockets are open: capabilities, and the way to gain any.
#pragma once

#include "common/result.h"

namespace parallax::sensor {

enum class KeepCapability {
  kNone,
  kNetRaw,  // CAP_NET_RAW, to take up capture again when an interface comes back
};

// For the whole process if called before other threads start. Does nothing that a process without
// capabilities could not do, so it is no error there.
Result<void> DropPrivileges(KeepCapability keep);

}  // namespace parallax::sensor
