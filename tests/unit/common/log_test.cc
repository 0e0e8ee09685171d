#include "common/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parallax {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

TEST(Log, Levels) {
  EXPECT_EQ(ParseLogLevel("debug"), LogLevel::kDebug);
  EXPECT_EQ(ParseLogLevel("info"), LogLevel::kInfo);
  EXPECT_EQ(ParseLogLevel("warning"), LogLevel::kWarning);
  EXPECT_EQ(ParseLogLevel("error"), LogLevel::kError);
  for (const char* text : {"", "INFO", "warn", "trace"}) {
    EXPECT_FALSE(ParseLogLevel(text)) << text;
  }
}

TEST(Log, OneLinePerEventOnStderr) {
  testing::internal::CaptureStderr();
  InitLog(LogLevel::kInfo);
  LogDebug("unseen");
  LogInfo("sensor connected name={}", "web-1");
  LogError("braces {} in data: {}", "{x}", "100%");
  const std::string out = testing::internal::GetCapturedStderr();
  EXPECT_THAT(out, Not(HasSubstr("unseen")));
  EXPECT_THAT(out,
              ContainsRegex("[0-9]+-[0-9]+-[0-9]+T[0-9:.]+Z info sensor connected name=web-1\n"));
  EXPECT_THAT(out, HasSubstr("error braces {x} in data: 100%\n"));
}

}  // namespace
}  // namespace parallax
