#include "common/certificate_bundle.h"
#include "common/tls.h"
#include "sensor/link/convert.h"

namespace parallax::sensor {
namespace {

std::string Bytes(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

}  // namespace

v1::Identity ToProto(const TlsIdentity& identity) {
  v1::Identity out;
  const auto bundle = ReadBundle(identity.ca_pem);
  const auto own = DescribeCertificate(identity.certificate_pem);
  if (!bundle || !own) {
    return out;
  }
  for (const BundledCertificate& authority : *bundle) {
    out.add_trusted_cas(Bytes(authority.info.sha256));
  }
  out.set_certificate_ca(Bytes(IssuerIn(*bundle, identity.certificate_pem)));
  out.set_certificate_expires_at(static_cast<uint64_t>(ToUnixNanos(own->not_after)));
  return out;
}

}  // namespace parallax::sensor
