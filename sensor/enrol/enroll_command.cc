#include "sensor/enrol/enroll_command.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <thread>
#include <utility>

#include "common/checkup.h"
#include "common/fd.h"
#include "common/fingerprint.h"
#include "common/identity_files.h"
#include "common/key_request.h"
#include "common/sensor_files.h"
#include "common/tls.h"
#include "common/token.h"
#include "sensor/config.h"
#include "sensor/enrol/https_client.h"

namespace parallax::sensor {
namespace {

constexpr unsigned kSecret = 0600;
constexpr unsigned kPublic = 0644;

struct Plan {
  HostPort collector;
  std::string pin;
  std::string name;
  std::string token;  // empty: none
  bool make_config = false;
  std::string config;
  std::string policy_file;
  IdentityPaths paths;

  std::string key_in_the_making() const { return paths.key_file + ".enroll"; }
};

Result<std::string> NameOf(const EnrollOptions& options) {
  std::string name = options.name;
  if (name.empty()) {
    std::array<char, 256> host{};
    if (::gethostname(host.data(), host.size() - 1) != 0) {
      return tl::make_unexpected(ErrnoError("cannot find out this host's name; use --name", errno));
    }
    name = host.data();
    std::transform(name.begin(), name.end(), name.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
  }
  if (!IsValidName(name)) {
    return Fail(ErrorCode::kUsage,
                fmt::format("\"{}\" cannot name a sensor: 1 to 63 of a-z 0-9 - _ . and a letter or "
                            "digit first; choose one with --name",
                            name));
  }
  return name;
}

Result<std::string> TokenOf(const std::string& file) {
  if (file.empty()) {
    return std::string();
  }
  auto text = file == "-" ? ReadSmallFile(STDIN_FILENO, "standard input") : ReadSmallFile(file);
  if (!text) {
    return Fail(text.error().code, "cannot read the token: " + text.error().message);
  }
  std::erase_if(*text, [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; });
  if (!IsToken(*text)) {
    return Fail(ErrorCode::kUsage,
                fmt::format("{}: holds no token; it must hold what \"parallax token create\" "
                            "printed, and nothing else",
                            file));
  }
  return text;
}

Result<Plan> MakePlan(const EnrollOptions& options) {
  Plan plan;
  const auto collector = ParseHostPort(options.collector);
  if (!collector) {
    return Fail(ErrorCode::kUsage, "--collector " + collector.error().message);
  }
  const auto pin = ParseFingerprint(options.ca_pin);
  if (!pin) {
    return Fail(ErrorCode::kUsage,
                fmt::format("--ca-pin \"{}\": not sha256: and 64 hex digits, as parallax-collector "
                            "init printed it",
                            options.ca_pin));
  }
  auto name = NameOf(options);
  auto token = name ? TokenOf(options.token_file) : tl::make_unexpected(name.error());
  if (!token) {
    return tl::make_unexpected(token.error());
  }
  plan.collector = *collector;
  plan.pin = *pin;
  plan.name = std::move(*name);
  plan.token = std::move(*token);
  plan.config = options.config;
  std::error_code ignored;
  plan.make_config = !std::filesystem::exists(options.config, ignored);
  if (plan.make_config) {
    const auto folder = std::filesystem::path(options.config).parent_path();
    const auto beside = [&](const std::string& file) { return (folder / file).string(); };
    const SensorConfig defaults;
    plan.policy_file = beside(defaults.probe.policy_file);
    plan.paths = {beside(defaults.collector.ca_file), beside(defaults.collector.certificate_file),
                  beside(defaults.collector.key_file)};
    return plan;
  }
  const auto config = LoadSensorConfig(options.config);
  if (!config) {
    return tl::make_unexpected(config.error());
  }
  plan.paths = {config->collector.ca_file, config->collector.certificate_file,
                config->collector.key_file};
  return plan;
}

Result<void> MakeFolder(const std::string& config) {
  const std::filesystem::path folder = std::filesystem::path(config).parent_path();
  if (folder.empty() || std::filesystem::exists(folder)) {
    return {};
  }
  if (::mkdir(folder.c_str(), 0700) != 0) {
    return tl::make_unexpected(ErrnoError("cannot make " + folder.string(), errno));
  }
  return {};
}

// The key of an attempt before this one, or a new one; on disk before anybody hears of it.
Result<KeyAndRequest> KeyOf(const Plan& plan) {
  const std::string file = plan.key_in_the_making();
  auto before = ReadSmallFile(file);
  if (before) {
    auto request = MakeRequest(*before);
    if (!request) {
      return Fail(ErrorCode::kBadConfig, fmt::format("{}: {}; remove this file and enroll again",
                                                     file, request.error().message));
    }
    return KeyAndRequest{std::move(*before), std::move(*request)};
  }
  if (before.error().code != ErrorCode::kNotFound) {
    return tl::make_unexpected(before.error());
  }
  auto made = MakeKeyAndRequest();
  if (!made) {
    return tl::make_unexpected(made.error());
  }
  if (auto written = WriteFileAtomically(file, made->key_pem, kSecret, false); !written) {
    return tl::make_unexpected(written.error());
  }
  return made;
}

Error ErrorOf(const EnrolRefused& refused) {
  ErrorCode code = ErrorCode::kDenied;
  if (refused.why == Refusal::kUnavailable || refused.why == Refusal::kTooMany ||
      refused.why == Refusal::kTimeout) {
    code = ErrorCode::kUnavailable;
  } else if (refused.why == Refusal::kNameTaken || refused.why == Refusal::kBadRequest) {
    code = ErrorCode::kFailure;
  }
  return {code,
          fmt::format("the collector refuses ({}): {}", RefusalWord(refused.why), refused.message)};
}

// Asks until the answer is yes or no.
Result<Enrolled> Ask(const Plan& plan, const KeyAndRequest& key) {
  const std::string body = FormatRequest({key.request_pem, plan.name, plan.token});
  bool waiting = false;
  std::string last_trouble;
  std::chrono::seconds pause{2};
  for (;; std::this_thread::sleep_for(pause)) {
    const auto answer =
        PostToCollector(plan.collector, plan.pin, body).and_then([](const HttpAnswer& http) {
          return ParseAnswer(http.status, http.body);
        });
    if (!answer) {
      if (!waiting || answer.error().code != ErrorCode::kUnavailable) {
        return tl::make_unexpected(answer.error());
      }
      if (last_trouble != answer.error().message) {  // it was there before: it may come back
        last_trouble = answer.error().message;
        std::fprintf(stderr, "parallax-sensor: %s; still waiting\n", last_trouble.c_str());
      }
      continue;
    }
    if (const auto* enrolled = std::get_if<Enrolled>(&*answer)) {
      return *enrolled;
    }
    if (const auto* refused = std::get_if<EnrolRefused>(&*answer)) {
      return tl::make_unexpected(ErrorOf(*refused));
    }
    const auto& pending = std::get<EnrolPending>(*answer);
    pause = pending.ask_again;
    if (!std::exchange(waiting, true)) {
      const std::string fingerprint = FormatFingerprint(pending.key_sha256);
      std::fprintf(stderr,
                   "Waiting for an operator's approval of this key:\n  %s\n"
                   "On the collector's host, if it shows the same:\n"
                   "  parallax sensor approve %s --group GROUP\n"
                   "Ctrl-C ends the waiting; the same command goes on with the same key.\n",
                   fingerprint.c_str(), fingerprint.c_str());
    }
  }
}

bool HoldsPinned(const std::string& bundle, const std::string& pin) {
  constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";
  for (size_t at = bundle.find(kBegin); at != bundle.npos; at = bundle.find(kBegin, at + 1)) {
    const auto info = DescribeCertificate(std::string_view(bundle).substr(at));
    if (info && info->sha256 == pin) {
      return true;
    }
  }
  return false;
}

// Is it what we asked for? The peer is the collector, and yet mistakes are possible.
Result<void> Check(const Plan& plan, const KeyAndRequest& key, const Enrolled& enrolled) {
  const auto info = DescribeCertificate(enrolled.certificate_pem);
  const auto request = ReadRequest(key.request_pem);
  if (!info || !request) {
    return tl::make_unexpected(info ? request.error() : info.error());
  }
  if (info->key_sha256 != request->key_sha256) {
    return Fail(ErrorCode::kFailure, "the collector sent a certificate over another key");
  }
  if (info->spiffe_uri != SensorUri(enrolled.peer) ||
      (!plan.token.empty() && enrolled.peer.name != plan.name)) {
    return Fail(ErrorCode::kFailure, fmt::format("the collector sent a certificate for another "
                                                 "name: {}",
                                                 info->spiffe_uri));
  }
  if (!HoldsPinned(enrolled.ca_pem, plan.pin)) {
    return Fail(ErrorCode::kDenied, "the collector sent other CAs than the pinned one");
  }
  return CheckTlsIdentity({enrolled.ca_pem, enrolled.certificate_pem, key.key_pem},
                          plan.paths.ca_file, plan.paths.certificate_file, plan.paths.key_file,
                          Now().wall);
}

// What is there already stays.
Result<void> WriteIfMissing(const std::string& file, std::string_view content) {
  std::error_code ignored;
  return std::filesystem::exists(file, ignored)
             ? Result<void>()
             : WriteFileAtomically(file, content, kPublic, false);
}

// The key in the making goes last: until then the same command does all of this again.
Result<void> PutInPlace(const Plan& plan, const KeyAndRequest& key, const Enrolled& enrolled) {
  Result<void> done;
  Result<std::string> toml;
  if (plan.make_config) {
    for (const std::string& address : enrolled.collectors) {
      if (!ParseHostPort(address)) {
        return Fail(ErrorCode::kFailure, "the collector does not tell where to report to");
      }
    }
    toml = MakeSensorToml(enrolled.collectors, {});
    done = toml ? WriteIfMissing(plan.policy_file, kPolicyToml)
                : Result<void>(tl::make_unexpected(toml.error()));
  }
  if (done) {
    done = InstallIdentity(plan.paths, {enrolled.ca_pem, enrolled.certificate_pem, key.key_pem});
  }
  if (done && plan.make_config) {
    done = WriteIfMissing(plan.config, *toml);
  }
  if (done && ::unlink(plan.key_in_the_making().c_str()) != 0 && errno != ENOENT) {
    done = tl::make_unexpected(ErrnoError(plan.key_in_the_making(), errno));
  }
  return done;
}

}  // namespace

Result<void> RunEnroll(const EnrollOptions& options) {
  const auto plan = MakePlan(options);
  if (!plan) {
    return tl::make_unexpected(plan.error());
  }
  if (auto ready = MakeFolder(plan->config).and_then([&] { return FinishInstall(plan->paths); });
      !ready) {
    return ready;
  }
  const auto key = KeyOf(*plan);
  if (!key) {
    return tl::make_unexpected(key.error());
  }
  const auto enrolled = Ask(*plan, *key);
  if (!enrolled) {
    return tl::make_unexpected(enrolled.error());
  }
  if (auto done = Check(*plan, *key, *enrolled).and_then([&] {
        return PutInPlace(*plan, *key, *enrolled);
      });
      !done) {
    return done;
  }
  std::printf(
      "Enrolled: this host is sensor %s of group %s.\n\nNext, as root:\n"
      "  parallax-sensor run --config %s\n",
      enrolled->peer.name.c_str(), enrolled->peer.group.c_str(), ShellWord(plan->config).c_str());
  return {};
}

}  // namespace parallax::sensor
