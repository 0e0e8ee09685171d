// The files a sensor lives by.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/path_text.h"
#include "common/peer_name.h"
#include "sensor/doctor/judge.h"

namespace parallax::sensor {
namespace {

constexpr uint64_t kLeastFree = uint64_t{16} << 20;
constexpr uint64_t kEnoughFree = uint64_t{512} << 20;
constexpr unsigned kOfOthers = 077;
constexpr size_t kMostShown = 4;

// Made where the CA is; copied to here.
std::string NewIdentity(const std::optional<PeerName>& who) {
  return fmt::format(
      "on the collector's host: parallax-collector add-sensor {} --group {} --config "
      "collector.toml "
      "--out new-sensor",
      who ? who->name : "NAME", who ? who->group : "GROUP");
}

std::optional<PeerName> NameIn(const IdentityFacts& facts) {
  return facts.certificate_problem ? std::nullopt : ParseSensorUri(facts.certificate.spiffe_uri);
}

// Errors of the three files together begin with the file's name, or end with it.
bool Concerns(const std::optional<Error>& error, const std::string& file) {
  return error && (error->message.starts_with(file + ":") ||
                   error->message.find(": " + file) != std::string::npos);
}

std::string Listed(const PrefixSet& set) {
  std::vector<std::string> shown;
  for (const Prefix& prefix : set.prefixes()) {
    if (shown.size() == kMostShown) {
      shown.push_back(fmt::format("and {} more", set.prefixes().size() - kMostShown));
      break;
    }
    shown.push_back(prefix.ToString());
  }
  return shown.empty() ? "nothing" : fmt::format("{}", fmt::join(shown, ", "));
}

std::string MethodsOf(const Policy& policy) {
  std::vector<std::string> methods;
  const auto add = [&](bool allowed, const char* name) {
    if (allowed) {
      methods.emplace_back(name);
    }
  };
  add(policy.icmp, "icmp");
  add(policy.tcp, "tcp");
  add(policy.udp, "udp");
  add(policy.trace, "trace");
  return methods.empty() ? "no method" : fmt::format("{}", fmt::join(methods, ", "));
}

}  // namespace

CheckLine JudgeCa(const IdentityFacts& facts) {
  const std::string fix = NewIdentity(NameIn(facts));
  if (facts.ca_problem) {
    return {"CA", Finding::kFail, facts.ca_problem->message, fix};
  }
  return JudgeValidity(
      "CA", facts.ca_file, facts.ca.not_before, facts.ca.not_after, facts.now,
      "on the collector's host: parallax-collector ca announce --config collector.toml");
}

CheckLine JudgeCertificate(const IdentityFacts& facts) {
  const auto who = NameIn(facts);
  const std::string fix = NewIdentity(who);
  if (facts.certificate_problem) {
    return {"certificate", Finding::kFail, facts.certificate_problem->message, fix};
  }
  if (!who) {
    return {"certificate", Finding::kFail, facts.certificate_file + ": names no sensor of Parallax",
            fix};
  }
  CheckLine line =
      JudgeValidity("certificate", facts.certificate_file, facts.certificate.not_before,
                    facts.certificate.not_after, facts.now, fix);
  if (line.finding != Finding::kFail && Concerns(facts.whole, facts.certificate_file) &&
      !Concerns(facts.whole, facts.key_file)) {
    return {"certificate", Finding::kFail, facts.whole->message, fix};
  }
  if (line.finding == Finding::kWarn) {
    line.says += ", by itself: the sensor's log says why not";
  }
  line.says += fmt::format("; this is sensor {} of group {}", who->name, who->group);
  return line;
}

CheckLine JudgeKey(const IdentityFacts& facts) {
  if (Concerns(facts.whole, facts.key_file)) {
    const bool open = facts.key_mode && (*facts.key_mode & kOfOthers) != 0;
    const bool closed_to_us = facts.whole->code == ErrorCode::kPermission;
    return {"key", closed_to_us ? Finding::kWarn : Finding::kFail, facts.whole->message,
            open && !closed_to_us ? "chmod 600 " + ShellWord(facts.key_file)
            : closed_to_us        ? "run this as the user who runs the sensor, or as root"
                                  : NewIdentity(NameIn(facts))};
  }
  if (facts.whole) {
    return {"key",
            Finding::kOk,
            fmt::format("{}: closed to others (mode {:04o}); the certificate it goes with is told "
                        "of above",
                        facts.key_file, facts.key_mode.value_or(0)),
            {}};
  }
  return {"key",
          Finding::kOk,
          fmt::format("{}: closed to others (mode {:04o}), and belongs to the certificate",
                      facts.key_file, facts.key_mode.value_or(0)),
          {}};
}

CheckLine JudgePolicy(const PolicyFacts& facts) {
  const std::string file = ShellWord(facts.file);
  if (facts.policy) {
    const Policy& policy = *facts.policy;
    return {"policy",
            Finding::kOk,
            fmt::format("{}: {:g} probes/s in all, {:g}/s to one target; allows {}; denies {}; {}",
                        facts.file, policy.packets_per_second, policy.per_target_per_second,
                        Listed(policy.allow), Listed(policy.deny), MethodsOf(policy)),
            {}};
  }
  CheckLine line{"policy", Finding::kFail, facts.policy.error().message, {}};
  switch (facts.policy.error().code) {
    case ErrorCode::kNoConfig:
    case ErrorCode::kNotFound:
      // As shipped: everything but special-purpose ranges, at the default rates.
      line.fix =
          fmt::format(R"(printf 'allow = ["0.0.0.0/0", "::/0"]\n' >{0} && chmod 644 {0})", file);
      break;
    case ErrorCode::kPermission:
      line.fix = fmt::format("chown root {0} {1} && chmod go-w {0} {1}", file,
                             ShellWord(FolderOf(facts.file)));
      break;
    default:
      line.fix = MendTheLines(facts.file);
  }
  return line;
}

CheckLine JudgeSpool(const SpoolFacts& facts) {
  const std::string folder = ShellWord(facts.folder);
  CheckLine line{"spool", Finding::kOk, {}, {}};
  if (facts.read_only) {
    return {"spool", Finding::kFail,
            fmt::format("{}: the file system at {} is read-only", facts.folder, facts.mount_point),
            "mount -o remount,rw " + ShellWord(facts.mount_point)};
  }
  if (facts.problem) {
    const bool there = facts.problem->code != ErrorCode::kNotFound;
    return {"spool", Finding::kFail, facts.problem->message,
            !there                                          ? "mkdir -p " + folder
            : facts.problem->code == ErrorCode::kPermission ? "chmod u+rwx " + folder
                                                            : "df -h " + folder};
  }
  const std::string free = SizeText(facts.free_bytes) + " free";
  if (facts.free_bytes < kLeastFree) {
    return {"spool", Finding::kFail, fmt::format("{}: only {}", facts.folder, free),
            "df -h " + folder};
  }
  if (facts.in_memory) {
    return {"spool", Finding::kWarn,
            fmt::format("{}: is kept in memory; what was not reported is lost when this host "
                        "starts anew",
                        facts.folder),
            "move it to a disk; see what is where with: findmnt -T " + folder};
  }
  line.says = fmt::format("{}: can be written, {}", facts.folder, free);
  if (facts.free_bytes < kEnoughFree) {
    line.finding = Finding::kWarn;
    line.fix = "df -h " + folder;
  }
  return line;
}

}  // namespace parallax::sensor
