// Asks the kernel (rtnetlink) for the host's default gateways and what it knows of their link-layer
// addresses. Owned by the probe thread; each call waits for the kernel's answer, a second at the
// most. Needs no privilege.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "common/fd.h"
#include "common/ip.h"
#include "common/result.h"
#include "sensor/probe/gateway_watch.h"

namespace parallax::sensor {

// A default route's next hop with the route's metric; the least metric is the one in use.
struct RouteHop {
  Gateway gateway;
  uint32_t metric = 0;
  bool operator==(const RouteHop&) const = default;
};

// Takes the RTM_NEWROUTE messages of one netlink datagram apart: appends the next hops of the main
// table's unicast default routes, all those of multipath routes. True: the dump ends here. Safe for
// any bytes.
bool ReadDefaultRoutes(std::span<const uint8_t> datagram, std::vector<RouteHop>& hops);

// What the first RTM_NEWNEIGH message of the datagram says.
Neighbour ReadNeighbour(std::span<const uint8_t> datagram);

// The next hop that the first RTM_NEWROUTE message of the datagram, the answer to a question for
// `target`, names: its gateway, or `target` itself, and the interface.
std::optional<Gateway> ReadNextHop(std::span<const uint8_t> datagram, const IpAddress& target);

// The first RTM_NEWNEIGH message says that the address is being asked for right now, so that
// packets wait for it.
bool ReadIsResolving(std::span<const uint8_t> datagram);

// Of each family the hops of least metric, each once.
std::vector<Gateway> InUse(std::vector<RouteHop> hops);

class GatewayTable {
 public:
  static Result<GatewayTable> Open();

  // A packet to `target` would wait, because its next hop's link-layer address is being asked for.
  // False also if the kernel does not tell.
  bool IsResolving(const IpAddress& target);

  // The gateways in use now; empty if there is no default route with a gateway.
  Result<std::vector<Gateway>> Read();

 private:
  explicit GatewayTable(UniqueFd fd) : fd_(std::move(fd)) {}
  Result<void> DumpRoutes(Family family, std::vector<RouteHop>& hops);
  Result<Neighbour> AskNeighbour(const Gateway& gateway);
  // Sends `type` with the fixed part `body` and one address attribute; the kernel's answer.
  Result<std::span<const uint8_t>> AskAbout(uint16_t type, std::span<const uint8_t> body,
                                            uint16_t attribute, const IpAddress& address);
  Result<void> Request(std::span<const uint8_t> message);
  Result<std::span<const uint8_t>> Receive();
  bool IsAnswer(std::span<const uint8_t> datagram) const;

  UniqueFd fd_;
  uint32_t sequence_ = 0;
  std::vector<uint8_t> buffer_;
};

}  // namespace parallax::sensor
