#include "collector/cli/doctor.h"

#include <fmt/format.h>

#include "common/path_text.h"
#include "common/time.h"

namespace parallax::cli {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kLeastFree = 64 * kMiB;
constexpr uint64_t kEnoughFree = 2048 * kMiB;
constexpr uint64_t kMuchWal = 512 * kMiB;
constexpr unsigned kOfOthers = 077;

WallTime At(uint64_t nanos) { return FromUnixNanos(static_cast<int64_t>(nanos)); }

void AddFiles(const LocalFiles& files, std::vector<CheckLine>& lines) {
  const std::string config = ShellWord(files.config_file);
  if (files.config_problem) {
    lines.push_back({"configuration", Finding::kFail, files.config_problem->message,
                     MendTheLines(files.config_file)});
    return;
  }
  lines.push_back({"configuration", Finding::kOk, files.config_file + ": is sound", {}});
  if (!files.identity_problem) {
    lines.push_back(
        {"files", Finding::kOk, "CA, certificate and key belong together and are valid", {}});
    return;
  }
  const Error& problem = *files.identity_problem;
  const bool open = files.key_mode && (*files.key_mode & kOfOthers) != 0 &&
                    problem.message.starts_with(files.key_file + ":");
  const bool not_ours = problem.code == ErrorCode::kPermission;
  lines.push_back({"files", not_ours ? Finding::kWarn : Finding::kFail, problem.message,
                   not_ours ? "sudo parallax doctor --config " + config
                   : open   ? "chmod 600 " + ShellWord(files.key_file)
                            : "parallax-collector check-config --config " + config});
}

CheckLine NoAnswer(const CollectorFacts& facts) {
  const Error& error = facts.status.error();
  const std::string config =
      facts.files ? ShellWord(facts.files->config_file) : std::string("collector.toml");
  switch (error.code) {
    case ErrorCode::kPermission:
      return {"collector", Finding::kFail, error.message,
              "sudo parallax --socket " + ShellWord(facts.socket) + " doctor"};
    case ErrorCode::kUsage:
      return {"collector", Finding::kFail, error.message, "parallax --socket FILE doctor"};
    default:
      return {"collector", Finding::kFail, error.message,
              "parallax-collector run --config " + config};
  }
}

void AddStore(const v1::Status& status, std::vector<CheckLine>& lines) {
  const std::string& path = status.database_path();
  const std::string folder = ShellWord(FolderOf(path));
  if (status.store_problem().empty()) {
    lines.push_back(
        {"store",
         Finding::kOk,
         fmt::format("{}: takes what comes; {}", path, SizeText(status.database_bytes())),
         {}});
  } else {
    lines.push_back({"store", Finding::kFail,
                     fmt::format("{}: nothing can be stored: {}", path, status.store_problem()),
                     "df -h " + folder});
  }
  if (path.empty()) {
    return;  // a collector that does not tell
  }
  const std::string wal = SizeText(status.database_wal_bytes());
  if (status.database_wal_bytes() > kMuchWal) {
    lines.push_back({"write-ahead log", Finding::kWarn,
                     wal + ": it is not worked off; some reader holds on to an old state",
                     "fuser -v " + ShellWord(path + "-wal")});
  } else {
    lines.push_back({"write-ahead log", Finding::kOk, wal, {}});
  }
  const std::string free = SizeText(status.disk_free_bytes()) + " free where the database is";
  const Finding how = status.disk_free_bytes() < kLeastFree    ? Finding::kFail
                      : status.disk_free_bytes() < kEnoughFree ? Finding::kWarn
                                                               : Finding::kOk;
  lines.push_back({"disk", how, free, how == Finding::kOk ? "" : "df -h " + folder});
}

void AddIdentity(const v1::Status& status, std::vector<CheckLine>& lines) {
  const WallTime now = At(status.answered_at());
  if (status.certificate_expires_at() != 0) {
    lines.push_back(JudgeValidity("certificate", "the collector's",
                                  At(status.certificate_made_at()),
                                  At(status.certificate_expires_at()), now,
                                  "parallax-collector ca renew --config collector.toml"));
  }
  if (status.ca_expires_at() != 0) {
    lines.push_back(JudgeValidity("CA", "the CA's", At(status.ca_made_at()),
                                  At(status.ca_expires_at()), now,
                                  "parallax-collector ca announce --config collector.toml"));
  }
}

void AddSettings(const v1::Status& status, std::vector<CheckLine>& lines) {
  if (status.local_networks() == 0) {
    lines.push_back({"local networks", Finding::kWarn,
                     "targets.local_networks is empty: hosts of this campus count as remote, and "
                     "their firewalls may look like faults",
                     "name the campus's prefixes in targets.local_networks: \"${EDITOR:-vi}\" "
                     "collector.toml"});
  } else {
    lines.push_back({"local networks",
                     Finding::kOk,
                     fmt::format("{} named as this campus's own", status.local_networks()),
                     {}});
  }
  lines.push_back({"retention",
                   Finding::kOk,
                   "attempts and probe results are kept for " +
                       Roughly(Duration(static_cast<int64_t>(status.retention_nanos()))),
                   {}});
}

}  // namespace

std::vector<CheckLine> JudgeCollector(const CollectorFacts& facts) {
  std::vector<CheckLine> lines;
  if (facts.files) {
    AddFiles(*facts.files, lines);
  }
  if (!facts.status) {
    lines.push_back(NoAnswer(facts));
    return lines;
  }
  const v1::Status& status = *facts.status;
  lines.push_back({"collector",
                   Finding::kOk,
                   fmt::format("answers at {}, has run for {}", facts.socket,
                               FormatAge(At(status.answered_at()) - At(status.started_at()))),
                   {}});
  const bool same = status.version() == facts.version;
  lines.push_back({"version", same ? Finding::kOk : Finding::kWarn,
                   same ? fmt::format("{}, as this command", facts.version)
                        : fmt::format("the collector is {}, this command is {}", status.version(),
                                      facts.version),
                   same ? "" : "install both from the same release, and restart the collector"});
  AddStore(status, lines);
  AddIdentity(status, lines);
  if (status.retention_nanos() != 0) {  // else it is one that does not tell
    AddSettings(status, lines);
  }
  if (facts.sensors) {
    for (CheckLine& line : JudgeSensors(*facts.sensors)) {
      lines.push_back(std::move(line));
    }
  } else {
    lines.push_back(
        {"sensors", Finding::kFail, facts.sensors.error().message, "parallax sensor list"});
  }
  return lines;
}

}  // namespace parallax::cli
