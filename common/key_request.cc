#include "common/key_request.h"

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/pem.h>

#include <array>

#include "common/openssl.h"

namespace parallax {
namespace {

constexpr size_t kMostRequestBytes = 8 << 10;  // one over a P-256 key takes about 400

int NoPassphrase(char*, int, int, void*) { return -1; }

openssl::Bio OpenPem(std::string_view pem) {
  return openssl::Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

std::string TakeText(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return size > 0 ? std::string(data, static_cast<size_t>(size)) : std::string();
}

// The curve by its name; a key that spells out a curve's numbers is no business of ours.
bool IsP256(EVP_PKEY* key) {
  std::array<char, 32> name{};
  int spelled_out = 0;
  EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &spelled_out);
  return EVP_PKEY_get_base_id(key) == EVP_PKEY_EC && spelled_out == 0 &&
         EVP_PKEY_get_group_name(key, name.data(), name.size(), nullptr) == 1 &&
         std::string_view(name.data()) == SN_X9_62_prime256v1;
}

Result<std::string> RequestOver(EVP_PKEY* key) {
  const openssl::Request request(X509_REQ_new());
  const openssl::Bio bio(BIO_new(BIO_s_mem()));
  if (!request || X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) != 1 ||
      X509_REQ_set_pubkey(request.get(), key) != 1 ||
      X509_REQ_sign(request.get(), key, EVP_sha256()) == 0 ||
      PEM_write_bio_X509_REQ(bio.get(), request.get()) != 1) {
    return Fail(ErrorCode::kFailure, "the TLS library failed to make a certificate request");
  }
  return TakeText(bio.get());
}

}  // namespace

Result<KeyAndRequest> MakeKeyAndRequest() {
  const openssl::ErrorQueueGuard guard;
  const openssl::Key key(EVP_EC_gen("P-256"));
  const openssl::Bio bio(BIO_new(BIO_s_mem()));
  if (!key || PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                            nullptr) != 1) {
    return Fail(ErrorCode::kFailure, "the TLS library failed to make a key");
  }
  auto request = RequestOver(key.get());
  if (!request) {
    return tl::make_unexpected(std::move(request.error()));
  }
  return KeyAndRequest{TakeText(bio.get()), std::move(*request)};
}

Result<std::string> MakeRequest(std::string_view key_pem) {
  const openssl::ErrorQueueGuard guard;
  const openssl::Bio bio = OpenPem(key_pem);
  const openssl::Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassphrase, nullptr));
  if (!key || !IsP256(key.get())) {
    return Fail(ErrorCode::kFailure, "the private key is damaged or no P-256 key");
  }
  return RequestOver(key.get());
}

Result<RequestInfo> ReadRequest(std::string_view request_pem) {
  const openssl::ErrorQueueGuard guard;
  if (request_pem.size() > kMostRequestBytes) {
    return Fail(ErrorCode::kUsage,
                fmt::format("the certificate request is longer than {} bytes", kMostRequestBytes));
  }
  const openssl::Bio bio = OpenPem(request_pem);
  const openssl::Request request(PEM_read_bio_X509_REQ(bio.get(), nullptr, NoPassphrase, nullptr));
  if (!request) {
    return Fail(ErrorCode::kUsage, "the certificate request is damaged or not in PEM form");
  }
  EVP_PKEY* key = X509_REQ_get0_pubkey(request.get());
  if (key == nullptr || !IsP256(key)) {
    return Fail(ErrorCode::kUsage, "the certificate request is not for a P-256 key");
  }
  if (X509_REQ_verify(request.get(), key) != 1) {
    return Fail(ErrorCode::kUsage, "the certificate request is not signed with its own key");
  }
  RequestInfo info;
  info.key_sha256 = openssl::PublicKeySha256(key);
  const openssl::Bio out(BIO_new(BIO_s_mem()));
  if (info.key_sha256.empty() || PEM_write_bio_PUBKEY(out.get(), key) != 1) {
    return Fail(ErrorCode::kFailure, "the TLS library failed to write a public key");
  }
  info.public_key_pem = TakeText(out.get());
  return info;
}

}  // namespace parallax
