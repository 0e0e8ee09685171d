// An invented network of routers and hosts: who owns which addresses, which way a packet goes, and
// what becomes of it. A packet's whole way is worked out at the moment it leaves; only what changes
// while it is under way (milliseconds) is missed.
//
// Routes are those of shortest paths (all of equal cost), as of the last Converge, and what
// Override puts in their place. Faults are made by changing links, nodes and overrides.
//
// Pure: no clock; randomness from one seed. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/ip.h"
#include "common/siphash.h"
#include "common/time.h"
#include "tests/sim/icmp_limit.h"
#include "tests/sim/loss.h"
#include "tests/sim/route_table.h"

namespace parallax::sim {

using NodeId = uint32_t;
using LinkId = uint32_t;

// What a router hashes to choose among several next hops.
enum class HashPolicy : uint8_t { kDestination, kSourceDestination, kFlow, kPacket };

// What routers and filters look at.
struct Packet {
  IpAddress source;
  IpAddress destination;
  uint8_t protocol = 0;           // IPPROTO_*
  uint16_t source_port = 0;       // of ICMP echo the identifier,
  uint16_t destination_port = 0;  // and the checksum
  uint8_t ttl = 64;
  uint16_t bytes = 74;  // of the IP packet
};

enum class End : uint8_t {
  kDelivered,
  kLost,         // on a link, or swallowed by a node
  kTtlExceeded,  // at a router
  kNoRoute,      // at a router
  kProhibited,   // rejected by a filter
};

// A packet's way from end to end.
struct Passage {
  End end = End::kLost;
  NodeId node = 0;           // where it ended
  std::optional<LinkId> by;  // the link it came there by; none if it never left
  MonoTime at;               // when
  uint8_t ttl = 0;           // that it had left there
};

// A rule of a node that looks at what passes through, arrives at or leaves it. All that is set must
// match.
struct Filter {
  std::optional<uint8_t> protocol;
  std::optional<uint16_t> destination_port;
  std::optional<Prefix> from;
  std::optional<Prefix> to;
  bool reject = false;  // says so: administratively prohibited
  // Only what exceeds this rate, counted for each source address by itself; so many at once.
  std::optional<double> above_per_second;
  double burst = 1;
  bool Matches(const Packet& packet) const;
};
using FilterId = uint32_t;

// A node that translates addresses: from outside only answers come in, and connections to the
// ports that it forwards. Hosts behind it are called by their inner addresses on both sides.
struct Nat {
  std::vector<Prefix> inside;  // none: it does not translate
  std::vector<uint16_t> ports;
};

struct NodeOptions {
  std::string name;
  bool forwards = true;  // false: a host; what is not for it, it swallows
  HashPolicy hash = HashPolicy::kFlow;
  bool answers_ttl = true;                                              // false: a silent hop
  std::optional<IcmpLimit::Options> icmp_limit = IcmpLimit::Options{};  // nullopt: none
  Nat nat;
};

struct LinkOptions {
  Duration delay = std::chrono::milliseconds(1);
  unsigned cost = 1;
  uint16_t mtu = 1500;  // larger packets are swallowed
};

class Network {
 public:
  explicit Network(uint64_t seed);

  NodeId AddNode(NodeOptions options);
  LinkId AddLink(NodeId a, NodeId b, const LinkOptions& options);
  // The addresses of `prefix` are at the node. The same at several nodes is anycast. `announced`:
  // others have a route for just this prefix; if not, they need a shorter one.
  void Own(NodeId node, const Prefix& prefix, bool announced = true);

  // Routes follow the links that are up now.
  void Converge();

  // At `node` the next hops of `prefix`, whatever the shortest path is: neighbours; none: a null
  // route. `beside`: together with those of the shortest paths.
  // REQUIRES: there is a link to each of them.
  void Override(NodeId node, const Prefix& prefix, const std::vector<NodeId>& via, bool beside);
  void ClearOverride(NodeId node, const Prefix& prefix);

  void SetLinkUp(LinkId link, bool up) { links_[link].up = up; }
  bool IsLinkUp(LinkId link) const { return links_[link].up; }
  // Of the packets from `from` over the link.
  void SetLoss(LinkId link, NodeId from, const Loss& loss);
  void SetHash(NodeId node, HashPolicy hash) { nodes_[node].options.hash = hash; }
  void SetNodeUp(NodeId node, bool up) { nodes_[node].up = up; }
  bool IsNodeUp(NodeId node) const { return nodes_[node].up; }
  FilterId AddFilter(NodeId node, const Filter& filter);
  void RemoveFilter(NodeId node, FilterId filter);
  void ClearFilters(NodeId node) { nodes_[node].filters.clear(); }
  // nullopt: none.
  void SetIcmpLimit(NodeId node, const std::optional<IcmpLimit::Options>& limit);
  void SetMtu(LinkId link, uint16_t mtu) { links_[link].options.mtu = mtu; }
  const LinkOptions& options_of(LinkId link) const { return links_[link].options; }

  Passage Carry(Packet packet, NodeId from, MonoTime at);

  // Whether the node sends an ICMP error to `to` now; counts against its limit if so.
  bool MaySendError(NodeId node, const IpAddress& to, MonoTime now);

  // By which a node calls itself in errors about what came by this link.
  IpAddress AddressAt(NodeId node, LinkId link, Family family) const;
  // Whose address it is: of one of its links.
  std::optional<NodeId> NodeWith(const IpAddress& address) const;
  std::optional<NodeId> Find(std::string_view name) const;
  std::optional<LinkId> LinkBetween(NodeId a, NodeId b) const;
  NodeId OtherEnd(LinkId link, NodeId end) const { return links_[link].Other(end); }
  // The routers that it has a link to, with that link.
  std::vector<std::pair<NodeId, LinkId>> RoutersBeside(NodeId node) const;
  const std::string& NameOf(NodeId node) const { return nodes_[node].options.name; }
  const NodeOptions& options(NodeId node) const { return nodes_[node].options; }
  size_t nodes() const { return nodes_.size(); }

 private:
  struct Link {
    NodeId ends[2];
    LinkOptions options;
    bool up = true;
    LossState loss[2];  // of what ends[i] sends
    NodeId Other(NodeId end) const { return ends[0] == end ? ends[1] : ends[0]; }
    size_t IndexOf(NodeId end) const { return ends[0] == end ? 0 : 1; }
  };
  struct Rule {
    FilterId id = 0;
    Filter filter;
    IcmpLimit rate;
  };
  struct Overriding {
    NextHops hops;
    bool beside = false;
  };
  struct Node {
    NodeOptions options;
    HashKey hash_key{};
    IcmpLimit limit;
    bool up = true;
    std::vector<LinkId> links;
    std::vector<Rule> filters;
    std::unordered_map<IpAddress, MonoTime> peers;  // that hosts behind its NAT spoke to, and when
    std::vector<Prefix> quiet;                      // owned, but not announced
    std::map<Prefix, NextHops> shortest;
    std::map<Prefix, Overriding> overrides;
    RouteTable routes;  // made of these
  };

  // A host with one cable: all that it needs is a default route.
  static bool IsLeaf(const Node& node);
  // The next hops of every other node on the shortest ways to an owner of the prefixes.
  void Spread(const std::vector<Prefix>& prefixes, const std::vector<NodeId>& owners);
  void Rebuild(Node& node);
  LinkId Choose(const Node& node, const NextHops& hops, const Packet& packet);
  // Whether its address translation lets the packet through; remembers who is spoken to.
  static bool Translates(Node& node, const Packet& packet, MonoTime at);

  std::mt19937_64 random_;
  FilterId filters_ = 0;
  std::vector<Node> nodes_;
  std::vector<Link> links_;
  std::map<Prefix, std::vector<NodeId>> owners_;
  std::unordered_map<std::string, NodeId> node_by_name_;
};

}  // namespace parallax::sim
