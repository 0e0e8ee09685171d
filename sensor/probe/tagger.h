// What makes a probe recognisable: the flow it belongs to and its keyed tag. Pure.
//
// Two keys. `flow_key` fixes the flow identity of a (target, method, port); give it the same value
// after a restart and probes keep their equal-cost paths. `secret` is drawn anew at each start; who
// does not know it cannot make up an answer to a probe that it has not seen.
#pragma once

#include <cstdint>
#include <optional>

#include "common/siphash.h"
#include "sensor/probe/answer.h"
#include "sensor/probe/packet.h"

namespace parallax::sensor {

// Inclusive.
struct PortRange {
  uint16_t first = 0;
  uint16_t last = 0;
  uint32_t size() const { return uint32_t{last} - first + 1; }
  bool Contains(uint16_t port) const { return port >= first && port <= last; }
  bool operator==(const PortRange&) const = default;
};

// A block of source ports that the kernel never gives to its own connections, so that a probe can
// neither disturb one nor be taken for one. Above the ephemeral range if there is room, else below
// it, else privileged ports, which are never ephemeral.
PortRange ProbePorts(PortRange ephemeral);

class ProbeTagger {
 public:
  ProbeTagger(const HashKey& flow_key, const HashKey& secret, PortRange ports)
      : flow_key_(flow_key), secret_(secret), ports_(ports) {}

  // The probe with this id: a function of the arguments and the keys alone.
  Probe Make(uint64_t id, const IpAddress& target, uint32_t scope, const ProbeTry& attempt) const;

  // The flow's TCP source port or ICMP identifier.
  uint16_t FlowPort(const IpAddress& target, const ProbeTry& attempt) const;

  // The answer's echo payload was made by us, for this target, identifier and sequence. Needs no
  // memory of the probe.
  bool EchoTagIsOurs(const Answer& answer) const;

  const PortRange& ports() const { return ports_; }

 private:
  HashKey flow_key_;
  HashKey secret_;
  PortRange ports_;
};

}  // namespace parallax::sensor
