// What the user typed after "parallax-sensor".
#pragma once

#include <string>
#include <variant>

#include "sensor/capture_command.h"
#include "sensor/doctor/doctor_command.h"
#include "sensor/enrol/enroll_command.h"
#include "sensor/probe_command.h"
#include "sensor/spool_command.h"
#include "sensor/trace_command.h"

namespace parallax::sensor {

struct RunCommand {
  std::string config;
};
struct CheckConfigCommand {
  std::string config;
};
struct DoctorCommand {
  DoctorOptions options;
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
struct SpoolCommand {
  SpoolCommandOptions options;
};
// Nothing to do but to leave: help or version was printed, or the words were wrong and it was said.
struct Leave {
  int exit_code = 0;
};

using Command = std::variant<Leave, RunCommand, CheckConfigCommand, EnrollCommand, DoctorCommand,
                             CaptureCommand, ProbeCommand, TraceCommand, SpoolCommand>;

Command ParseCommandLine(int argc, char** argv);

}  // namespace parallax::sensor
