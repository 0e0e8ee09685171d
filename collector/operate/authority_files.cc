#include "collector/operate/authority_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <utility>

#include "common/fd.h"
#include "common/ip.h"
#include "common/tls.h"

namespace parallax::collector {

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
                fmt::format("cannot read the CA's key: {}; sensors are signed where init made it, "
                            "by a user who may read it",
                            key.error().message));
  }
  return KeyPair{std::move(*certificate), std::move(*key)};
}

Result<std::vector<std::string>> ReportAddresses(const CollectorConfig& config) {
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
  std::vector<std::string> addresses;
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

}  // namespace parallax::collector
