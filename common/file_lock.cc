#include "common/file_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>

namespace parallax {
namespace {

// The process id that the holder wrote; 0 if it has not got so far.
int HolderOf(int file) {
  std::array<char, 16> text = {};
  const ssize_t size = ::pread(file, text.data(), text.size(), 0);
  int pid = 0;
  if (size > 0) {
    std::from_chars(text.data(), text.data() + size, pid);
  }
  return pid;
}

}  // namespace

Result<FileLock> FileLock::Take(const std::string& path, const std::string& lock_path,
                                const Words& words) {
  UniqueFd file(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) {
    return tl::make_unexpected(ErrnoError(lock_path, errno));
  }
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) {
      return tl::make_unexpected(ErrnoError(lock_path, errno));
    }
    const int pid = HolderOf(file.get());
    return Fail(words.code,
                fmt::format("{}: in use by another {}{}; stop that one first, or give this one "
                            "another {}",
                            path, words.holder,
                            pid > 0 ? fmt::format(" (pid {})", pid) : std::string(), words.key));
  }
  // For people and for the message above; the lock itself does not depend on it.
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(file.get(), 0) == 0) {
    (void)!::pwrite(file.get(), pid.data(), pid.size(), 0);
  }
  return FileLock(std::move(file));
}

}  // namespace parallax
