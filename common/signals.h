// Termination signals as something to wait for. Call BlockTerminationSignals before the first
// thread starts, so that all of them inherit the mask and only the main thread hears the signal.
#pragma once

namespace parallax {

// SIGINT and SIGTERM are blocked, SIGPIPE ignored.
void BlockTerminationSignals();

// Waits for SIGINT or SIGTERM and returns its number.
int WaitForTermination();

}  // namespace parallax
