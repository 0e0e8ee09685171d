// What is said over the enrolment port, both ways: the body of a request with the PKCS #10 in it,
// and what a collector answers. Whatever it is, it is understood whole or refused, and what was
// understood is said again in the same words.
#include <string>
#include <string_view>

#include "common/enrolment.h"
#include "common/fingerprint.h"
#include "common/key_request.h"
#include "common/token.h"
#include "tests/fuzz/require.h"

namespace parallax {
namespace {

void TryRequest(std::string_view body) {
  const auto request = ParseRequest(body);
  if (!request) {
    Require(!request.error().message.empty(), "a refusal has a reason");
    return;
  }
  const auto again = ParseRequest(FormatRequest(*request));
  Require(again && again->name == request->name && again->token == request->token &&
              again->request_pem == request->request_pem,
          "a request that is understood is said again");
  Require(TokenSha256(request->token).size() == 64, "any token has a hash");
  if (const auto info = ReadRequest(request->request_pem)) {
    Require(ParseFingerprint(FormatFingerprint(info->key_sha256)) == info->key_sha256,
            "a key has a fingerprint");
  }
}

void TryAnswer(unsigned status, std::string_view body) {
  const auto answer = ParseAnswer(status, body);
  if (!answer) {
    return;
  }
  const HttpAnswer said = FormatAnswer(*answer, WallTime());
  Require(said.body.find('\n') == said.body.size() - 1, "an answer is one line");
  Require(ParseAnswer(said.status, said.body).has_value(), "an answer is understood again");
}

}  // namespace
}  // namespace parallax

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  parallax::TryRequest(body);
  (void)parallax::ReadRequest(body);
  for (const unsigned status : {200u, 202u, 403u}) {
    parallax::TryAnswer(status, body);
  }
  return 0;
}
