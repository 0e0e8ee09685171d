// The raw sockets probes leave by and answers come in at: ICMP and TCP, IPv4 and IPv6. A host
// without one of the families does with the other. Needs CAP_NET_RAW to open, nothing afterwards.
// All sockets are non-blocking; owned by the probe thread.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "common/fd.h"
#include "common/result.h"
#include "common/time.h"
#include "sensor/probe/answer.h"
#include "sensor/probe/packet.h"
#include "sensor/probe/tagger.h"

namespace parallax::sensor {

class ProbeSockets {
 public:
  // kPermission without CAP_NET_RAW. `ports`: the source ports of our TCP probes.
  static Result<ProbeSockets> Open(PortRange ports);

  // 0, or the errno with which the kernel refused.
  int Send(const Probe& probe);

  // Reads what has arrived, a bounded number of packets per socket, and hands on what may be an
  // answer with the time at which the kernel received it.
  void Receive(const std::function<void(const Answer&, MonoTime)>& handle);

  // The descriptors to wait on for reading.
  std::vector<int> descriptors() const;

 private:
  struct Socket {
    UniqueFd fd;
    Family family = Family::kV4;
    uint8_t protocol = 0;
  };
  enum Index : size_t { kIcmp4, kTcp4, kIcmp6, kTcp6, kCount };

  ProbeSockets() = default;
  int SendV4(const Probe& probe);
  int SendV6(const Probe& probe);
  // The source address the kernel would choose, which the checksum of a SYN covers; 0 or an errno.
  int FindSource(const Probe& probe, IpAddress& source) const;

  std::array<Socket, kCount> sockets_;
  UniqueFd route_fd_;  // an IPv4 UDP socket that asks the kernel for routes
};

}  // namespace parallax::sensor
