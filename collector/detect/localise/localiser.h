// Where did the packets go astray? Traces of flows that fail and of flows that pass go in, suspect
// edges come out: router -> next hop, or router -> silence.
//
// A router that carries good paths is not thereby innocent. One that was led astray for half of its
// destinations carries the other half as well as ever, so that whoever acquits routers acquits the
// culprit first. Only edges are judged: its edge to the right next hop is good, its edge to the
// wrong one is on no good path, and that one is the suspect.
//
//   sensor ---> R ---> core ---> border ---> target      passing: every edge here is good
//               |
//               +----> rogue ---> (silence)              failing: R -> rogue and rogue -> silence
//
// 1. A path is a row of logical edges: sensor -> first hop that answers, hop -> next one that
//    answers (silent hops between are skipped), and, if the target was not reached, last hop that
//    answers -> silence. A path that runs in circles has each edge of the circle once, and no end.
// 2. An edge is healthy if it lies on a path that passes now or on one remembered from peace.
//    Silent hops are taken for what other paths show there (trail.h).
// 3. A router that answered the failing flow's own probe was reached by it. So a failing path only
//    accuses its edges from the first one on that is not healthy, and in any case its last one
//    (-> silence), or its circle.
// 4. Maximum coverage by likelihood, greedily: the edge with the greatest gain explains its paths;
//    these are taken away, and the rest is explained in the same way. A dead target here and there
//    is cheaper to leave alone than to explain: one path never makes a suspect, two do.
// 5. Edges that the same paths accuse (but for the odd answer that was not given) cannot be told
//    apart. The one at which the way parts from what is known stands for all of them, the others
//    are its ambiguity: the router that was led astray is what has to be mended, not the box that
//    it was led to.
//
// What it does not know. Which direction is broken: if answers from beyond some hop are lost on
// their way back, the edge behind that hop is named all the same. Which addresses are one router's:
// an edge is the same edge only if both addresses are, so that a router which answers different
// sensors from different addresses is several places, and the evidence against it is divided. Who
// lies: one that praises a bad edge moves the suspect to the next edge on the way, and `accusers`
// says on whose word a suspect rests; weighing that is for the caller.
// Addresses are taken to be unique in the campus, private ones too.
//
// Pure and deterministic: the result depends on which paths there are, not on their order. Cost:
// about the sum of the paths' lengths.
//
// Sources: Kompella et al., Detection and Localization of Network Black Holes (2007) for maximum
// coverage; Peng et al., deTector (2017) for the hit ratio; Dhamdhere et al., NetDiagnoser (2007)
// for edges towards nothing and for what went another way before.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "collector/detect/model.h"
#include "common/ip.h"

namespace parallax::collector {

// What one trace showed of the way of one flow, and what is remembered of it from peace. One for
// each flow: the same trace given twice is counted twice.
struct ObservedPath {
  SensorName sensor;
  std::string group;  // the sensor's
  IpAddress target;
  bool failing = false;  // the flow that was traced does not get through now
  bool reached = false;  // the target itself answered the trace: it is then the last of `hops`
  bool circles = false;  // the trace ended where it came by the same place again
  // By TTL, from 1 on; nullopt: silent. Without any, nothing was traced, and `before` still counts.
  std::vector<std::optional<IpAddress>> hops;
  // The way from the same sensor to the same target in peace, likewise; empty if not known.
  std::vector<std::optional<IpAddress>> before;

  auto operator<=>(const ObservedPath&) const = default;
};

// One end of an edge.
struct PathPlace {
  enum class Kind : uint8_t { kSensor, kAddress, kSilence };

  Kind kind = Kind::kSilence;
  SensorName sensor;  // kSensor only
  IpAddress address;  // kAddress only

  static PathPlace Sensor(SensorName name) { return {Kind::kSensor, std::move(name), {}}; }
  static PathPlace Address(const IpAddress& address) { return {Kind::kAddress, {}, address}; }
  static PathPlace Silence() { return {}; }

  std::string ToString() const;  // the sensor's name, the address, or "silence"
  auto operator<=>(const PathPlace&) const = default;
};

struct SuspectEdge {
  PathPlace from;
  PathPlace to;
  // Where these packets went from there in peace; if nobody remembers, where passing ones go from
  // there, or went in peace. Only if one answer has more than half of the votes.
  std::optional<IpAddress> instead_of;
  // If `from` is an address that passes nothing on along any healthy path: who sent these packets
  // there, sorted. A rogue that several routers believe is one suspect, and they are to be mended.
  std::vector<PathPlace> led_by;
  double gain = 0;       // natural logarithm of a likelihood ratio, always > 0
  double hit_ratio = 0;  // failing / (failing + passing)
  size_t failing = 0;    // paths over the edge that it explains and no better suspect does
  size_t circling = 0;   // of these, ways that go round
  size_t passing = 0;    // paths over the edge
  std::vector<SensorName> accusers;  // sensors of the failing paths it explains; sorted, unique
  std::vector<std::string> groups;   // theirs; sorted, unique
  // Other edges that the same paths accuse and as many acquit, in path order.
  std::vector<std::pair<PathPlace, PathPlace>> ambiguity;
  // A segment rather than an edge: there are silent routers in it, the traces went silent there in
  // peace too, or the hit ratio is below the floor.
  bool partial = false;

  bool operator==(const SuspectEdge&) const = default;
};

struct LocaliserOptions {
  double background = 0.005;     // phi: chance that a path fails for no reason of the edges'
  double prior = 0.001;          // pi: chance that an edge is bad
  double most_ratio = 0.99;      // no edge is thought to fail more surely than that
  double alike = 0.9;            // share of paths in common from which on two edges are one segment
  double hit_ratio_floor = 0.6;  // below, an edge is a suspect only for want of a better one
};

// What it gains to call an edge bad that lies on so many failing paths, not explained yet, and on
// so many passing ones. REQUIRES: failing > 0.
double EdgeGain(size_t failing, size_t passing, const LocaliserOptions& options = {});

// At most `most` suspects, best first. Once none above the hit ratio's floor is left, the best one
// below it is the last.
std::vector<SuspectEdge> Localise(std::span<const ObservedPath> paths,
                                  const LocaliserOptions& options = {}, size_t most = 3);

}  // namespace parallax::collector
