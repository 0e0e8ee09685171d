// The network interfaces of this host and what follows from them by default: where to capture and
// which networks are local. Asks the kernel at each call; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/ip.h"
#include "common/result.h"

namespace parallax::sensor {

struct InterfaceAddress {
  IpAddress address;
  unsigned prefix_length = 0;
};

struct HostInterface {
  std::string name;
  unsigned index = 0;    // the kernel's; another one after the interface was re-created
  bool up = false;       // set up by the administrator
  bool carrier = false;  // and something is plugged in at the other end
  bool loopback = false;
  std::vector<InterfaceAddress> addresses;
};

// In the kernel's order.
Result<std::vector<HostInterface>> ListInterfaces();

// One interface by name, without its addresses; index 0 if there is none of that name.
HostInterface FindInterface(std::string_view name);

// Frames that an interface has received since it exists, whatever they hold; nullopt if there is no
// interface of that name.
std::optional<uint64_t> FramesReceived(std::string_view name);

// Interfaces that are up and have an address, loopback excepted.
std::vector<std::string> DefaultCaptureInterfaces(std::span<const HostInterface> interfaces);

// The networks on the named interfaces, each once. An interface that covers everything (/0) says
// nothing about what is local and is left out.
std::vector<Prefix> NetworksOf(std::span<const HostInterface> interfaces,
                               std::span<const std::string> names);

// The addresses on the named interfaces, each once.
std::vector<IpAddress> AddressesOf(std::span<const HostInterface> interfaces,
                                   std::span<const std::string> names);

// kNotFound: "no interface named eth9; this host has: lo, eth0".
Error NoSuchInterface(std::string_view name);

}  // namespace parallax::sensor
