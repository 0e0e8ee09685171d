#include "common/tls.h"

#include <fmt/format.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <utility>

#include "common/fd.h"
#include "common/ip.h"
#include "common/openssl.h"

namespace parallax {
namespace {

constexpr int kMostCertificatesInFile = 16;

// Every certificate in `pem`, in order; empty if there is none or one is damaged.
std::vector<openssl::Certificate> ParseCertificates(std::string_view pem) {
  std::vector<openssl::Certificate> certificates;
  const openssl::Bio bio = openssl::OpenPem(pem);
  while (openssl::Certificate one = openssl::ReadCertificate(bio.get())) {
    certificates.push_back(std::move(one));
    if (certificates.size() > kMostCertificatesInFile) {
      return {};
    }
  }
  // "No start line" is how the end of the file looks; anything else is damage.
  const auto error = ERR_peek_last_error();
  if (ERR_GET_LIB(error) != ERR_LIB_PEM || ERR_GET_REASON(error) != PEM_R_NO_START_LINE) {
    return {};
  }
  return certificates;
}

WallTime ToWallTime(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) {
    return WallTime();
  }
  return WallTime(std::chrono::seconds(timegm(&parts)));
}

// To the second: nobody reads more of a certificate's dates.
std::string FormatDate(WallTime t) {
  std::string text = FormatRfc3339(std::chrono::floor<std::chrono::seconds>(t));
  text.erase(text.find('.'));
  return text + "Z";
}

Result<std::string> ReadNamed(std::string_view what, const std::string& file) {
  auto content = ReadSmallFile(file);
  if (!content) {
    const ErrorCode code = content.error().code == ErrorCode::kPermission ? ErrorCode::kPermission
                                                                          : ErrorCode::kBadConfig;
    return Fail(code, fmt::format("cannot read the {}: {}", what, content.error().message));
  }
  return content;
}

Result<std::vector<openssl::Certificate>> ReadCertificates(std::string_view what,
                                                           const std::string& file,
                                                           std::string_view pem) {
  auto certificates = ParseCertificates(pem);
  if (certificates.empty()) {
    return Fail(ErrorCode::kBadConfig,
                fmt::format("{}: holds no sound {} in PEM form", file, what));
  }
  return certificates;
}

// As PostgreSQL has it: only the owner may read a key, or root's own group if root owns it (that is
// how systemd hands out credentials).
Result<void> CheckKeyMode(const std::string& file) {
  struct stat status {};
  if (stat(file.c_str(), &status) != 0) {
    return tl::make_unexpected(ErrnoError("cannot read the private key: " + file, errno));
  }
  const mode_t forbidden = status.st_uid == 0 ? 0037 : 0077;
  if ((status.st_mode & forbidden) != 0) {
    return Fail(ErrorCode::kBadConfig,
                fmt::format("{}: the private key is open to other users (mode {:04o}); run: "
                            "chmod 600 {}",
                            file, status.st_mode & 07777, file));
  }
  return {};
}

Result<openssl::Key> ReadKey(const std::string& file, std::string_view pem) {
  openssl::Key key = openssl::ReadPrivateKey(pem);
  if (!key) {
    const bool locked = pem.find("ENCRYPTED") != pem.npos;
    return Fail(ErrorCode::kBadConfig,
                fmt::format("{}: {}", file,
                            locked ? "the private key is locked with a passphrase; store it "
                                     "without one"
                                   : "the private key is damaged or not in PEM form"));
  }
  return key;
}

// The text of an ASN.1 string; empty if it hides a NUL, an old trick to show half a name.
std::string NameText(const ASN1_STRING* value) {
  const auto* data = reinterpret_cast<const char*>(ASN1_STRING_get0_data(value));
  const std::string text(data, static_cast<size_t>(ASN1_STRING_length(value)));
  return text.find('\0') == text.npos ? text : std::string();
}

CertificateInfo Describe(X509* certificate) {
  CertificateInfo info;
  info.not_before = ToWallTime(X509_get0_notBefore(certificate));
  info.not_after = ToWallTime(X509_get0_notAfter(certificate));
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest, &size) == 1) {
    info.sha256 = openssl::Hex(digest, size);
  }
  if (EVP_PKEY* key = X509_get0_pubkey(certificate)) {
    info.key_sha256 = openssl::PublicKeySha256(key);
  }
  const openssl::GeneralNames names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  std::vector<std::string> uris;
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_URI) {
      uris.push_back(NameText(name->d.uniformResourceIdentifier));
    } else if (name->type == GEN_DNS) {
      info.dns_names.push_back(NameText(name->d.dNSName));
    } else if (name->type == GEN_IPADD) {
      const auto length = static_cast<size_t>(ASN1_STRING_length(name->d.iPAddress));
      if (const auto address =
              IpAddress::FromBytes({ASN1_STRING_get0_data(name->d.iPAddress), length})) {
        info.ip_addresses.push_back(address->ToString());
      }
    }
  }
  // SPIFFE X509-SVID, section 2: exactly one URI, or it names nobody.
  if (uris.size() == 1 && uris[0].starts_with("spiffe://")) {
    info.spiffe_uri = uris[0];
  }
  return info;
}

struct VerifyFailure {
  int code = X509_V_OK;
  int depth = 0;       // 0: the certificate itself; above: one that it rests on
  CertificateInfo at;  // the one that failed
};

// nullopt if `chain` (own certificate first) rests on one of `roots` and all are valid at `now`.
std::optional<VerifyFailure> Verify(const std::vector<openssl::Certificate>& roots,
                                    const std::vector<openssl::Certificate>& chain, WallTime now) {
  const openssl::Store store(X509_STORE_new());
  for (const auto& root : roots) {
    X509_STORE_add_cert(store.get(), root.get());
  }
  const openssl::CertificateStack rest(sk_X509_new_null());
  for (size_t i = 1; i < chain.size(); ++i) {
    X509_up_ref(chain[i].get());
    sk_X509_push(rest.get(), chain[i].get());
  }
  const openssl::StoreContext context(X509_STORE_CTX_new());
  if (X509_STORE_CTX_init(context.get(), store.get(), chain[0].get(), rest.get()) != 1) {
    return VerifyFailure{X509_V_ERR_UNSPECIFIED, 0, {}};
  }
  X509_VERIFY_PARAM_set_time(
      X509_STORE_CTX_get0_param(context.get()),
      std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count());
  if (X509_verify_cert(context.get()) == 1) {
    return std::nullopt;
  }
  X509* failed = X509_STORE_CTX_get_current_cert(context.get());
  return VerifyFailure{X509_STORE_CTX_get_error(context.get()),
                       X509_STORE_CTX_get_error_depth(context.get()),
                       failed != nullptr ? Describe(failed) : CertificateInfo()};
}

// What a person should do about a certificate that no longer serves.
std::string Renewal(const CertificateInfo& info) {
  const auto sensor = ParseSensorUri(info.spiffe_uri);
  return sensor ? fmt::format(
                      "enroll this host again with a token from the collector's host (parallax "
                      "token create --group {1} --replace {0}), or make a folder for it there: "
                      "parallax-collector add-sensor {0} --group {1} ...",
                      sensor->name, sensor->group)
                : std::string(
                      "set the clock if it is wrong, else make another one: "
                      "parallax-collector ca renew --config collector.toml");
}

Error Explain(const VerifyFailure& failure, const std::string& file, const std::string& ca_file,
              WallTime now) {
  const bool own = failure.depth == 0;
  const std::string_view which = own ? "the certificate" : "the CA's certificate";
  const std::string& where = own ? file : ca_file;
  switch (failure.code) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return {
          ErrorCode::kBadConfig,
          fmt::format("{}: {} expired at {}; {}", where, which, FormatDate(failure.at.not_after),
                      own ? Renewal(failure.at) : "set up a new CA with parallax-collector init")};
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return {ErrorCode::kBadConfig,
              fmt::format("{}: {} is not valid before {} and the clock here says {}; set the clock",
                          where, which, FormatDate(failure.at.not_before), FormatDate(now))};
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return {ErrorCode::kBadConfig,
              fmt::format("{}: the certificate is not signed by the CA in {}; take both from the "
                          "same collector",
                          file, ca_file)};
    default:
      return {ErrorCode::kBadConfig,
              fmt::format("{}: the certificate does not hold against the CA in {}: {}", file,
                          ca_file, X509_verify_cert_error_string(failure.code))};
  }
}

}  // namespace

Result<TlsIdentity> LoadTlsIdentity(const std::string& ca_file, const std::string& certificate_file,
                                    const std::string& key_file, WallTime now) {
  const openssl::ErrorQueueGuard guard;
  TlsIdentity identity;
  // `content` = the file, or the error of this function.
  const auto read = [](std::string_view what, const std::string& file, std::string& content) {
    auto text = ReadNamed(what, file);
    if (text) {
      content = std::move(*text);
      return Result<void>();
    }
    return Result<void>(tl::make_unexpected(std::move(text.error())));
  };
  const Result<void> files =
      read("CA's certificate", ca_file, identity.ca_pem)
          .and_then([&] { return read("certificate", certificate_file, identity.certificate_pem); })
          .and_then([&] { return read("private key", key_file, identity.key_pem); })
          .and_then([&] { return CheckKeyMode(key_file); });
  if (!files) {
    return tl::make_unexpected(files.error());
  }
  if (auto sound = CheckTlsIdentity(identity, ca_file, certificate_file, key_file, now); !sound) {
    return tl::make_unexpected(sound.error());
  }
  return identity;
}

Result<void> CheckTlsIdentity(const TlsIdentity& identity, const std::string& ca_file,
                              const std::string& certificate_file, const std::string& key_file,
                              WallTime now) {
  const openssl::ErrorQueueGuard guard;
  const auto roots = ReadCertificates("CA's certificate", ca_file, identity.ca_pem);
  if (!roots) {
    return tl::make_unexpected(roots.error());
  }
  const auto chain = ReadCertificates("certificate", certificate_file, identity.certificate_pem);
  if (!chain) {
    return tl::make_unexpected(chain.error());
  }
  const auto key = ReadKey(key_file, identity.key_pem);
  if (!key) {
    return tl::make_unexpected(key.error());
  }
  X509* own = chain->front().get();
  if (X509_check_private_key(own, key->get()) != 1) {
    return Fail(ErrorCode::kBadConfig,
                fmt::format("{}: the private key does not belong to the certificate in {}",
                            key_file, certificate_file));
  }
  if (const auto failure = Verify(*roots, *chain, now)) {
    return tl::make_unexpected(Explain(*failure, certificate_file, ca_file, now));
  }
  return {};
}

Result<CertificateInfo> DescribeCertificate(std::string_view pem) {
  const openssl::ErrorQueueGuard guard;
  const openssl::Certificate certificate = openssl::ReadCertificate(pem);
  if (!certificate) {
    return Fail(ErrorCode::kFailure, "the certificate is damaged or not in PEM form");
  }
  return Describe(certificate.get());
}

}  // namespace parallax
