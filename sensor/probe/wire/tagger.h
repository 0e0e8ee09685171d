// What makes a probe recognisable: the flow it belongs to and its keyed tag. Pure.
//
// Two keys. `flow_key` fixes the flow identity of a (target, method, port) and where its TCP
// sequence numbers are; give it the same value after a restart, and in every process of a host, and
// probes keep their equal-cost paths. `secret` is drawn anew at each start. Who knows neither must
// guess 64 bits to make up an answer to an ICMP or UDP probe that carries a tag, 32 to a TCP probe;
// but from one TCP probe that somebody has seen he can tell the later ones of its flow.
#pragma once

#include <cstdint>
#include <optional>

#include "common/siphash.h"
#include "sensor/probe/wire/answer.h"
#include "sensor/probe/wire/packet.h"

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
  // `ports`: source ports of TCP and UDP probes. `icmp_ids`: identifiers of ICMP probes.
  ProbeTagger(const HashKey& flow_key, const HashKey& secret, PortRange ports,
              PortRange icmp_ids = {0, 65535})
      : flow_key_(flow_key), secret_(secret), ports_(ports), icmp_ids_(icmp_ids) {}

  // The probe with this id, made at `now`: a function of the arguments and the keys alone.
  //
  // The sequences of a TCP flow go up by one in a millisecond, whichever process of this host makes
  // them, and by kMostSequenceStep at the most from probe to probe if those follow each other
  // faster; `before` is the last one's, if that is remembered. Why: should the RST that the last
  // SYN-ACK met not have arrived, because it was lost or is on its way, the target still waits for
  // the rest of that handshake, for a minute. A SYN from within its receive window it resets, which
  // tells as much as a SYN-ACK. To one from elsewhere it would acknowledge the last one again,
  // Linux at most twice a second.
  Probe Make(uint64_t id, const IpAddress& target, uint32_t scope, const ProbeTry& attempt,
             uint8_t ttl, MonoTime now, std::optional<uint32_t> before = std::nullopt) const;
  static constexpr uint32_t kMostSequenceStep = 16;

  // The flow's source port or ICMP identifier. Different flows to one target have different ones,
  // as far as there are enough; UDP uses the first kUdpPorts ports only.
  uint16_t FlowPort(const IpAddress& target, const ProbeTry& attempt) const;

  // So many different ones are there.
  uint32_t Flows(ProbeMethod method) const { return FlowRange(method).size(); }

  // The payload was made by us for the probe that the answer names: its target, flow and, for ICMP
  // echo, sequence. Needs no memory of the probe.
  bool TagIsOurs(const Answer& answer) const;

  // The answer is for a flow that belongs to us: a port that the kernel gives to nobody, or the
  // identifier of the target's first flow.
  bool OwnsFlow(const Answer& answer) const;

  const PortRange& ports() const { return ports_; }
  PortRange udp_ports() const;
  static constexpr uint32_t kUdpPorts = 512;

 private:
  PortRange FlowRange(ProbeMethod method) const;
  // Of the first TCP probe of a flow that is made at `now`.
  uint32_t FirstSequence(const IpAddress& target, uint16_t port, uint16_t flow_port,
                         MonoTime now) const;

  HashKey flow_key_;
  HashKey secret_;
  PortRange ports_;
  PortRange icmp_ids_;
};

}  // namespace parallax::sensor
