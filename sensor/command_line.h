// What the user typed after "parallax-sensor".
#pragma once

#include <string>
#include <variant>

#include "sensor/capture_command.h"
#include "sensor/enrol/enroll_command.h"
#include "sensor/probe_command.h"
#include "sensor/trace_command.h"

namespace parallax::sensor {

struct RunCommand {
  std::string config;
};
struct CheckConfigCommand {
  std::string config;
};
struct EnrollCommand {
  EnrollOptions options;
};
struct CaptureCommand {
  CaptureCommandOptions options;
};
struct ProbeCommand {
  ProbeCommandOptions options;
};
struct TraceCommand {
  TraceCommandOptions options;
};
// Nothing to do but to leave: help or version was printed, or the words were wrong and it was said.
struct Leave {
  int exit_code = 0;
};

using Command = std::variant<Leave, RunCommand, CheckConfigCommand, EnrollCommand, CaptureCommand,
                             ProbeCommand, TraceCommand>;

Command ParseCommandLine(int argc, char** argv);

}  // namespace parallax::sensor
