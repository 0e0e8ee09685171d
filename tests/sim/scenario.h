// A scenario: a network, what goes on in it, what breaks and when, and what Parallax is to say of
// it. Written as a TOML file (README.md says how); read by LoadScenario.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/ip.h"
#include "common/result.h"
#include "common/time.h"
#include "tests/sim/loss.h"
#include "tests/sim/network.h"
#include "tests/sim/world.h"

namespace parallax::sim {

struct ScenarioLink {
  std::string a;
  std::string b;
  LinkOptions options;
  Loss loss;  // in both directions
};

struct ScenarioSensor {
  std::string name;
  std::string group;
  std::string at;  // the router that its host is connected to
  std::vector<IpAddress> addresses;
  Duration clock_ahead{};
  std::optional<IpAddress> seen_as;  // by the collector: the address of the NAT that it is behind
};

// Remote hosts somewhere in the Internet.
struct ScenarioRemotes {
  std::string name;
  std::vector<std::string> at;  // a router; several: the same addresses at each of them (anycast)
  std::vector<Prefix> prefixes;
  bool announced = false;  // campus routers have routes for these, not only a default
  size_t count = 0;        // spread evenly over the prefixes
  double icmp = 1;         // the share that answers
  double tcp = 1;
  double udp = 1;
  double silent = 0;           // the share that answers nothing at all; of the others, the above
  bool share_address = false;  // all behind one address of each prefix; a NAT answers probes
  Duration attempt_every = std::chrono::seconds(30);  // mean of each host; 0: never
};

enum class FaultKind : uint8_t {
  kRoute,  // a router takes other next hops
  kLinkDown,
  kLoss,       // on a link, one way or both
  kFilter,     // at a node
  kNodeDown,   // it neither sends nor forwards
  kRemotes,    // remote hosts are switched off
  kSensor,     // a sensor's process is stopped
  kCollector,  // the collector's process is killed
  kFlood,      // SYNs with made-up sources to a sensor's server
  kMtu,        // a link takes only smaller packets
  kIcmpLimit,  // of the ICMP errors that a router sends
  kSilent,     // remote hosts answer no probe any more; they connect as before
  kClock,      // a sensor's clock jumps
  kLiar,       // a sensor reports what is not so
};

struct ScenarioFault {
  FaultKind kind = FaultKind::kRoute;
  Duration at{};
  std::optional<Duration> until;  // mended then
  Duration every{};               // and again so long after `at`,
  size_t times = 1;               // so many times in all
  // The router; the sensor's or the remotes' name.
  std::string node;
  // kRoute
  std::vector<Prefix> prefixes;
  std::vector<std::string> via;    // none: a null route
  bool beside = false;             // together with the right next hops
  std::optional<HashPolicy> hash;  // by which the router spreads over them
  // kLinkDown, kLoss
  std::string from;
  std::string to;
  bool both_ways = true;
  Duration converge_after{};  // kLinkDown, kNodeDown: then routes avoid it; 0: never
  Loss loss;
  Filter filter;
  double share = 1;       // kRemotes, kSilent: of the hosts
  Duration over{};        // kRemotes: one after the other, the last so long after `at`
  bool goodbye = false;   // kSensor: it is stopped in an orderly way
  double per_second = 0;  // kFlood, `from` is where it comes from; kIcmpLimit
  double burst = 0;       // kIcmpLimit
  uint16_t mtu = 0;       // kMtu; on the link between `from` and `to`
  Duration ahead{};       // kClock
  Lie lie = Lie::kUnanswered;
};

// An incident that is to be opened.
struct ScenarioExpectation {
  std::string verdict;
  std::vector<std::string> also_right;  // other verdicts that are as good
  Duration after{};                     // it opens not before
  Duration by{};                        // and not after; both from the beginning
  std::optional<Duration> closed_by;
  std::vector<std::string> failing;  // sensors that are among those that fail; empty: any
  std::string direction;             // empty: whatever
  std::string split;
  std::string family;
  std::string suspect_from;  // nodes; "" to: silence
  std::string suspect_to;
  bool has_suspect = false;
  std::vector<std::string> innocent;  // nodes that are not to be suspected
  std::string confidence;             // in the suspect
  bool keeps_start = false;           // its start never changes once it is open
  std::optional<size_t> notices;      // it is opened, reopened and closed so often at the most
  bool optional = false;              // neither missed if it is not there, nor false if it is
};

struct Scenario {
  std::string file;
  std::string title;
  Duration length = std::chrono::minutes(10);
  std::string collector_at;
  std::vector<IpAddress> collector_addresses;
  std::vector<NodeOptions> routers;
  std::vector<ScenarioLink> links;
  std::vector<std::pair<std::string, Prefix>> owned;  // prefixes that are at a router
  std::vector<ScenarioSensor> sensors;
  std::vector<ScenarioRemotes> remotes;
  std::vector<ScenarioFault> faults;
  std::vector<ScenarioExpectation> expected;  // none: no incident at all
};

// kBadConfig with every complaint, each with file, line and column.
Result<Scenario> LoadScenario(const std::string& path);

}  // namespace parallax::sim
