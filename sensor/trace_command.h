// `parallax-sensor probe trace`: the way that packets take to each target, without a collector.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sensor/probe/trace/multipath.h"
#include "sensor/probe/trace/path_search.h"
#include "sensor/probe_command.h"

namespace parallax::sensor {

struct TraceCommandOptions {
  ProbeCommandOptions probe;  // of `sweep` only method and port count
  TraceOptions trace;
  // All ways that flows take, instead of that of one flow.
  std::optional<MultipathOptions> multipath;
  // Only whether the path leaves past this hop, which may answer with any of these addresses.
  std::vector<std::string> past;
};

// As RunProbeCommand; on a terminal the table is redrawn as answers come in. With `past` a target
// counts as up if it is proven that the path leaves past the hop.
int RunTraceCommand(const TraceCommandOptions& options);

}  // namespace parallax::sensor
