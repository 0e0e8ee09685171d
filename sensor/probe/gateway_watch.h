// Watches the host's default gateways: a sensor whose gateway is dead cannot vote on anybody else.
// Each gateway is asked by ICMP echo every 2 s, as one constant flow. Pure; owned by the probe
// thread. Gateways are the host's own next hops, so they need not be among what the policy allows;
// but what it denies is not asked, and its rates hold.
//
//   answers echo:        up while the last answer is at most 6 s old or is being waited for, then
//                        down
//   never answered yet:  what the neighbour table says (ARP, neighbour discovery), else unknown
//   link down, no route to it, or no default route of its family left:  down
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "common/records.h"
#include "common/time.h"
#include "sensor/probe/probe_client.h"

namespace parallax::sensor {

// Whether the gateway's link-layer address is known to the kernel and believed.
enum class Neighbour : uint8_t { kUnknown, kPresent, kFailed };

// A next hop of a default route, as the kernel has it now.
struct Gateway {
  IpAddress address;
  uint32_t interface_index = 0;
  bool link_up = true;
  Neighbour neighbour = Neighbour::kUnknown;
  bool operator==(const Gateway&) const = default;
};

inline constexpr size_t kMaxGateways = 16;

class GatewayWatch : public ProbeClient {
 public:
  explicit GatewayWatch(ProbeGate& gate) : gate_(gate) {}

  // What the kernel's tables say now; kMaxGateways at the most are taken. A gateway that is gone is
  // forgotten, unless its family has no other left: then it is down.
  void SetGateways(const std::vector<Gateway>& current, MonoTime now);

  void OnAnswer(const ProbeMatch& match, const Answer& answer, const Moment& now) override;
  void OnSendError(const ProbeOwner& owner, int error, const Moment& now) override;
  void Advance(const Moment& now, size_t most, std::vector<ProbeSend>& sends) override;
  std::optional<MonoTime> NextDeadline() const override;

  std::vector<GatewayHealth> Health(MonoTime now) const;

 private:
  struct Watched {
    Gateway gateway;
    uint64_t serial = 0;
    bool present = true;
    MonoTime next_ping;
    std::deque<uint64_t> asked;  // probe ids still open, oldest first
    std::optional<MonoTime> last_answer;
    uint32_t unanswered = 0;  // asked since the last answer
    uint64_t sent = 0;
    uint64_t answered = 0;
    uint32_t failed_looks = 0;  // neighbour-table readings in a row that said failed
    bool send_failed = false;
  };

  Watched* Find(uint64_t serial);
  void Drop(Watched& watched, MonoTime now);
  static Reach ReachOf(const Watched& watched, MonoTime now);

  ProbeGate& gate_;
  uint64_t next_serial_ = 1;
  std::vector<Watched> watched_;
};

}  // namespace parallax::sensor
