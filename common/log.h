// One event per line on stderr: text on a terminal and in files alike, "LEVEL message key=value".
// Thread-safe. Nothing secret is ever passed here.
#pragma once

#include <fmt/format.h>

#include <string_view>

#include "common/result.h"

namespace parallax {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

Result<LogLevel> ParseLogLevel(std::string_view text);
void InitLog(LogLevel level);
void LogLine(LogLevel level, std::string_view message);

template <typename... Args>
void LogDebug(fmt::format_string<Args...> format, Args&&... args) {
  LogLine(LogLevel::kDebug, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void LogInfo(fmt::format_string<Args...> format, Args&&... args) {
  LogLine(LogLevel::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void LogWarning(fmt::format_string<Args...> format, Args&&... args) {
  LogLine(LogLevel::kWarning, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void LogError(fmt::format_string<Args...> format, Args&&... args) {
  LogLine(LogLevel::kError, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace parallax
