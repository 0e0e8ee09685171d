// SpoolFiles in a real folder.
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "common/fd.h"
#include "common/file_lock.h"
#include "sensor/spool/spool_files.h"

namespace parallax::sensor {
namespace {

constexpr const char* kLock = "lock";

class FolderFile final : public SpoolFile {
 public:
  FolderFile(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Result<void> Write(uint64_t offset, std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t written =
          ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (written < 0 && errno == EINTR) {
        continue;
      }
      if (written <= 0) {
        return tl::make_unexpected(ErrnoError(path_, written < 0 ? errno : EIO));
      }
      bytes.remove_prefix(static_cast<size_t>(written));
      offset += static_cast<uint64_t>(written);
    }
    return {};
  }

  Result<std::string> Read(uint64_t offset, size_t size) override {
    std::string out(size, '\0');
    size_t have = 0;
    while (have < size) {
      const ssize_t got =
          ::pread(fd_.get(), out.data() + have, size - have, static_cast<off_t>(offset + have));
      if (got < 0 && errno == EINTR) {
        continue;
      }
      if (got < 0) {
        return tl::make_unexpected(ErrnoError(path_, errno));
      }
      if (got == 0) {
        break;
      }
      have += static_cast<size_t>(got);
    }
    out.resize(have);
    return out;
  }

  Result<void> Sync() override {
    if (::fdatasync(fd_.get()) != 0) {
      return tl::make_unexpected(ErrnoError(path_, errno));
    }
    return {};
  }

 private:
  UniqueFd fd_;
  std::string path_;
};

class Folder final : public SpoolFiles {
 public:
  Folder(UniqueFd fd, std::optional<FileLock> lock, std::string path)
      : fd_(std::move(fd)), lock_(std::move(lock)), path_(std::move(path)) {}

  Result<std::vector<Entry>> List() override {
    // A descriptor of its own: closedir closes it.
    const int fd = ::openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* stream = fd < 0 ? nullptr : ::fdopendir(fd);
    if (stream == nullptr) {
      const int why = errno;
      UniqueFd(fd).Reset();
      return tl::make_unexpected(ErrnoError(path_, why));
    }
    std::vector<Entry> out;
    errno = 0;
    while (const dirent* entry = ::readdir(stream)) {
      struct stat status = {};
      if (::fstatat(fd_.get(), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
          S_ISREG(status.st_mode) && std::string_view(entry->d_name) != kLock) {
        out.push_back({entry->d_name, static_cast<uint64_t>(status.st_size)});
      }
      errno = 0;
    }
    const int why = errno;
    ::closedir(stream);
    if (why != 0) {
      return tl::make_unexpected(ErrnoError(path_, why));
    }
    return out;
  }

  Result<std::shared_ptr<SpoolFile>> Open(const std::string& name) override {
    const int flags = O_CLOEXEC | O_NOFOLLOW | (lock_ ? O_RDWR | O_CREAT : O_RDONLY);
    UniqueFd fd(::openat(fd_.get(), name.c_str(), flags, 0600));
    if (!fd) {
      return tl::make_unexpected(ErrnoError(path_ + "/" + name, errno));
    }
    return std::shared_ptr<SpoolFile>(new FolderFile(std::move(fd), path_ + "/" + name));
  }

  Result<void> Remove(const std::string& name) override {
    if (::unlinkat(fd_.get(), name.c_str(), 0) != 0 && errno != ENOENT) {
      return tl::make_unexpected(ErrnoError(path_ + "/" + name, errno));
    }
    return {};
  }

  Result<void> SyncFolder() override {
    if (::fsync(fd_.get()) != 0) {
      return tl::make_unexpected(ErrnoError(path_, errno));
    }
    return {};
  }

 private:
  UniqueFd fd_;
  std::optional<FileLock> lock_;  // none: only for reading
  std::string path_;
};

Result<UniqueFd> OpenFolder(const std::string& folder) {
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) {
    return tl::make_unexpected(ErrnoError(folder, errno));
  }
  return fd;
}

}  // namespace

Result<std::unique_ptr<SpoolFiles>> OpenSpoolFolder(const std::string& folder) {
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    return tl::make_unexpected(ErrnoError(folder, errno));
  }
  auto fd = OpenFolder(folder);
  if (!fd) {
    return tl::make_unexpected(fd.error());
  }
  auto lock = FileLock::Take(
      folder, fmt::format("{}/{}", folder, kLock),
      {.holder = "parallax-sensor", .key = "spool.dir", .code = ErrorCode::kUnavailable});
  if (!lock) {
    return tl::make_unexpected(lock.error());
  }
  return std::unique_ptr<SpoolFiles>(new Folder(std::move(*fd), std::move(*lock), folder));
}

Result<std::unique_ptr<SpoolFiles>> ReadSpoolFolder(const std::string& folder) {
  auto fd = OpenFolder(folder);
  if (!fd) {
    return tl::make_unexpected(fd.error());
  }
  return std::unique_ptr<SpoolFiles>(new Folder(std::move(*fd), std::nullopt, folder));
}

}  // namespace parallax::sensor
