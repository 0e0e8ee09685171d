#include "collector/operate/ca_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "collector/operate/ca_rotation.h"
#include "common/certificate_bundle.h"
#include "common/fd.h"
#include "tests/unit/temp_dir.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const WallTime kNow = *ParseRfc3339("2026-11-23T13:30:18Z");

std::string Read(const std::string& file) { return ReadSmallFile(file).value_or(""); }

class CaFolder : public testing::Test {
 protected:
  CaFolder() : old_(*MakeAuthority(kNow)), next_(*MakeAuthority(kNow)) {
    tls_.ca_file = dir_.Write("ca.pem", old_.certificate_pem);
    dir_.Write("ca.key", old_.key_pem);
  }

  CaStage Stage() const {
    const auto state = ReadCaState(tls_);
    EXPECT_TRUE(state) << state.error().message;
    return state ? state->stage : CaStage::kSingle;
  }
  // The CA that the folder signs with now: its key and certificate belong together.
  bool Signs(const KeyPair& authority) const {
    const auto state = ReadCaState(tls_);
    return state && state->signing().pem == authority.certificate_pem &&
           Read(CaKeyFile(tls_)) == authority.key_pem;
  }
  size_t Trusted() const { return ReadBundle(Read(tls_.ca_file))->size(); }

  TempDir dir_;
  CollectorConfig::Tls tls_;
  const KeyPair old_;
  const KeyPair next_;
};

TEST_F(CaFolder, OneTakesTheOthersPlaceInThreeSteps) {
  ASSERT_TRUE(AnnounceCa(tls_, next_));
  EXPECT_EQ(Stage(), CaStage::kAnnounced);
  EXPECT_TRUE(Signs(old_));
  EXPECT_EQ(Trusted(), 2u);
  ASSERT_TRUE(SwitchCa(tls_));
  EXPECT_EQ(Stage(), CaStage::kReplaced);
  EXPECT_TRUE(Signs(next_));
  EXPECT_EQ(Trusted(), 2u);
  ASSERT_TRUE(RetireCa(tls_));
  EXPECT_EQ(Stage(), CaStage::kSingle);
  EXPECT_TRUE(Signs(next_));
  EXPECT_EQ(Trusted(), 1u);
}

TEST_F(CaFolder, StepsOutOfOrderChangeNothing) {
  EXPECT_FALSE(SwitchCa(tls_));
  EXPECT_FALSE(RetireCa(tls_));
  EXPECT_TRUE(Signs(old_));
  ASSERT_TRUE(AnnounceCa(tls_, next_));
  EXPECT_FALSE(AnnounceCa(tls_, *MakeAuthority(kNow)));
  EXPECT_FALSE(RetireCa(tls_));
  EXPECT_TRUE(Signs(old_));
  ASSERT_TRUE(SwitchCa(tls_));
  EXPECT_FALSE(SwitchCa(tls_));
  EXPECT_TRUE(Signs(next_));
}

TEST_F(CaFolder, CutOffBeforeTheBundleIsWritten) {
  dir_.Write("ca-next.key", next_.key_pem);  // of an announcement that came no further
  EXPECT_EQ(Stage(), CaStage::kSingle);
  ASSERT_TRUE(FinishSwitch(tls_));
  EXPECT_TRUE(Signs(old_));
  const KeyPair another = *MakeAuthority(kNow);
  ASSERT_TRUE(AnnounceCa(tls_, another));
  ASSERT_TRUE(SwitchCa(tls_));
  EXPECT_TRUE(Signs(another));
}

TEST_F(CaFolder, CutOffBetweenTheBundleAndTheKey) {
  ASSERT_TRUE(AnnounceCa(tls_, next_));
  dir_.Write("ca.pem", next_.certificate_pem + old_.certificate_pem);
  EXPECT_FALSE(Signs(next_));
  ASSERT_TRUE(FinishSwitch(tls_));
  EXPECT_TRUE(Signs(next_));
  EXPECT_EQ(Stage(), CaStage::kReplaced);
  ASSERT_TRUE(FinishSwitch(tls_));  // nothing is left to do
  EXPECT_TRUE(Signs(next_));
}

TEST_F(CaFolder, ABundleThatIsNoneIsSaidSo) {
  dir_.Write("ca.pem", "no certificate");
  const auto state = ReadCaState(tls_);
  ASSERT_FALSE(state);
  EXPECT_THAT(state.error().message, HasSubstr(tls_.ca_file));
  const std::string three =
      old_.certificate_pem + next_.certificate_pem + MakeAuthority(kNow)->certificate_pem;
  dir_.Write("ca.pem", three);
  EXPECT_FALSE(ReadCaState(tls_));
}

TEST_F(CaFolder, CertificatesOfBothHoldWhileBothAreTrusted) {
  const auto bundle = ReadBundle(old_.certificate_pem + next_.certificate_pem);
  const auto of_old = IssueSensor(old_, {"mail", "mail1"}, kNow);
  const auto of_next = IssueSensor(next_, {"mail", "mail1"}, kNow);
  EXPECT_EQ(IssuerIn(*bundle, of_old->certificate_pem), bundle->front().info.sha256);
  EXPECT_EQ(IssuerIn(*bundle, of_next->certificate_pem), bundle->back().info.sha256);
  const std::string both = JoinBundle(*bundle);
  for (const auto& one : {*of_old, *of_next}) {
    EXPECT_TRUE(CheckTlsIdentity({both, one.certificate_pem, one.key_pem}, "", "", "", kNow));
  }
  EXPECT_FALSE(CheckTlsIdentity({next_.certificate_pem, of_old->certificate_pem, of_old->key_pem},
                                "", "", "", kNow));
  EXPECT_TRUE(IsOfSigner(both, of_old->certificate_pem));
  EXPECT_FALSE(IsOfSigner(both, of_next->certificate_pem));
  EXPECT_EQ(IssuerIn(*ReadBundle(next_.certificate_pem), of_old->certificate_pem), "");
}

TEST(Bundles, DamagedOnesAreRefused) {
  const std::string one = MakeAuthority(kNow)->certificate_pem;
  EXPECT_FALSE(ReadBundle(""));
  EXPECT_FALSE(ReadBundle(one.substr(0, one.size() / 2)));
  std::string torn = one;
  std::swap(torn[100], torn[200]);
  torn[150] = '?';
  EXPECT_FALSE(ReadBundle(one + torn));
  const auto leaf = IssueSensor(*MakeAuthority(kNow), {"mail", "mail1"}, kNow);
  EXPECT_FALSE(ReadBundle(leaf->certificate_pem));
  std::string many;
  for (int i = 0; i < 17; ++i) {
    many += one;
  }
  EXPECT_FALSE(ReadBundle(many));
}

std::vector<std::string> Names(const std::vector<Dependent>& dependents) {
  std::vector<std::string> names;
  for (const Dependent& one : dependents) {
    names.push_back(one.name);
  }
  return names;
}

TEST(CaRotation, NamesThoseWhoWouldBeCutOff) {
  const std::string a(64, 'a');
  const std::string b(64, 'b');
  const auto sensor = [&](std::string name, std::vector<std::string> trusted, std::string issuer,
                          Duration expires_in) {
    return KnownSensor{
        name, kNow - 1h,
        SensorIdentity{name, std::move(trusted), std::move(issuer), kNow + expires_in, kNow - 1h}};
  };
  const std::vector<KnownSensor> sensors = {
      sensor("ready", {a, b}, b, 24h),
      sensor("trusts", {a, b}, a, 24h),
      sensor("behind", {a}, a, 24h),
      sensor("expired", {a}, a, -1s),
      KnownSensor{"older", kNow - 1h, std::nullopt},
      KnownSensor{"long-gone", kNow - 31 * 24h, std::nullopt}};
  EXPECT_THAT(Names(NotYetTrusting(b, sensors, 30 * 24h, kNow)), ElementsAre("behind", "older"));
  EXPECT_THAT(Names(NotYetSignedBy(b, sensors, 30 * 24h, kNow)),
              ElementsAre("trusts", "behind", "older"));
  EXPECT_THAT(NotYetTrusting(b, {}, 30 * 24h, kNow), IsEmpty());
}

}  // namespace
}  // namespace parallax::collector
