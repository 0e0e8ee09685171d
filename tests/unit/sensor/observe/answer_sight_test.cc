#include "sensor/observe/answer_sight.h"

#include <gtest/gtest.h>

#include <chrono>

#include "tests/unit/sensor/observe/segments.h"

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

const IpAddress kServer = *IpAddress::Parse("2001:db8::25");

class AnswerSightTest : public testing::Test {
 protected:
  void OnlyOnce(int clients, Duration at = 60s, const IpAddress& server = kServer) {
    for (int i = 0; i < clients; ++i) {
      sight_.OnlyOnce(server, Address(next_client_++), MonoTime(at));
    }
  }
  void Repeated(int times, Duration at = 60s) {
    for (int i = 0; i < times; ++i) {
      sight_.Repeated(kServer, MonoTime(at));
    }
  }
  bool OneWay(Duration at = 60s) { return sight_.IsOneWay(kServer, MonoTime(at)); }

  AnswerSight sight_{{1, 2}};
  uint32_t next_client_ = 1;
};

TEST_F(AnswerSightTest, NothingSeenIsNoSign) { EXPECT_FALSE(OneWay()); }

TEST_F(AnswerSightTest, EightContentClientsWithoutAnyAnswerAreASign) {
  OnlyOnce(7);
  EXPECT_FALSE(OneWay());
  OnlyOnce(1);
  EXPECT_TRUE(OneWay());
}

TEST_F(AnswerSightTest, OneAnswerRefutesIt) {
  OnlyOnce(1000);
  sight_.Answered(kServer, MonoTime(60s));
  EXPECT_FALSE(OneWay());
}

TEST_F(AnswerSightTest, AServerThatIsDownHasClientsThatRepeat) {
  OnlyOnce(40);
  Repeated(10);
  EXPECT_TRUE(OneWay());
  Repeated(1);
  EXPECT_FALSE(OneWay());
}

TEST_F(AnswerSightTest, OneScannerIsNoCrowd) {
  for (int i = 0; i < 1000; ++i) {
    sight_.OnlyOnce(kServer, Address(1), MonoTime(60s));
  }
  EXPECT_FALSE(OneWay());
}

TEST_F(AnswerSightTest, EvidenceFadesByTheMinute) {
  OnlyOnce(16, 60s);
  EXPECT_TRUE(OneWay(119s));
  EXPECT_TRUE(OneWay(120s));
  EXPECT_FALSE(OneWay(180s));
}

TEST_F(AnswerSightTest, CountersStayAtTheirMost) {
  OnlyOnce(200'000);
  EXPECT_TRUE(OneWay());
  Repeated(200'000);
  EXPECT_FALSE(OneWay());
}

TEST_F(AnswerSightTest, ServersAreToldApart) {
  OnlyOnce(20);
  EXPECT_FALSE(sight_.IsOneWay(Address(1), MonoTime(60s)));
  sight_.Answered(Address(1), MonoTime(60s));
  EXPECT_TRUE(OneWay());
}

TEST_F(AnswerSightTest, AFloodOfServersPushesOutTheOnesSeenLongestAgo) {
  OnlyOnce(100, 60s);
  for (uint32_t i = 0; i < 1'000'000; ++i) {
    sight_.Answered(Address(i), MonoTime(120s));
  }
  EXPECT_FALSE(OneWay(120s));
  OnlyOnce(100, 121s);
  EXPECT_TRUE(OneWay(121s));
}

TEST_F(AnswerSightTest, TimeMayGoBackwardsOrJumpAhead) {
  OnlyOnce(20, 3600s);
  EXPECT_TRUE(OneWay(1s));
  OnlyOnce(20, 1s);
  EXPECT_TRUE(OneWay(3600s));
  EXPECT_FALSE(OneWay(3600s + 24h * 3650));
  OnlyOnce(8, 3600s + 24h * 3650);
  EXPECT_TRUE(OneWay(3600s + 24h * 3650));
}

}  // namespace
}  // namespace parallax::sensor
