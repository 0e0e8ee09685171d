#include "collector/operate/authority_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "collector/operate/ca_folder.h"
#include "common/fd.h"
#include "common/ip.h"

namespace parallax::collector {

Result<KeyPair> ReadAuthority(const CollectorConfig& config) {
  auto certificate = ReadSmallFile(config.tls.ca_file);
  if (!certificate) {
    return Fail(certificate.error().code,
                fmt::format("cannot read the CA's certificate: {}", certificate.error().message));
  }
  auto key = ReadSmallFile(CaKeyFile(config.tls));
  if (!key) {
    return Fail(key.error().code,
                fmt::format("cannot read the CA's key: {}; sensors are signed where init made it, "
                            "by a user who may read it",
                            key.error().message));
  }
  return KeyPair{std::move(*certificate), std::move(*key)};
}

Result<std::string> SignForSensor(const CollectorConfig& config, const std::string& request_pem,
                                  const PeerName& peer, WallTime issue_at) {
  return ReadAuthority(config).and_then([&](const KeyPair& authority) {
    return SignSensor(authority, request_pem, peer, issue_at, config.tls.sensor_certificate_life);
  });
}

std::vector<std::string> HostsOf(const CertificateInfo& collector) {
  std::vector<std::string> hosts = collector.ip_addresses;
  std::copy_if(collector.dns_names.begin(), collector.dns_names.end(), std::back_inserter(hosts),
               [](const std::string& name) { return name != kCollectorDnsName; });
  return hosts;
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
  std::vector<std::string> addresses;
  for (const std::string& host : HostsOf(*info)) {
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
