// Which UDP probe an ICMP error is about when the quoted UDP header is hidden, as an unprivileged
// process finds it: the payload's probe id tells, or, where the router has quoted too little, that
// all probes of the flow that can be meant were sent alike. Pure; owned by the probe thread.
// Bounded: kCapacity probes, kRemember at the most.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>

#include "common/ip.h"
#include "common/time.h"
#include "sensor/probe/wire/packet.h"

namespace parallax::sensor {

class UdpHistory {
 public:
  static constexpr size_t kCapacity = 65536;
  static constexpr Duration kRemember = std::chrono::seconds(30);
  // Errors come within that time, mostly: of two probes closer together, either may be meant.
  static constexpr Duration kApart = std::chrono::seconds(2);

  // A probe that has left. REQUIRES: times do not decrease.
  void Remember(const Probe& probe, MonoTime sent);

  // The sequence of the probe to this target and port with this source port and id.
  std::optional<uint16_t> ById(const IpAddress& target, uint16_t port, uint16_t flow_port,
                               uint64_t probe_id);
  // The same without an id: of the probes that left less than kApart ago, else of the last one, the
  // oldest that has not been told yet. nullopt if they have different TTLs: the error may have come
  // from anywhere on the way.
  std::optional<uint16_t> Guess(const IpAddress& target, uint16_t port, uint16_t flow_port,
                                MonoTime now);

  size_t size() const { return sent_.size(); }

 private:
  struct Flow {
    IpAddress target;
    uint16_t port = 0;
    uint16_t flow_port = 0;
    bool operator==(const Flow&) const = default;
  };
  struct FlowHash {
    size_t operator()(const Flow& flow) const;
  };
  using Number = uint64_t;  // of a probe, in the order in which they left
  static constexpr Number kNone = UINT64_MAX;
  struct Sent {
    Flow flow;
    uint16_t sequence = 0;
    uint8_t ttl = 0;
    bool told = false;
    uint64_t probe_id = 0;
    MonoTime at;
    Number before = kNone;  // the flow's last one before; may be forgotten already
  };

  // nullptr: none, or forgotten.
  Sent* Find(Number number);
  Sent* Last(const Flow& flow);

  std::deque<Sent> sent_;
  Number first_ = 0;  // of sent_.front()
  std::unordered_map<Flow, Number, FlowHash> last_;
};

}  // namespace parallax::sensor
