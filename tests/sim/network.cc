#include "tests/sim/network.h"

#include <algorithm>
#include <array>
#include <limits>
#include <queue>
#include <utility>

namespace parallax::sim {
namespace {

// How long a NAT remembers whom its hosts spoke to.
constexpr Duration kNatMemory = std::chrono::minutes(2);
// A next hop that is the node itself.
constexpr LinkId kHere = UINT32_MAX;

// Each link has a block of four addresses of either family; its ends have the middle two.
IpAddress LinkAddress(LinkId link, size_t end, Family family) {
  const uint32_t number = link * 4 + static_cast<uint32_t>(end);
  if (family == Family::kV4) {
    const uint32_t value = 0x64400000u + number;  // 100.64.0.0/10
    return IpAddress::V4(
        std::array<uint8_t, 4>{static_cast<uint8_t>(value >> 24), static_cast<uint8_t>(value >> 16),
                               static_cast<uint8_t>(value >> 8), static_cast<uint8_t>(value)});
  }
  std::array<uint8_t, 16> bytes{0xfd, 0x00, 0x00, 0x64};
  for (size_t i = 0; i < 4; ++i) {
    bytes[15 - i] = static_cast<uint8_t>(number >> (8 * i));
  }
  return IpAddress::V6(bytes);
}

std::optional<std::pair<LinkId, size_t>> LinkOf(const IpAddress& address) {
  for (const Family family : {Family::kV4, Family::kV6}) {
    if (address.family() != family) {
      continue;
    }
    const auto bytes = address.bytes();
    uint32_t number = 0;
    for (const uint8_t byte : bytes.last(4)) {
      number = number << 8 | byte;
    }
    number -= family == Family::kV4 ? 0x64400000u : 0u;
    const LinkId link = number / 4;
    if (LinkAddress(link, number % 4, family) == address && number % 4 - 1 < 2) {
      return std::pair(link, size_t{number % 4 - 1});
    }
  }
  return std::nullopt;
}

uint64_t WordOf(const IpAddress& address) {
  uint64_t high = 0;
  uint64_t low = 0;
  for (const uint8_t byte : address.bytes()) {
    high = high << 8 | low >> 56;
    low = low << 8 | byte;
  }
  return high * 0x9e3779b97f4a7c15u ^ low;
}

}  // namespace

bool Filter::Matches(const Packet& packet) const {
  return (!protocol || *protocol == packet.protocol) &&
         (!destination_port || *destination_port == packet.destination_port) &&
         (!from || from->Contains(packet.source)) && (!to || to->Contains(packet.destination));
}

Network::Network(uint64_t seed) : random_(seed) {}

NodeId Network::AddNode(NodeOptions options) {
  const auto id = static_cast<NodeId>(nodes_.size());
  node_by_name_[options.name] = id;
  Node node;
  node.limit = IcmpLimit(options.icmp_limit.value_or(IcmpLimit::Options{}));
  node.hash_key = {random_(), random_()};
  node.options = std::move(options);
  nodes_.push_back(std::move(node));
  return id;
}

LinkId Network::AddLink(NodeId a, NodeId b, const LinkOptions& options) {
  const auto id = static_cast<LinkId>(links_.size());
  links_.push_back({{a, b}, options, true, {}});
  for (const NodeId end : {a, b}) {
    nodes_[end].links.push_back(id);
  }
  for (const Family family : {Family::kV4, Family::kV6}) {
    const IpAddress block = LinkAddress(id, 0, family);
    owners_[Prefix(block, block.bits() - 2)] = {a, b};
  }
  return id;
}

void Network::Own(NodeId node, const Prefix& prefix, bool announced) {
  if (announced) {
    owners_[prefix].push_back(node);
  } else {
    nodes_[node].quiet.push_back(prefix);
  }
}

void Network::SetLoss(LinkId link, NodeId from, const Loss& loss) {
  links_[link].loss[links_[link].IndexOf(from)] = LossState(loss);
}

void Network::Converge() {
  // Prefixes of the same owners have the same routes.
  std::map<std::vector<NodeId>, std::vector<Prefix>> by_owners;
  for (const auto& [prefix, owners] : owners_) {
    by_owners[owners].push_back(prefix);
  }
  for (Node& node : nodes_) {
    node.shortest.clear();
    if (IsLeaf(node) && links_[node.links.front()].up) {
      for (const Family family : {Family::kV4, Family::kV6}) {
        node.shortest[Prefix(LinkAddress(0, 0, family), 0)] = {node.links.front()};
      }
    }
  }
  for (const auto& [owners, prefixes] : by_owners) {
    Spread(prefixes, owners);
  }
  for (Node& node : nodes_) {
    Rebuild(node);
  }
}

bool Network::IsLeaf(const Node& node) { return !node.options.forwards && node.links.size() == 1; }

void Network::Spread(const std::vector<Prefix>& prefixes, const std::vector<NodeId>& owners) {
  constexpr unsigned kFar = std::numeric_limits<unsigned>::max();
  std::vector<unsigned> distance(nodes_.size(), kFar);
  std::map<NodeId, NextHops> routes;
  using Reached = std::pair<unsigned, NodeId>;
  std::priority_queue<Reached, std::vector<Reached>, std::greater<>> next;
  for (const NodeId owner : owners) {
    distance[owner] = 0;
    next.push({0, owner});
  }
  while (!next.empty()) {
    const auto [so_far, at] = next.top();
    next.pop();
    if (so_far > distance[at] || (so_far > 0 && !nodes_[at].options.forwards)) {
      continue;
    }
    for (const LinkId id : nodes_[at].links) {
      const Link& link = links_[id];
      const NodeId other = link.Other(at);
      const unsigned there = so_far + link.options.cost;
      if (link.up && there <= distance[other] && distance[other] != 0 && !IsLeaf(nodes_[other])) {
        NextHops& hops = routes[other];
        if (there < distance[other]) {
          distance[other] = there;
          hops.clear();
          next.push({there, other});
        }
        hops.push_back(id);
      }
    }
  }
  for (const NodeId owner : owners) {
    routes[owner] = {kHere};
  }
  for (auto& [node, hops] : routes) {
    std::sort(hops.begin(), hops.end());
    for (const Prefix& prefix : prefixes) {
      nodes_[node].shortest[prefix] = hops;
    }
  }
}

void Network::Rebuild(Node& node) {
  node.routes.Clear();
  for (const auto& [prefix, hops] : node.shortest) {
    node.routes.Set(prefix, hops);
  }
  for (const auto& [prefix, over] : node.overrides) {
    NextHops hops = over.hops;
    const auto shortest = node.shortest.find(prefix);
    if (over.beside && shortest != node.shortest.end()) {
      hops.insert(hops.end(), shortest->second.begin(), shortest->second.end());
      std::sort(hops.begin(), hops.end());
      hops.erase(std::unique(hops.begin(), hops.end()), hops.end());
    }
    node.routes.Set(prefix, std::move(hops));
  }
  for (const Prefix& prefix : node.quiet) {
    node.routes.Set(prefix, {kHere});
  }
  for (const LinkId id : node.links) {
    const size_t end = links_[id].IndexOf(static_cast<NodeId>(&node - nodes_.data()));
    for (const Family family : {Family::kV4, Family::kV6}) {
      const IpAddress block = LinkAddress(id, 0, family);
      node.routes.Set(Prefix(block, block.bits() - 2), {id});
      node.routes.Set(Prefix(LinkAddress(id, end + 1, family), block.bits()), {kHere});
    }
  }
}

void Network::Override(NodeId node, const Prefix& prefix, const std::vector<NodeId>& via,
                       bool beside) {
  Overriding over{{}, beside};
  for (const NodeId hop : via) {
    over.hops.push_back(LinkBetween(node, hop).value());
  }
  std::sort(over.hops.begin(), over.hops.end());
  nodes_[node].overrides[prefix] = std::move(over);
  Rebuild(nodes_[node]);
}

void Network::ClearOverride(NodeId node, const Prefix& prefix) {
  nodes_[node].overrides.erase(prefix);
  Rebuild(nodes_[node]);
}

LinkId Network::Choose(const Node& node, const NextHops& hops, const Packet& packet) {
  if (hops.size() == 1) {
    return hops.front();
  }
  std::array<uint64_t, 3> words{WordOf(packet.destination), 0, 0};
  switch (node.options.hash) {
    case HashPolicy::kPacket:
      return hops[random_() % hops.size()];
    case HashPolicy::kFlow:
      words[2] = uint64_t{packet.protocol} << 32 | uint64_t{packet.source_port} << 16 |
                 packet.destination_port;
      [[fallthrough]];
    case HashPolicy::kSourceDestination:
      words[1] = WordOf(packet.source);
      break;
    case HashPolicy::kDestination:
      break;
  }
  return hops[SipHash13(node.hash_key, words) % hops.size()];
}

FilterId Network::AddFilter(NodeId node, const Filter& filter) {
  IcmpLimit::Options rate;
  rate.per_second = filter.above_per_second.value_or(0);
  rate.burst = filter.burst;
  rate.all_per_second = rate.all_burst = std::numeric_limits<double>::infinity();
  nodes_[node].filters.push_back({++filters_, filter, IcmpLimit(rate)});
  return filters_;
}

void Network::RemoveFilter(NodeId node, FilterId filter) {
  std::erase_if(nodes_[node].filters, [&](const Rule& rule) { return rule.id == filter; });
}

void Network::SetIcmpLimit(NodeId node, const std::optional<IcmpLimit::Options>& limit) {
  nodes_[node].options.icmp_limit = limit;
  nodes_[node].limit = IcmpLimit(limit.value_or(IcmpLimit::Options{}));
}

bool Network::Translates(Node& node, const Packet& packet, MonoTime at) {
  const Nat& nat = node.options.nat;
  const auto inside = [&](const IpAddress& address) {
    return std::any_of(nat.inside.begin(), nat.inside.end(),
                       [&](const Prefix& prefix) { return prefix.Contains(address); });
  };
  if (nat.inside.empty() || inside(packet.source) == inside(packet.destination)) {
    return true;
  }
  if (inside(packet.source)) {
    node.peers[packet.destination] = at;
    return true;
  }
  const bool error = packet.source_port == 0 && packet.destination_port == 0;
  const auto peer = node.peers.find(packet.source);
  return error ||
         std::find(nat.ports.begin(), nat.ports.end(), packet.destination_port) !=
             nat.ports.end() ||
         (peer != node.peers.end() && at - peer->second <= kNatMemory);
}

Passage Network::Carry(Packet packet, NodeId from, MonoTime at) {
  Passage passage{End::kLost, from, std::nullopt, at, packet.ttl};
  const auto end = [&](End how) {
    passage.end = how;
    passage.ttl = packet.ttl;
    return passage;
  };
  while (true) {
    Node& node = nodes_[passage.node];
    if (!node.up || !Translates(node, packet, passage.at)) {
      return end(End::kLost);
    }
    for (Rule& rule : node.filters) {
      const Filter& filter = rule.filter;
      if (filter.Matches(packet) &&
          !(filter.above_per_second && rule.rate.Allows(packet.source, passage.at))) {
        return end(filter.reject ? End::kProhibited : End::kLost);
      }
    }
    const NextHops* const hops = node.routes.Find(packet.destination);
    if (hops != nullptr && !hops->empty() && hops->front() == kHere) {
      return end(End::kDelivered);
    }
    const bool passing = passage.by.has_value();
    if (passing && !node.options.forwards) {
      return end(End::kLost);
    }
    if (hops == nullptr) {
      return end(End::kNoRoute);
    }
    if (passing && packet.ttl <= 1) {
      return end(End::kTtlExceeded);
    }
    if (passing) {
      --packet.ttl;
    }
    if (hops->empty()) {
      return end(End::kLost);
    }
    const LinkId by = Choose(node, *hops, packet);
    Link& link = links_[by];
    if (!link.up || packet.bytes > link.options.mtu ||
        link.loss[link.IndexOf(passage.node)].Loses(passage.at, random_)) {
      return end(End::kLost);
    }
    passage.at += link.options.delay;
    passage.by = by;
    passage.node = link.Other(passage.node);
  }
}

bool Network::MaySendError(NodeId node, const IpAddress& to, MonoTime now) {
  Node& n = nodes_[node];
  return n.up && n.options.answers_ttl && (!n.options.icmp_limit || n.limit.Allows(to, now));
}

IpAddress Network::AddressAt(NodeId node, LinkId link, Family family) const {
  return LinkAddress(link, links_[link].IndexOf(node) + 1, family);
}

std::optional<NodeId> Network::NodeWith(const IpAddress& address) const {
  const auto found = LinkOf(address);
  return found && found->first < links_.size()
             ? std::optional(links_[found->first].ends[found->second])
             : std::nullopt;
}

std::optional<NodeId> Network::Find(std::string_view name) const {
  const auto it = node_by_name_.find(std::string(name));
  return it != node_by_name_.end() ? std::optional(it->second) : std::nullopt;
}

std::optional<LinkId> Network::LinkBetween(NodeId a, NodeId b) const {
  for (const LinkId id : nodes_[a].links) {
    if (links_[id].Other(a) == b) {
      return id;
    }
  }
  return std::nullopt;
}

std::vector<std::pair<NodeId, LinkId>> Network::RoutersBeside(NodeId node) const {
  std::vector<std::pair<NodeId, LinkId>> result;
  for (const LinkId id : nodes_[node].links) {
    if (const NodeId other = links_[id].Other(node); nodes_[other].options.forwards) {
      result.emplace_back(other, id);
    }
  }
  return result;
}

}  // namespace parallax::sim
