#include "sensor/probe/policy/policy_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

#include "common/config.h"
#include "common/config_text.h"
#include "common/fd.h"
#include "common/path_text.h"
#include "sensor/probe/policy/special_purpose.h"

namespace parallax::sensor {
namespace {

constexpr double kSlowest = 0.001;
constexpr double kFastest = 10'000'000;
constexpr size_t kLongestContact = 64;
// An administrator who saves the file while it is read is done by then.
constexpr int kAttempts = 3;

// --- may the file be trusted? --------------------------------------------------------------------

bool IsTrusted(uid_t owner) { return owner == 0 || owner == geteuid(); }

std::string WhoMayOwnIt() {
  return geteuid() == 0 ? "root" : fmt::format("root or user {}", geteuid());
}

tl::unexpected<Error> CannotRead(const std::string& path, int error) {
  if (error == ENOENT || error == ENOTDIR) {
    return Fail(ErrorCode::kNoConfig, fmt::format("{}: there is no policy file (write one with "
                                                  "allow = [\"0.0.0.0/0\", \"::/0\"])",
                                                  path));
  }
  const bool denied = error == EACCES || error == EPERM;
  return Fail(denied ? ErrorCode::kPermission : ErrorCode::kNoConfig,
              fmt::format("{}: {} (let the sensor's user, {}, read the file and its folder)", path,
                          std::strerror(error), geteuid()));
}

Result<void> CheckFile(const std::string& path, const struct stat& file) {
  if (!S_ISREG(file.st_mode)) {
    return Fail(ErrorCode::kNoConfig, fmt::format("{}: not a regular file", path));
  }
  if (!IsTrusted(file.st_uid)) {
    return Fail(ErrorCode::kPermission,
                fmt::format("{}: owned by user {}, who may write what they like (chown it to {})",
                            path, file.st_uid, WhoMayOwnIt()));
  }
  if ((file.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return Fail(ErrorCode::kPermission,
                fmt::format("{}: others may write it (chmod go-w {})", path, path));
  }
  return {};
}

// Who may write the folder may put another file there, for example an older one of root's. In a
// folder with the sticky bit only a file's owner may.
Result<void> CheckFolder(const std::string& path, const std::string& folder) {
  struct stat info {};
  if (stat(folder.c_str(), &info) != 0) {
    return CannotRead(path, errno);
  }
  const bool others_write = (info.st_mode & (S_IWGRP | S_IWOTH)) != 0;
  const bool sticky = (info.st_mode & S_ISVTX) != 0;
  if (!IsTrusted(info.st_uid) || (others_write && !sticky)) {
    return Fail(
        ErrorCode::kPermission,
        fmt::format("{}: others may replace it, because they may write its folder {} (chown "
                    "it to {}, chmod go-w)",
                    path, folder, WhoMayOwnIt()));
  }
  return {};
}

Result<void> CheckWay(const std::string& path) {
  struct stat named {};
  if (lstat(path.c_str(), &named) != 0) {
    return CannotRead(path, errno);
  }
  if (auto folder = CheckFolder(path, FolderOf(path)); !folder) {
    return folder;
  }
  if (!S_ISLNK(named.st_mode)) {
    return {};
  }
  if (!IsTrusted(named.st_uid)) {
    return Fail(ErrorCode::kPermission,
                fmt::format("{}: a symbolic link of user {} (remove it, or chown -h it to {})",
                            path, named.st_uid, WhoMayOwnIt()));
  }
  std::error_code error;
  const std::string real = std::filesystem::canonical(path, error).string();
  return error ? Result<void>(CannotRead(path, error.value())) : CheckFolder(path, FolderOf(real));
}

bool SameState(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
         a.st_uid == b.st_uid && a.st_mode == b.st_mode && a.st_ctim.tv_sec == b.st_ctim.tv_sec &&
         a.st_ctim.tv_nsec == b.st_ctim.tv_nsec;
}

// The content of a trusted file; nullopt if it changed while it was being read.
Result<std::optional<std::string>> ReadTrusted(const std::string& path) {
  // Not even to open what is no file: a device may act on it, a pipe waits.
  struct stat named {};
  if (stat(path.c_str(), &named) != 0) {
    return CannotRead(path, errno);
  }
  if (auto file = CheckFile(path, named); !file) {
    return tl::make_unexpected(file.error());
  }
  if (auto way = CheckWay(path); !way) {
    return tl::make_unexpected(way.error());
  }
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) {
    return CannotRead(path, errno);
  }
  struct stat before {};
  struct stat after {};
  if (fstat(fd.get(), &before) != 0) {
    return CannotRead(path, errno);
  }
  if (auto file = CheckFile(path, before); !file) {
    return tl::make_unexpected(file.error());
  }
  if (before.st_size > off_t{kSmallFileLimit}) {
    return Fail(ErrorCode::kBadConfig, fmt::format("{}: larger than 1 MiB", path));
  }
  auto content = ReadSmallFile(fd.get(), path);
  if (!content) {
    return Fail(ErrorCode::kNoConfig, content.error().message);
  }
  if (fstat(fd.get(), &after) != 0) {
    return CannotRead(path, errno);
  }
  if (!SameState(before, after)) {
    return std::optional<std::string>();
  }
  return std::optional(std::move(*content));
}

// --- what does it say? ---------------------------------------------------------------------------

tl::unexpected<Error> Wrong(std::string message) {
  return Fail(ErrorCode::kBadConfig, std::move(message));
}

NameSet RangeNames() {
  NameSet names;
  for (const SpecialRange& range : SpecialRanges()) {
    names.emplace(range.name);
  }
  return names;
}

// Prefixes, and names of special-purpose ranges.
PrefixSet ReadPlaces(ConfigFile& file, std::string_view key) {
  std::vector<Prefix> prefixes;
  file.Elements(key, "a prefix or the name of a special-purpose range in quotes",
                [&](const std::string& text) -> Result<void> {
                  const auto named = SpecialRangesNamed(text);
                  prefixes.insert(prefixes.end(), named.begin(), named.end());
                  if (!named.empty()) {
                    return {};
                  }
                  const auto prefix = Prefix::Parse(text);
                  if (prefix) {
                    prefixes.push_back(*prefix);
                    return {};
                  }
                  if (text.find_first_of(".:/") != std::string::npos) {
                    return Wrong(prefix.error().message);
                  }
                  const auto nearest = NearestName(text, RangeNames());
                  return Wrong(fmt::format(
                      "\"{}\" is no prefix and no special-purpose range{}", Shorten(text),
                      nearest ? fmt::format(" (did you mean \"{}\"?)", *nearest)
                              : " (write for example \"192.0.2.0/24\" or \"private-use\")"));
                });
  return PrefixSet(std::move(prefixes));
}

void ReadMethods(ConfigFile& file, Policy& policy) {
  constexpr std::string_view kKey = "methods";
  const std::pair<std::string_view, bool Policy::*> methods[] = {{"icmp", &Policy::icmp},
                                                                 {"tcp", &Policy::tcp},
                                                                 {"udp", &Policy::udp},
                                                                 {"trace", &Policy::trace}};
  if (file.Has(kKey)) {
    for (const auto& [name, on] : methods) {
      policy.*on = false;
    }
  }
  file.Elements(kKey, "a string", [&](const std::string& text) -> Result<void> {
    for (const auto& [name, on] : methods) {
      if (name == text) {
        policy.*on = true;
        return {};
      }
    }
    return Wrong(fmt::format("\"{}\" is no method (icmp, tcp, udp, trace)", Shorten(text)));
  });
  if (policy.trace && !policy.icmp && !policy.tcp && !policy.udp) {
    file.Complain(kKey, "\"trace\" needs a method to trace with: icmp, tcp or udp, too");
  }
}

std::optional<uint16_t> ParsePort(std::string_view text) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) {
    return std::nullopt;
  }
  return port;
}

std::optional<PortSpan> ParseSpan(std::string_view text) {
  const size_t dash = text.find('-');
  const auto first = ParsePort(text.substr(0, dash));
  const auto last = dash == text.npos ? first : ParsePort(text.substr(dash + 1));
  if (!first || !last || *first > *last) {
    return std::nullopt;
  }
  return PortSpan{*first, *last};
}

// In ascending order, those that touch made one.
std::vector<PortSpan> Joined(std::vector<PortSpan> spans) {
  std::sort(spans.begin(), spans.end(),
            [](const PortSpan& a, const PortSpan& b) { return a.first < b.first; });
  std::vector<PortSpan> joined;
  for (const PortSpan& span : spans) {
    if (!joined.empty() && span.first <= unsigned{joined.back().last} + 1) {
      joined.back().last = std::max(joined.back().last, span.last);
    } else {
      joined.push_back(span);
    }
  }
  return joined;
}

std::vector<PortSpan> ReadPorts(ConfigFile& file, std::string_view key,
                                const std::vector<PortSpan>& fallback) {
  std::vector<PortSpan> spans;
  file.Elements(key, "a port or a span like \"8000-8099\"",
                [&](const std::string& text) -> Result<void> {
                  const auto span = ParseSpan(text);
                  if (!span) {
                    return Wrong(
                        fmt::format("\"{}\" is no port (1 to 65535) and no span of ports "
                                    "like \"8000-8099\"",
                                    Shorten(text)));
                  }
                  spans.push_back(*span);
                  return {};
                });
  return file.Has(key) ? Joined(std::move(spans)) : fallback;
}

std::string ReadContact(ConfigFile& file) {
  constexpr std::string_view kKey = "contact";
  std::string contact = file.String(kKey, "");
  const bool printable =
      std::all_of(contact.begin(), contact.end(), [](char c) { return c >= ' ' && c <= '~'; });
  if (!printable || contact.size() > kLongestContact) {
    file.Complain(
        kKey, fmt::format("must be printable ASCII, {} characters at the most", kLongestContact));
  }
  return contact;
}

Result<Policy> ParsePolicy(const std::string& content, const std::string& path) {
  auto file = ConfigFile::Parse(content, path);
  if (!file) {
    return tl::make_unexpected(file.error());
  }
  Policy policy;
  for (const auto& [key, rate] :
       {std::pair("packets_per_second", &policy.packets_per_second),
        std::pair("per_prefix_per_second", &policy.per_prefix_per_second),
        std::pair("per_target_per_second", &policy.per_target_per_second)}) {
    *rate = file->Number(key, *rate, kSlowest, kFastest);
  }
  if (!file->Has("allow")) {
    file->Complain("allow",
                   "missing: name the prefixes that may be probed, for example "
                   "[\"0.0.0.0/0\", \"::/0\"]");
  }
  policy.allow = ReadPlaces(*file, "allow");
  policy.deny = ReadPlaces(*file, "deny");
  ReadMethods(*file, policy);
  policy.tcp_ports = ReadPorts(*file, "tcp_ports", policy.tcp_ports);
  policy.udp_ports = ReadPorts(*file, "udp_ports", policy.udp_ports);
  policy.contact = ReadContact(*file);
  if (const auto finished = file->Finish(); !finished) {
    return tl::make_unexpected(finished.error());
  }
  return policy;
}

}  // namespace

Result<Policy> LoadPolicy(const std::string& path) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto content = ReadTrusted(path);
    if (!content) {
      return tl::make_unexpected(content.error());
    }
    if (*content) {
      return ParsePolicy(**content, path);
    }
  }
  return Fail(ErrorCode::kBadConfig,
              fmt::format("{}: changed while it was being read (try again)", path));
}

}  // namespace parallax::sensor
