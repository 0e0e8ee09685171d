#include "collector/operate/authority.h"

#include <fmt/format.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "common/ip.h"
#include "common/key_request.h"
#include "common/openssl.h"
#include "common/tls.h"

namespace parallax::collector {
namespace {

// Everything in which one certificate differs from another.
struct Content {
  std::string common_name;
  WallTime not_before;
  WallTime not_after;
  bool is_authority = false;
  const char* key_usage = nullptr;
  const char* extended_key_usage = nullptr;  // leaves only
  std::string alternative_names;             // leaves only, OpenSSL's "DNS:a,IP:b"
};

struct Signer {
  openssl::Certificate certificate;
  openssl::Key key;
  WallTime not_after;
};

Error Broken(std::string_view what) {
  return {ErrorCode::kFailure, fmt::format("the TLS library failed to {}", what)};
}

bool SetSerial(X509* certificate) {
  std::array<unsigned char, 16> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
    return false;
  }
  bytes[0] = static_cast<unsigned char>((bytes[0] & 0x7f) | 0x40);  // positive, full length
  BIGNUM* number = BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr);
  const bool ok = number != nullptr &&
                  BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr;
  BN_free(number);
  return ok;
}

bool SetTime(ASN1_TIME* field, WallTime t) {
  return ASN1_TIME_set(field, static_cast<std::time_t>(
                                  std::chrono::floor<std::chrono::seconds>(t).time_since_epoch() /
                                  std::chrono::seconds(1))) != nullptr;
}

bool AddExtension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
  const bool ok = extension != nullptr && X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return ok;
}

bool Fill(X509* certificate, X509* issuer, EVP_PKEY* key, const Content& content) {
  X509_NAME* subject = X509_get_subject_name(certificate);
  const auto* name = reinterpret_cast<const unsigned char*>(content.common_name.c_str());
  const auto add = [&](int nid, const char* value) {
    return value == nullptr || AddExtension(certificate, issuer, nid, value);
  };
  return X509_set_version(certificate, 2) == 1 && SetSerial(certificate) &&
         SetTime(X509_getm_notBefore(certificate), content.not_before) &&
         SetTime(X509_getm_notAfter(certificate), content.not_after) &&
         X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8, name, -1, -1, 0) == 1 &&
         X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1 &&
         X509_set_pubkey(certificate, key) == 1 &&
         add(NID_basic_constraints,
             content.is_authority ? "critical,CA:TRUE,pathlen:0" : "critical,CA:FALSE") &&
         add(NID_key_usage, content.key_usage) &&
         add(NID_ext_key_usage, content.extended_key_usage) &&
         add(NID_subject_key_identifier, "hash") &&
         add(NID_authority_key_identifier, "keyid:always") &&
         add(NID_subject_alt_name,
             content.alternative_names.empty() ? nullptr : content.alternative_names.c_str());
}

std::string TakeText(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return size > 0 ? std::string(data, static_cast<size_t>(size)) : std::string();
}

// A certificate over `key`, signed by `signer`, or by the key itself if that is null. PEM.
Result<std::string> Certify(const Signer* signer, EVP_PKEY* key, const Content& content) {
  const openssl::Certificate certificate(X509_new());
  X509* issuer = signer != nullptr ? signer->certificate.get() : certificate.get();
  EVP_PKEY* issuer_key = signer != nullptr ? signer->key.get() : key;
  const openssl::Bio bio(BIO_new(BIO_s_mem()));
  if (!certificate || !Fill(certificate.get(), issuer, key, content) ||
      X509_sign(certificate.get(), issuer_key, EVP_sha256()) == 0 ||
      PEM_write_bio_X509(bio.get(), certificate.get()) != 1) {
    return tl::make_unexpected(Broken("make a certificate"));
  }
  return TakeText(bio.get());
}

// A new key with a certificate over it.
Result<KeyPair> Make(const Signer* signer, const Content& content) {
  const openssl::Key key(EVP_EC_gen("P-256"));
  const openssl::Bio bio(BIO_new(BIO_s_mem()));
  if (!key || PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                            nullptr) != 1) {
    return tl::make_unexpected(Broken("make a key"));
  }
  auto certificate = Certify(signer, key.get(), content);
  if (!certificate) {
    return tl::make_unexpected(certificate.error());
  }
  return KeyPair{std::move(*certificate), TakeText(bio.get())};
}

Result<Signer> OpenSigner(const KeyPair& authority, WallTime now) {
  const auto info = DescribeCertificate(authority.certificate_pem);
  if (!info) {
    return Fail(ErrorCode::kFailure, "the CA's certificate is damaged or not in PEM form");
  }
  Signer signer;
  signer.certificate = openssl::ReadCertificate(authority.certificate_pem);
  signer.key = openssl::ReadPrivateKey(authority.key_pem);
  signer.not_after = info->not_after;
  if (!signer.certificate || X509_check_ca(signer.certificate.get()) != 1) {
    return Fail(ErrorCode::kFailure, "the CA's certificate is not that of a CA");
  }
  if (!signer.key) {
    return Fail(ErrorCode::kFailure, "the CA's key is damaged or not in PEM form");
  }
  if (X509_check_private_key(signer.certificate.get(), signer.key.get()) != 1) {
    return Fail(ErrorCode::kFailure, "the CA's key does not belong to the CA's certificate");
  }
  if (now < info->not_before || now >= info->not_after) {
    return Fail(ErrorCode::kFailure,
                fmt::format("the CA's certificate is valid from {} to {} and the clock here says "
                            "{}",
                            FormatRfc3339(info->not_before), FormatRfc3339(info->not_after),
                            FormatRfc3339(now)));
  }
  return signer;
}

void SetLeaf(Content& content, const Signer& signer, Duration life, WallTime now) {
  content.key_usage = "critical,digitalSignature";
  content.not_before = now - BackdateOf(life);
  content.not_after = std::min(now + life, signer.not_after);
}

Result<KeyPair> Issue(const KeyPair& authority, Content content, Duration life, WallTime now) {
  const openssl::ErrorQueueGuard guard;
  const auto signer = OpenSigner(authority, now);
  if (!signer) {
    return tl::make_unexpected(signer.error());
  }
  SetLeaf(content, *signer, life, now);
  return Make(&*signer, content);
}

Result<Content> SensorContent(const PeerName& peer) {
  if (!IsValidName(peer.group) || !IsValidName(peer.name)) {
    return Fail(ErrorCode::kUsage,
                fmt::format("\"{}\" in \"{}\" is no name for a sensor", peer.name, peer.group));
  }
  Content content;
  content.common_name = peer.name;
  content.extended_key_usage = "clientAuth";
  content.alternative_names = "URI:" + SensorUri(peer);
  return content;
}

}  // namespace

Result<KeyPair> MakeAuthority(WallTime now) {
  const openssl::ErrorQueueGuard guard;
  // A name of its own, so that two CAs in one trust file are told apart.
  std::array<unsigned char, 4> tag{};
  if (RAND_bytes(tag.data(), static_cast<int>(tag.size())) != 1) {
    return tl::make_unexpected(Broken("draw a random number"));
  }
  Content content;
  content.common_name =
      fmt::format("Parallax CA {:02x}{:02x}{:02x}{:02x}", tag[0], tag[1], tag[2], tag[3]);
  content.not_before = now - kBackdate;
  content.not_after = now + kAuthorityLife;
  content.is_authority = true;
  content.key_usage = "critical,keyCertSign,cRLSign";
  return Make(nullptr, content);
}

Result<KeyPair> IssueCollector(const KeyPair& authority, const std::string& host, WallTime now) {
  return IssueCollector(authority, std::vector{host}, kCollectorLife, now);
}

Result<KeyPair> IssueCollector(const KeyPair& authority, const std::vector<std::string>& hosts,
                               Duration life, WallTime now) {
  Content content;
  content.common_name = "parallax-collector";
  content.extended_key_usage = "serverAuth";
  content.alternative_names = fmt::format("DNS:{}", kCollectorDnsName);
  for (const std::string& host : hosts) {
    const auto address = IpAddress::Parse(host);
    if (!address && !IsHostName(host)) {
      return Fail(ErrorCode::kUsage, fmt::format("\"{}\" is no host name and no address", host));
    }
    content.alternative_names += fmt::format(",{}:{}", address ? "IP" : "DNS", host);
  }
  return Issue(authority, std::move(content), life, now);
}

Result<KeyPair> IssueSensor(const KeyPair& authority, const PeerName& peer, WallTime now,
                            Duration life) {
  auto content = SensorContent(peer);
  if (!content) {
    return tl::make_unexpected(content.error());
  }
  return Issue(authority, std::move(*content), life, now);
}

Result<KeyPair> IssueOperator(const KeyPair& authority, const OperatorName& name, WallTime now) {
  if (!IsValidName(name.name)) {
    return Fail(ErrorCode::kUsage, fmt::format("\"{}\" is no name for an operator", name.name));
  }
  Content content;
  content.common_name = name.name;
  content.extended_key_usage = "clientAuth";
  content.alternative_names = "URI:" + OperatorUri(name);
  return Issue(authority, std::move(content), kOperatorLife, now);
}

bool IsKeyOf(const std::string& certificate_pem, const std::string& key_pem) {
  const openssl::ErrorQueueGuard guard;
  const openssl::Certificate certificate = openssl::ReadCertificate(certificate_pem);
  const openssl::Key key = openssl::ReadPrivateKey(key_pem);
  return certificate && key && X509_check_private_key(certificate.get(), key.get()) == 1;
}

Result<std::string> SignSensor(const KeyPair& authority, std::string_view request_pem,
                               const PeerName& peer, WallTime now, Duration life) {
  const openssl::ErrorQueueGuard guard;
  auto content = SensorContent(peer);
  if (!content) {
    return tl::make_unexpected(content.error());
  }
  const auto request = ReadRequest(request_pem);
  if (!request) {
    return tl::make_unexpected(request.error());
  }
  const auto signer = OpenSigner(authority, now);
  if (!signer) {
    return tl::make_unexpected(signer.error());
  }
  const std::string& pem = request->public_key_pem;
  const openssl::Key key(
      PEM_read_bio_PUBKEY(openssl::OpenPem(pem).get(), nullptr, openssl::NoPassphrase, nullptr));
  if (!key) {
    return tl::make_unexpected(Broken("read a public key"));
  }
  SetLeaf(*content, *signer, life, now);
  return Certify(&*signer, key.get(), *content);
}

}  // namespace parallax::collector
