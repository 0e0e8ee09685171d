#include "common/result.h"

#include <gtest/gtest.h>

namespace parallax {
namespace {

TEST(Result, ExitCodesAreTheContractWithScripts) {
  EXPECT_EQ(static_cast<int>(ExitCodeFor(ErrorCode::kFailure)), 1);
  EXPECT_EQ(static_cast<int>(ExitCodeFor(ErrorCode::kUsage)), 2);
  EXPECT_EQ(static_cast<int>(ExitCodeFor(ErrorCode::kNotFound)), 3);
  EXPECT_EQ(static_cast<int>(ExitCodeFor(ErrorCode::kDenied)), 4);
  EXPECT_EQ(static_cast<int>(ExitCodeFor(ErrorCode::kUnavailable)), 5);
  EXPECT_EQ(static_cast<int>(ExitCodeFor(ErrorCode::kPermission)), 77);
  EXPECT_EQ(static_cast<int>(ExitCodeFor(ErrorCode::kBadConfig)), 78);
  EXPECT_EQ(static_cast<int>(ExitCodeFor(ErrorCode::kNoConfig)), 78);
}

TEST(Result, ReportFailureNamesTheProgramOnStderr) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(ReportFailure("parallax", Error{ErrorCode::kNotFound, "no sensor x"}), 3);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "parallax: no sensor x\n");
}

TEST(Result, FailCarriesCodeAndMessage) {
  const Result<int> result = Fail(ErrorCode::kDenied, "who?");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kDenied);
  EXPECT_EQ(result.error().message, "who?");
}

}  // namespace
}  // namespace parallax
