#include "common/tls_session.h"

#include <fmt/format.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "common/fingerprint.h"
#include "common/log.h"
#include "common/openssl.h"

namespace parallax {
namespace {

std::string Sha256Of(X509* certificate) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  return X509_digest(certificate, EVP_sha256(), digest.data(), &size) == 1
             ? openssl::Hex(digest.data(), size)
             : std::string();
}

bool AddToChain(SSL_CTX* context, const std::string& pem, bool skip_first) {
  const openssl::Bio bio = openssl::OpenPem(pem);
  for (bool skip = skip_first;; skip = false) {
    const openssl::Certificate one = openssl::ReadCertificate(bio.get());
    if (!one) {
      return true;
    }
    if (!skip && SSL_CTX_add1_chain_cert(context, one.get()) != 1) {
      return false;
    }
  }
}

std::string DateText(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) {
    return "?";
  }
  std::string text = FormatRfc3339(WallTime(std::chrono::seconds(timegm(&parts))));
  return text.substr(0, text.find('.')) + "Z";
}

Error Explain(int code, X509* at, WallTime now) {
  if (code == X509_V_ERR_CERT_NOT_YET_VALID || code == X509_V_ERR_CERT_HAS_EXPIRED) {
    return {ErrorCode::kDenied,
            fmt::format("the collector's certificate is valid from {} to {} and the clock here "
                        "says {}; set the clock, or renew the collector's certificate",
                        DateText(X509_get0_notBefore(at)), DateText(X509_get0_notAfter(at)),
                        FormatRfc3339(std::chrono::floor<std::chrono::seconds>(now)))};
  }
  return {ErrorCode::kDenied,
          fmt::format("the certificate shown there is none that the pinned CA gave to a collector: "
                      "{}; somebody may be in between",
                      X509_verify_cert_error_string(code))};
}

}  // namespace

void DemandTls13() {
  static const int index = CRYPTO_get_ex_new_index(
      CRYPTO_EX_INDEX_SSL, 0, nullptr,
      [](void* session, void*, CRYPTO_EX_DATA*, int, long, void*) {
        SSL_ctrl(static_cast<SSL*>(session), SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_3_VERSION,
                 nullptr);
      },
      nullptr, nullptr);
  if (index < 0) {
    LogError("TLS 1.2 is not refused: the TLS library does not call us");
  }
}

Result<void> ShowIdentity(ssl_ctx_st* context, const TlsIdentity& identity) {
  const openssl::ErrorQueueGuard guard;
  const openssl::Certificate own = openssl::ReadCertificate(identity.certificate_pem);
  const openssl::Key key = openssl::ReadPrivateKey(identity.key_pem);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  if (!own || !key || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_num_tickets(context, 0) != 1 ||
      SSL_CTX_use_certificate(context, own.get()) != 1 ||
      SSL_CTX_use_PrivateKey(context, key.get()) != 1 ||
      !AddToChain(context, identity.certificate_pem, true) ||
      !AddToChain(context, identity.ca_pem, false)) {
    return Fail(ErrorCode::kFailure, "the TLS library did not take the collector's certificate");
  }
  return {};
}

Result<void> PrepareToCheck(ssl_ctx_st* context) {
  const openssl::ErrorQueueGuard guard;
  SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
  if (SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1) {
    return Fail(ErrorCode::kFailure, "the TLS library does not speak TLS 1.3");
  }
  return {};
}

Result<void> CheckPinned(ssl_st* session, const std::string& pin, WallTime now) {
  const openssl::ErrorQueueGuard guard;
  X509* own = SSL_get0_peer_certificate(session);
  STACK_OF(X509)* chain = SSL_get_peer_cert_chain(session);
  if (own == nullptr || chain == nullptr) {
    return Fail(ErrorCode::kDenied, "it showed no certificate");
  }
  X509* pinned = nullptr;
  std::string shown;
  for (int i = 1; i < sk_X509_num(chain); ++i) {  // 0 is its own
    X509* one = sk_X509_value(chain, i);
    const std::string sha256 = Sha256Of(one);
    if (!sha256.empty() && sha256 == pin) {
      pinned = one;
    }
    shown = sha256;
  }
  if (pinned == nullptr) {
    return shown.empty()
               ? Fail(ErrorCode::kDenied,
                      "it shows no CA: this is not the port that enrolls sensors (8443 unless "
                      "server.https_listen in collector.toml says another)")
               : Fail(
                     ErrorCode::kDenied,
                     fmt::format("wrong pin: its CA is {}, not {}; compare --ca-pin with what "
                                 "parallax-collector init printed, and suspect somebody in between",
                                 FormatFingerprint(shown), FormatFingerprint(pin)));
  }
  const openssl::Store store(X509_STORE_new());
  const openssl::StoreContext context(X509_STORE_CTX_new());
  if (!store || !context || X509_STORE_add_cert(store.get(), pinned) != 1 ||
      X509_STORE_CTX_init(context.get(), store.get(), own, chain) != 1) {
    return Fail(ErrorCode::kFailure, "the TLS library failed to check a certificate");
  }
  X509_VERIFY_PARAM* rules = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_purpose(rules, X509_PURPOSE_SSL_SERVER);
  X509_VERIFY_PARAM_set1_host(rules, kCollectorDnsName.data(), kCollectorDnsName.size());
  X509_VERIFY_PARAM_set_time(
      rules, std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count());
  if (X509_verify_cert(context.get()) == 1) {
    return {};
  }
  X509* failed = X509_STORE_CTX_get_current_cert(context.get());
  return tl::make_unexpected(
      Explain(X509_STORE_CTX_get_error(context.get()), failed != nullptr ? failed : own, now));
}

}  // namespace parallax
