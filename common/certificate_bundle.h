// A file with several CAs in it, as there is while one takes over from another. The first one
// signs. Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "common/tls.h"

namespace parallax {

struct BundledCertificate {
  std::string pem;  // of it alone
  CertificateInfo info;
};

// All of them, in order; one or more. kBadConfig if one is damaged or not that of a CA.
Result<std::vector<BundledCertificate>> ReadBundle(std::string_view pem);

// Which of the bundle signed the first certificate in `certificate_pem`: the SHA-256 of its DER;
// empty if none.
std::string IssuerIn(const std::vector<BundledCertificate>& bundle,
                     std::string_view certificate_pem);

// False if another CA of the bundle than the first one signed the certificate. True also if one did
// that is not there itself, between them and the certificate.
bool IsOfSigner(std::string_view ca_pem, std::string_view certificate_pem);

std::string JoinBundle(const std::vector<BundledCertificate>& bundle);

}  // namespace parallax
