#include "common/time.h"

#include <gtest/gtest.h>

#include <limits>

namespace parallax {
namespace {

using namespace std::chrono_literals;

TEST(Duration, ReadsEachUnit) {
  EXPECT_EQ(ParseDuration("7ns"), Duration(7));
  EXPECT_EQ(ParseDuration("7us"), Duration(7us));
  EXPECT_EQ(ParseDuration("250ms"), Duration(250ms));
  EXPECT_EQ(ParseDuration("10s"), Duration(10s));
  EXPECT_EQ(ParseDuration("3m"), Duration(3min));
  EXPECT_EQ(ParseDuration("24h"), Duration(24h));
  EXPECT_EQ(ParseDuration("14d"), Duration(14 * 24h));
  EXPECT_EQ(ParseDuration("1.5s"), Duration(1500ms));
  EXPECT_EQ(ParseDuration("0s"), Duration(0));
}

TEST(Duration, RefusesTheRest) {
  for (const char* text : {"", "s", "10", "10 s", " 10s", "10s ", "-1s", "+1s", "10S", "10sec",
                           "1h30m", "14dd", "nans", "infs", "1e999s", "9999999999d", "0x10s"}) {
    const auto parsed = ParseDuration(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_NE(parsed.error().message.find("is not a duration"), std::string::npos);
  }
}

TEST(Duration, FormatIsWhatParseReads) {
  EXPECT_EQ(FormatDuration(Duration(0)), "0s");
  EXPECT_EQ(FormatDuration(90s), "90s");
  EXPECT_EQ(FormatDuration(120s), "2m");
  EXPECT_EQ(FormatDuration(1500ms), "1500ms");
  EXPECT_EQ(FormatDuration(24h), "1d");
  for (const Duration d : {Duration(1), Duration(250ms), Duration(3min), Duration(36h)}) {
    EXPECT_EQ(ParseDuration(FormatDuration(d)), d);
  }
}

TEST(Duration, AgesAreForPeople) {
  EXPECT_EQ(FormatAge(-5s), "0s");
  EXPECT_EQ(FormatAge(59900ms), "59s");
  EXPECT_EQ(FormatAge(192s), "3m12s");
  EXPECT_EQ(FormatAge(2h + 5min + 59s), "2h05m");
  EXPECT_EQ(FormatAge(99h), "4d03h");
}

TEST(Rfc3339, FormatsUtcWithMicroseconds) {
  EXPECT_EQ(FormatRfc3339(WallTime()), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(FormatRfc3339(FromUnixNanos(1795440618123456789)), "2026-11-23T13:30:18.123456Z");
  EXPECT_EQ(FormatRfc3339(FromUnixNanos(-1)), "1969-12-31T23:59:59.999999Z");
}

TEST(Rfc3339, RoundTrip) {
  for (const char* text : {"2026-11-23T13:30:18.123456Z", "2024-02-29T23:59:59.000000Z",
                           "1969-07-20T20:17:40.500000Z"}) {
    const auto parsed = ParseRfc3339(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(FormatRfc3339(*parsed), text);
  }
}

TEST(Rfc3339, DecimalsAreOptionalAndExact) {
  EXPECT_EQ(ToUnixNanos(*ParseRfc3339("1970-01-01T00:00:01Z")), 1'000'000'000);
  EXPECT_EQ(ToUnixNanos(*ParseRfc3339("1970-01-01T00:00:00.1Z")), 100'000'000);
  EXPECT_EQ(ToUnixNanos(*ParseRfc3339("1970-01-01T00:00:00.000000001Z")), 1);
}

TEST(Rfc3339, RefusesTheRest) {
  for (const char* text :
       {"", "2026-11-23", "2026-11-23T13:30:18", "2026-11-23T13:30:18+00:00",
        "2026-11-23 13:30:18Z", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z",
        "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:61Z",
        "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00.1234567890Z", "2026-01-01T00:00:00ZZ",
        "26-01-01T00:00:00Z", "2026-1-1T00:00:00Z", "+026-01-01T00:00:00Z"}) {
    EXPECT_FALSE(ParseRfc3339(text)) << text;
  }
}

TEST(Moment, MovesBothClocks) {
  const Moment start{MonoTime(5s), WallTime(100s)};
  const Moment later = start + 3s;
  EXPECT_EQ(later.mono, MonoTime(8s));
  EXPECT_EQ(later.wall, WallTime(103s));
}

TEST(Moment, NowDoesNotGoBack) {
  const Moment first = Now();
  const Moment second = Now();
  EXPECT_GE(second.mono, first.mono);
  EXPECT_GT(first.wall, *ParseRfc3339("2024-01-01T00:00:00Z"));
}

}  // namespace
}  // namespace parallax
