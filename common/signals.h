// Signals to a daemon as something to wait for. Call BlockDaemonSignals before the first thread
// starts, so that all of them inherit the mask and only the main thread hears the signal.
#pragma once

#include <functional>

namespace parallax {

// SIGINT, SIGTERM and SIGHUP are blocked, SIGPIPE is ignored. A daemon started from a shell
// outlives it: SIGHUP ends nothing.
void BlockDaemonSignals();

// Waits for SIGINT or SIGTERM and returns its number; calls `reload` at each SIGHUP until then.
int WaitForTermination(const std::function<void()>& reload = {});

}  // namespace parallax
