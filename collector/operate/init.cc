#include "collector/operate/init.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "collector/config.h"
#include "collector/operate/authority.h"
#include "collector/operate/authority_files.h"
#include "collector/operate/staged_folder.h"
#include "collector/operate/templates.h"
#include "common/checkup.h"
#include "common/fingerprint.h"
#include "common/ip.h"
#include "common/peer_name.h"
#include "common/sensor_files.h"
#include "common/tls.h"

namespace parallax::collector {
namespace {

constexpr unsigned kSecret = 0600;
constexpr unsigned kPublic = 0644;
constexpr const char* kDatabase = "parallax.db";  // as in collector.toml

std::string Join(const std::string& folder, const char* name) {
  return (std::filesystem::path(folder) / name).string();
}

struct File {
  const char* name;
  std::string_view content;
  unsigned mode;
};

Result<void> WriteAll(StagedFolder& folder, std::initializer_list<File> files) {
  for (const File& file : files) {
    if (auto written = folder.Write(file.name, file.content, file.mode); !written) {
      return written;
    }
  }
  return {};
}

std::string DateOf(WallTime t) { return FormatRfc3339(t).substr(0, 10); }

Result<void> SetListen(std::string& toml, const char* option, const char* key,
                       const std::string& listen) {
  if (listen.empty()) {
    return {};
  }
  const auto parsed = ParseHostPort(listen);
  if (!parsed || !IpAddress::Parse(parsed->host)) {
    return Fail(
        ErrorCode::kUsage,
        fmt::format("{} {}: not ADDRESS:PORT (write for example [::]:7443)", option, listen));
  }
  return SetTemplateKey(toml, key, fmt::format("\"{}\"", parsed->ToString()));
}

// REQUIRES: both have been looked at.
uint16_t HttpsPort(const InitOptions& options) {
  if (const auto own = ParseHostPort(options.https_listen)) {
    return own->port;
  }
  const auto listen = ParseHostPort(options.listen);
  return DefaultHttpsListen(listen ? *listen : CollectorConfig().server.listen).port;
}

Result<std::string> CollectorToml(const InitOptions& options) {
  std::string toml(kCollectorToml);
  const auto set = SetListen(toml, "--listen", "listen", options.listen).and_then([&] {
    return SetListen(toml, "--https-listen", "https_listen", options.https_listen);
  });
  if (!set) {
    return tl::make_unexpected(set.error());
  }
  return toml;
}

// Where a sensor is to find the collector: what the user said, or the name that init put into the
// collector's certificate with the port that it listens on.
Result<std::vector<std::string>> CollectorAddresses(const AddSensorOptions& options,
                                                    const CollectorConfig& config) {
  std::vector<std::string> addresses;
  for (const std::string& text : options.collectors) {
    const auto parsed = ParseHostPort(text);
    if (!parsed) {
      return Fail(ErrorCode::kUsage, "--collector " + parsed.error().message);
    }
    addresses.push_back(parsed->ToString());
  }
  if (!addresses.empty()) {
    return addresses;
  }
  return ReportAddresses(config);
}

Result<void> CheckNames(const AddSensorOptions& options) {
  constexpr std::string_view kRule = "1 to 63 of a-z 0-9 - _ . and a letter or digit first";
  if (!IsValidName(options.name)) {
    return Fail(ErrorCode::kUsage,
                fmt::format("\"{}\" cannot name a sensor: {}", options.name, kRule));
  }
  if (!IsValidName(options.group)) {
    return Fail(ErrorCode::kUsage,
                fmt::format("\"{}\" cannot name a group: {}", options.group, kRule));
  }
  for (const std::string& interface : options.interfaces) {
    const bool odd = std::any_of(interface.begin(), interface.end(), [](char c) {
      return c <= ' ' || c == 0x7f || c == '/' || c == '"' || c == '\\';
    });
    if (interface.empty() || interface.size() > 15 || odd) {
      return Fail(ErrorCode::kUsage,
                  fmt::format("--interface \"{}\" cannot be the name of an interface", interface));
    }
  }
  return {};
}

}  // namespace

Result<std::string> InitCollector(const InitOptions& options, const MakeDatabase& make_database,
                                  WallTime now) {
  if (!IsHostName(options.name) && !IpAddress::Parse(options.name)) {
    return Fail(ErrorCode::kUsage,
                fmt::format("--name \"{}\" is no host name and no address", options.name));
  }
  const auto toml = CollectorToml(options);
  if (!toml) {
    return tl::make_unexpected(toml.error());
  }
  const std::string config_path = Join(options.dir, "collector.toml");
  std::error_code ignored;
  if (std::filesystem::exists(config_path, ignored)) {
    return Fail(ErrorCode::kFailure,
                fmt::format("{} already holds a collector; remove it or choose another folder",
                            options.dir));
  }
  const auto authority = MakeAuthority(now);
  if (!authority) {
    return tl::make_unexpected(authority.error());
  }
  const auto collector = IssueCollector(*authority, options.name, now);
  if (!collector) {
    return tl::make_unexpected(collector.error());
  }
  auto folder = StagedFolder::Create(options.dir);
  if (!folder) {
    return tl::make_unexpected(folder.error());
  }
  const auto made = WriteAll(*folder, {{"ca.pem", authority->certificate_pem, kPublic},
                                       {"ca.key", authority->key_pem, kSecret},
                                       {"collector.pem", collector->certificate_pem, kPublic},
                                       {"collector.key", collector->key_pem, kSecret},
                                       {"collector.toml", *toml, kPublic}})
                        .and_then([&] { return make_database(folder->PathOf(kDatabase)); })
                        .and_then([&] { return folder->Publish("collector.toml"); });
  if (!made) {
    return tl::make_unexpected(made.error());
  }
  const auto pin = DescribeCertificate(authority->certificate_pem);
  if (!pin) {
    return tl::make_unexpected(pin.error());
  }
  return fmt::format(
      "Made {}: a certificate authority, the certificate of {} (valid until {}), the\n"
      "configuration and an empty database. Keep {} secret: it signs every sensor.\n"
      "\n"
      "Next, start the collector, and make a token that lets sensors in:\n"
      "  parallax-collector run --config {}\n"
      "  parallax --socket {} token create --group GROUP > token\n"
      "On each sensor's host, as root, with that file:\n"
      "  parallax-sensor enroll --config /etc/parallax/sensor.toml --collector {} \\\n"
      "      --ca-pin {} --token-file token\n",
      options.dir, options.name, DateOf(now + kCollectorLife), Join(options.dir, "ca.key"),
      ShellWord(config_path), ShellWord(Join(options.dir, "operator.sock")),
      HostPort{options.name, HttpsPort(options)}.ToString(), FormatFingerprint(pin->sha256));
}

Result<std::string> AddSensor(const AddSensorOptions& options, WallTime now) {
  if (auto names = CheckNames(options); !names) {
    return tl::make_unexpected(names.error());
  }
  const auto config = LoadCollectorConfig(options.config_path);
  if (!config) {
    return tl::make_unexpected(config.error());
  }
  const auto addresses = CollectorAddresses(options, *config);
  if (!addresses) {
    return tl::make_unexpected(addresses.error());
  }
  const auto toml = MakeSensorToml(*addresses, options.interfaces);
  if (!toml) {
    return tl::make_unexpected(toml.error());
  }
  const auto authority = ReadAuthority(*config);
  if (!authority) {
    return tl::make_unexpected(authority.error());
  }
  const Duration life = config->tls.sensor_certificate_life;
  const auto sensor = IssueSensor(*authority, {options.group, options.name}, now, life);
  if (!sensor) {
    return tl::make_unexpected(sensor.error());
  }
  auto folder = StagedFolder::Create(options.out);
  if (!folder) {
    return tl::make_unexpected(folder.error());
  }
  const auto made = WriteAll(*folder, {{"ca.pem", authority->certificate_pem, kPublic},
                                       {"sensor.pem", sensor->certificate_pem, kPublic},
                                       {"sensor.key", sensor->key_pem, kSecret},
                                       {"policy.toml", kPolicyToml, kPublic},
                                       {"sensor.toml", *toml, kPublic}})
                        .and_then([&] { return folder->Publish("sensor.toml"); });
  if (!made) {
    return tl::make_unexpected(made.error());
  }
  return fmt::format(
      "Made {}: sensor {} of group {}, certificate valid until {}, collector {}.\n"
      "\n"
      "Next, copy {} to the sensor's host (it holds the sensor's key) and run there, as root:\n"
      "  parallax-sensor run --config {}\n",
      options.out, options.name, options.group, DateOf(now + life), fmt::join(*addresses, ", "),
      options.out, ShellWord(Join(options.out, "sensor.toml")));
}

}  // namespace parallax::collector
