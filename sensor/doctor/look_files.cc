#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <sstream>

#include "common/fd.h"
#include "sensor/doctor/look.h"
#include "sensor/probe/policy/policy_file.h"

namespace parallax::sensor {
namespace {

Result<CertificateInfo> ReadCertificate(const std::string& file) {
  const auto pem = ReadSmallFile(file);
  if (!pem) {
    return tl::make_unexpected(pem.error());
  }
  auto info = DescribeCertificate(*pem);
  if (!info) {
    return Fail(info.error().code, file + ": " + info.error().message);
  }
  return info;
}

// The folder, or the nearest one above it that is there.
std::string NearestFolder(std::string path) {
  struct stat status {};
  while (stat(path.c_str(), &status) != 0 && errno == ENOENT) {
    const size_t slash = path.find_last_of('/');
    if (slash == std::string::npos) {
      return ".";
    }
    path.resize(std::max<size_t>(slash, 1));
    if (slash == 0) {
      break;
    }
  }
  return path;
}

// "\\040" for a blank, as the kernel writes paths in its lists.
std::string Unescaped(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned byte = 0;
    const char* digits = text.data() + i + 1;
    if (text[i] == '\\' && i + 3 < text.size() &&
        std::from_chars(digits, digits + 3, byte, 8).ptr == digits + 3) {
      out += static_cast<char>(byte);
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

// Of the places where something is mounted, the one that holds the folder; "/" if it cannot be
// told.
std::string MountPointOf(const std::string& folder) {
  const std::unique_ptr<char, void (*)(void*)> real(realpath(folder.c_str(), nullptr), std::free);
  const std::string path = (real ? real.get() : folder) + std::string("/");
  const auto mounts = ReadSmallFile("/proc/self/mountinfo");
  std::string best = "/";
  std::istringstream lines(mounts.value_or(""));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string word;
    for (int i = 0; i < 5 && words >> word; ++i) {  // the fifth one: see proc(5)
    }
    const std::string point = Unescaped(word);
    if (path.starts_with(point + "/") && point.size() >= best.size()) {
      best = point;
    }
  }
  return best;
}

// A file that is written to the disk, and gone again, whatever happens: it never has a name.
std::optional<Error> TryToWrite(const std::string& folder) {
  const UniqueFd file(open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
  if (!file) {
    return ErrnoError("cannot make a file in " + folder, errno);
  }
  constexpr char kText[] = "parallax";
  if (write(file.get(), kText, sizeof kText) != ssize_t{sizeof kText} || fsync(file.get()) != 0) {
    return ErrnoError("cannot write to a file in " + folder, errno);
  }
  return std::nullopt;
}

}  // namespace

IdentityFacts LookAtIdentity(const SensorConfig::Collector& config, WallTime now) {
  IdentityFacts facts;
  facts.ca_file = config.ca_file;
  facts.certificate_file = config.certificate_file;
  facts.key_file = config.key_file;
  facts.now = now;
  const auto take = [](Result<CertificateInfo> read, CertificateInfo& info,
                       std::optional<Error>& problem) {
    if (read) {
      info = std::move(*read);
    } else {
      problem = std::move(read.error());
    }
  };
  take(ReadCertificate(config.ca_file), facts.ca, facts.ca_problem);
  take(ReadCertificate(config.certificate_file), facts.certificate, facts.certificate_problem);
  struct stat status {};
  if (stat(config.key_file.c_str(), &status) == 0) {
    facts.key_mode = status.st_mode & 07777;
  }
  if (const auto whole =
          LoadTlsIdentity(config.ca_file, config.certificate_file, config.key_file, now);
      !whole) {
    facts.whole = whole.error();
  }
  return facts;
}

PolicyFacts LookAtPolicy(const std::string& file) { return {file, LoadPolicy(file)}; }

SpoolFacts LookAtSpool(const std::string& folder) {
  SpoolFacts facts;
  facts.folder = folder;
  const std::string there = NearestFolder(folder);
  facts.mount_point = MountPointOf(there);
  struct statvfs space {};
  if (statvfs(there.c_str(), &space) == 0) {
    facts.free_bytes = uint64_t{space.f_bavail} * space.f_frsize;
    facts.read_only = (space.f_flag & ST_RDONLY) != 0;
  }
  struct statfs type {};
  if (statfs(there.c_str(), &type) == 0) {
    facts.in_memory = type.f_type == TMPFS_MAGIC || type.f_type == RAMFS_MAGIC;
  }
  if (!facts.read_only) {
    facts.problem = TryToWrite(there);
  }
  return facts;
}

}  // namespace parallax::sensor
