// Kernel-side filters that keep raw sockets cheap on a busy host. What they let through is checked
// again by the parser. No state.
#pragma once

#include "common/ip.h"
#include "common/result.h"
#include "sensor/probe/wire/tagger.h"

namespace parallax::sensor {

// A raw TCP socket sees every segment that reaches the host: let through only what
// acknowledges something, and is addressed to our probe ports.
Result<void> FilterTcp(int fd, Family family, PortRange ports);

// Likewise of UDP: only datagrams addressed to our probe ports.
Result<void> FilterUdp(int fd, Family family, PortRange ports);

// Lets through echo replies and the errors and redirects that answer.h reads.
Result<void> FilterIcmp(int fd, Family family);

}  // namespace parallax::sensor
