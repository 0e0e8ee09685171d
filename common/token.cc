#include "common/token.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>

#include "common/openssl.h"

namespace parallax {
namespace {

constexpr std::string_view kPrefix = "plx_";
constexpr size_t kTokenBytes = 32;
constexpr size_t kIdBytes = 4;

template <size_t Size>
Result<std::string> RandomHex() {
  const openssl::ErrorQueueGuard guard;
  std::array<unsigned char, Size> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
    return Fail(ErrorCode::kFailure, "the TLS library failed to draw a random number");
  }
  return openssl::Hex(bytes.data(), bytes.size());
}

}  // namespace

Result<std::string> MakeToken() {
  auto digits = RandomHex<kTokenBytes>();
  return digits ? std::string(kPrefix) + *digits : digits;
}

bool IsToken(std::string_view text) {
  return text.starts_with(kPrefix) && text.size() == kPrefix.size() + 2 * kTokenBytes &&
         std::all_of(text.begin() + kPrefix.size(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string TokenSha256(std::string_view token) {
  const openssl::ErrorQueueGuard guard;
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(token.data(), token.size(), digest.data(), &size, EVP_sha256(), nullptr);
  return openssl::Hex(digest.data(), size);
}

Result<std::string> MakeTokenId() { return RandomHex<kIdBytes>(); }

}  // namespace parallax
