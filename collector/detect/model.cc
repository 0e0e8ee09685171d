#include "collector/detect/model.h"

#include <array>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <utility>

namespace parallax::collector {
namespace {

template <typename Enum, size_t N>
using Names = std::array<std::pair<Enum, std::string_view>, N>;

template <typename Enum, size_t N>
std::string_view NameOf(const Names<Enum, N>& names, Enum value) {
  for (const auto& [candidate, name] : names) {
    if (candidate == value) {
      return name;
    }
  }
  return "unknown";
}

template <typename Enum, size_t N>
std::optional<Enum> ValueOf(const Names<Enum, N>& names, std::string_view text) {
  for (const auto& [value, name] : names) {
    if (name == text) {
      return value;
    }
  }
  return std::nullopt;
}

constexpr Names<SensorState, 4> kSensorStates = {{{SensorState::kConnected, "connected"},
                                                  {SensorState::kStopped, "stopped"},
                                                  {SensorState::kLost, "lost"},
                                                  {SensorState::kIsolated, "isolated"}}};
constexpr Names<Verdict, 11> kVerdicts = {{{Verdict::kUnknown, "unknown"},
                                           {Verdict::kHealthy, "healthy"},
                                           {Verdict::kRouteAnomaly, "route_anomaly"},
                                           {Verdict::kTargetDown, "target_down"},
                                           {Verdict::kSensorIsolated, "sensor_isolated"},
                                           {Verdict::kSensorDegraded, "sensor_degraded"},
                                           {Verdict::kBorderOutage, "border_outage"},
                                           {Verdict::kLossyPath, "lossy_path"},
                                           {Verdict::kPolicy, "policy"},
                                           {Verdict::kSynFlood, "syn_flood"},
                                           {Verdict::kMixed, "mixed"}}};
constexpr Names<EarnedBy, 2> kEarnedBys = {
    {{EarnedBy::kCompleted, "completed"}, {EarnedBy::kRepeatedSyn, "repeated_syn"}}};
constexpr Names<CellState, 5> kCellStates = {{{CellState::kUnknown, "unknown"},
                                              {CellState::kUp, "up"},
                                              {CellState::kDown, "down"},
                                              {CellState::kLossy, "lossy"},
                                              {CellState::kPolicy, "policy"}}};
constexpr Names<IncidentState, 4> kIncidentStates = {{{IncidentState::kCandidate, "candidate"},
                                                      {IncidentState::kOpen, "open"},
                                                      {IncidentState::kMonitoring, "monitoring"},
                                                      {IncidentState::kClosed, "closed"}}};

}  // namespace

std::string_view ToString(SensorState state) { return NameOf(kSensorStates, state); }
std::optional<SensorState> ParseSensorState(std::string_view text) {
  return ValueOf(kSensorStates, text);
}
std::string_view ToString(Verdict verdict) { return NameOf(kVerdicts, verdict); }
std::optional<Verdict> ParseVerdict(std::string_view text) { return ValueOf(kVerdicts, text); }
std::string_view ToString(EarnedBy earned_by) { return NameOf(kEarnedBys, earned_by); }
std::optional<EarnedBy> ParseEarnedBy(std::string_view text) { return ValueOf(kEarnedBys, text); }
std::string_view ToString(CellState state) { return NameOf(kCellStates, state); }
std::optional<CellState> ParseCellState(std::string_view text) {
  return ValueOf(kCellStates, text);
}
std::string_view ToString(IncidentState state) { return NameOf(kIncidentStates, state); }
std::optional<IncidentState> ParseIncidentState(std::string_view text) {
  return ValueOf(kIncidentStates, text);
}

uint64_t CountIn(const IncidentRecord& record, const char* key) {
  const auto it = record.evidence.find(key);
  return it == record.evidence.end() ? 0 : std::strtoull(it->second.c_str(), nullptr, 10);
}

std::string IncidentId(uint64_t number) { return "INC-" + std::to_string(number); }

std::optional<uint64_t> ParseIncidentId(std::string_view id) {
  if (id.size() > 4 && (id.starts_with("INC-") || id.starts_with("inc-"))) {
    id.remove_prefix(4);
  }
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), number);
  if (error != std::errc() || end != id.data() + id.size() || number == 0) {
    return std::nullopt;
  }
  return number;
}

}  // namespace parallax::collector
