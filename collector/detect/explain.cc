#include "collector/detect/explain.h"

#include <fmt/format.h>

#include <algorithm>

namespace parallax::collector {
namespace {

constexpr size_t kMostNamed = 4;

std::string Names(const std::vector<SensorName>& names) {
  std::string text;
  for (size_t i = 0; i < names.size() && i < kMostNamed; ++i) {
    if (i > 0) {
      text += i + 1 == names.size() ? " and " : ", ";
    }
    text += names[i];
  }
  if (names.size() > kMostNamed) {
    text += fmt::format(" and {} more", names.size() - kMostNamed);
  }
  return text.empty() ? "nobody" : text;
}

std::string_view FamilyName(const std::string& family) {
  return family == "ipv4" ? "IPv4" : family == "ipv6" ? "IPv6" : "IPv4 and IPv6";
}

size_t StillFailing(const IncidentRecord& record) {
  return static_cast<size_t>(std::count_if(record.targets.begin(), record.targets.end(),
                                           [](const auto& t) { return t.failing; }));
}

std::string SummariseAnomaly(const IncidentRecord& record, uint64_t half_open, uint64_t repeated) {
  const size_t still = StillFailing(record);
  const bool over = still == 0;
  std::string text = fmt::format(
      "{} {} reach {} {} host{} that {} reach{}.", Names(record.failing_sensors),
      over ? "could not" : "cannot", record.targets.size(), FamilyName(record.family),
      record.targets.size() == 1 ? "" : "s", Names(record.reaching_sensors), over ? "ed" : "");
  if (over) {
    text += " All of them are reachable again.";
  } else if (still < record.targets.size()) {
    text += fmt::format(" {} still fail{}.", still, still == 1 ? "s" : "");
  }
  if (const auto it = record.evidence.find(kAwaiting); it != record.evidence.end()) {
    text += fmt::format(" {} more await a second look.", it->second);
  }
  if (half_open > 0) {
    text += fmt::format(
        " {} connection attempt{} from them arrived there and stayed half-open: the way in works, "
        "our answers get lost.",
        half_open, half_open == 1 ? "" : "s");
    if (repeated * 2 >= half_open) {
      text +=
          " It is no SYN flood: the clients repeat their SYNs as real hosts do, and answer "
          "from elsewhere.";
    }
  }
  return text;
}

}  // namespace

std::string Summarise(const IncidentRecord& record, uint64_t half_open, uint64_t repeated) {
  switch (record.verdict) {
    case Verdict::kRouteAnomaly:
      return SummariseAnomaly(record, half_open, repeated);
    case Verdict::kTargetDown:
      return fmt::format("{} host{} went silent for every sensor: gone, not a route.{}",
                         record.targets.size(), record.targets.size() == 1 ? "" : "s",
                         StillFailing(record) == 0                      ? " All are back."
                         : StillFailing(record) < record.targets.size() ? " Some are back."
                                                                        : "");
    case Verdict::kSensorIsolated: {
      const auto it = record.evidence.find("vantage");
      const bool over =
          record.state == IncidentState::kMonitoring || record.state == IncidentState::kClosed;
      return fmt::format("{} {} cut off: {}. What it {} reach says nothing about the network.",
                         Names(record.failing_sensors), over ? "was" : "is",
                         it == record.evidence.end() ? "its own link failed" : it->second,
                         over ? "could not" : "cannot");
    }
    default:
      return {};
  }
}

}  // namespace parallax::collector
