#include "collector/cli/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "collector/cli/table.h"
#include "collector/cli/words.h"

namespace parallax::cli {
namespace {

std::string_view WordOf(Alarm alarm) {
  switch (alarm) {
    case Alarm::kOk:
      return "OK";
    case Alarm::kWarning:
      return "WARNING";
    case Alarm::kCritical:
      return "CRITICAL";
    case Alarm::kUnknown:
      break;
  }
  return "UNKNOWN";
}

// A pipe sign begins the performance data, wherever it stands.
std::string Plain(std::string_view text) {
  std::string out = Printable(text);
  std::ranges::replace(out, '|', '/');
  return out;
}

CheckResult Say(Alarm alarm, std::string_view what, std::string_view says,
                std::string_view performance, const std::vector<std::string>& more = {}) {
  std::string text = fmt::format("PARALLAX {} {} - {}", what, WordOf(alarm), Plain(says));
  if (!performance.empty()) {
    text += fmt::format(" | {}", performance);
  }
  text += '\n';
  for (const std::string& line : more) {
    text += Plain(line) + '\n';
  }
  return {alarm, std::move(text)};
}

bool IsLetIn(const v1::Sensor& sensor) {
  return sensor.state() != "pending" && sensor.state() != "approved" && sensor.state() != "revoked";
}

bool IsThere(const v1::Sensor& sensor) {
  return sensor.state() == "connected" || sensor.state() == "drained";
}

}  // namespace

CheckResult CheckSensors(const v1::SensorList& list, const std::string& group,
                         const CheckLimits& limits) {
  uint32_t all = 0;
  uint32_t away = 0;
  uint32_t troubled = 0;
  std::vector<std::string> more;
  for (const v1::Sensor& sensor : list.items()) {
    if (!IsLetIn(sensor) || (!group.empty() && sensor.group() != group)) {
      continue;
    }
    ++all;
    if (!IsThere(sensor)) {
      ++away;
      more.push_back(fmt::format("{} ({}): {}{}{}", sensor.name(), sensor.group(), sensor.state(),
                                 sensor.problem().empty() ? "" : ": ", sensor.problem()));
    } else if (!sensor.problem().empty()) {
      ++troubled;
      more.push_back(fmt::format("{} ({}): {}", sensor.name(), sensor.group(), sensor.problem()));
    }
  }
  if (all == 0) {
    return Say(Alarm::kUnknown, "SENSORS",
               group.empty() ? "there is no sensor" : "there is no sensor in group " + group, {});
  }
  const uint32_t warning = limits.warning.value_or(1);
  const uint32_t critical = limits.critical.value_or(all);
  const Alarm alarm = away >= critical                  ? Alarm::kCritical
                      : away >= warning || troubled > 0 ? Alarm::kWarning
                                                        : Alarm::kOk;
  return Say(alarm, "SENSORS",
             fmt::format("{} of {} there{}", all - away, Plural(all, "sensor"),
                         troubled == 0 ? "" : fmt::format(", {} with a problem", troubled)),
             fmt::format("away={};{};{};0;{} troubled={};;;0;{}", away, warning - 1, critical - 1,
                         all, troubled, all),
             more);
}

CheckResult CheckIncidents(const v1::IncidentList& live) {
  std::map<std::string, uint32_t> states = {{"candidate", 0}, {"monitoring", 0}, {"open", 0}};
  Alarm alarm = Alarm::kOk;
  const v1::Incident* worst = nullptr;
  std::vector<std::string> more;
  for (const v1::Incident& incident : live.items()) {
    ++states[incident.state()];
    if (incident.state() == "candidate") {
      continue;  // no news yet
    }
    more.push_back(fmt::format("{} {} {}: {}", incident.id(), incident.state(), incident.verdict(),
                               FirstSentence(incident.summary())));
    const Alarm one = incident.state() != "open"          ? Alarm::kWarning
                      : incident.severity() == "info"     ? Alarm::kOk
                      : incident.severity() == "critical" ? Alarm::kCritical
                                                          : Alarm::kWarning;
    if (worst == nullptr || one > alarm) {
      worst = &incident;
    }
    alarm = std::max(alarm, one);
  }
  return Say(alarm, "INCIDENTS",
             worst == nullptr ? std::string("none is open")
                              : fmt::format("{} {}: {}", worst->id(), worst->verdict(),
                                            FirstSentence(worst->summary())),
             fmt::format("open={};;;0 monitoring={};;;0 candidate={};;;0", states["open"],
                         states["monitoring"], states["candidate"]),
             more.size() > 1 ? more : std::vector<std::string>());
}

CheckResult CheckTarget(const v1::Target& target) {
  uint32_t up = 0;
  std::vector<std::string> down;
  for (const auto& [sensor, reach] : target.reach()) {
    up += reach == "up" ? 1 : 0;
    if (reach == "down") {
      down.push_back(sensor);
    }
  }
  std::ranges::sort(down);
  const std::string& verdict = target.verdict();
  const Alarm alarm = verdict == "healthy"                                     ? Alarm::kOk
                      : verdict == "unknown"                                   ? Alarm::kUnknown
                      : verdict == "route_anomaly" || verdict == "target_down" ? Alarm::kCritical
                                                                               : Alarm::kWarning;
  return Say(alarm, "TARGET",
             fmt::format("{} is {}: up from {}{}", target.address(), verdict, Plural(up, "sensor"),
                         down.empty() ? "" : ", down from " + Brief(down)),
             fmt::format("up={};;;0 down={};;;0", up, down.size()));
}

CheckResult CheckFailed(std::string_view what, const Error& error) {
  return Say(Alarm::kUnknown, what, error.message, {});
}

}  // namespace parallax::cli
