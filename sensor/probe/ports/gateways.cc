#include "sensor/probe/ports/gateways.h"

#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <tuple>

namespace parallax::sensor {
namespace {

constexpr size_t kReceiveBytes = 64 * 1024;  // the kernel's datagrams are at most 32 KiB
constexpr size_t kMostHops = 1024;
constexpr int kMostDatagrams = 100'000;

constexpr size_t Align4(size_t n) { return (n + 3) & ~size_t{3}; }

// Reads a T from the front of `data`; nullopt if it is too short.
template <typename T>
std::optional<T> Front(std::span<const uint8_t> data) {
  if (data.size() < sizeof(T)) {
    return std::nullopt;
  }
  T value;
  std::memcpy(&value, data.data(), sizeof value);
  return value;
}

std::span<const uint8_t> Skip(std::span<const uint8_t> data, size_t n) {
  return data.subspan(std::min(Align4(n), data.size()));
}

// Calls `handle`(type, payload) for each attribute.
template <typename Handle>
void ForEachAttribute(std::span<const uint8_t> data, Handle handle) {
  while (const auto attribute = Front<rtattr>(data)) {
    if (attribute->rta_len < sizeof(rtattr) || attribute->rta_len > data.size()) {
      return;
    }
    handle(static_cast<uint16_t>(attribute->rta_type & NLA_TYPE_MASK),
           data.subspan(sizeof(rtattr), attribute->rta_len - sizeof(rtattr)));
    data = Skip(data, attribute->rta_len);
  }
}

// Calls `handle`(header, payload) for each message.
template <typename Handle>
void ForEachMessage(std::span<const uint8_t> data, Handle handle) {
  while (const auto header = Front<nlmsghdr>(data)) {
    if (header->nlmsg_len < sizeof(nlmsghdr) || header->nlmsg_len > data.size()) {
      return;
    }
    handle(*header, data.subspan(sizeof(nlmsghdr), header->nlmsg_len - sizeof(nlmsghdr)));
    data = Skip(data, header->nlmsg_len);
  }
}

// An IPv4 route may have an IPv6 gateway (RTA_VIA).
std::optional<IpAddress> ReadVia(std::span<const uint8_t> payload) {
  const auto family = Front<uint16_t>(payload);
  const size_t length = family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;
  if (length == 0 || payload.size() != sizeof(uint16_t) + length) {
    return std::nullopt;
  }
  return IpAddress::FromBytes(payload.subspan(sizeof(uint16_t)));
}

void AddHop(const std::optional<IpAddress>& address, uint32_t interface_index, unsigned flags,
            uint32_t metric, std::vector<RouteHop>& hops) {
  if (address && hops.size() < kMostHops) {
    const bool link_up = (flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)) == 0;
    hops.push_back({{*address, interface_index, link_up, Neighbour::kUnknown}, metric});
  }
}

void ReadNextHops(std::span<const uint8_t> data, uint32_t metric, std::vector<RouteHop>& hops) {
  while (const auto hop = Front<rtnexthop>(data)) {
    if (hop->rtnh_len < sizeof(rtnexthop) || hop->rtnh_len > data.size()) {
      return;
    }
    std::optional<IpAddress> address;
    ForEachAttribute(data.subspan(sizeof(rtnexthop), hop->rtnh_len - sizeof(rtnexthop)),
                     [&](uint16_t type, std::span<const uint8_t> payload) {
                       if (type == RTA_GATEWAY) {
                         address = IpAddress::FromBytes(payload);
                       } else if (type == RTA_VIA) {
                         address = ReadVia(payload);
                       }
                     });
    AddHop(address, static_cast<uint32_t>(hop->rtnh_ifindex), hop->rtnh_flags, metric, hops);
    data = Skip(data, hop->rtnh_len);
  }
}

void ReadRoute(std::span<const uint8_t> message, std::vector<RouteHop>& hops) {
  const auto route = Front<rtmsg>(message);
  if (!route || route->rtm_dst_len != 0 || route->rtm_type != RTN_UNICAST ||
      (route->rtm_flags & RTM_F_CLONED) != 0) {
    return;
  }
  uint32_t table = route->rtm_table;
  uint32_t metric = 0;
  uint32_t interface_index = 0;
  std::optional<IpAddress> address;
  std::span<const uint8_t> multipath;
  ForEachAttribute(Skip(message, sizeof(rtmsg)),
                   [&](uint16_t type, std::span<const uint8_t> payload) {
                     switch (type) {
                       case RTA_TABLE:
                         table = Front<uint32_t>(payload).value_or(table);
                         break;
                       case RTA_PRIORITY:
                         metric = Front<uint32_t>(payload).value_or(0);
                         break;
                       case RTA_OIF:
                         interface_index = Front<uint32_t>(payload).value_or(0);
                         break;
                       case RTA_GATEWAY:
                         address = IpAddress::FromBytes(payload);
                         break;
                       case RTA_VIA:
                         address = ReadVia(payload);
                         break;
                       case RTA_MULTIPATH:
                         multipath = payload;
                         break;
                       default:
                         break;
                     }
                   });
  if (table == RT_TABLE_MAIN) {
    AddHop(address, interface_index, route->rtm_flags, metric, hops);
    ReadNextHops(multipath, metric, hops);
  }
}

template <typename T>
std::array<uint8_t, sizeof(T)> BytesOf(const T& value) {
  std::array<uint8_t, sizeof(T)> bytes;
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

std::array<uint8_t, sizeof(ndmsg)> NeighbourBody(const Gateway& gateway) {
  ndmsg neighbour{};
  neighbour.ndm_family = gateway.address.is_v4() ? AF_INET : AF_INET6;
  neighbour.ndm_ifindex = static_cast<int>(gateway.interface_index);
  return BytesOf(neighbour);
}

}  // namespace

bool ReadDefaultRoutes(std::span<const uint8_t> datagram, std::vector<RouteHop>& hops) {
  bool end = false;
  ForEachMessage(datagram, [&](const nlmsghdr& header, std::span<const uint8_t> payload) {
    if (header.nlmsg_type == NLMSG_DONE || header.nlmsg_type == NLMSG_ERROR) {
      end = true;
    } else if (header.nlmsg_type == RTM_NEWROUTE) {
      ReadRoute(payload, hops);
    }
  });
  return end;
}

Neighbour ReadNeighbour(std::span<const uint8_t> datagram) {
  std::optional<Neighbour> result;
  ForEachMessage(datagram, [&](const nlmsghdr& header, std::span<const uint8_t> payload) {
    const auto neighbour = Front<ndmsg>(payload);
    if (result || header.nlmsg_type != RTM_NEWNEIGH || !neighbour) {
      return;
    }
    bool has_address = false;
    ForEachAttribute(Skip(payload, sizeof(ndmsg)),
                     [&](uint16_t type, std::span<const uint8_t> value) {
                       has_address = has_address || (type == NDA_LLADDR && !value.empty());
                     });
    // Permanent and address-less entries were never resolved: they say nothing.
    constexpr unsigned kBelieved = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE;
    const unsigned state = neighbour->ndm_state;
    if ((state & kBelieved) != 0 && has_address) {
      result = Neighbour::kPresent;
    } else if ((state & (NUD_FAILED | NUD_INCOMPLETE)) != 0) {
      result = Neighbour::kFailed;
    }
  });
  return result.value_or(Neighbour::kUnknown);
}

std::optional<Gateway> ReadNextHop(std::span<const uint8_t> datagram, const IpAddress& target) {
  std::optional<Gateway> result;
  ForEachMessage(datagram, [&](const nlmsghdr& header, std::span<const uint8_t> payload) {
    const auto route = Front<rtmsg>(payload);
    if (result || header.nlmsg_type != RTM_NEWROUTE || !route || route->rtm_type != RTN_UNICAST) {
      return;
    }
    Gateway hop;
    hop.address = target;
    ForEachAttribute(Skip(payload, sizeof(rtmsg)),
                     [&](uint16_t type, std::span<const uint8_t> value) {
                       if (type == RTA_GATEWAY) {
                         hop.address = IpAddress::FromBytes(value).value_or(hop.address);
                       } else if (type == RTA_VIA) {
                         hop.address = ReadVia(value).value_or(hop.address);
                       } else if (type == RTA_OIF) {
                         hop.interface_index = Front<uint32_t>(value).value_or(0);
                       }
                     });
    result = hop;
  });
  return result;
}

bool ReadIsResolving(std::span<const uint8_t> datagram) {
  bool result = false;
  ForEachMessage(datagram, [&](const nlmsghdr& header, std::span<const uint8_t> payload) {
    const auto neighbour = Front<ndmsg>(payload);
    result = result || (header.nlmsg_type == RTM_NEWNEIGH && neighbour &&
                        (neighbour->ndm_state & NUD_INCOMPLETE) != 0);
  });
  return result;
}

std::vector<Gateway> InUse(std::vector<RouteHop> hops) {
  const auto place = [](const RouteHop& hop) {
    return std::tie(hop.gateway.address, hop.gateway.interface_index);
  };
  std::map<Family, uint32_t> least;
  for (const RouteHop& hop : hops) {
    const auto [it, fresh] = least.emplace(hop.gateway.address.family(), hop.metric);
    it->second = fresh ? hop.metric : std::min(it->second, hop.metric);
  }
  std::erase_if(hops, [&](const RouteHop& hop) {
    return hop.metric != least.at(hop.gateway.address.family());
  });
  std::sort(hops.begin(), hops.end(),
            [&](const RouteHop& a, const RouteHop& b) { return place(a) < place(b); });
  std::vector<Gateway> result;
  for (const RouteHop& hop : hops) {
    if (result.empty() || result.back().address != hop.gateway.address ||
        result.back().interface_index != hop.gateway.interface_index) {
      result.push_back(hop.gateway);
    }
  }
  return result;
}

Result<GatewayTable> GatewayTable::Open() {
  UniqueFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd) {
    return tl::make_unexpected(ErrnoError("cannot ask the kernel for its routes", errno));
  }
  // Lets the kernel leave the other tables out of the dump (Linux 4.20); done without if refused.
  const int yes = 1;
  setsockopt(fd.get(), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &yes, sizeof yes);
  const timeval patience{.tv_sec = 1, .tv_usec = 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  GatewayTable table(std::move(fd));
  table.buffer_.resize(kReceiveBytes);
  return table;
}

Result<std::vector<Gateway>> GatewayTable::Read() {
  std::vector<RouteHop> hops;
  for (const Family family : {Family::kV4, Family::kV6}) {
    if (auto ok = DumpRoutes(family, hops); !ok) {
      return tl::make_unexpected(ok.error());
    }
  }
  std::vector<Gateway> gateways = InUse(std::move(hops));
  for (Gateway& gateway : gateways) {
    if (const auto neighbour = AskNeighbour(gateway)) {
      gateway.neighbour = *neighbour;
    }
  }
  return gateways;
}

Result<void> GatewayTable::DumpRoutes(Family family, std::vector<RouteHop>& hops) {
  struct {
    nlmsghdr header{};
    rtmsg route{};
  } request;
  static_assert(sizeof request == sizeof(nlmsghdr) + sizeof(rtmsg));
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = RTM_GETROUTE;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.header.nlmsg_seq = ++sequence_;
  request.route.rtm_family = family == Family::kV4 ? AF_INET : AF_INET6;
  request.route.rtm_table = RT_TABLE_MAIN;
  std::array<uint8_t, sizeof request> bytes;
  std::memcpy(bytes.data(), &request, sizeof request);
  if (auto ok = Request(bytes); !ok) {
    return ok;
  }
  for (int i = 0; i < kMostDatagrams; ++i) {
    const auto datagram = Receive();
    if (!datagram) {
      return tl::make_unexpected(datagram.error());
    }
    if (IsAnswer(*datagram) && ReadDefaultRoutes(*datagram, hops)) {
      return {};
    }
  }
  return Fail(ErrorCode::kFailure, "the kernel's route table has no end");
}

Result<std::span<const uint8_t>> GatewayTable::AskAbout(uint16_t type,
                                                        std::span<const uint8_t> body,
                                                        uint16_t attribute_type,
                                                        const IpAddress& address) {
  const auto bytes = address.bytes();
  nlmsghdr header{};
  rtattr attribute{};
  std::vector<uint8_t> message(sizeof header + body.size() + sizeof attribute + bytes.size());
  header.nlmsg_len = static_cast<uint32_t>(message.size());
  header.nlmsg_type = type;
  header.nlmsg_flags = NLM_F_REQUEST;
  header.nlmsg_seq = ++sequence_;
  attribute.rta_type = attribute_type;
  attribute.rta_len = static_cast<uint16_t>(sizeof attribute + bytes.size());
  uint8_t* at = message.data();
  std::memcpy(at, &header, sizeof header);
  std::memcpy(at += sizeof header, body.data(), body.size());
  std::memcpy(at += body.size(), &attribute, sizeof attribute);
  std::memcpy(at + sizeof attribute, bytes.data(), bytes.size());
  if (auto ok = Request(message); !ok) {
    return tl::make_unexpected(ok.error());
  }
  while (true) {
    const auto datagram = Receive();
    if (!datagram || IsAnswer(*datagram)) {
      return datagram;
    }
  }
}

Result<Neighbour> GatewayTable::AskNeighbour(const Gateway& gateway) {
  const auto datagram = AskAbout(RTM_GETNEIGH, NeighbourBody(gateway), NDA_DST, gateway.address);
  if (!datagram) {
    return tl::make_unexpected(datagram.error());
  }
  return ReadNeighbour(*datagram);  // no such entry is an error message: unknown
}

bool GatewayTable::IsResolving(const IpAddress& target) {
  rtmsg route{};
  route.rtm_family = target.is_v4() ? AF_INET : AF_INET6;
  route.rtm_dst_len = static_cast<uint8_t>(target.bits());
  const auto routes = AskAbout(RTM_GETROUTE, BytesOf(route), RTA_DST, target);
  const auto hop = routes ? ReadNextHop(*routes, target) : std::nullopt;
  if (!hop) {
    return false;
  }
  const auto neighbour = AskAbout(RTM_GETNEIGH, NeighbourBody(*hop), NDA_DST, hop->address);
  return neighbour && ReadIsResolving(*neighbour);
}

Result<void> GatewayTable::Request(std::span<const uint8_t> message) {
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  if (sendto(fd_.get(), message.data(), message.size(), 0,
             reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel) < 0) {
    return tl::make_unexpected(ErrnoError("cannot ask the kernel for its routes", errno));
  }
  return {};
}

Result<std::span<const uint8_t>> GatewayTable::Receive() {
  while (true) {
    sockaddr_nl from{};
    socklen_t from_size = sizeof from;
    const ssize_t size = recvfrom(fd_.get(), buffer_.data(), buffer_.size(), 0,
                                  reinterpret_cast<sockaddr*>(&from), &from_size);
    if (size < 0 && errno != EINTR) {
      return tl::make_unexpected(ErrnoError("the kernel does not tell its routes", errno));
    }
    if (size >= 0 && from.nl_pid == 0) {  // only the kernel is believed
      return std::span<const uint8_t>(buffer_.data(), static_cast<size_t>(size));
    }
  }
}

bool GatewayTable::IsAnswer(std::span<const uint8_t> datagram) const {
  const auto header = Front<nlmsghdr>(datagram);
  return header && header->nlmsg_seq == sequence_;  // else a left-over of a request given up
}

}  // namespace parallax::sensor
