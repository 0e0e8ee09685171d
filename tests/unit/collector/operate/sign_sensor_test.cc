// Requests that hosts make (common/key_request) and what the authority makes of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>

#include "collector/operate/authority.h"
#include "common/key_request.h"
#include "common/openssl.h"
#include "common/tls.h"
#include "tests/unit/temp_dir.h"

namespace parallax::collector {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

const WallTime kNow = *ParseRfc3339("2026-11-23T13:30:18Z");
const PeerName kPeer{"physics", "web-1"};

std::string RequestPem(X509_REQ* request) {
  const openssl::Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509_REQ(bio.get(), request);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<size_t>(size)};
}

openssl::Request OpenRequest(const std::string& pem) {
  const openssl::Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return openssl::Request(PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr));
}

class SignSensorTest : public testing::Test {
 protected:
  Result<std::string> Sign(const std::string& request) const {
    return SignSensor(ca_, request, kPeer, kNow);
  }
  void ExpectRefused(const std::string& request, const char* why) const {
    const auto refused = Sign(request);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kUsage);
    EXPECT_THAT(refused.error().message, HasSubstr(why));
  }
  const KeyPair ca_ = MakeAuthority(kNow).value();
  const KeyAndRequest made_ = MakeKeyAndRequest().value();
};

TEST_F(SignSensorTest, CertificateHoldsWithTheHostsOwnKey) {
  const auto certificate = Sign(made_.request_pem);
  ASSERT_TRUE(certificate) << certificate.error().message;
  const TempDir dir;
  const auto write = [&](const char* name, const std::string& text) {
    const std::string path = dir.Write(name, text);
    std::filesystem::permissions(path, std::filesystem::perms(0600));
    return path;
  };
  const auto identity =
      LoadTlsIdentity(write("ca.pem", ca_.certificate_pem), write("sensor.pem", *certificate),
                      write("sensor.key", made_.key_pem), kNow);
  EXPECT_TRUE(identity) << identity.error().message;
  const auto info = DescribeCertificate(*certificate);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->spiffe_uri, "spiffe://parallax/sensor/physics/web-1");
  EXPECT_EQ(info->not_before, std::chrono::floor<std::chrono::seconds>(kNow - kBackdate));
  EXPECT_EQ(info->not_after, std::chrono::floor<std::chrono::seconds>(kNow + kSensorLife));
  EXPECT_EQ(info->key_sha256, ReadRequest(made_.request_pem)->key_sha256);
  EXPECT_EQ(info->key_sha256.size(), 64u);
}

TEST_F(SignSensorTest, RequestAgainOverTheSameKeyAsksForTheSameKey) {
  const auto again = MakeRequest(made_.key_pem);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(ReadRequest(*again)->key_sha256, ReadRequest(made_.request_pem)->key_sha256);
  EXPECT_NE(ReadRequest(*again)->key_sha256,
            ReadRequest(MakeKeyAndRequest()->request_pem)->key_sha256);
  EXPECT_FALSE(MakeRequest("no key"));
}

TEST_F(SignSensorTest, NamesAndExtensionsOfTheRequestAreIgnored) {
  const openssl::Bio bio(
      BIO_new_mem_buf(made_.key_pem.data(), static_cast<int>(made_.key_pem.size())));
  const openssl::Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  const openssl::Request request(X509_REQ_new());
  const auto* name = reinterpret_cast<const unsigned char*>("root");
  X509_NAME_add_entry_by_NID(X509_REQ_get_subject_name(request.get()), NID_commonName,
                             MBSTRING_UTF8, name, -1, -1, 0);
  STACK_OF(X509_EXTENSION)* extensions = sk_X509_EXTENSION_new_null();
  for (const auto& [nid, value] :
       {std::pair{NID_basic_constraints, "critical,CA:TRUE"},
        std::pair{NID_subject_alt_name, "URI:spiffe://parallax/sensor/mail/mail-1"}}) {
    sk_X509_EXTENSION_push(extensions, X509V3_EXT_conf_nid(nullptr, nullptr, nid, value));
  }
  X509_REQ_add_extensions(request.get(), extensions);
  sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
  X509_REQ_set_pubkey(request.get(), key.get());
  ASSERT_GT(X509_REQ_sign(request.get(), key.get(), EVP_sha256()), 0);

  const auto certificate = Sign(RequestPem(request.get()));
  ASSERT_TRUE(certificate) << certificate.error().message;
  EXPECT_EQ(DescribeCertificate(*certificate)->spiffe_uri, SensorUri(kPeer));
  const openssl::Bio signed_bio(
      BIO_new_mem_buf(certificate->data(), static_cast<int>(certificate->size())));
  const openssl::Certificate leaf(PEM_read_bio_X509(signed_bio.get(), nullptr, nullptr, nullptr));
  EXPECT_EQ(X509_check_ca(leaf.get()), 0);
}

TEST_F(SignSensorTest, DamagedRequestIsRefused) {
  ExpectRefused("", "damaged");
  ExpectRefused("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
                "damaged");
  ExpectRefused(made_.request_pem.substr(0, made_.request_pem.size() / 2), "damaged");
  ExpectRefused(ca_.certificate_pem, "damaged");
  ExpectRefused(std::string(9 << 10, 'A'), "longer");
}

TEST_F(SignSensorTest, RequestThatIsNotSignedWithItsOwnKeyIsRefused) {
  // Somebody else's key in a request that the attacker signed.
  const auto victim = OpenRequest(MakeKeyAndRequest()->request_pem);
  const auto request = OpenRequest(made_.request_pem);
  ASSERT_TRUE(victim && request);
  X509_REQ_set_pubkey(request.get(), X509_REQ_get0_pubkey(victim.get()));
  ExpectRefused(RequestPem(request.get()), "not signed with its own key");
}

TEST_F(SignSensorTest, OnlyP256) {
  for (const char* curve : {"P-384", "P-521"}) {
    const openssl::Key key(EVP_EC_gen(curve));
    const openssl::Request request(X509_REQ_new());
    X509_REQ_set_pubkey(request.get(), key.get());
    ASSERT_GT(X509_REQ_sign(request.get(), key.get(), EVP_sha256()), 0);
    ExpectRefused(RequestPem(request.get()), "not for a P-256 key");
  }
  const openssl::Key rsa(EVP_RSA_gen(2048));
  const openssl::Request request(X509_REQ_new());
  X509_REQ_set_pubkey(request.get(), rsa.get());
  ASSERT_GT(X509_REQ_sign(request.get(), rsa.get(), EVP_sha256()), 0);
  ExpectRefused(RequestPem(request.get()), "not for a P-256 key");
}

TEST_F(SignSensorTest, NamesAreChecked) {
  EXPECT_FALSE(SignSensor(ca_, made_.request_pem, {"physics", "Web 1"}, kNow));
  EXPECT_FALSE(SignSensor(ca_, made_.request_pem, {"a/b", "web"}, kNow));
  EXPECT_FALSE(SignSensor(ca_, made_.request_pem, kPeer, kNow + kAuthorityLife * 2));
}

}  // namespace
}  // namespace parallax::collector
