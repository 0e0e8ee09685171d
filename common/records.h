// What sensors tell and what they are told, as plain values. Both daemons speak in these; protobuf
// stays in one conversion file per side (sensor/link/convert, collector/ingest/convert).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/ip.h"
#include "common/time.h"

namespace parallax {

// What became of a TCP connection attempt, as far as SYN, SYN-ACK and RST segments tell.
enum class AttemptOutcome : uint8_t {
  kPending,     // just seen; the outcome follows in a second record
  kCompleted,   // SYN-ACK seen and not repeated
  kHalfOpen,    // SYN-ACK repeated, or SYN repeated after a SYN-ACK: the reply got lost beyond us
  kUnanswered,  // SYN repeated and no SYN-ACK seen
  kRefused,     // RST answered the SYN
  kUnknown,     // not enough seen to say
};
inline constexpr size_t kAttemptOutcomes = 6;
std::string_view ToString(AttemptOutcome outcome);

// One TCP connection attempt (4-tuple + client ISN) as one sensor saw it. Reported twice: at once
// with outcome kPending, and when its outcome is known. (client, server, isn, first_seen) is the
// same in both.
struct Attempt {
  Endpoint client;
  Endpoint server;
  uint32_t isn = 0;
  WallTime first_seen;  // of the first segment, sensor's clock
  Duration age{};       // from the first segment to this report
  AttemptOutcome outcome = AttemptOutcome::kPending;
  std::string rule;   // what decided the outcome, e.g. "syn_ack_repeated"; empty if pending
  uint32_t syns = 0;  // SYN segments, copies within 5 ms not counted
  uint32_t syn_acks = 0;
  uint8_t ttl = 0;  // IPv4 TTL or IPv6 hop limit of the first SYN; 0 if no SYN was seen
  std::string interface;
  // How many attempts this one stands for: 1, or more if its server drew so many that only one in
  // so many was followed.
  uint32_t sampling = 1;
  bool operator==(const Attempt&) const = default;
};

// What one sensor saw of the attempts to one server address over the last half minute to minute:
// told every ten seconds while the server draws too many attempts to follow each or far more than
// is usual, or while three or more of them are half-open. The shares are the features that tell a
// SYN flood from a routing fault; one is absent while there is too little to take a share of.
struct ServerReport {
  IpAddress server;
  WallTime window_start;  // sensor's clock
  Duration window{};
  Duration age{};          // from the end of the window to this report
  bool aggregate = false;  // too many attempts to follow each
  uint32_t sampling = 1;   // one in so many is followed at present

  uint64_t syns = 0;       // segments, copies within 5 ms included
  uint64_t syn_acks = 0;   // likewise
  uint64_t sources = 0;    // distinct client addresses, estimated (HyperLogLog, 5 % standard error)
  uint16_t port = 0;       // the one that drew most SYNs of late
  uint64_t port_syns = 0;  // to it; estimated from above (count-min), at most `syns`
  uint64_t port_syn_acks = 0;  // from it; likewise

  // Attempts by outcome, each counted for as many as it stands for: estimates if there was
  // sampling.
  uint64_t completed = 0;
  uint64_t half_open = 0;
  uint64_t unanswered = 0;
  uint64_t refused = 0;
  uint64_t unknown = 0;

  // f1: of the half-open attempts, those whose client repeated its SYN. Fault > 0.5, flood < 0.05.
  std::optional<double> half_open_repeated;
  // f2: of the half-open attempts, those of clients that completed one in the last 30 days, before
  // any flood. Fault > 0.3, flood < 0.01.
  std::optional<double> half_open_known;
  // f3: of the clients that failed at one of their last three tries, those that failed at all
  // three. Fault ~ 1; an overflowing backlog fails now this one, now that one.
  std::optional<double> all_or_nothing;
  // f5: SYNs a second of late, what is usual, and how far they have exceeded it: a CUSUM in units
  // of what is usual in a second, 0 in peace.
  double syn_rate = 0;
  double usual_rate = 0;
  double excess = 0;
  // f6: of the kernel, if the server is this sensor's own host: connections refused because the
  // accept queue was full, and SYN cookies sent, within the window.
  std::optional<uint64_t> listen_overflows;
  std::optional<uint64_t> syn_cookies_sent;
  bool operator==(const ServerReport&) const = default;
};

enum class ProbeMethod : uint8_t { kIcmpEcho, kTcpSyn, kUdp };
std::string_view ToString(ProbeMethod method);  // "icmp", "tcp", "udp"

// What one probe brought back.
enum class ProbeState : uint8_t {
  kAnswered,      // the target itself answered: echo reply, SYN-ACK, RST, datagram or ICMP error
  kSilent,        // nothing within the time-out
  kUnreachable,   // a router said net/host unreachable
  kTimeExceeded,  // a router said that the TTL ran out: a routing loop
  kProhibited,    // a router said administratively prohibited: a filter, not routing
  kNotSent,       // the sensor's own kernel refused: no route, interface down
  kRefused,       // the sensor's local policy refused
};
std::string_view ToString(ProbeState state);

// One way of asking.
struct ProbeTry {
  ProbeMethod method = ProbeMethod::kIcmpEcho;
  uint16_t port = 0;  // 0 for kIcmpEcho
  // Which of several flows to the target, for paths that are chosen by flow: another flow has
  // another source port, or for kIcmpEcho another identifier and checksum.
  uint16_t flow = 0;
  bool operator==(const ProbeTry&) const = default;
};

// The collector's word: ask `target` in these ways, one after the other, until one is answered.
struct ProbeOrder {
  uint64_t id = 0;  // names the round; every sensor of a round gets the same
  IpAddress target;
  std::vector<ProbeTry> tries;  // 1 to kMaxTries
  Duration start_after{};       // from receipt; aligns the vantages of a round
  Duration spacing{};           // from the start of one try to the start of the next
  Duration timeout{};           // how long a try waits for its answer
  bool every = false;           // make all of them, whatever is answered
  bool operator==(const ProbeOrder&) const = default;
};
inline constexpr size_t kMaxTries = 8;

// The collector's word: find out which way packets of one flow take to `target`.
struct PathOrder {
  uint64_t id = 0;  // names the look; every sensor of one look gets the same
  IpAddress target;
  ProbeTry attempt;
  bool operator==(const PathOrder&) const = default;
};

// What a collector tells a sensor to do.
using Order = std::variant<ProbeOrder, PathOrder>;

// A router said that another gateway is the better way (ICMP redirect).
struct Redirect {
  IpAddress router;
  IpAddress gateway;
  bool operator==(const Redirect&) const = default;
};

struct ProbeTryResult {
  ProbeTry attempt;
  ProbeState state = ProbeState::kSilent;
  Duration rtt{};                     // kAnswered only
  std::optional<IpAddress> reporter;  // who answered: the target, or the router of an ICMP error
  uint8_t icmp_type = 0;              // of the ICMP error, if one came
  uint8_t icmp_code = 0;
  std::string detail;                  // kNotSent, kRefused: why, in a word or a short sentence
  std::optional<Redirect> redirect{};  // seen while the try ran, whatever came of it
  bool operator==(const ProbeTryResult&) const = default;
};

// Everything that came of one order: the tries made, in order; the last one decided it.
struct ProbeReport {
  uint64_t order_id = 0;
  IpAddress target;
  WallTime started_at;  // sensor's clock
  Duration age{};       // from the first send to this report
  std::vector<ProbeTryResult> tries;
  bool operator==(const ProbeReport&) const = default;
};

// How a trace ended.
enum class TraceEnd : uint8_t {
  kUnfinished,   // still being traced
  kReached,      // the target itself answered
  kUnreachable,  // a router said net, host or route unreachable
  kProhibited,   // a router said that a filter forbids it
  kLoop,         // packets go round
  kSilent,       // as many hops in a row as the gap limit say nothing, nor does the target
  kMaxTtl,       // it goes on beyond the highest TTL that was asked
  kNotSent,      // this host's own kernel has no way there
  kRefused,      // by this sensor's policy
};
std::string_view ToString(TraceEnd end);  // "reached", "max_ttl"
std::optional<TraceEnd> ParseTraceEnd(std::string_view text);

// Routers by TTL from 1 on: those that answered at that distance; none: it is silent.
using PathHops = std::vector<std::vector<IpAddress>>;

// What came of a path order: the way that packets of the flow took.
struct PathReport {
  uint64_t order_id = 0;
  IpAddress target;
  ProbeTry attempt;
  WallTime started_at;  // sensor's clock
  Duration age{};       // from the start to this report
  TraceEnd end = TraceEnd::kUnfinished;
  std::optional<IpAddress> reporter;  // kUnreachable, kProhibited, kLoop: the router that says so
  bool changed = false;               // the way changed while it was traced; it is the later one
  // By TTL from 1 on: who answered, in ascending order; empty if nobody did. Several: packets of
  // the flow are spread. What comes after the last that answered is left out.
  PathHops hops;
  bool operator==(const PathReport&) const = default;
};
inline constexpr size_t kMaxHops = 64;
inline constexpr size_t kMaxRoutersPerHop = 16;

// How a gateway was offered on the wire.
enum class AnnouncementKind : uint8_t {
  kRip,                  // RIP version 1 or 2, or RIPng: a route
  kOspf,                 // OSPF version 2 or 3: a router that says hello
  kRouterAdvertisement,  // IPv6 router advertisement, or IPv4 router discovery: a default route
  kRedirect,             // ICMP redirect: for one destination
  kDhcpOffer,            // a DHCP server names a default gateway
};
inline constexpr size_t kAnnouncementKinds = 5;
std::string_view ToString(AnnouncementKind kind);  // "rip", "router_advertisement"
std::optional<AnnouncementKind> ParseAnnouncementKind(std::string_view text);

// Somebody on a sensor's wire says that packets should go by way of `gateway`. Told when it is
// first heard, when it changes, and every minute while it goes on.
struct Announcement {
  AnnouncementKind kind = AnnouncementKind::kRip;
  IpAddress speaker;         // source address of the packet
  std::string speaker_link;  // its link-layer address, "02:00:00:00:00:01"; empty if there is none
  IpAddress gateway;         // the next hop that it names; often the speaker itself
  std::optional<Prefix> prefix;  // where to; length 0: a default route; absent: OSPF hello
  bool withdrawn = false;        // metric infinity or lifetime zero: not to be used any more
  uint32_t metric = 0;           // as it was announced
  std::string interface;
  WallTime first_heard;  // of this announcement as it is, sensor's clock
  Duration age{};        // from the last time it was heard to this report
  uint64_t times = 0;    // heard since it was first told
  bool operator==(const Announcement&) const = default;
};

// Records by what is given up first when a sensor has no room for all: from the first class on.
enum class RecordClass : uint8_t {
  kBulk,      // attempts
  kCounters,  // server reports: the same in sums
  kResults,   // probe reports
  kEvidence,  // paths, announcements, gaps: what names the router at fault
};
inline constexpr size_t kRecordClasses = 4;
std::string_view ToString(RecordClass kind);  // "bulk"
std::optional<RecordClass> ParseRecordClass(std::string_view text);

// Why records did not get to the collector.
enum class GapReason : uint8_t {
  kFull,     // they were dropped to keep the spool within its limits
  kDamaged,  // their file is damaged
  kStopped,  // the sensor was killed: what it had not written yet is lost, if there was anything
};
inline constexpr size_t kGapReasons = 3;
std::string_view ToString(GapReason reason);  // "full"
std::optional<GapReason> ParseGapReason(std::string_view text);

// Records that were taken into a sensor's spool, and that it cannot deliver any more. Those that
// were on their way when they were dropped may have arrived all the same.
struct Gap {
  RecordClass kind = RecordClass::kBulk;
  uint64_t epoch = 0;  // whose sequences these are
  uint64_t first = 0;
  uint64_t last = 0;  // 0: nobody knows how many
  GapReason reason = GapReason::kFull;
  WallTime noticed_at;  // sensor's clock
  Duration age{};       // from then to this report
  bool operator==(const Gap&) const = default;
};

// What a sensor must get to the collector; numbered and kept until acknowledged.
using Record = std::variant<Attempt, ProbeReport, ServerReport, PathReport, Announcement, Gap>;
RecordClass ClassOf(const Record& record);

// A sensor's view of itself: the state of what its evidence rests on.
struct InterfaceHealth {
  std::string name;
  std::string state;              // "up", "down", "gone", "no_permission", "silent"
  uint64_t packets_received = 0;  // that passed the capture filter, since start
  uint64_t packets_dropped = 0;   // by the kernel for want of ring space, since start
  bool operator==(const InterfaceHealth&) const = default;
};

enum class Reach : uint8_t { kUnknown, kUp, kDown };

struct GatewayHealth {
  IpAddress address;
  Reach reach = Reach::kUnknown;  // kUnknown until it has answered once
  // Echo requests to it since the sensor's start whose outcome is known, and those it answered.
  uint64_t asked = 0;
  uint64_t answered = 0;
  bool operator==(const GatewayHealth&) const = default;
};

struct SensorHealth {
  std::vector<InterfaceHealth> interfaces;
  std::vector<GatewayHealth> gateways;
  uint64_t syns_seen = 0;
  uint64_t packets_dropped = 0;  // all interfaces
  uint64_t probes_sent = 0;
  uint64_t probes_refused = 0;  // by local policy
  uint64_t spool_records = 0;
  uint64_t spool_bytes = 0;
  std::string spool_problem;        // why it is kept in memory only; empty: it is on disk
  uint64_t records_dropped = 0;     // by a full spool
  uint64_t attempts_evicted = 0;    // forgotten before their outcome was known, for want of room
  uint64_t segments_unsampled = 0;  // segments of attempts not followed, see Attempt::sampling
  bool probing = false;             // false: no readable policy or no sockets; it cannot vote
  std::string probing_problem;      // why, if not
  std::optional<WallTime> said_at;  // sensor's clock; absent: it does not tell
  bool operator==(const SensorHealth&) const = default;
};

// Versions of the link protocol. Each side also speaks the one before its own, so that sensors and
// collectors can be upgraded in any order, one step at a time.
inline constexpr uint32_t kLinkProtocol = 3;
inline constexpr uint32_t kLeastLinkProtocol = 2;
// From here on a stream has several epochs, attempts are columns, and what is refused is named.
inline constexpr uint32_t kProtocolWithEpochs = 3;

// A sensor's clock may differ so much from its collector's before anybody says so.
inline constexpr Duration kClockTolerated = std::chrono::seconds(5);

// What a sensor says of itself when it connects. Who it is says its certificate, not this.
struct SensorHello {
  uint32_t protocol = 0;  // the highest that both sides may speak
  std::string version;
  // What waits in its spool, by epoch; protocol 2 knows one. Sequence numbers count from 1 within
  // an epoch, which is a random number.
  std::vector<uint64_t> epochs;
  std::vector<IpAddress> addresses;    // of its capture interfaces
  std::vector<Prefix> local_networks;  // attempts from these are not reported
  bool operator==(const SensorHello&) const = default;
};

}  // namespace parallax
