// common/tls, with real certificates from collector/operate/authority.
#include "common/tls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/operate/authority.h"
#include "common/openssl.h"
#include "tests/unit/temp_dir.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;

const WallTime kNow = *ParseRfc3339("2026-11-23T13:30:18Z");

class LoadTlsIdentityTest : public testing::Test {
 protected:
  LoadTlsIdentityTest() {
    Put("ca.pem", ca_.certificate_pem);
    Put("sensor.pem", sensor_.certificate_pem);
    Put("sensor.key", sensor_.key_pem);
  }
  void Put(const char* name, std::string_view content) {
    chmod(dir_.Write(name, content).c_str(), 0600);
  }
  Result<TlsIdentity> Load(WallTime now = kNow) {
    return LoadTlsIdentity(dir_.Path("ca.pem"), dir_.Path("sensor.pem"), dir_.Path("sensor.key"),
                           now);
  }
  std::string Refusal(WallTime now = kNow) {
    const auto identity = Load(now);
    EXPECT_FALSE(identity);
    EXPECT_EQ(ERR_peek_error(), 0u) << "the thread's error queue must stay clean";
    if (identity) {
      return "";
    }
    EXPECT_EQ(identity.error().code, ErrorCode::kBadConfig);
    EXPECT_EQ(identity.error().message.find('\n'), std::string::npos);
    return identity.error().message;
  }

  TempDir dir_;
  const KeyPair ca_ = MakeAuthority(kNow).value();
  const KeyPair sensor_ = IssueSensor(ca_, {"physics", "web-1"}, kNow).value();
};

TEST_F(LoadTlsIdentityTest, GivesWhatTheFilesHold) {
  const auto identity = Load();
  ASSERT_TRUE(identity) << identity.error().message;
  EXPECT_EQ(identity->ca_pem, ca_.certificate_pem);
  EXPECT_EQ(identity->certificate_pem, sensor_.certificate_pem);
  EXPECT_EQ(identity->key_pem, sensor_.key_pem);
}

TEST_F(LoadTlsIdentityTest, NamesTheMissingFile) {
  for (const auto& [file, what] : {std::pair{"ca.pem", "CA's certificate"},
                                   {"sensor.pem", "certificate"},
                                   {"sensor.key", "private key"}}) {
    std::filesystem::rename(dir_.Path(file), dir_.Path("away"));
    EXPECT_THAT(Refusal(), AllOf(HasSubstr(what), HasSubstr(dir_.Path(file)),
                                 HasSubstr("No such file or directory")));
    std::filesystem::rename(dir_.Path("away"), dir_.Path(file));
  }
}

TEST_F(LoadTlsIdentityTest, NamesTheFileThatHoldsSomethingElse) {
  const std::string cut = sensor_.certificate_pem.substr(0, sensor_.certificate_pem.size() / 2);
  for (const std::string& junk : {std::string(), std::string("junk\n"), cut, sensor_.key_pem}) {
    Put("ca.pem", junk);
    EXPECT_THAT(Refusal(), AllOf(HasSubstr(dir_.Path("ca.pem")), HasSubstr("in PEM form")));
    Put("ca.pem", ca_.certificate_pem);
    Put("sensor.pem", junk);
    EXPECT_THAT(Refusal(), AllOf(HasSubstr(dir_.Path("sensor.pem")), HasSubstr("in PEM form")));
    Put("sensor.pem", sensor_.certificate_pem);
  }
  for (const std::string& junk : {std::string(), std::string("junk\n"), cut}) {
    Put("sensor.key", junk);
    EXPECT_THAT(Refusal(), AllOf(HasSubstr(dir_.Path("sensor.key")), HasSubstr("in PEM form")));
  }
}

TEST_F(LoadTlsIdentityTest, DamageBehindTheFirstCertificateCounts) {
  std::string second = ca_.certificate_pem;
  second[second.size() / 2] = '!';
  Put("ca.pem", ca_.certificate_pem + second);
  EXPECT_THAT(Refusal(), HasSubstr("in PEM form"));
}

TEST_F(LoadTlsIdentityTest, LockedKeyIsNotAskedAbout) {
  const openssl::Bio in(
      BIO_new_mem_buf(sensor_.key_pem.data(), static_cast<int>(sensor_.key_pem.size())));
  const openssl::Key key(PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr));
  const openssl::Bio out(BIO_new(BIO_s_mem()));
  ASSERT_EQ(PEM_write_bio_PKCS8PrivateKey(out.get(), key.get(), EVP_aes_128_cbc(), "secret", 6,
                                          nullptr, nullptr),
            1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  Put("sensor.key", std::string_view(data, static_cast<size_t>(size)));
  EXPECT_THAT(Refusal(), HasSubstr("locked with a passphrase"));
}

TEST_F(LoadTlsIdentityTest, KeyOfAnother) {
  Put("sensor.key", IssueSensor(ca_, {"physics", "web-2"}, kNow)->key_pem);
  EXPECT_THAT(Refusal(), AllOf(HasSubstr(dir_.Path("sensor.key")),
                               HasSubstr("does not belong to the certificate in"),
                               HasSubstr(dir_.Path("sensor.pem"))));
}

TEST_F(LoadTlsIdentityTest, OtherAuthority) {
  Put("ca.pem", MakeAuthority(kNow)->certificate_pem);
  EXPECT_THAT(Refusal(), HasSubstr("is not signed by the CA in " + dir_.Path("ca.pem")));
  Put("ca.pem", sensor_.certificate_pem);
  Refusal();
}

TEST_F(LoadTlsIdentityTest, SeveralAuthoritiesMayStandInOneFile) {
  Put("ca.pem", "# old and new\n" + MakeAuthority(kNow)->certificate_pem + ca_.certificate_pem);
  EXPECT_TRUE(Load());
}

TEST_F(LoadTlsIdentityTest, ExpiredSaysWhenAndWhatToDo) {
  EXPECT_TRUE(Load(kNow + 30 * 24h - 1s));
  EXPECT_THAT(Refusal(kNow + 30 * 24h + 1s),
              AllOf(HasSubstr("expired at 2026-12-23T13:30:18Z"),
                    HasSubstr("parallax-collector add-sensor web-1 --group physics")));
}

TEST_F(LoadTlsIdentityTest, NotYetValidAsksAboutTheClock) {
  EXPECT_TRUE(Load(kNow - 5min));
  EXPECT_THAT(Refusal(kNow - 6min), AllOf(HasSubstr("not valid before 2026-11-23T13:25:18Z"),
                                          HasSubstr("the clock here says 2026-11-23T13:24:18Z"),
                                          HasSubstr("set the clock")));
}

TEST_F(LoadTlsIdentityTest, ExpiredAuthorityIsNamed) {
  const WallTime late = kNow + kAuthorityLife - 24h;
  const auto sensor = IssueSensor(ca_, {"physics", "web-1"}, late);
  Put("sensor.pem", sensor->certificate_pem);
  Put("sensor.key", sensor->key_pem);
  EXPECT_TRUE(Load(late));
  EXPECT_THAT(Refusal(late + 25h), HasSubstr("expired at"));
}

TEST_F(LoadTlsIdentityTest, KeyOpenToOthers) {
  const std::string key = dir_.Path("sensor.key");
  for (const mode_t mode : {0604u, 0602u, 0601u, 0620u, 0644u, 0666u}) {
    ASSERT_EQ(chmod(key.c_str(), mode), 0);
    EXPECT_THAT(Refusal(), AllOf(HasSubstr("open to other users"), HasSubstr("chmod 600 " + key)))
        << std::oct << mode;
  }
  ASSERT_EQ(chmod(key.c_str(), 0400), 0);
  EXPECT_TRUE(Load());
  // A group may read a key that root gives it; anybody else's must be private.
  ASSERT_EQ(chmod(key.c_str(), 0640), 0);
  EXPECT_EQ(Load().has_value(), geteuid() == 0);
}

TEST(DescribeCertificate, RefusesGarbage) {
  EXPECT_FALSE(DescribeCertificate(""));
  EXPECT_FALSE(
      DescribeCertificate("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST(DescribeCertificate, MutatedCertificatesCrashNothing) {
  const std::string pem = MakeAuthority(kNow)->certificate_pem;
  for (size_t at = 0; at < pem.size(); ++at) {
    for (const char c : {'A', '/', '\n', '\0'}) {
      std::string mutant = pem;
      mutant[at] = c;
      const auto info = DescribeCertificate(mutant);
      EXPECT_TRUE(!info || info->sha256.size() == 64);
    }
  }
}

}  // namespace
}  // namespace parallax::collector
