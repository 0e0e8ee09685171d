#include "collector/operate/staged_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "common/fd.h"

namespace parallax::collector {
namespace {

namespace fs = std::filesystem;

Error ToError(const std::string& path, const std::error_code& error) {
  return ErrnoError(path, error.value());
}

void SyncFolder(const fs::path& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd) {
    fsync(fd.get());
  }
}

Result<std::string> MakeTemporary(std::string pattern) {
  if (mkdtemp(pattern.data()) == nullptr) {
    const int error = errno;
    return tl::make_unexpected(ErrnoError(
        fmt::format("cannot make a folder in {}", fs::path(pattern).parent_path().string()),
        error));
  }
  return pattern;
}

}  // namespace

Result<StagedFolder> StagedFolder::Create(const std::string& path) {
  std::error_code error;
  fs::path target = fs::absolute(path, error).lexically_normal();
  if (!target.has_filename()) {  // "folder/" is "folder"
    target = target.parent_path();
  }
  const fs::file_status status = fs::status(target, error);
  if (fs::exists(status)) {
    if (!fs::is_directory(status)) {
      return Fail(ErrorCode::kFailure, fmt::format("{} exists and is no folder", path));
    }
    const bool empty = fs::is_empty(target, error);
    if (error) {
      return tl::make_unexpected(ToError(path, error));
    }
    if (!empty) {
      return Fail(
          ErrorCode::kFailure,
          fmt::format("{} exists and is not empty; remove it or choose another folder", path));
    }
    auto staging = MakeTemporary((target / ".tmp-XXXXXX").string());
    if (!staging) {
      return tl::make_unexpected(std::move(staging.error()));
    }
    return StagedFolder(target.string(), std::move(*staging), true);
  }
  if (status.type() != fs::file_type::not_found) {
    return tl::make_unexpected(ToError(path, error));
  }
  error.clear();
  fs::create_directories(target.parent_path(), error);
  if (error) {
    return tl::make_unexpected(
        ToError(fmt::format("cannot make {}", target.parent_path().string()), error));
  }
  auto staging = MakeTemporary(target.string() + ".tmp-XXXXXX");
  if (!staging) {
    return tl::make_unexpected(std::move(staging.error()));
  }
  return StagedFolder(target.string(), std::move(*staging), false);
}

StagedFolder::StagedFolder(std::string path, std::string staging, bool exists)
    : path_(std::move(path)), staging_(std::move(staging)), exists_(exists) {}

StagedFolder::StagedFolder(StagedFolder&& other) noexcept
    : path_(std::move(other.path_)),
      staging_(std::exchange(other.staging_, std::string())),
      exists_(other.exists_) {}

StagedFolder::~StagedFolder() {
  if (!staging_.empty()) {
    std::error_code ignored;
    fs::remove_all(staging_, ignored);
  }
}

Result<void> StagedFolder::Write(const std::string& name, std::string_view content, unsigned mode) {
  return WriteFileAtomically(PathOf(name), content, mode, false);
}

std::string StagedFolder::PathOf(const std::string& name) const { return staging_ + "/" + name; }

Result<void> StagedFolder::MoveFiles(const std::string& last) {
  std::error_code error;
  std::vector<fs::path> files;
  for (fs::directory_iterator it(staging_, error), end; !error && it != end; it.increment(error)) {
    files.push_back(it->path());
  }
  if (error) {
    return tl::make_unexpected(ToError(staging_, error));
  }
  std::stable_partition(files.begin(), files.end(),
                        [&](const fs::path& file) { return file.filename() != last; });
  for (size_t i = 0; i < files.size(); ++i) {
    fs::rename(files[i], fs::path(path_) / files[i].filename(), error);
    if (error) {
      const Error cause = ToError((fs::path(path_) / files[i].filename()).string(), error);
      for (size_t moved = 0; moved < i; ++moved) {
        fs::remove(fs::path(path_) / files[moved].filename(), error);
      }
      return tl::make_unexpected(cause);
    }
  }
  return {};
}

Result<void> StagedFolder::Publish(const std::string& last) {
  if (exists_) {
    if (auto moved = MoveFiles(last); !moved) {
      return moved;
    }
    if (chmod(path_.c_str(), 0700) != 0) {
      return tl::make_unexpected(ErrnoError(path_, errno));
    }
    SyncFolder(path_);
    return {};  // the empty staging folder goes with this object
  }
  // rename(2) would replace an empty folder that somebody made meanwhile, which does no harm.
  if (rename(staging_.c_str(), path_.c_str()) != 0) {
    return tl::make_unexpected(ErrnoError(path_, errno));
  }
  staging_.clear();
  SyncFolder(fs::path(path_).parent_path());
  return {};
}

}  // namespace parallax::collector
