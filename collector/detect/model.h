// What the collector believes, as plain values: the rows that the engine keeps, the store persists
// and operators read. No behaviour beyond names.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/ip.h"
#include "common/records.h"
#include "common/time.h"

namespace parallax::collector {

// A sensor's name as its certificate gives it; unique within one collector.
using SensorName = std::string;

enum class SensorState : uint8_t {
  kConnected,
  kStopped,   // said goodbye
  kLost,      // unheard, but other vantages reach its host (or could not be asked)
  kIsolated,  // its own link: unheard and no vantage reaches it, or its gateway stopped answering
};
std::string_view ToString(SensorState state);
std::optional<SensorState> ParseSensorState(std::string_view text);

struct SensorRecord {
  SensorName name;
  std::string group;
  SensorState state = SensorState::kConnected;
  std::string version;
  std::optional<IpAddress> address;  // where it connects from
  WallTime first_seen;
  WallTime last_seen;
  std::vector<IpAddress> addresses;  // of its capture interfaces, as it says
  std::vector<Prefix> local_networks;
  SensorHealth health;
  std::string problem;  // what keeps it from being a vantage; empty if nothing
  std::optional<Duration> clock_offset;  // its clock less ours
  // What of its records is not here, as the store knows; nothing in what is to be stored.
  struct Undelivered {
    uint64_t lost = 0;     // told as gaps
    uint64_t unknown = 0;  // gaps of unknown size
    uint64_t refused = 0;  // malformed, of late
    bool operator==(const Undelivered&) const = default;
  } undelivered;
  bool operator==(const SensorRecord&) const = default;
};

// What the cells of a target say together.
enum class Verdict : uint8_t {
  kUnknown,
  kHealthy,
  kRouteAnomaly,
  kTargetDown,
  // Of incidents only:
  kSensorIsolated,  // the evidence is about the vantage itself
  kSensorDegraded,  // likewise: it loses packets on its own link
  kBorderOutage,    // most targets, in many prefixes, from everywhere
  kLossyPath,       // loss well above what is usual
  kPolicy,          // one method is filtered, another one gets through
  kSynFlood,
  kMixed,  // a flood while routes fail, too
};
std::string_view ToString(Verdict verdict);
std::optional<Verdict> ParseVerdict(std::string_view text);

// Why an address became worth probing.
enum class EarnedBy : uint8_t { kCompleted, kRepeatedSyn };
std::string_view ToString(EarnedBy earned_by);
std::optional<EarnedBy> ParseEarnedBy(std::string_view text);

struct TargetRecord {
  IpAddress address;
  EarnedBy earned_by = EarnedBy::kCompleted;
  WallTime first_seen;
  WallTime last_seen;   // its last attempt, as the collector received it
  WallTime checked_at;  // end of the last round; epoch 0 if never
  Verdict verdict = Verdict::kUnknown;
  // When any vantage last got an answer by this method; epoch 0 if never. A method that nobody ever
  // got an answer by says nothing when it is silent.
  WallTime icmp_answered;
  WallTime tcp_answered;
  bool operator==(const TargetRecord&) const = default;
};

// The unit of belief: can this sensor reach this target?
enum class CellState : uint8_t { kUnknown, kUp, kDown, kLossy, kPolicy };
std::string_view ToString(CellState state);
std::optional<CellState> ParseCellState(std::string_view text);

struct CellRecord {
  SensorName sensor;
  IpAddress target;
  CellState state = CellState::kUnknown;
  WallTime changed_at;
  Duration rtt{};  // of the last answer; 0 if none
  bool operator==(const CellRecord&) const = default;
};

// The last way that led from a sensor to a target, as a trace showed it.
struct PathRecord {
  SensorName sensor;
  IpAddress target;
  WallTime seen_at;
  PathHops hops;
  bool operator==(const PathRecord&) const = default;
};

enum class IncidentState : uint8_t { kCandidate, kOpen, kMonitoring, kClosed };
std::string_view ToString(IncidentState state);
std::optional<IncidentState> ParseIncidentState(std::string_view text);

// The edge that explains an incident best; empty until the localiser has something to say.
inline constexpr const char* kIntoSilence = "silence";  // Suspect::to, if nobody answers there
struct Suspect {
  std::string from;
  std::string to;
  std::string confidence;
  std::vector<std::string> ambiguity;
  bool operator==(const Suspect&) const = default;
};

// Keys of IncidentRecord::evidence that more than one place knows.
inline constexpr const char* kAbout = "about";  // what a condition is about: a sensor, a server
inline constexpr const char* kFlapping = "flapping";
inline constexpr const char* kFailingAgainSince = "failing_again_since";  // after it was closed
inline constexpr const char* kMergedInto = "merged_into";  // the incident that tells of it
inline constexpr const char* kSuspectWordOf = "suspect_word_of";
inline constexpr const char* kSuspectInsteadOf = "suspect_instead_of";
inline constexpr const char* kGoRound = "ways_that_go_round";  // of those that the suspect explains
inline constexpr const char* kCutOffTogether = "cut_off_together";  // the sensors, by one cause
inline constexpr const char* kByFlow = "by_flow";  // who fails, though its probes get through
inline constexpr const char* kFlood = "flood";     // the server, in an incident of something else
inline constexpr const char* kFloodFeatures = "flood_features";
inline constexpr const char* kVantage = "vantage";  // why what a sensor says is set aside

struct IncidentTarget {
  IpAddress address;
  bool failing = true;  // false: recovered since
  bool operator==(const IncidentTarget&) const = default;
};

struct IncidentRecord {
  uint64_t number = 0;  // shown as "INC-<number>"
  IncidentState state = IncidentState::kCandidate;
  Verdict verdict = Verdict::kRouteAnomaly;
  std::string severity;  // "critical", "warning", "info"
  WallTime started_at;   // first evidence
  WallTime opened_at;    // epoch 0 while candidate
  WallTime updated_at;
  WallTime closed_at;                        // epoch 0 unless closed
  std::string family;                        // "ipv4", "ipv6", "both"
  std::string direction;                     // "outbound", "inbound", "unknown"
  std::string split;                         // "per_destination", ..., "unknown"
  std::vector<SensorName> failing_sensors;   // sorted
  std::vector<SensorName> reaching_sensors;  // sorted
  std::vector<IncidentTarget> targets;       // sorted by address
  std::optional<Suspect> suspect;
  std::map<std::string, std::string> evidence;
  std::string summary;  // one sentence for people
  bool operator==(const IncidentRecord&) const = default;
};
// A number that the evidence holds; 0 if there is none.
uint64_t CountIn(const IncidentRecord& record, const char* key);
std::string IncidentId(uint64_t number);                       // "INC-7"
std::optional<uint64_t> ParseIncidentId(std::string_view id);  // accepts "INC-7", "inc-7" and "7"

// One step in an incident's life; persisted with the incident in one transaction.
struct IncidentChange {
  std::string change;  // "candidate", "opened", "updated", "monitoring", "reopened", "closed"
  WallTime at;
  IncidentRecord incident;
  bool operator==(const IncidentChange&) const = default;
};

}  // namespace parallax::collector
