// The way that packets to one target take, as probing showed it: hops by TTL, and how it ended. A
// plain value, with an id to recognise a route by and a comparison that tells where two part. Pure.
//
// A hop that does not answer says nothing about loss: routers limit their ICMP errors, and many
// send none. Only the target's own answers (`target_sent`, `target_received`) speak of loss.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/ip.h"
#include "common/records.h"
#include "common/time.h"
#include "sensor/probe/wire/answer.h"

namespace parallax::sensor {

enum class HopState : uint8_t {
  kUnknown,      // not asked, or not yet answered
  kAnswering,    // answers, as far as it can be told
  kSilent,       // asked more than once, never answered
  kRateLimited,  // answers some probes and not others, while what is behind it answers
};
std::string_view ToString(HopState state);

struct RttRange {
  uint32_t count = 0;
  Duration min{};
  Duration max{};
  Duration sum{};
  void Add(Duration rtt);
  Duration average() const { return count == 0 ? Duration::zero() : sum / count; }
  bool operator==(const RttRange&) const = default;
};

// Somebody who answered probes of one TTL: a router, or the target.
struct PathNode {
  IpAddress address;
  // Probes of the flows that are known to pass here, and how many of them were answered. Where
  // packets of one flow are spread, nobody knows who is to answer: `sent` equals `received`.
  uint32_t sent = 0;
  uint32_t received = 0;
  uint32_t late = 0;  // of `received`: after the time-out
  RttRange rtt;
  // Of the last answer.
  AnswerKind kind = AnswerKind::kError;
  ErrorMeaning meaning = ErrorMeaning::kTimeExceeded;  // kError only
  uint8_t icmp_type = 0;                               // likewise
  uint8_t icmp_code = 0;                               // likewise
  uint8_t reply_ttl = 0;                               // as it arrived; 0: not known
  uint8_t quoted_ttl = 0;                              // kError only; 1 is usual
  MplsStack mpls;
  // The router before it forwards packets whose TTL has run out (Augustin et al., 2006): this node
  // answers for two TTLs, and the faulty one for none.
  bool zero_ttl = false;
  // The quoted probe is not as it was sent, or a router answers with the target's own address:
  // addresses are translated on the way here.
  bool nat = false;
  bool operator==(const PathNode&) const = default;
};

struct PathHop {
  uint8_t ttl = 0;
  HopState state = HopState::kUnknown;
  uint32_t sent = 0;
  uint32_t answered = 0;
  std::vector<PathNode> nodes;  // by address; empty: it does not answer
  // The route changed while it was traced: who answered before. `nodes` are those after.
  std::vector<IpAddress> former;
  bool per_packet = false;  // packets of one flow are answered by several nodes
  bool operator==(const PathHop&) const = default;
};

// Packets of some flow passed from one node to the other. Told for traces over several flows.
struct PathEdge {
  uint8_t ttl = 0;  // of `from`; `to` is one further
  IpAddress from;
  IpAddress to;
  auto operator<=>(const PathEdge&) const = default;
};

// The router whose word ended the trace.
struct PathReporter {
  IpAddress router;
  uint8_t icmp_type = 0;
  uint8_t icmp_code = 0;
  uint8_t ttl = 0;  // lowest TTL that brought it; 0: only a probe with full TTL did
  bool operator==(const PathReporter&) const = default;
};

struct Path {
  IpAddress target;
  ProbeTry attempt;    // method, port, and the flow; of several flows the first
  uint16_t flows = 1;  // how many were asked
  // Several flows only: how sure it is that no node of any hop was missed, if routers balance
  // evenly.
  double confidence = 0;
  TraceEnd end = TraceEnd::kUnfinished;
  std::optional<PathReporter> reporter;  // kUnreachable, kProhibited, kLoop
  std::string detail;                    // kNotSent, kRefused: why
  bool changed = false;                  // the route changed while it was traced
  std::vector<PathHop> hops;             // ascending, no TTL left out; from the first TTL asked on
  std::vector<PathEdge> edges;           // several flows only; sorted
  // Probes that the target should have answered, and what it did: the only word on loss.
  uint32_t target_sent = 0;
  uint32_t target_received = 0;
  RttRange target_rtt;
  std::optional<Redirect> redirect;  // a router said that another gateway is the better way

  // 64 bits that name the route: SipHash-2-4 with a fixed key over the forwarding part, see there;
  // per hop the TTL, the number of nodes (0: silent), and each node's family (4 or 6) and address,
  // in ascending order. The same in every process and release; RTTs, counts, the target and the
  // end play no part.
  uint64_t Id() const;

  // How many of `hops`, from the first on, tell where packets went: what follows is silence, or a
  // router that repeats itself because it is the end of the way.
  size_t ForwardingHops() const;

  const PathHop* FindHop(uint8_t ttl) const;
  bool operator==(const Path&) const = default;
};

enum class PathRelation : uint8_t {
  kEqual,             // as far as hops answered
  kFirstEndsEarlier,  // the second goes on where the first ends
  kSecondEndsEarlier,
  kPart,  // they take different ways
};
std::string_view ToString(PathRelation relation);

struct PathComparison {
  PathRelation relation = PathRelation::kEqual;
  // The last hop before they part at which both saw the same node; absent if there is none.
  std::optional<uint8_t> last_common_ttl;
  std::optional<IpAddress> last_common;
  // The first TTL at which they differ, and what each saw from there on, the silence and the
  // routers' complaints included; absent and empty if they are equal.
  std::optional<uint8_t> parts_at;
  std::vector<PathHop> first_after;
  std::vector<PathHop> second_after;
  // The first node that both saw after they parted, though maybe at different TTLs.
  std::optional<IpAddress> rejoin;
  bool operator==(const PathComparison&) const = default;
};

// Hops that did not answer match anything; hops of several nodes match if they share one.
PathComparison Compare(const Path& first, const Path& second);

}  // namespace parallax::sensor
