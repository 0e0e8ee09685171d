// Who may speak, asked at the start of each stream; and streams that are ended from here.
#include <atomic>

#include "link_world.h"
#include "sensor/link/time_call.h"

namespace parallax::collector {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class LinkTrust : public testing::Test {
 protected:
  LinkServerOptions Options() {
    LinkServerOptions options;
    options.may_speak = [this](const PeerName& peer, const CertificateInfo& certificate) {
      EXPECT_EQ(certificate.spiffe_uri, SensorUri(peer));
      EXPECT_EQ(certificate.key_sha256.size(), 64u);
      ++asked;
      return may ? Result<void>() : Fail(ErrorCode::kDenied, "this sensor was revoked");
    };
    return options;
  }
  std::atomic<bool> may = true;
  std::atomic<int> asked = 0;
  TestCollector collector{1'000, 0, Options()};
};

TEST_F(LinkTrust, AskedOncePerStream) {
  TestSensor sensor("a", {collector.address()});
  sensor.Append(1, 5'000);
  ASSERT_TRUE(collector.TakeUntilRecord("a", 5'000));
  EXPECT_EQ(asked, 1);
}

TEST_F(LinkTrust, WhoMayNotIsToldWhy) {
  may = false;
  RawSensor sensor(DialCollector(collector.address(), SharedCampus().Sensor("a")));
  EXPECT_EQ(sensor.Greet(), std::nullopt);
  const grpc::Status status = sensor.End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(status.error_message(), HasSubstr("revoked"));
  EXPECT_THAT(collector.connected, IsEmpty());
}

TEST_F(LinkTrust, EndedStreamIsToldWhyAndSilentAtOnce) {
  RawSensor sensor(DialCollector(collector.address(), SharedCampus().Sensor("a")));
  ASSERT_TRUE(sensor.Greet());
  ASSERT_TRUE(collector.TakeUntilConnected());
  may = false;
  collector.link->End("a", "revoked");
  const grpc::Status status = sensor.End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(status.error_message(), HasSubstr("revoked"));
  EXPECT_TRUE(collector.TakeUntilGone());
  EXPECT_FALSE(collector.gone.front().goodbye);
}

TEST_F(LinkTrust, AStreamEndsWithItsCertificate) {
  const TlsIdentity& shared = SharedCampus().Sensor("a");
  const auto brief = *IssueSensor(SharedCampus().authority(), {"group-of-a", "a"}, Now().wall, 3s);
  RawSensor sensor(
      DialCollector(collector.address(), {shared.ca_pem, brief.certificate_pem, brief.key_pem}));
  ASSERT_TRUE(sensor.Greet());
  ASSERT_TRUE(collector.TakeUntilGone());
  EXPECT_GE(Now().wall, DescribeCertificate(brief.certificate_pem)->not_after);
  const grpc::Status status = sensor.End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_THAT(status.error_message(), HasSubstr("expired"));
}

TEST_F(LinkTrust, TellsTheTimeToWhoMaySpeak) {
  const Duration slack = 10s;
  const auto asks = [&] {
    return sensor::AskTime(collector.address(), SharedCampus().Sensor("a"), Now().mono + kPatience);
  };
  const auto told = asks();
  ASSERT_TRUE(told) << told.error().message;
  EXPECT_LT(std::chrono::abs(told->ahead), told->uncertainty + slack);
  EXPECT_EQ(told->version, PARALLAX_VERSION);
  may = false;
  const auto refused = asks();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kDenied);
  EXPECT_THAT(refused.error().message, HasSubstr("revoked"));
}

TEST_F(LinkTrust, OthersGoOn) {
  TestSensor other("b", {collector.address()});
  ASSERT_TRUE(collector.TakeUntilConnected());
  collector.link->End("a", "revoked");
  other.Append(1, 100);
  EXPECT_TRUE(collector.TakeUntilRecord("b", 100));
  EXPECT_THAT(collector.gone, IsEmpty());
}

TEST_F(LinkTrust, SensorThatIsLetInAgainComesBack) {
  TestSensor sensor("a", {collector.address()});
  ASSERT_TRUE(collector.TakeUntilConnected());
  may = false;
  collector.link->End("a", "revoked");
  ASSERT_TRUE(collector.TakeUntilGone());
  ASSERT_TRUE(collector.TakeUntil([&] { return asked >= 2; }));
  may = true;
  sensor.Append(1, 10);
  EXPECT_TRUE(collector.TakeUntilRecord("a", 10));
}

}  // namespace
}  // namespace parallax::collector
