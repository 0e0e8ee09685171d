#include "common/fd.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/path_text.h"

namespace parallax {
namespace {

Result<void> WriteAll(int fd, std::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t n = write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n < 0) {
      return tl::make_unexpected(ErrnoError(path, errno));
    }
    content.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

}  // namespace

void UniqueFd::Reset(int fd) {
  if (fd_ >= 0) {
    close(fd_);
  }
  fd_ = fd;
}

bool PollUntil(int fd, short events, MonoTime deadline) {
  pollfd wanted{fd, events, 0};
  errno = ETIMEDOUT;
  for (MonoTime now = Now().mono; now < deadline; now = Now().mono) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - now).count();
    const int ready = ::poll(&wanted, 1, static_cast<int>(std::min<int64_t>(left, 60'000)));
    if (ready > 0) {
      return true;
    }
    if (ready < 0 && errno != EINTR) {
      return false;
    }
    errno = ETIMEDOUT;
  }
  return false;
}

void EnsureStandardStreams() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(fd, F_GETFD) == -1 && errno == EBADF) {
      // The lowest free number, which is this one. Nothing to be done if there is no /dev/null.
      static_cast<void>(open("/dev/null", fd == STDIN_FILENO ? O_RDONLY : O_WRONLY));
    }
  }
}

Error ErrnoError(std::string_view what, int error_number) {
  ErrorCode code = ErrorCode::kFailure;
  if (error_number == EACCES || error_number == EPERM) {
    code = ErrorCode::kPermission;
  } else if (error_number == ENOENT) {
    code = ErrorCode::kNotFound;
  }
  return {code, fmt::format("{}: {}", what, std::strerror(error_number))};
}

Result<void> WriteFileAtomically(const std::string& path, std::string_view content, unsigned mode,
                                 bool replace) {
  std::string temporary = path + ".XXXXXX";
  UniqueFd fd(mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) {
    return tl::make_unexpected(ErrnoError(path, errno));
  }
  Result<void> done = WriteAll(fd.get(), content, path);
  if (done && (fchmod(fd.get(), mode) != 0 || fsync(fd.get()) != 0)) {
    done = tl::make_unexpected(ErrnoError(path, errno));
  }
  if (done && (replace ? rename(temporary.c_str(), path.c_str())
                       : link(temporary.c_str(), path.c_str())) != 0) {
    done = tl::make_unexpected(ErrnoError(path, errno));
  }
  if (!done || !replace) {
    unlink(temporary.c_str());
  }
  if (done) {
    (void)SyncFolderOf(path);
  }
  return done;
}

Result<void> RenameDurably(const std::string& from, const std::string& to) {
  const UniqueFd file(open(from.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file || fsync(file.get()) != 0 || rename(from.c_str(), to.c_str()) != 0) {
    return tl::make_unexpected(ErrnoError(from, errno));
  }
  return SyncFolderOf(to);
}

Result<void> SyncFolderOf(const std::string& path) {
  const std::string folder = FolderOf(path);
  const UniqueFd dir(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!dir || fsync(dir.get()) != 0) {
    return tl::make_unexpected(ErrnoError(folder, errno));
  }
  return {};
}

Result<std::string> ReadSmallFile(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    return tl::make_unexpected(ErrnoError(path, errno));
  }
  return ReadSmallFile(fd.get(), path);
}

Result<std::string> ReadSmallFile(int fd, const std::string& path) {
  std::string content;
  char buffer[16384];
  while (true) {
    const ssize_t n = read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n < 0) {
      return tl::make_unexpected(ErrnoError(path, errno));
    }
    if (n == 0) {
      return content;
    }
    content.append(buffer, static_cast<size_t>(n));
    if (content.size() > kSmallFileLimit) {
      return Fail(ErrorCode::kFailure, fmt::format("{}: larger than 1 MiB", path));
    }
  }
}

}  // namespace parallax
