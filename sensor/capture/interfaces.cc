#include "sensor/capture/interfaces.h"

#include <errno.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>

#include "common/fd.h"

namespace parallax::sensor {
namespace {

std::optional<IpAddress> ToAddress(const sockaddr* address) {
  if (address == nullptr) {
    return std::nullopt;
  }
  if (address->sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, address, sizeof v4);
    std::array<uint8_t, 4> bytes{};
    std::memcpy(bytes.data(), &v4.sin_addr, bytes.size());
    return IpAddress::V4(bytes);
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, address, sizeof v6);
    std::array<uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
    return IpAddress::V6(bytes);
  }
  return std::nullopt;
}

unsigned MaskLength(const IpAddress& mask) {
  unsigned length = 0;
  for (const uint8_t byte : mask.bytes()) {
    length += static_cast<unsigned>(std::countl_one(byte));
    if (byte != 0xff) {
      break;
    }
  }
  return length;
}

bool IsNamed(const HostInterface& interface, std::span<const std::string> names) {
  return std::find(names.begin(), names.end(), interface.name) != names.end();
}

template <typename T>
void AddOnce(std::vector<T>& to, const T& item) {
  if (std::find(to.begin(), to.end(), item) == to.end()) {
    to.push_back(item);
  }
}

}  // namespace

Result<std::vector<HostInterface>> ListInterfaces() {
  ifaddrs* first = nullptr;
  if (getifaddrs(&first) != 0) {
    return tl::make_unexpected(ErrnoError("cannot list the interfaces of this host", errno));
  }
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(first, &freeifaddrs);
  std::vector<HostInterface> all;
  for (const ifaddrs* entry = first; entry != nullptr; entry = entry->ifa_next) {
    const std::string_view name = entry->ifa_name;
    auto found = std::find_if(all.begin(), all.end(),
                              [&](const HostInterface& i) { return i.name == name; });
    if (found == all.end()) {
      all.push_back({.name = std::string(name),
                     .index = if_nametoindex(entry->ifa_name),
                     .up = (entry->ifa_flags & IFF_UP) != 0,
                     .carrier = (entry->ifa_flags & IFF_RUNNING) != 0,
                     .loopback = (entry->ifa_flags & IFF_LOOPBACK) != 0,
                     .addresses = {}});
      found = all.end() - 1;
    }
    const auto address = ToAddress(entry->ifa_addr);
    const auto mask = ToAddress(entry->ifa_netmask);
    if (address && mask) {
      found->addresses.push_back({*address, MaskLength(*mask)});
    }
  }
  return all;
}

HostInterface FindInterface(std::string_view name) {
  HostInterface interface;
  interface.name = name;
  ifreq request{};
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket || name.empty() || name.size() >= sizeof request.ifr_name) {
    return interface;
  }
  name.copy(request.ifr_name, name.size());
  if (ioctl(socket.get(), SIOCGIFFLAGS, &request) == 0) {
    const auto flags = static_cast<unsigned>(request.ifr_flags);
    interface.up = (flags & IFF_UP) != 0;
    interface.carrier = (flags & IFF_RUNNING) != 0;
    interface.loopback = (flags & IFF_LOOPBACK) != 0;
    interface.index = if_nametoindex(interface.name.c_str());
  }
  return interface;
}

std::optional<uint64_t> FramesReceived(std::string_view name) {
  // Of this process's network namespace, which /sys need not be.
  std::ifstream file("/proc/self/net/dev");
  for (std::string line; std::getline(file, line);) {
    const size_t start = line.find_first_not_of(' ');
    const size_t colon = line.rfind(':');  // a name may hold colons, the counters do not
    if (start == line.npos || colon == line.npos || line.substr(start, colon - start) != name) {
      continue;
    }
    uint64_t bytes = 0;
    uint64_t frames = 0;
    if (std::istringstream(line.substr(colon + 1)) >> bytes >> frames) {
      return frames;
    }
  }
  return std::nullopt;
}

std::vector<std::string> DefaultCaptureInterfaces(std::span<const HostInterface> interfaces) {
  std::vector<std::string> names;
  for (const HostInterface& interface : interfaces) {
    if (interface.up && !interface.loopback && !interface.addresses.empty()) {
      names.push_back(interface.name);
    }
  }
  return names;
}

std::vector<Prefix> NetworksOf(std::span<const HostInterface> interfaces,
                               std::span<const std::string> names) {
  std::vector<Prefix> networks;
  for (const HostInterface& interface : interfaces) {
    for (const InterfaceAddress& a : interface.addresses) {
      if (IsNamed(interface, names) && a.prefix_length > 0) {
        AddOnce(networks, Prefix(a.address, a.prefix_length));
      }
    }
  }
  return networks;
}

std::vector<IpAddress> AddressesOf(std::span<const HostInterface> interfaces,
                                   std::span<const std::string> names) {
  std::vector<IpAddress> addresses;
  for (const HostInterface& interface : interfaces) {
    for (const InterfaceAddress& a : interface.addresses) {
      if (IsNamed(interface, names)) {
        AddOnce(addresses, a.address);
      }
    }
  }
  return addresses;
}

Error NoSuchInterface(std::string_view name) {
  std::string known;
  if (const auto interfaces = ListInterfaces()) {
    for (const HostInterface& interface : *interfaces) {
      known += known.empty() ? "" : ", ";
      known += interface.name;
    }
  }
  return {ErrorCode::kNotFound, fmt::format("no interface named \"{}\"; this host has: {}", name,
                                            known.empty() ? "none" : known)};
}

}  // namespace parallax::sensor
