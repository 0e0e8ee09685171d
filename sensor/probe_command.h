// `parallax-sensor probe ping|tcp|udp`: asks hosts whether they are there, without a collector.
// What leaves the host is what the local policy allows, and no more.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "sensor/probe/sweep.h"
#include "sensor/probe_targets.h"
#include "sensor/probe_text.h"
#include "sensor/probe_tools.h"

namespace parallax::sensor {

struct ProbeCommandOptions {
  TargetWords targets;
  SweepOptions sweep;
  double rate = 0;  // packets a second; 0: as the policy allows
  ProbeOutput output = ProbeOutput::kTable;
  std::string policy_file;    // empty: $PARALLAX_POLICY, else kDefaultPolicyFile
  bool unprivileged = false;  // as if there were no right to open raw sockets
};

inline constexpr const char* kDefaultPolicyFile = "/etc/parallax-sensor/policy.toml";

// What both kinds of probing begin with: the tools, and on stderr what is missing without
// privileges.
Result<std::unique_ptr<ProbeTools>> OpenTools(const ProbeCommandOptions& options, uint32_t flows,
                                              size_t most_in_flight, uint64_t probes);

// The targets; of names that have no address it is said on stderr.
Result<Targets> TargetsOf(const ProbeCommandOptions& options);

// 0 if all targets are up, unresolved names among them; 6 if some are, or in part; 1 if none is.
int ProbeExitCode(uint64_t up, uint64_t partial, const Targets& targets);

// Records go to stdout; progress, the summary and errors to stderr. Exit code: 0 if all targets are
// up, 6 if some are, 1 if none is; 78 without a policy, 77 without the right to send anything.
int RunProbeCommand(const ProbeCommandOptions& options);

}  // namespace parallax::sensor
