#include "collector/operate/identity_keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "collector/operate/authority.h"
#include "collector/operate/ca_folder.h"
#include "common/fd.h"
#include "tests/unit/temp_dir.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

const WallTime kNow = *ParseRfc3339("2026-11-23T13:30:18Z");
constexpr Duration kLife = 300h;

std::string Read(const std::string& file) { return ReadSmallFile(file).value_or(""); }

class CollectorIdentity : public testing::Test {
 protected:
  CollectorIdentity() : authority_(*MakeAuthority(kNow)) {
    const auto own = IssueCollector(authority_, {"noc.example", "192.0.2.7"}, kLife, kNow);
    auto& tls = config_.tls;
    tls.ca_file = dir_.Write("ca.pem", authority_.certificate_pem);
    tls.certificate_file = dir_.Write("collector.pem", own->certificate_pem);
    tls.key_file = dir_.Write("collector.key", own->key_pem);
    Close(tls.key_file);
    Close(dir_.Write("ca.key", authority_.key_pem));
    tls.collector_certificate_life = kLife;
    holder_ = std::make_shared<IdentityHolder>(*LoadCollectorIdentity(config_, kNow));
  }
  static void Close(const std::string& file) {
    std::filesystem::permissions(file, std::filesystem::perms(0600));
  }
  IdentityKeeper Keeper() { return {config_, holder_, 1}; }
  std::string Shown() const { return holder_->Get().identity->certificate_pem; }

  TempDir dir_;
  const KeyPair authority_;
  CollectorConfig config_;
  std::shared_ptr<IdentityHolder> holder_;
};

TEST_F(CollectorIdentity, RenewsAtAThirdOfItsLifeForTheSameHosts) {
  auto keeper = Keeper();
  const auto before = *DescribeCertificate(Shown());
  EXPECT_FALSE(keeper.Step(kNow + 94h));
  EXPECT_TRUE(keeper.Step(kNow + 106h));
  const auto after = *DescribeCertificate(Shown());
  EXPECT_EQ(after.dns_names, before.dns_names);
  EXPECT_EQ(after.ip_addresses, before.ip_addresses);
  EXPECT_NE(after.key_sha256, before.key_sha256);
  EXPECT_EQ(after.not_after, std::chrono::floor<std::chrono::seconds>(kNow + 106h + kLife));
  EXPECT_EQ(Read(config_.tls.certificate_file), Shown());
  EXPECT_FALSE(keeper.Step(kNow + 107h));
}

TEST_F(CollectorIdentity, AShorterLifeInTheConfigurationCountsAtOnce) {
  config_.tls.collector_certificate_life = 10h;
  auto keeper = Keeper();
  EXPECT_FALSE(keeper.Step(kNow + 3h));
  EXPECT_TRUE(keeper.Step(kNow + 4h));
}

TEST_F(CollectorIdentity, WithoutTheCasKeyItKeepsWhatItHas) {
  std::filesystem::remove(CaKeyFile(config_.tls));
  auto keeper = Keeper();
  const std::string before = Shown();
  EXPECT_FALSE(keeper.Step(kNow + 106h));
  EXPECT_EQ(Shown(), before);
}

TEST_F(CollectorIdentity, TakesOverWhatIsPutInPlaceAndNothingBroken) {
  auto keeper = Keeper();
  const std::string before = Shown();
  dir_.Write("collector.pem", "half a certifi");
  EXPECT_FALSE(keeper.Step(kNow));
  EXPECT_EQ(Shown(), before);
  const auto by_hand = IssueCollector(authority_, {"noc.example"}, kLife, kNow);
  dir_.Write("collector.pem", by_hand->certificate_pem);
  EXPECT_FALSE(keeper.Step(kNow)) << "the key is not its own yet";
  dir_.Write("collector.key", by_hand->key_pem);
  EXPECT_TRUE(keeper.Step(kNow));
  EXPECT_EQ(Shown(), by_hand->certificate_pem);
}

TEST_F(CollectorIdentity, ACaThatTookOverSignsItAtOnce) {
  auto keeper = Keeper();
  const KeyPair next = *MakeAuthority(kNow);
  ASSERT_TRUE(AnnounceCa(config_.tls, next));
  EXPECT_TRUE(keeper.Step(kNow)) << "both are trusted from now on";
  EXPECT_TRUE(IsOfSigner(Read(config_.tls.ca_file), Shown()));
  ASSERT_TRUE(SwitchCa(config_.tls));
  EXPECT_TRUE(keeper.Step(kNow));
  EXPECT_TRUE(CheckTlsIdentity({next.certificate_pem, Shown(), holder_->Get().identity->key_pem},
                               "", "", "", kNow));
}

TEST_F(CollectorIdentity, AnExpiredOneIsRefusedAndCanBeRenewed) {
  const WallTime later = kNow + kLife + 1h;
  const auto expired = LoadCollectorIdentity(config_, later);
  ASSERT_FALSE(expired);
  EXPECT_THAT(expired.error().message, HasSubstr("ca renew"));
  ASSERT_TRUE(RenewCollectorIdentity(config_, later));
  EXPECT_TRUE(LoadCollectorIdentity(config_, later));
}

}  // namespace
}  // namespace parallax::collector
