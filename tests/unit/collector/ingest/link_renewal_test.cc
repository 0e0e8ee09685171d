// Certificates that are renewed over the link: the port's answers, and the sensor that asks.
#include <atomic>
#include <filesystem>

#include "common/certificate_bundle.h"
#include "common/fd.h"
#include "common/key_request.h"
#include "link_world.h"
#include "sensor/link/identity_keeper.h"
#include "sensor/link/renew_call.h"
#include "tests/unit/temp_dir.h"

namespace parallax::collector {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class LinkRenewalTest : public testing::Test {
 protected:
  LinkServerOptions Options() {
    LinkServerOptions options;
    options.renew = [this](const PeerName& peer, const CertificateInfo& shown,
                           const std::string& request,
                           const std::string& key) -> Result<std::string> {
      ++asked;
      EXPECT_EQ(shown.spiffe_uri, SensorUri(peer));
      EXPECT_EQ(key.size(), 64u);
      if (refuse) {
        return Fail(ErrorCode::kDenied, "this sensor was revoked");
      }
      return SignSensor(SharedCampus().authority(), request, peer, Now().wall);
    };
    return options;
  }
  Result<sensor::RenewedCertificate> Ask(const std::string& request) const {
    return sensor::AskToRenew({collector.address()}, SharedCampus().Sensor("a"), request, {});
  }

  std::atomic<bool> refuse = false;
  std::atomic<int> asked = 0;
  TestCollector collector{1'000, 0, Options()};
};

TEST_F(LinkRenewalTest, ASensorGetsItsNextCertificateForItsOwnName) {
  const auto key = *MakeKeyAndRequest();
  const auto renewed = Ask(key.request_pem);
  ASSERT_TRUE(renewed) << renewed.error().message;
  EXPECT_EQ(DescribeCertificate(renewed->certificate_pem)->spiffe_uri,
            DescribeCertificate(SharedCampus().Sensor("a").certificate_pem)->spiffe_uri);
  EXPECT_TRUE(CheckTlsIdentity({renewed->ca_pem, renewed->certificate_pem, key.key_pem}, "", "", "",
                               Now().wall));
}

TEST_F(LinkRenewalTest, WhoMayNotIsToldWhy) {
  refuse = true;
  const auto refused = Ask(MakeKeyAndRequest()->request_pem);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kDenied);
  EXPECT_THAT(refused.error().message, HasSubstr("revoked"));
}

TEST_F(LinkRenewalTest, GarbageIsRefusedBeforeAnybodyIsAsked) {
  const std::string good = MakeKeyAndRequest()->request_pem;
  for (const std::string& request :
       {std::string(), std::string("garbage"), good.substr(0, good.size() / 2),
        std::string(1 << 16, 'A'), SharedCampus().Sensor("a").certificate_pem}) {
    const auto refused = Ask(request);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kDenied);
  }
  EXPECT_EQ(asked, 0);
}

TEST_F(LinkRenewalTest, WhoAsksAllTheTimeIsHeldUp) {
  const std::string request = MakeKeyAndRequest()->request_pem;
  bool held_up = false;
  for (int i = 0; i < 100 && !held_up; ++i) {
    const auto answer = Ask(request);
    held_up = !answer && answer.error().message.find("too often") != std::string::npos;
  }
  EXPECT_TRUE(held_up);
  EXPECT_GE(asked, 10);
}

TEST(LinkRenewalOff, ACollectorThatRenewsNothingIsAskedAgainLater) {
  TestCollector collector;
  const auto answer = sensor::AskToRenew({collector.address()}, SharedCampus().Sensor("a"),
                                         MakeKeyAndRequest()->request_pem, {});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kUnavailable);
}

// --- the sensor that asks
// -------------------------------------------------------------------------

class SensorIdentityKeeper : public testing::Test {
 protected:
  SensorIdentityKeeper() {
    const TlsIdentity first = SharedCampus().Sensor("a");
    EXPECT_TRUE(InstallIdentity(paths, first));
    holder = std::make_shared<IdentityHolder>(first);
    keeper.emplace(
        paths, holder,
        [this](const TlsIdentity&, const std::string& request, const std::stop_token&) {
          ++asked;
          return answer(request);
        },
        1);
  }
  static Result<sensor::RenewedCertificate> Sign(const KeyPair& authority,
                                                 const std::string& ca_pem,
                                                 const std::string& request, WallTime now) {
    return SignSensor(authority, request, {"mail", "a"}, now).map([&](const std::string& pem) {
      return sensor::RenewedCertificate{pem, ca_pem};
    });
  }
  std::string Held() const { return holder->Get().identity->certificate_pem; }
  std::string OnDisk() const { return ReadSmallFile(paths.certificate_file).value_or(""); }

  TempDir dir;
  const IdentityPaths paths{dir.Path("ca.pem"), dir.Path("sensor.pem"), dir.Path("sensor.key")};
  const KeyPair& authority = SharedCampus().authority();
  const WallTime due = Now().wall + std::chrono::hours(11 * 24);
  std::shared_ptr<IdentityHolder> holder;
  int asked = 0;
  std::function<Result<sensor::RenewedCertificate>(const std::string&)> answer =
      [this](const std::string& request) {
        return Sign(authority, authority.certificate_pem, request, due);
      };
  std::optional<sensor::IdentityKeeper> keeper;
};

TEST_F(SensorIdentityKeeper, RenewsInTimeOverANewKey) {
  const std::string before = Held();
  keeper->Step(Now().wall);
  EXPECT_EQ(asked, 0);
  keeper->Step(due);
  EXPECT_EQ(asked, 1);
  EXPECT_NE(DescribeCertificate(Held())->key_sha256, DescribeCertificate(before)->key_sha256);
  EXPECT_EQ(OnDisk(), Held());
  EXPECT_TRUE(LoadTlsIdentity(paths.ca_file, paths.certificate_file, paths.key_file, due));
  keeper->Step(due + std::chrono::hours(1));
  EXPECT_EQ(asked, 1);
}

TEST_F(SensorIdentityKeeper, WhatIsNoGoodAnswerChangesNothingAndIsAskedAgain) {
  const std::string before = Held();
  const KeyPair stranger = *MakeAuthority(Now().wall);
  const std::vector<decltype(answer)> answers = {
      [](const std::string&) -> Result<sensor::RenewedCertificate> {
        return Fail(ErrorCode::kUnavailable, "nobody there");
      },
      [](const std::string&) -> Result<sensor::RenewedCertificate> {
        return Fail(ErrorCode::kDenied, "revoked");
      },
      [](const std::string&) -> Result<sensor::RenewedCertificate> {
        return sensor::RenewedCertificate{"garbage", "garbage"};
      },
      [&](const std::string&) {  // over another key
        return Sign(authority, authority.certificate_pem, MakeKeyAndRequest()->request_pem, due);
      },
      [&](const std::string& request) {  // of another CA than it names
        return Sign(stranger, authority.certificate_pem, request, due);
      }};
  WallTime now = due;
  for (size_t i = 0; i < answers.size(); ++i) {
    answer = answers[i];
    keeper->Step(now);
    EXPECT_EQ(asked, static_cast<int>(i) + 1);
    EXPECT_EQ(Held(), before) << i;
    EXPECT_EQ(OnDisk(), before) << i;
    now += std::chrono::hours(1);
  }
  answer = [&](const std::string& request) {
    return Sign(authority, authority.certificate_pem, request, now);
  };
  keeper->Step(now);
  EXPECT_NE(Held(), before);
}

TEST_F(SensorIdentityKeeper, TrustsTheCasThatItIsToldAndSoonRenewsWithTheFirst) {
  const KeyPair next = *MakeAuthority(Now().wall);
  const std::string announced = authority.certificate_pem + next.certificate_pem;
  keeper->Trust(announced);
  keeper->Step(Now().wall);
  EXPECT_EQ(holder->Get().identity->ca_pem, announced);
  EXPECT_EQ(ReadSmallFile(paths.ca_file).value_or(""), announced);
  EXPECT_EQ(asked, 0) << "its own CA signs";

  const std::string switched = next.certificate_pem + authority.certificate_pem;
  answer = [&](const std::string& request) { return Sign(next, switched, request, Now().wall); };
  keeper->Trust(switched);
  keeper->Step(Now().wall);
  keeper->Step(Now().wall + std::chrono::minutes(11));
  EXPECT_EQ(asked, 1);
  EXPECT_TRUE(IsOfSigner(switched, Held()));
  keeper->Trust(next.certificate_pem);
  keeper->Step(Now().wall);
  EXPECT_EQ(holder->Get().identity->ca_pem, next.certificate_pem);
}

TEST_F(SensorIdentityKeeper, CasThatWouldLockItOutAreNotTakenOver) {
  for (const std::string& pem :
       {MakeAuthority(Now().wall)->certificate_pem, std::string("garbage"), std::string()}) {
    keeper->Trust(pem);
    keeper->Step(Now().wall);
    EXPECT_EQ(holder->Get().identity->ca_pem, authority.certificate_pem);
    EXPECT_EQ(ReadSmallFile(paths.ca_file).value_or(""), authority.certificate_pem);
  }
}

// --- a port whose identity changes
// ----------------------------------------------------------------

TEST(LinkIdentity, ANewOneIsShownToWhoComesNextAndEndsNoStream) {
  const auto held = std::make_shared<IdentityHolder>(SharedCampus().Collector());
  BoundedQueue<LinkEvent> events(100);
  auto server = LinkServer::Start({"127.0.0.1", 0}, held, events);
  ASSERT_TRUE(server) << server.error().message;
  const HostPort address{"127.0.0.1", (*server)->port()};
  RawSensor standing(DialCollector(address, SharedCampus().Sensor("a")));
  ASSERT_TRUE(standing.Greet());

  const Campus another;
  held->Set(another.Collector());
  EXPECT_TRUE(RawSensor(DialCollector(address, another.Sensor("d"))).Greet());
  EXPECT_FALSE(RawSensor(DialCollector(address, SharedCampus().Sensor("b"))).Greet());
  TlsIdentity broken = another.Collector();
  broken.key_pem = "no key";
  held->Set(broken);
  EXPECT_TRUE(RawSensor(DialCollector(address, another.Sensor("c"))).Greet())
      << "what the library does not take leaves the one before in use";
  (*server)->TellTrust();
  const auto told = standing.Read();
  ASSERT_TRUE(told);
  EXPECT_EQ(told->trust().ca_pem(), another.ca_pem());
}

TEST(LinkIdentity, ASensorTellsWhatItTrusts) {
  TestCollector collector;
  TestSensor sensor("a", {collector.address()});
  ASSERT_TRUE(collector.TakeUntil([&] { return !collector.identities.empty(); }));
  const SensorIdentity& told = collector.identities.front();
  const std::string ca = DescribeCertificate(SharedCampus().ca_pem())->sha256;
  EXPECT_EQ(told.sensor, "a");
  EXPECT_THAT(told.trusted_cas, ElementsAre(ca));
  EXPECT_EQ(told.certificate_ca, ca);
  EXPECT_EQ(told.certificate_expires,
            DescribeCertificate(SharedCampus().Sensor("a").certificate_pem)->not_after);
}

}  // namespace
}  // namespace parallax::collector
