// The port itself, and what gRPC calls a caller.
#include "link_world.h"

namespace parallax::collector {
namespace {

TEST(LinkPort, ATakenPortIsAnErrorThatNamesIt) {
  TestCollector collector;
  BoundedQueue<LinkEvent> events(10);
  const auto second = LinkServer::Start(collector.address(), SharedCampus().Collector(), events);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kFailure);
  EXPECT_NE(second.error().message.find(collector.address().ToString()), std::string::npos)
      << second.error().message;
  ExpectAGoodSensorWorks(collector);
}

TEST(LinkPort, AnAddressOfAnotherHostIsAnErrorThatNamesIt) {
  BoundedQueue<LinkEvent> events(10);
  const auto elsewhere = LinkServer::Start({"192.0.2.1", 7443}, SharedCampus().Collector(), events);
  ASSERT_FALSE(elsewhere);
  EXPECT_NE(elsewhere.error().message.find("192.0.2.1:7443"), std::string::npos)
      << elsewhere.error().message;
}

TEST(LinkPort, PeerAddressReadsWhatGrpcWrites) {
  const std::vector<std::pair<const char*, const char*>> good = {
      {"ipv4:192.0.2.1:5000", "192.0.2.1"},       {"ipv6:%5B2001:db8::1%5D:5000", "2001:db8::1"},
      {"ipv6:[2001:db8::1]:5000", "2001:db8::1"}, {"ipv6:%5Bfe80::1%25eth0%5D:5000", "fe80::1"},
      {"ipv6:[fe80::1%eth0]:5000", "fe80::1"},    {"ipv6:%5B::ffff:192.0.2.1%5D:5000", "192.0.2.1"},
  };
  for (const auto& [peer, address] : good) {
    const auto read = PeerAddress(peer);
    ASSERT_TRUE(read) << peer;
    EXPECT_EQ(read->ToString(), address) << peer;
  }
  for (const char* peer : {"", "unknown", "unix:", "unix:/run/x", "unix-abstract:a:b",
                           "ipv4:", "ipv4::", "ipv4:1.2.3:5", "ipv6:%5B%5D:1", "ipv6:]:1", ":::"}) {
    EXPECT_FALSE(PeerAddress(peer)) << peer;
  }
}

}  // namespace
}  // namespace parallax::collector
