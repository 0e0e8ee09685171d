// Keys that never leave the host that made them: a host makes a P-256 key and a request for a
// certificate over it (PKCS #10, RFC 2986), and sends the request alone. Also the other side's
// reading of such a request. Thread-safe: no state. Writing a key to a file with mode 0600 is the
// caller's work.
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"

namespace parallax {

// A private key and a request over it, PEM. The request names nobody: who its key will belong to
// is the signer's word alone.
struct KeyAndRequest {
  std::string key_pem;
  std::string request_pem;
};

// A new key.
Result<KeyAndRequest> MakeKeyAndRequest();

// A request over a key made before. Fails if `key_pem` is damaged or no P-256 key.
Result<std::string> MakeRequest(std::string_view key_pem);

struct RequestInfo {
  std::string public_key_pem;
  std::string key_sha256;  // as CertificateInfo::key_sha256 (common/tls.h)
};

// Fails if the request is damaged, asks for a key that is not P-256, or is not signed with the key
// that it asks for.
Result<RequestInfo> ReadRequest(std::string_view request_pem);

}  // namespace parallax
