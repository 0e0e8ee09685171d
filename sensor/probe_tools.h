// Everything that a command needs to probe: policy, port, ledger, gate and loop, put together, and
// the privileges given up that are not needed any more. Owned by the command's one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "common/result.h"
#include "sensor/probe/policy/probe_gate.h"
#include "sensor/probe/ports/probe_port.h"
#include "sensor/probe/probe_loop.h"
#include "sensor/probe/wire/ledger.h"
#include "sensor/probe/wire/tagger.h"

namespace parallax::sensor {

struct ProbeToolsOptions {
  std::string policy_file;
  double rate = 0;  // packets a second below the policy's; 0: the policy's
  ProbeMethod method = ProbeMethod::kIcmpEcho;
  uint32_t flows = 1;         // to each target
  bool unprivileged = false;  // as if there were no right to open raw sockets
  size_t most_in_flight = 0;
  uint64_t probes = 0;  // how many there will be, roughly
};

class ProbeTools {
 public:
  // kNoConfig, kBadConfig or kPermission: the policy; kPermission also if nothing can be sent by
  // that method; kUsage: it does not have so many flows.
  static Result<std::unique_ptr<ProbeTools>> Open(const ProbeToolsOptions& options);

  ProbeGate& gate() { return gate_; }
  ProbeLoop& loop() { return *loop_; }
  // What the user should know: what is missing without privileges. May be empty.
  const std::string& notice() const { return notice_; }
  // Lines about what was sent and what came back, each with its end.
  std::string Summary(Duration took) const;

 private:
  ProbeTools(const Policy& policy, PortRange ports, PortRange icmp_ids,
             const ProbeToolsOptions& options);

  ProbeTagger tagger_;
  ProbeLedger ledger_;
  ProbeGate gate_;
  std::unique_ptr<ProbePort> port_;
  std::optional<ProbeLoop> loop_;
  std::string notice_;
};

}  // namespace parallax::sensor
