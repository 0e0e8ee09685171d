// Errors as values. One alias for the whole tree: a function that can fail for a reason that the
// caller should see returns Result<T>. Exceptions of libraries end in the file that calls them.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace parallax {

enum class ErrorCode {
  kFailure,      // anything without a better name
  kUsage,        // the caller's words are off
  kNotFound,     // the named thing does not exist
  kDenied,       // the peer does not accept who we are
  kUnavailable,  // unreachable or timed out; safe to retry
  kPermission,   // the kernel or a file mode says no
  kBadConfig,    // a configuration file is unreadable or wrong
  kNoConfig,     // a configuration file that may be missing is missing, or is no file
};

// `message` is one clear line that names the thing and, where there is one, the remedy.
struct [[nodiscard]] Error {
  ErrorCode code = ErrorCode::kFailure;
  std::string message;
};

template <typename T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> Fail(ErrorCode code, std::string message) {
  return tl::make_unexpected(Error{code, std::move(message)});
}

// Process exit codes, a contract with scripts.
enum class ExitCode : int {
  kOk = 0,
  kFailure = 1,
  kUsage = 2,
  kNotFound = 3,
  kDenied = 4,
  kUnavailable = 5,
  kPartial = 6,
  kPermission = 77,
  kBadConfig = 78,
};

// The exit code that tells a script what kind of error ended the program.
ExitCode ExitCodeFor(ErrorCode code);

// Prints "PROGRAM: message" to stderr and returns the matching exit code for main().
int ReportFailure(const char* program, const Error& error);

}  // namespace parallax
