// `parallax-sensor probe trace`: the way that packets take to each target, without a collector.
#pragma once

#include <string>

#include "sensor/probe/path_search.h"
#include "sensor/probe_command.h"

namespace parallax::sensor {

struct TraceCommandOptions {
  ProbeCommandOptions probe;  // of `sweep` only method and port count
  TraceOptions trace;
};

// As RunProbeCommand; on a terminal the table is redrawn as answers come in.
int RunTraceCommand(const TraceCommandOptions& options);

}  // namespace parallax::sensor
