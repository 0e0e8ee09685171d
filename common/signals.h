// Termination signals as something to wait for. Call BlockTerminationSignals before the first
// thread starts, so that all of them inherit the mask and only the main thread hears the signal.
#pragma once

namespace parallax {

// SIGINT and SIGTERM are blocked; SIGPIPE is ignored, and so is SIGHUP, so that a daemon started
// from a shell outlives it.
void BlockTerminationSignals();

// Waits for SIGINT or SIGTERM and returns its number.
int WaitForTermination();

}  // namespace parallax
