#include "collector/operate/operator_files.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>

#include "collector/operate/authority.h"
#include "collector/operate/authority_files.h"
#include "collector/operate/staged_folder.h"
#include "common/checkup.h"
#include "common/fd.h"

namespace parallax::collector {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kSecret = 0600;
constexpr unsigned kPublic = 0644;

fs::path OperatorsOf(const CollectorConfig::Tls& tls) {
  return fs::path(tls.ca_file).parent_path() / "operators";
}

// REQUIRES: IsValidName(name).
std::string FileOf(const CollectorConfig::Tls& tls, const std::string& name) {
  return (OperatorsOf(tls) / (name + ".pem")).string();
}

Result<void> CheckName(const std::string& name) {
  return IsValidName(name)
             ? Result<void>()
             : Fail(ErrorCode::kUsage,
                    fmt::format("\"{}\" cannot name an operator: 1 to 63 of a-z 0-9 - _ . and a "
                                "letter or digit first",
                                name));
}

Result<void> List(const CollectorConfig::Tls& tls, const std::string& name,
                  const std::string& certificate_pem) {
  const std::string folder = OperatorsOf(tls).string();
  if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) {
    return tl::make_unexpected(ErrnoError(folder, errno));
  }
  return WriteFileAtomically(FileOf(tls, name), certificate_pem, kPublic, true);
}

}  // namespace

Result<std::string> AddOperator(const AddOperatorOptions& options, WallTime now) {
  if (auto sound = CheckName(options.name); !sound) {
    return tl::make_unexpected(sound.error());
  }
  const auto config = LoadCollectorConfig(options.config_path);
  if (!config) {
    return tl::make_unexpected(config.error());
  }
  const auto authority = ReadAuthority(*config);
  if (!authority) {
    return tl::make_unexpected(authority.error());
  }
  const OperatorName who{options.role, options.name};
  const auto made = IssueOperator(*authority, who, now);
  if (!made) {
    return tl::make_unexpected(made.error());
  }
  auto folder = StagedFolder::Create(options.out);
  if (!folder) {
    return tl::make_unexpected(folder.error());
  }
  const auto done =
      folder->Write("ca.pem", authority->certificate_pem, kPublic)
          .and_then([&] { return folder->Write("operator.pem", made->certificate_pem, kPublic); })
          .and_then([&] { return folder->Write("operator.key", made->key_pem, kSecret); })
          .and_then([&] { return folder->Publish("operator.key"); })
          .and_then([&] { return List(config->tls, options.name, made->certificate_pem); });
  if (!done) {
    return tl::make_unexpected(done.error());
  }
  std::string text =
      fmt::format("Made {}: operator {}, who may {}, valid until {}.\n", options.out, options.name,
                  options.role == OperatorRole::kWrite ? "read and change" : "read",
                  FormatRfc3339(now + kOperatorLife).substr(0, 10));
  if (config->server.operator_listen) {
    const auto hosts = ReportAddresses(*config);
    const auto host = hosts ? ParseHostPort(hosts->front()) : tl::make_unexpected(hosts.error());
    text += fmt::format(
        "\nNext, move {} to the operator's machine (it holds the key) and ask there:\n"
        "  parallax --collector {} --identity {} status\n",
        options.out,
        HostPort{host ? host->host : "HOST", config->server.operator_listen->port}.ToString(),
        ShellWord(options.out));
  } else {
    text += fmt::format(
        "\nThe collector does not listen for operators yet: set server.operator_listen in {} and "
        "start it anew.\n",
        options.config_path);
  }
  return text;
}

Result<std::string> RemoveOperator(const std::string& name, const std::string& config_path) {
  if (auto sound = CheckName(name); !sound) {
    return tl::make_unexpected(sound.error());
  }
  const auto config = LoadCollectorConfig(config_path);
  if (!config) {
    return tl::make_unexpected(config.error());
  }
  const std::string file = FileOf(config->tls, name);
  if (::unlink(file.c_str()) != 0) {
    return errno == ENOENT ? Fail(ErrorCode::kNotFound, fmt::format("no operator named {}", name))
                           : tl::make_unexpected(ErrnoError(file, errno));
  }
  return fmt::format("Operator {} is out; the collector refuses the next call.\n", name);
}

std::vector<ListedOperator> ListOperators(const CollectorConfig::Tls& tls) {
  std::vector<ListedOperator> operators;
  std::error_code error;
  for (fs::directory_iterator it(OperatorsOf(tls), error); !error && it != fs::directory_iterator();
       it.increment(error)) {
    auto pem = ReadSmallFile(it->path().string());
    auto info = pem ? DescribeCertificate(*pem) : tl::make_unexpected(pem.error());
    const auto name = info ? ParseOperatorUri(info->spiffe_uri) : std::nullopt;
    if (name && it->path().filename() == name->name + ".pem") {
      operators.push_back({*name, std::move(*pem), std::move(*info)});
    }
  }
  std::ranges::sort(operators, {}, [](const ListedOperator& one) { return one.name.name; });
  return operators;
}

Result<OperatorName> IdentifyOperator(const CollectorConfig::Tls& tls,
                                      std::string_view certificate_pem, WallTime now) {
  const auto shown = DescribeCertificate(certificate_pem);
  const auto name = shown ? ParseOperatorUri(shown->spiffe_uri) : std::nullopt;
  if (!name) {
    return Fail(ErrorCode::kDenied,
                "the client certificate is not that of an operator (make one "
                "with: parallax-collector add-operator)");
  }
  if (now >= shown->not_after || now < shown->not_before) {
    return Fail(ErrorCode::kDenied,
                fmt::format("the certificate of operator {} is valid from {} to {}", name->name,
                            FormatRfc3339(shown->not_before), FormatRfc3339(shown->not_after)));
  }
  const auto pem = ReadSmallFile(FileOf(tls, name->name));
  const auto listed = pem ? DescribeCertificate(*pem) : tl::make_unexpected(pem.error());
  if (!listed || listed->sha256 != shown->sha256) {
    return Fail(ErrorCode::kDenied,
                fmt::format("operator {} was removed, or got another certificate", name->name));
  }
  return *name;
}

bool OnlyReads(std::string_view method) {
  constexpr std::string_view kService = "/parallax.v1.Operator/";
  // By name, so that what is new is closed until somebody opens it here.
  constexpr std::array<std::string_view, 9> kReading = {
      "GetStatus",      "ListSensors", "ListTargets",    "ListIncidents", "TopSyns",
      "ListSynServers", "ListPaths",   "WatchIncidents", "ListTokens"};
  return method.starts_with(kService) &&
         std::ranges::find(kReading, method.substr(kService.size())) != kReading.end();
}

}  // namespace parallax::collector
