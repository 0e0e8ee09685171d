// Gives up what the sensor does not need once its sockets are open: every capability but
// CAP_NET_RAW (to take up capture again when an interface comes back), and the way to gain any.
#pragma once

#include "common/result.h"

namespace parallax::sensor {

// For the whole process if called before other threads start. Does nothing that a process without
// capabilities could not do, so it is no error there.
Result<void> DropPrivileges();

}  // namespace parallax::sensor
