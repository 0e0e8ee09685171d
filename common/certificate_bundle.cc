#include "common/certificate_bundle.h"

#include <algorithm>

#include "common/openssl.h"

namespace parallax {
namespace {

constexpr size_t kMostCertificates = 16;

Error NotABundle(std::string_view why) {
  return {ErrorCode::kBadConfig, "the CA bundle " + std::string(why)};
}

}  // namespace

Result<std::vector<BundledCertificate>> ReadBundle(std::string_view pem) {
  constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";
  constexpr std::string_view kEnd = "-----END CERTIFICATE-----";
  const openssl::ErrorQueueGuard guard;
  std::vector<BundledCertificate> bundle;
  for (size_t at = pem.find(kBegin); at != pem.npos; at = pem.find(kBegin, at)) {
    const size_t end = pem.find(kEnd, at);
    if (end == pem.npos) {
      return tl::make_unexpected(NotABundle("is cut short"));
    }
    if (bundle.size() == kMostCertificates) {
      return tl::make_unexpected(NotABundle("holds more than 16 certificates"));
    }
    const std::string one(pem.substr(at, end + kEnd.size() - at));
    const openssl::Certificate certificate = openssl::ReadCertificate(one);
    auto info = DescribeCertificate(one);
    if (!certificate || !info) {
      return tl::make_unexpected(NotABundle("holds a damaged certificate"));
    }
    if (X509_check_ca(certificate.get()) != 1) {
      return tl::make_unexpected(NotABundle("holds a certificate that is not that of a CA"));
    }
    bundle.push_back({one + "\n", std::move(*info)});
    at = end;
  }
  if (bundle.empty()) {
    return tl::make_unexpected(NotABundle("holds no certificate"));
  }
  return bundle;
}

std::string IssuerIn(const std::vector<BundledCertificate>& bundle,
                     std::string_view certificate_pem) {
  const openssl::ErrorQueueGuard guard;
  const openssl::Certificate certificate = openssl::ReadCertificate(certificate_pem);
  const auto signed_it = [&](const BundledCertificate& authority) {
    const openssl::Certificate issuer = openssl::ReadCertificate(authority.pem);
    return certificate && issuer &&
           X509_check_issued(issuer.get(), certificate.get()) == X509_V_OK &&
           X509_verify(certificate.get(), X509_get0_pubkey(issuer.get())) == 1;
  };
  const auto found = std::find_if(bundle.begin(), bundle.end(), signed_it);
  return found == bundle.end() ? std::string() : found->info.sha256;
}

bool IsOfSigner(std::string_view ca_pem, std::string_view certificate_pem) {
  const auto bundle = ReadBundle(ca_pem);
  const std::string issuer = bundle ? IssuerIn(*bundle, certificate_pem) : std::string();
  return issuer.empty() || issuer == bundle->front().info.sha256;
}

std::string JoinBundle(const std::vector<BundledCertificate>& bundle) {
  std::string pem;
  for (const BundledCertificate& one : bundle) {
    pem += one.pem;
  }
  return pem;
}

}  // namespace parallax
