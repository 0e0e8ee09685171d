// `parallax-sensor doctor`: looks at all that a sensor lives by, says how it is, a line each, and
// what to do about what is not. Changes nothing; ends within seconds, whatever hangs.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/time.h"

namespace parallax::sensor {

struct DoctorOptions {
  std::string config;
  bool json = false;
};

// Runs all tasks at the same time and comes back when all are done, true, or when `most` has
// passed, false: those that hang are left behind, and may go on until the process ends.
using Together = std::function<bool(std::vector<std::function<void()>> tasks, Duration most)>;

// The exit code: 1 if anything failed.
int RunDoctorCommand(const DoctorOptions& options, const Together& together);

}  // namespace parallax::sensor
