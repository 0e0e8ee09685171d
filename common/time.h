// Time as types. Wall time is for people and storage, monotonic time for every timer and interval.
// Decision code never reads a clock: it is handed a Moment.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.h"

namespace parallax {

using Duration = std::chrono::nanoseconds;
using WallTime = std::chrono::time_point<std::chrono::system_clock, Duration>;
using MonoTime = std::chrono::time_point<std::chrono::steady_clock, Duration>;

// The same instant on both clocks, read together.
struct Moment {
  MonoTime mono;
  WallTime wall;

  // The moment `d` later (or earlier); for tests and simulations.
  Moment operator+(Duration d) const { return {mono + d, wall + d}; }
};

// Reads both clocks. Called at the edges (sockets, threads), never in decision code.
Moment Now();

// "2026-11-23T13:30:18.123456Z": UTC, RFC 3339, microseconds.
std::string FormatRfc3339(WallTime t);
// Accepts what FormatRfc3339 writes, with 0 to 9 decimals; nullopt otherwise.
std::optional<WallTime> ParseRfc3339(std::string_view text);

// "250ms", "10s", "3m", "24h", "14d": a whole or decimal number and one unit (ns us ms s m h d).
Result<Duration> ParseDuration(std::string_view text);
// The largest unit that keeps the value whole, as ParseDuration reads it.
std::string FormatDuration(Duration d);
// For people: "3m12s", "2h05m", "4d03h"; two units at the most, never negative.
std::string FormatAge(Duration d);

inline int64_t ToUnixNanos(WallTime t) { return t.time_since_epoch().count(); }
inline WallTime FromUnixNanos(int64_t ns) { return WallTime(Duration(ns)); }
inline double ToSeconds(Duration d) { return std::chrono::duration<double>(d).count(); }
inline double ToMillis(Duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

}  // namespace parallax
