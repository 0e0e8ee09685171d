// A network of routers in memory, for tests of path tracing: packets walk from router to router in
// virtual time, routers balance, limit their ICMP errors, hide, loop and misbehave as real ones do.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sensor/probe/wire/answer.h"
#include "sensor/probe/wire/packet.h"

namespace parallax::sensor::test {

enum class Spread { kPerFlow, kPerPacket, kPerDestination };

struct SimRouter {
  IpAddress address;
  std::vector<std::string> next;  // names; the packet goes to one of them
  Spread spread = Spread::kPerFlow;
  bool host = false;         // an end: answers for any address
  bool udp_service = false;  // a host: answers UDP with datagrams that name no probe
  bool silent = false;       // sends no errors (a host: no answers)
  bool drops = false;        // forwards nothing
  // Says so instead of forwarding: ICMP type and code. `before_ttl`: as Linux does, even if the TTL
  // has run out as well.
  std::optional<std::pair<uint8_t, uint8_t>> refuses;
  bool before_ttl = false;
  bool zero_ttl = false;           // forwards what it should drop, with TTL 0
  bool answers_as_target = false;  // behind a translator of destinations
  bool behind_source_nat = false;
  std::optional<IpAddress> masked;  // behind a translator: errors seem to come from here
  MplsStack mpls;
  double burst = 6;
  double per_second = 1;                          // 0: no limit
  double loss = 0;                                // of packets that arrive
  Duration delay = std::chrono::milliseconds(1);  // of the link that leads here, one way
  Duration slow = Duration::zero();               // before it answers
  uint8_t initial_ttl = 64;
  int longer_return = 0;  // hops that answers take more than the packets

  // State.
  double tokens = 6;
  MonoTime filled = MonoTime(Duration(0));
  uint64_t forwarded = 0;
  uint64_t errors_due = 0;
  uint64_t errors_sent = 0;
};

class SimNet {
 public:
  struct Delivery {
    Answer answer;
    Duration after{};
  };

  // The first router added is the one nearest to the source.
  SimRouter& Add(const std::string& name, std::string_view address,
                 std::vector<std::string> next = {});
  SimRouter& Get(const std::string& name) { return routers_.at(name); }
  // A chain of routers "r1".."rN" and the host "target".
  void AddChain(size_t routers, bool v6 = false);

  // What comes back for `probe`, sent at `now`.
  std::vector<Delivery> Send(const Probe& probe, MonoTime now);

  uint64_t suppressed() const;  // errors that routers' limits kept back
  IpAddress source_v4 = *IpAddress::Parse("192.0.2.1");
  IpAddress source_v6 = *IpAddress::Parse("2001:db8:1::1");

 private:
  double Random();
  const std::string& Choose(SimRouter& router, const Probe& probe);
  std::optional<Delivery> Error(SimRouter& router, const Probe& probe, uint8_t type, uint8_t code,
                                ErrorMeaning meaning, uint8_t quoted_ttl, int hops, Duration after,
                                MonoTime at);

  std::string first_;
  std::map<std::string, SimRouter> routers_;
  uint64_t random_ = 88172645463325252u;
};

// The answer that a target gives to the probe.
Answer TargetAnswer(const Probe& probe);

}  // namespace parallax::sensor::test
