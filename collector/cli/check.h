// `parallax check`: answers as monitoring systems want them of a plugin: one line with a status
// word and performance data, more lines for people, and an exit code (Monitoring Plugins
// Development Guidelines: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.h"
#include "parallax/v1/operator.pb.h"

namespace parallax::cli {

enum class Alarm { kOk = 0, kWarning = 1, kCritical = 2, kUnknown = 3 };

struct CheckResult {
  Alarm alarm = Alarm::kUnknown;
  std::string text;  // as it is printed, lines ended
};

// So many sensors that are not there raise an alarm; absent: one warns, all of them are critical.
struct CheckLimits {
  std::optional<uint32_t> warning;
  std::optional<uint32_t> critical;
};

// Of sensors that were let in; those that drain count as there.
CheckResult CheckSensors(const v1::SensorList& list, const std::string& group,
                         const CheckLimits& limits);
// `live`: the incidents that are. Critical if one says so and is open.
CheckResult CheckIncidents(const v1::IncidentList& live);
CheckResult CheckTarget(const v1::Target& target);
// That there is no answer.
CheckResult CheckFailed(std::string_view what, const Error& error);

}  // namespace parallax::cli
