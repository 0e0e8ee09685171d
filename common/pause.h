// A thread's pause, which a request to stop ends.
#pragma once

#include <condition_variable>
#include <mutex>
#include <stop_token>

#include "common/time.h"

namespace parallax {

// False once a stop was requested: at once, or within `length`.
inline bool Pause(const std::stop_token& stop, Duration length) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, length, [] { return false; });
  return !stop.stop_requested();
}

}  // namespace parallax
