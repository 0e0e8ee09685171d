// What a new sensor and its collector say to each other over HTTPS: the only place that specifies
// these bytes, for both sides. Pure but for the JSON library.
//
// TLS 1.3. The collector shows its own certificate and its CA's; the sensor goes on only if that CA
// is the pinned one, and shows no certificate: it has none yet. One request per connection: header
// up to 8 KiB, body up to 16 KiB, 10 s in all. Bodies are JSON objects; unknown members are
// ignored.
//
//   POST /v1/enroll   {"request": PKCS #10 in PEM over a P-256 key, "name": the sensor's name,
//                      "token": a join token; absent: wait for an operator's approval}
//     200  {"certificate": PEM, "ca": the CA bundle in PEM, "group": ..., "name": ...,
//           "collectors": ["HOST:PORT", ...] where to report to, "time": RFC 3339}
//     202  {"state": "pending", "fingerprint": "sha256:HEX" of the request's key,
//           "ask_again_seconds": N, "time": ...}: send the same again after so long
//     4xx, 5xx  {"error": a word of RefusalWord, "message": one line for people, "time": ...}
//   GET /v1/ca        200 {"ca": the CA bundle in PEM, "time": ...}
//
// The same token with the same key is answered again, at no further use of the token: an answer may
// get lost. "name" in an answer can be another than was asked for, if an operator chose it.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/peer_name.h"
#include "common/result.h"
#include "common/time.h"

namespace parallax {

inline constexpr std::string_view kEnrolPath = "/v1/enroll";
inline constexpr std::string_view kCaPath = "/v1/ca";
inline constexpr size_t kMostEnrolHeaderBytes = 8 << 10;
inline constexpr size_t kMostEnrolBodyBytes = 16 << 10;
inline constexpr Duration kEnrolPatience = std::chrono::seconds(10);

struct EnrolRequest {
  std::string request_pem;
  std::string name;
  std::string token;  // empty: none
};

struct Enrolled {
  PeerName peer;
  std::string certificate_pem;
  std::string ca_pem;
  std::vector<std::string> collectors;
};

struct EnrolPending {
  std::string key_sha256;
  std::chrono::seconds ask_again{};
};

enum class Refusal : uint8_t {
  kBadRequest,    // 400
  kUnknownToken,  // 403, as those that follow
  kExpiredToken,
  kUsedToken,
  kRevokedToken,
  kWrongNetwork,  // the token is for another network
  kWrongName,     // the token is for another name
  kRevoked,       // the name, or the key, is revoked
  kNameTaken,     // 409: the name belongs to another key, or the key to another name
  kNotFound,      // 404
  kBadMethod,     // 405
  kTimeout,       // 408
  kTooLarge,      // 413
  kTooMany,       // 429
  kUnavailable,   // 503
};
inline constexpr size_t kRefusals = 15;
std::string_view RefusalWord(Refusal refusal);  // "unknown_token"

struct EnrolRefused {
  Refusal why = Refusal::kBadRequest;
  std::string message;
};

using EnrolAnswer = std::variant<Enrolled, EnrolPending, EnrolRefused>;

// An answer as it goes over the wire.
struct HttpAnswer {
  unsigned status = 200;
  std::string body;
};

std::string FormatRequest(const EnrolRequest& request);
// kUsage if it is no such request. Neither the names nor the PEM in it have been looked into.
Result<EnrolRequest> ParseRequest(std::string_view body);

HttpAnswer FormatAnswer(const EnrolAnswer& answer, WallTime now);
HttpAnswer FormatCa(const std::string& ca_pem, WallTime now);
// kFailure if it is no such answer: whoever gave it is no collector.
Result<EnrolAnswer> ParseAnswer(unsigned status, std::string_view body);

}  // namespace parallax
