#include "common/result.h"

#include <cstdio>

namespace parallax {

ExitCode ExitCodeFor(ErrorCode code) {
  switch (code) {
    case ErrorCode::kFailure:
      return ExitCode::kFailure;
    case ErrorCode::kUsage:
      return ExitCode::kUsage;
    case ErrorCode::kNotFound:
      return ExitCode::kNotFound;
    case ErrorCode::kDenied:
      return ExitCode::kDenied;
    case ErrorCode::kUnavailable:
      return ExitCode::kUnavailable;
    case ErrorCode::kPermission:
      return ExitCode::kPermission;
    case ErrorCode::kBadConfig:
    case ErrorCode::kNoConfig:
      return ExitCode::kBadConfig;
  }
  return ExitCode::kFailure;
}

int ReportFailure(const char* program, const Error& error) {
  std::fprintf(stderr, "%s: %s\n", program, error.message.c_str());
  return static_cast<int>(ExitCodeFor(error.code));
}

}  // namespace parallax
