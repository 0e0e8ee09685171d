// Who may speak to whom: only a sensor of this CA to a collector of this CA.
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include "common/tls.h"
#include "link_world.h"
#include "sensor/link/link_stream.h"

namespace parallax::collector {
namespace {

using testing::IsEmpty;

// A stream over `channel` does not get as far as a welcome; says how it ended.
grpc::StatusCode Refused(const std::shared_ptr<grpc::Channel>& channel) {
  RawSensor sensor(channel);
  EXPECT_EQ(sensor.Greet(), std::nullopt);
  return sensor.End().error_code();
}

std::shared_ptr<grpc::Channel> DialTls(const HostPort& address,
                                       const grpc::SslCredentialsOptions& o) {
  grpc::ChannelArguments arguments;
  arguments.SetSslTargetNameOverride(std::string(kCollectorDnsName));
  return grpc::CreateCustomChannel(address.ToString(), grpc::SslCredentials(o), arguments);
}

class LinkTls : public testing::Test {
 protected:
  void TearDown() override {
    EXPECT_THAT(collector.connected, IsEmpty());
    ExpectAGoodSensorWorks(collector);
  }
  TestCollector collector;
};

TEST_F(LinkTls, NoTlsAtAll) {
  EXPECT_EQ(Refused(grpc::CreateChannel(collector.address().ToString(),
                                        grpc::InsecureChannelCredentials())),
            grpc::StatusCode::UNAVAILABLE);
}

TEST_F(LinkTls, NoClientCertificate) {
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = SharedCampus().ca_pem();
  EXPECT_EQ(Refused(DialTls(collector.address(), options)), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(LinkTls, CertificateOfAnotherCa) {
  TlsIdentity stranger = Campus().Sensor("a");
  stranger.ca_pem = SharedCampus().ca_pem();  // it trusts us; we do not trust it
  EXPECT_EQ(Refused(DialCollector(collector.address(), stranger)), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(LinkTls, KeyOfSomebodyElse) {
  TlsIdentity thief = SharedCampus().Sensor("a");
  thief.key_pem = SharedCampus().Sensor("a").key_pem;
  EXPECT_EQ(Refused(DialCollector(collector.address(), thief)), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(LinkTls, ACollectorIsNoSensor) {
  const auto code = Refused(DialCollector(collector.address(), SharedCampus().Collector()));
  EXPECT_TRUE(code == grpc::StatusCode::UNAVAILABLE || code == grpc::StatusCode::UNAUTHENTICATED)
      << code;
}

TEST(LinkTlsLife, ExpiredAndNotYetValidSensors) {
  const WallTime now = Now().wall;
  const Campus campus(now - 100 * 24h);
  TestCollector collector(100, 0, {}, campus.Collector(now));
  for (const WallTime issued : {now - 90 * 24h, now + 24h}) {
    EXPECT_EQ(Refused(DialCollector(collector.address(), campus.Sensor("a", issued))),
              grpc::StatusCode::UNAVAILABLE);
  }
  EXPECT_THAT(collector.connected, IsEmpty());
  ExpectAGoodSensorWorks(collector, campus);
}

// What the sensor's log says names the trouble.
TEST(LinkTlsWords, ASensorSaysWhyThereIsNoConnection) {
  sensor::Spool spool(TestSpoolOptions(7), nullptr);
  sensor::LegacyNumbers legacy(8);
  std::atomic<bool> connected = false;
  const auto why = [&](const HostPort& address, const TlsIdentity& identity) {
    sensor::LinkOptions options;
    options.addresses = {address};
    options.identity = std::make_shared<IdentityHolder>(identity);
    const std::function<SensorHealth()> health = [] { return SensorHealth{}; };
    const std::function<void(Order)> on_order = [](const Order&) {};
    sensor::LinkStream stream(address, options, spool, legacy, connected, health, on_order, {});
    const auto ending = stream.Run();
    EXPECT_FALSE(ending.welcomed);
    return ending.why;
  };
  TestCollector collector;
  const Campus other;
  EXPECT_THAT(why({"127.0.0.1", 1}, other.Sensor("a")), testing::HasSubstr("connection refused"));
  EXPECT_THAT(why(collector.address(), other.Sensor("a")), testing::HasSubstr("our CA"));
  TlsIdentity stranger = other.Sensor("a");
  stranger.ca_pem = SharedCampus().ca_pem();
  EXPECT_THAT(why(collector.address(), stranger), testing::HasSubstr("our certificate"));
}

// The sensor's own check: what answers must be a collector of its CA, not just anybody of it.
TEST(LinkTlsServer, ASensorRefusesWhatIsNoCollector) {
  const WallTime now = Now().wall;
  const Campus campus(now - 800 * 24h);
  TlsIdentity foreign = Campus().Collector();
  foreign.ca_pem = campus.ca_pem();  // it would take our sensors
  const std::vector<std::pair<const char*, TlsIdentity>> impostors = {
      {"another sensor", campus.Sensor("evil", now)},
      {"a collector of another CA", foreign},
      {"an expired collector", campus.Collector(now - 500 * 24h)},
  };
  for (const auto& [name, identity] : impostors) {
    TestCollector impostor(100, 0, {}, identity);
    EXPECT_EQ(Refused(DialCollector(impostor.address(), campus.Sensor("a", now))),
              grpc::StatusCode::UNAVAILABLE)
        << name;
    // The link as a whole passes over it to the real one, and tells it nothing.
    TestCollector real(100, 0, {}, campus.Collector(now));
    TestSensor sensor("a", {impostor.address(), real.address()}, campus.Sensor("a", now));
    sensor.Append(1, 5);
    EXPECT_TRUE(real.TakeUntilRecord("a", 5)) << name;
    EXPECT_EQ(impostor.events.size(), 0u) << name;
  }
}

}  // namespace
}  // namespace parallax::collector
