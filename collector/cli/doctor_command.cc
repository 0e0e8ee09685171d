// `parallax doctor`: asks the collector and looks at its files; doctor.h says what comes of it.
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>

#include "collector/cli/client.h"
#include "collector/cli/commands.h"
#include "collector/cli/doctor.h"
#include "collector/config.h"
#include "common/tls.h"

namespace parallax::cli {
namespace {

constexpr Duration kPatience = std::chrono::seconds(5);

LocalFiles LookAtFiles(const std::string& config_file) {
  LocalFiles files;
  files.config_file = config_file;
  const auto config = collector::LoadCollectorConfig(config_file);
  if (!config) {
    files.config_problem = config.error();
    return files;
  }
  files.key_file = config->tls.key_file;
  struct stat status {};
  if (stat(files.key_file.c_str(), &status) == 0) {
    files.key_mode = status.st_mode & 07777;
  }
  const auto identity = LoadTlsIdentity(config->tls.ca_file, config->tls.certificate_file,
                                        config->tls.key_file, Now().wall);
  if (!identity) {
    files.identity_problem = identity.error();
  }
  return files;
}

}  // namespace

Result<void> Doctor(const Options& options, const std::string& config) {
  CollectorFacts facts;
  facts.socket = options.place.where();
  facts.version = PARALLAX_VERSION;
  if (!config.empty()) {
    facts.files = LookAtFiles(config);
  }
  auto client = Client::Connect(options.place, options.timeout.value_or(kPatience));
  if (client) {
    facts.status = client->Status();
    if (facts.status) {
      facts.sensors = client->Sensors({});
    }
  } else {
    facts.status = tl::make_unexpected(client.error());
  }
  const std::vector<CheckLine> lines = JudgeCollector(facts);
  const bool json = options.format == Format::kJson || options.format == Format::kJsonl;
  std::fputs((json ? CheckupJson(lines) : CheckupTable(lines)).c_str(), stdout);
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    return Fail(ErrorCode::kFailure, "cannot write the answer to standard output");
  }
  const auto failed = std::ranges::count(lines, Finding::kFail, &CheckLine::finding);
  if (failed > 0) {
    return Fail(ErrorCode::kFailure,
                fmt::format("{} check{} failed", failed, failed == 1 ? "" : "s"));
  }
  return {};
}

}  // namespace parallax::cli
