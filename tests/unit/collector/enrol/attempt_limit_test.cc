#include "collector/enrol/attempt_limit.h"

#include <gtest/gtest.h>

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

const IpAddress kHost = *IpAddress::Parse("192.0.2.1");

TEST(AttemptLimit, FailuresUseItUpAndTimeRefillsIt) {
  AttemptLimit limit;
  MonoTime now{};
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(limit.MayTry(kHost, now)) << i;
    limit.NoteFailure(kHost, now);
  }
  EXPECT_FALSE(limit.MayTry(kHost, now));
  EXPECT_TRUE(limit.MayTry(*IpAddress::Parse("192.0.2.2"), now));
  EXPECT_FALSE(limit.MayTry(kHost, now + 5s));
  EXPECT_TRUE(limit.MayTry(kHost, now + 6s));
  limit.NoteFailure(kHost, now + 6s);
  EXPECT_FALSE(limit.MayTry(kHost, now + 6s));
}

TEST(AttemptLimit, HostsOfOneIpv6NetworkAreOne) {
  AttemptLimit limit({.burst = 1});
  limit.NoteFailure(*IpAddress::Parse("2001:db8::1"), {});
  EXPECT_FALSE(limit.MayTry(*IpAddress::Parse("2001:db8::2"), {}));
  EXPECT_TRUE(limit.MayTry(*IpAddress::Parse("2001:db8:0:1::1"), {}));
}

TEST(AttemptLimit, TableStaysSmall) {
  AttemptLimit limit({.burst = 2, .refill = 1h, .most_addresses = 4});
  for (int i = 0; i < 100; ++i) {
    limit.NoteFailure(*IpAddress::Parse("192.0.2." + std::to_string(i)), MonoTime() + 1ms * i);
    EXPECT_LE(limit.size(), 4u);
  }
}

}  // namespace
}  // namespace parallax::collector
