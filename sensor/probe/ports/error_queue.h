// The kernel's queue of the ICMP errors that are about what a socket has sent (ip(7), IP_RECVERR):
// the only way in which an unprivileged process learns of them. Owned by the probe thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "common/ip.h"
#include "common/time.h"
#include "sensor/probe/wire/stripped_error.h"

namespace parallax::sensor {

// Has the kernel queue the errors for this socket, with what it knows about each: TTL, destination,
// time, and where an RFC 4884 extension begins. False: this kernel queues none.
bool QueueErrors(int fd, Family family);

using ErrorBuffer = std::array<uint8_t, 2048>;

struct QueuedError {
  // Filled in but for `protocol` and `header`, which the socket's owner knows. Views into the
  // buffer.
  StrippedError icmp;
  uint16_t port = 0;   // the target's; UDP only
  bool local = false;  // no ICMP error: the kernel itself refuses to send
  MonoTime received;
};

// The oldest error in the queue; nullopt: there is none. Takes the socket's pending error with it.
std::optional<QueuedError> TakeQueuedError(int fd, ErrorBuffer& buffer);

// The socket's pending error, which is thereby cleared; 0: none. The kernel returns it from the
// next call that sends or receives, whatever that call is about.
int TakePendingError(int fd);

}  // namespace parallax::sensor
