// A file descriptor that closes itself, and errno as an Error.
#pragma once

#include <string_view>
#include <utility>

#include "common/result.h"
#include "common/time.h"

namespace parallax {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) {
      Reset(std::exchange(other.fd_, -1));
    }
    return *this;
  }
  ~UniqueFd() { Reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void Reset(int fd = -1);

 private:
  int fd_ = -1;
};

// Until something that `events` (as for poll) asks for has happened; false: `deadline` came first,
// or the call failed (errno).
bool PollUntil(int fd, short events, MonoTime deadline);

// Opens /dev/null on standard input, output and error where they are closed, so that no socket gets
// their number and receives what is meant for a person. First thing in main().
void EnsureStandardStreams();

// "WHAT: strerror(error_number)"; EACCES and EPERM become kPermission, ENOENT kNotFound.
Error ErrnoError(std::string_view what, int error_number);

// Writes `content` to `path` whole or not at all: temporary file, fsync, rename, fsync of the
// folder. `mode` as for open(2). Fails with kFailure if the file exists and `replace` is false.
Result<void> WriteFileAtomically(const std::string& path, std::string_view content, unsigned mode,
                                 bool replace);

// `to` is the old file or the whole new one, also after a power loss; when this returns it is the
// new one. Both are in one folder.
Result<void> RenameDurably(const std::string& from, const std::string& to);
// What was renamed, made or removed in the folder of `path` stays so.
Result<void> SyncFolderOf(const std::string& path);

inline constexpr size_t kSmallFileLimit = 1 << 20;
// The whole file, 1 MiB at the most; errors name the path.
Result<std::string> ReadSmallFile(const std::string& path);
// The same of an open file, from where it stands; `path` is its name for errors.
Result<std::string> ReadSmallFile(int fd, const std::string& path);

}  // namespace parallax
