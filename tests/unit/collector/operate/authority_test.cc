#include "collector/operate/authority.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>

#include <set>

#include "common/openssl.h"
#include "common/tls.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const WallTime kNow = *ParseRfc3339("2026-11-23T13:30:18Z");

openssl::Certificate Open(const std::string& pem) {
  const openssl::Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  openssl::Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  EXPECT_TRUE(certificate);
  return certificate;
}

// What `openssl verify -purpose PURPOSE -attime NOW -x509_strict` says: X509_V_OK or an error.
int Verify(const std::string& ca, const std::string& leaf, int purpose, WallTime now,
           const char* host = nullptr) {
  const auto root = Open(ca);
  const auto certificate = Open(leaf);
  const openssl::Store store(X509_STORE_new());
  X509_STORE_add_cert(store.get(), root.get());
  const openssl::StoreContext context(X509_STORE_CTX_new());
  X509_STORE_CTX_init(context.get(), store.get(), certificate.get(), nullptr);
  X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_time(
      parameters, std::chrono::system_clock::to_time_t(
                      std::chrono::time_point_cast<std::chrono::system_clock::duration>(now)));
  X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_X509_STRICT);
  X509_VERIFY_PARAM_set_purpose(parameters, purpose);
  if (host != nullptr) {
    X509_VERIFY_PARAM_set1_host(parameters, host, 0);
  }
  return X509_verify_cert(context.get()) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(context.get());
}

class AuthorityTest : public testing::Test {
 protected:
  const KeyPair ca_ = MakeAuthority(kNow).value();
};

TEST_F(AuthorityTest, CollectorHoldsAsServerOnly) {
  const auto leaf = IssueCollector(ca_, "noc.campus.example", kNow);
  ASSERT_TRUE(leaf) << leaf.error().message;
  const std::string& pem = leaf->certificate_pem;
  EXPECT_EQ(Verify(ca_.certificate_pem, pem, X509_PURPOSE_SSL_SERVER, kNow), X509_V_OK);
  EXPECT_EQ(Verify(ca_.certificate_pem, pem, X509_PURPOSE_SSL_SERVER, kNow,
                   "collector.parallax.internal"),
            X509_V_OK);
  EXPECT_EQ(Verify(ca_.certificate_pem, pem, X509_PURPOSE_SSL_SERVER, kNow, "noc.campus.example"),
            X509_V_OK);
  EXPECT_NE(Verify(ca_.certificate_pem, pem, X509_PURPOSE_SSL_SERVER, kNow, "other.example"),
            X509_V_OK);
  EXPECT_NE(Verify(ca_.certificate_pem, pem, X509_PURPOSE_SSL_CLIENT, kNow), X509_V_OK);
}

TEST_F(AuthorityTest, SensorHoldsAsClientOnly) {
  const auto leaf = IssueSensor(ca_, {"physics", "web-1"}, kNow);
  ASSERT_TRUE(leaf) << leaf.error().message;
  const std::string& pem = leaf->certificate_pem;
  EXPECT_EQ(Verify(ca_.certificate_pem, pem, X509_PURPOSE_SSL_CLIENT, kNow), X509_V_OK);
  EXPECT_NE(Verify(ca_.certificate_pem, pem, X509_PURPOSE_SSL_SERVER, kNow), X509_V_OK);
}

TEST_F(AuthorityTest, NamesInTheCertificates) {
  const auto named =
      DescribeCertificate(IssueCollector(ca_, "noc.campus.example", kNow)->certificate_pem);
  EXPECT_THAT(named->dns_names, ElementsAre("collector.parallax.internal", "noc.campus.example"));
  EXPECT_THAT(named->ip_addresses, IsEmpty());
  EXPECT_EQ(named->spiffe_uri, "");
  for (const char* address : {"192.0.2.1", "2001:db8::1"}) {
    const auto info = DescribeCertificate(IssueCollector(ca_, address, kNow)->certificate_pem);
    EXPECT_THAT(info->dns_names, ElementsAre("collector.parallax.internal"));
    EXPECT_THAT(info->ip_addresses, ElementsAre(address));
  }
  const auto sensor =
      DescribeCertificate(IssueSensor(ca_, {"physics", "web-1"}, kNow)->certificate_pem);
  EXPECT_EQ(sensor->spiffe_uri, "spiffe://parallax/sensor/physics/web-1");
  EXPECT_EQ(ParseSensorUri(sensor->spiffe_uri), (PeerName{"physics", "web-1"}));
  EXPECT_THAT(sensor->dns_names, IsEmpty());
  EXPECT_EQ(sensor->sha256.size(), 64u);
}

TEST_F(AuthorityTest, Lives) {
  const auto authority = DescribeCertificate(ca_.certificate_pem);
  EXPECT_EQ(authority->not_before, kNow - 5min);
  EXPECT_EQ(authority->not_after, kNow + 3650 * 24h);
  const auto collector = DescribeCertificate(IssueCollector(ca_, "a", kNow)->certificate_pem);
  EXPECT_EQ(collector->not_after, kNow + 365 * 24h);
  const auto sensor = DescribeCertificate(IssueSensor(ca_, {"g", "n"}, kNow)->certificate_pem);
  EXPECT_EQ(sensor->not_before, kNow - 5min);
  EXPECT_EQ(sensor->not_after, kNow + 30 * 24h);
}

TEST_F(AuthorityTest, NothingOutlivesTheAuthority) {
  const WallTime late = kNow + kAuthorityLife - 24h;
  const auto leaf = IssueSensor(ca_, {"g", "n"}, late);
  ASSERT_TRUE(leaf);
  EXPECT_EQ(DescribeCertificate(leaf->certificate_pem)->not_after, kNow + kAuthorityLife);
  for (const WallTime when : {kNow + kAuthorityLife, kNow - 1h}) {
    const auto refused = IssueSensor(ca_, {"g", "n"}, when);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message,
                HasSubstr("the CA's certificate is valid from 2026-11-23"));
  }
}

TEST_F(AuthorityTest, LeafCannotSign) {
  const auto leaf = IssueSensor(ca_, {"physics", "web-1"}, kNow);
  const auto refused = IssueSensor(*leaf, {"physics", "forged"}, kNow);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("not that of a CA"));
}

TEST_F(AuthorityTest, AuthorityIsACriticalLeafOnlyCa) {
  const auto root = Open(ca_.certificate_pem);
  EXPECT_EQ(X509_check_ca(root.get()), 1);
  EXPECT_EQ(X509_get_pathlen(root.get()), 0);
  EXPECT_EQ(X509_get_key_usage(root.get()), static_cast<uint32_t>(KU_KEY_CERT_SIGN | KU_CRL_SIGN));
  EXPECT_TRUE((X509_get_extension_flags(root.get()) & EXFLAG_SS) != 0);
}

TEST_F(AuthorityTest, KeysAreP256AndAllDifferent) {
  std::set<std::string> keys;
  std::set<std::string> serials;
  for (int i = 0; i < 20; ++i) {
    const auto leaf = IssueSensor(ca_, {"g", "n"}, kNow);
    const auto certificate = Open(leaf->certificate_pem);
    EXPECT_EQ(EVP_PKEY_get_bits(X509_get0_pubkey(certificate.get())), 256);
    const ASN1_INTEGER* serial = X509_get0_serialNumber(certificate.get());
    EXPECT_EQ(ASN1_STRING_length(serial), 16);
    serials.emplace(reinterpret_cast<const char*>(ASN1_STRING_get0_data(serial)), 16u);
    keys.insert(leaf->key_pem);
  }
  EXPECT_EQ(keys.size(), 20u);
  EXPECT_EQ(serials.size(), 20u);
}

TEST_F(AuthorityTest, OtherAuthorityDoesNotVouch) {
  const auto other = MakeAuthority(kNow);
  const auto leaf = IssueSensor(*other, {"g", "n"}, kNow);
  EXPECT_NE(Verify(ca_.certificate_pem, leaf->certificate_pem, X509_PURPOSE_SSL_CLIENT, kNow),
            X509_V_OK);
  const auto mixed = IssueSensor({ca_.certificate_pem, other->key_pem}, {"g", "n"}, kNow);
  ASSERT_FALSE(mixed);
  EXPECT_THAT(mixed.error().message, HasSubstr("does not belong"));
}

TEST_F(AuthorityTest, GarbageIsRefused) {
  for (const std::string& garbage :
       {std::string(), std::string("garbage"), ca_.key_pem, ca_.certificate_pem.substr(0, 100)}) {
    EXPECT_FALSE(IssueSensor({garbage, ca_.key_pem}, {"g", "n"}, kNow)) << garbage;
  }
  EXPECT_FALSE(IssueSensor({ca_.certificate_pem, "garbage"}, {"g", "n"}, kNow));
  EXPECT_EQ(ERR_peek_error(), 0u) << "the thread's error queue must stay clean";
}

TEST_F(AuthorityTest, NamesCannotSmuggleOthers) {
  for (const char* host : {"", "a,DNS:b", "a b", "a\nb", "*.example", "1.2.3.4,IP:5.6.7.8"}) {
    EXPECT_FALSE(IssueCollector(ca_, host, kNow)) << host;
  }
  EXPECT_FALSE(IssueSensor(ca_, {"g", "n,URI:x"}, kNow));
  EXPECT_FALSE(IssueSensor(ca_, {"g/x", "n"}, kNow));
}

}  // namespace
}  // namespace parallax::collector
