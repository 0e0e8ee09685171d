#include "common/time.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

namespace parallax {
namespace {

struct Unit {
  std::string_view suffix;
  int64_t nanos;
};

// Longest suffixes first, so that "ms" is not read as "m" with garbage behind it.
constexpr std::array<Unit, 7> kUnits = {{
    {"ns", 1},
    {"us", 1'000},
    {"ms", 1'000'000},
    {"s", 1'000'000'000},
    {"m", 60'000'000'000},
    {"h", 3'600'000'000'000},
    {"d", 86'400'000'000'000},
}};

// Reads exactly `width` digits from the front of `text`; nullopt if they are not all there.
std::optional<int> TakeDigits(std::string_view& text, size_t width) {
  if (text.size() < width) {
    return std::nullopt;
  }
  int value = 0;
  for (size_t i = 0; i < width; ++i) {
    if (text[i] < '0' || text[i] > '9') {
      return std::nullopt;
    }
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(width);
  return value;
}

bool TakeChar(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) {
    return false;
  }
  text.remove_prefix(1);
  return true;
}

}  // namespace

Moment Now() {
  return {std::chrono::time_point_cast<Duration>(std::chrono::steady_clock::now()),
          std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now())};
}

std::string FormatRfc3339(WallTime t) {
  const auto day = std::chrono::floor<std::chrono::days>(t);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::microseconds>(t - day));
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", int(date.year()),
                     unsigned(date.month()), unsigned(date.day()), time.hours().count(),
                     time.minutes().count(), time.seconds().count(), time.subseconds().count());
}

std::optional<WallTime> ParseRfc3339(std::string_view text) {
  const auto year = TakeDigits(text, 4);
  const bool dash1 = TakeChar(text, '-');
  const auto month = TakeDigits(text, 2);
  const bool dash2 = TakeChar(text, '-');
  const auto day = TakeDigits(text, 2);
  const bool sep = TakeChar(text, 'T');
  const auto hour = TakeDigits(text, 2);
  const bool colon1 = TakeChar(text, ':');
  const auto minute = TakeDigits(text, 2);
  const bool colon2 = TakeChar(text, ':');
  const auto second = TakeDigits(text, 2);
  if (!year || !dash1 || !month || !dash2 || !day || !sep || !hour || !colon1 || !minute ||
      !colon2 || !second) {
    return std::nullopt;
  }
  int64_t nanos = 0;
  if (TakeChar(text, '.')) {
    int64_t scale = 100'000'000;
    size_t digits = 0;
    while (!text.empty() && text.front() >= '0' && text.front() <= '9' && digits < 9) {
      nanos += (text.front() - '0') * scale;
      scale /= 10;
      ++digits;
      text.remove_prefix(1);
    }
    if (digits == 0) {
      return std::nullopt;
    }
  }
  if (text != "Z" || *hour > 23 || *minute > 59 || *second > 60) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(unsigned(*month)),
                                         std::chrono::day(unsigned(*day))};
  if (!date.ok()) {
    return std::nullopt;
  }
  return WallTime(std::chrono::sys_days(date).time_since_epoch() + std::chrono::hours(*hour) +
                  std::chrono::minutes(*minute) + std::chrono::seconds(*second) + Duration(nanos));
}

Result<Duration> ParseDuration(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view suffix = text.substr(static_cast<size_t>(end - text.data()));
  if (error == std::errc() && std::isfinite(value) && value >= 0) {
    for (const Unit& unit : kUnits) {
      if (suffix == unit.suffix) {
        const double nanos = value * static_cast<double>(unit.nanos);
        if (nanos < static_cast<double>(std::numeric_limits<int64_t>::max()) / 2) {
          return Duration(std::llround(nanos));
        }
      }
    }
  }
  return Fail(ErrorCode::kUsage,
              fmt::format("\"{}\" is not a duration (write for example \"250ms\", \"10s\" or "
                          "\"24h\")",
                          text));
}

std::string FormatDuration(Duration d) {
  const int64_t nanos = d.count();
  if (nanos == 0) {
    return "0s";
  }
  for (size_t i = kUnits.size(); i-- > 0;) {
    if (nanos % kUnits[i].nanos == 0) {
      return fmt::format("{}{}", nanos / kUnits[i].nanos, kUnits[i].suffix);
    }
  }
  return fmt::format("{}ns", nanos);
}

std::string FormatAge(Duration d) {
  const int64_t s = std::max<int64_t>(0, d.count() / 1'000'000'000);
  if (s < 60) {
    return fmt::format("{}s", s);
  }
  if (s < 3600) {
    return fmt::format("{}m{:02}s", s / 60, s % 60);
  }
  if (s < 86400) {
    return fmt::format("{}h{:02}m", s / 3600, s % 3600 / 60);
  }
  return fmt::format("{}d{:02}h", s / 86400, s % 86400 / 3600);
}

}  // namespace parallax
