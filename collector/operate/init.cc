#include "collector/operate/init.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <utility>

#include "collector/config.h"
#include "collector/operate/authority.h"
#include "collector/operate/staged_folder.h"
#include "collector/operate/templates.h"
#include "common/checkup.h"
#include "common/fd.h"
#include "common/ip.h"
#include "common/peer_name.h"
#include "common/tls.h"

namespace parallax::collector {
namespace {

constexpr unsigned kSecret = 0600;
constexpr unsigned kPublic = 0644;
constexpr const char* kDatabase = "parallax.db";  // as in collector.toml

std::string Join(const std::string& folder, const char* name) {
  return (std::filesystem::path(folder) / name).string();
}

std::string TomlList(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) {
    out += fmt::format("{}\"{}\"", out.empty() ? "" : ", ", word);
  }
  return "[" + out + "]";
}

// Replaces the line of `key` in a template, commented out or not. The template is ours: a missing
// key is a mistake of the build.
Result<void> SetKey(std::string& toml, std::string_view key, const std::string& value) {
  for (const std::string_view mark : {"\n", "\n#"}) {
    const std::string start = fmt::format("{}{} = ", mark, key);
    if (const size_t at = toml.find(start); at != std::string::npos) {
      const size_t end = std::min(toml.find('\n', at + 1), toml.size());
      toml.replace(at, end - at, fmt::format("\n{} = {}", key, value));
      return {};
    }
  }
  return Fail(ErrorCode::kFailure, fmt::format("the built-in template lacks {}", key));
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

Result<std::string> CollectorToml(const std::string& listen) {
  std::string toml(kCollectorToml);
  if (!listen.empty()) {
    const auto parsed = ParseHostPort(listen);
    if (!parsed || !IpAddress::Parse(parsed->host)) {
      return Fail(
          ErrorCode::kUsage,
          fmt::format("--listen {}: not ADDRESS:PORT (write for example [::]:7443)", listen));
    }
    if (auto set = SetKey(toml, "listen", fmt::format("\"{}\"", parsed->ToString())); !set) {
      return tl::make_unexpected(set.error());
    }
  }
  return toml;
}

// The CA beside the configuration: ca_file, and the key of the same name.
Result<KeyPair> ReadAuthority(const CollectorConfig& config) {
  auto certificate = ReadSmallFile(config.tls.ca_file);
  if (!certificate) {
    return Fail(certificate.error().code,
                fmt::format("cannot read the CA's certificate: {}", certificate.error().message));
  }
  const std::string key_file =
      std::filesystem::path(config.tls.ca_file).replace_extension(".key").string();
  auto key = ReadSmallFile(key_file);
  if (!key) {
    return Fail(key.error().code,
                fmt::format("cannot read the CA's key: {}; add-sensor must run where init made it, "
                            "as a user who may read it",
                            key.error().message));
  }
  return KeyPair{std::move(*certificate), std::move(*key)};
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
  const auto pem = ReadSmallFile(config.tls.certificate_file);
  const auto info = pem ? DescribeCertificate(*pem) : tl::make_unexpected(pem.error());
  if (!info) {
    return Fail(info.error().code,
                fmt::format("cannot find out the collector's address: {}: {}; name it with "
                            "--collector HOST:PORT",
                            config.tls.certificate_file, info.error().message));
  }
  std::vector<std::string> hosts = info->ip_addresses;
  std::copy_if(info->dns_names.begin(), info->dns_names.end(), std::back_inserter(hosts),
               [](const std::string& name) { return name != kCollectorDnsName; });
  for (const std::string& host : hosts) {
    addresses.push_back(HostPort{host, config.server.listen.port}.ToString());
  }
  if (addresses.empty()) {
    return Fail(ErrorCode::kFailure,
                fmt::format("{} names no host; name the collector with --collector HOST:PORT",
                            config.tls.certificate_file));
  }
  return addresses;
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

Result<std::string> SensorToml(const AddSensorOptions& options,
                               const std::vector<std::string>& addresses) {
  std::string toml(kSensorToml);
  auto set = SetKey(toml, "addresses", TomlList(addresses));
  if (set && !options.interfaces.empty()) {
    set = SetKey(toml, "interfaces", TomlList(options.interfaces));
  }
  if (!set) {
    return tl::make_unexpected(set.error());
  }
  return toml;
}

}  // namespace

Result<std::string> InitCollector(const InitOptions& options, const MakeDatabase& make_database,
                                  WallTime now) {
  if (!IsHostName(options.name) && !IpAddress::Parse(options.name)) {
    return Fail(ErrorCode::kUsage,
                fmt::format("--name \"{}\" is no host name and no address", options.name));
  }
  const auto toml = CollectorToml(options.listen);
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
  const std::string config = ShellWord(config_path);
  return fmt::format(
      "Made {}: a certificate authority, the certificate of {} (valid until {}), the\n"
      "configuration and an empty database. Keep {} secret: it signs every sensor.\n"
      "\n"
      "Next, for each sensor, and then for the collector:\n"
      "  parallax-collector add-sensor NAME --group GROUP --config {} --out FOLDER\n"
      "  parallax-collector run --config {}\n",
      options.dir, options.name, DateOf(now + kCollectorLife), Join(options.dir, "ca.key"), config,
      config);
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
  const auto toml = SensorToml(options, *addresses);
  if (!toml) {
    return tl::make_unexpected(toml.error());
  }
  const auto authority = ReadAuthority(*config);
  if (!authority) {
    return tl::make_unexpected(authority.error());
  }
  const auto sensor = IssueSensor(*authority, {options.group, options.name}, now);
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
      options.out, options.name, options.group, DateOf(now + kSensorLife),
      fmt::join(*addresses, ", "), options.out, ShellWord(Join(options.out, "sensor.toml")));
}

}  // namespace parallax::collector
