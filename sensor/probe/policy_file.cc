#include "sensor/probe/policy_file.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/config.h"

namespace parallax::sensor {
namespace {

constexpr double kSlowest = 0.01;
constexpr double kFastest = 100'000;

bool SameFile(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_uid == b.st_uid &&
         a.st_mode == b.st_mode && a.st_ctim.tv_sec == b.st_ctim.tv_sec &&
         a.st_ctim.tv_nsec == b.st_ctim.tv_nsec;
}

Result<struct stat> StatTrusted(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) {
      return Fail(ErrorCode::kBadConfig,
                  fmt::format("{}: there is no policy file, so nothing is probed (write one with "
                              "allow = [\"0.0.0.0/0\", \"::/0\"])",
                              path));
    }
    return Fail(errno == EACCES ? ErrorCode::kPermission : ErrorCode::kBadConfig,
                fmt::format("{}: {}, so nothing is probed (let the sensor's user read the file and "
                            "its folder)",
                            path, std::strerror(errno)));
  }
  if (!S_ISREG(info.st_mode)) {
    return Fail(ErrorCode::kBadConfig,
                fmt::format("{}: not a regular file, so nothing is probed", path));
  }
  const uid_t user = geteuid();
  if (info.st_uid != 0 && info.st_uid != user) {
    return Fail(ErrorCode::kPermission,
                fmt::format("{}: owned by user {}, so nothing is probed (chown it to root{})", path,
                            info.st_uid, user == 0 ? "" : fmt::format(" or to user {}", user)));
  }
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return Fail(
        ErrorCode::kPermission,
        fmt::format("{}: others may write it, so nothing is probed (chmod go-w {})", path, path));
  }
  if (access(path.c_str(), R_OK) != 0) {
    return Fail(ErrorCode::kPermission,
                fmt::format("{}: not readable by user {}, so nothing is probed (chmod or chown it)",
                            path, user));
  }
  return info;
}

}  // namespace

Result<Policy> LoadPolicy(const std::string& path) {
  const auto before = StatTrusted(path);
  if (!before) {
    return tl::make_unexpected(before.error());
  }
  auto file = ConfigFile::Load(path);
  if (!file) {
    return tl::make_unexpected(file.error());
  }
  // What was read is what was looked at.
  const auto after = StatTrusted(path);
  if (!after) {
    return tl::make_unexpected(after.error());
  }
  if (!SameFile(*before, *after)) {
    return Fail(ErrorCode::kBadConfig,
                fmt::format("{}: changed while it was being read (try again)", path));
  }

  Policy policy;
  policy.packets_per_second =
      file->Number("packets_per_second", policy.packets_per_second, kSlowest, kFastest);
  policy.per_target_per_second =
      file->Number("per_target_per_second", policy.per_target_per_second, kSlowest, kFastest);
  if (!file->Has("allow")) {
    file->Complain("allow",
                   "missing: name the prefixes that may be probed, for example "
                   "[\"0.0.0.0/0\", \"::/0\"]");
  }
  policy.allow = file->Prefixes("allow");
  policy.deny = file->Prefixes("deny");
  if (const auto finished = file->Finish(); !finished) {
    return tl::make_unexpected(finished.error());
  }
  return policy;
}

}  // namespace parallax::sensor
