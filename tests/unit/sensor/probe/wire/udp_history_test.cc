#include "sensor/probe/wire/udp_history.h"

#include <gtest/gtest.h>

namespace parallax::sensor {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const IpAddress kTarget = *IpAddress::Parse("192.0.2.7");
constexpr uint16_t kPort = 33434;
constexpr uint16_t kFlowPort = 61500;

Probe MakeProbe(uint64_t id, uint16_t sequence, uint8_t ttl = 64, uint16_t flow_port = kFlowPort) {
  Probe probe;
  probe.id = id;
  probe.target = kTarget;
  probe.attempt = {ProbeMethod::kUdp, kPort};
  probe.ttl = ttl;
  probe.flow_port = flow_port;
  probe.sequence = sequence;
  return probe;
}

class UdpHistoryTest : public testing::Test {
 protected:
  std::optional<uint16_t> ById(uint64_t id) { return history_.ById(kTarget, kPort, kFlowPort, id); }
  std::optional<uint16_t> Guess(Duration at) {
    return history_.Guess(kTarget, kPort, kFlowPort, start_ + at);
  }

  UdpHistory history_;
  const MonoTime start_ = MonoTime(seconds(1000));
};

TEST_F(UdpHistoryTest, TheIdTellsAmongProbesOfAFlow) {
  for (uint16_t i = 1; i <= 5; ++i) {
    history_.Remember(MakeProbe(i, static_cast<uint16_t>(100 + i), static_cast<uint8_t>(i)),
                      start_);
  }
  EXPECT_EQ(ById(1), 101);
  EXPECT_EQ(ById(3), 103);
  EXPECT_EQ(ById(5), 105);
  EXPECT_EQ(ById(6), std::nullopt);
}

TEST_F(UdpHistoryTest, AnotherFlowTargetOrPortIsNotMeant) {
  history_.Remember(MakeProbe(1, 101), start_);
  EXPECT_EQ(history_.ById(kTarget, kPort, kFlowPort + 1, 1), std::nullopt);
  EXPECT_EQ(history_.ById(kTarget, kPort + 1, kFlowPort, 1), std::nullopt);
  EXPECT_EQ(history_.ById(*IpAddress::Parse("192.0.2.8"), kPort, kFlowPort, 1), std::nullopt);
  EXPECT_EQ(history_.Guess(kTarget, kPort, kFlowPort + 1, start_), std::nullopt);
}

TEST_F(UdpHistoryTest, WithoutAnIdTheOnlyProbeIsMeant) {
  EXPECT_EQ(Guess(seconds(0)), std::nullopt);
  history_.Remember(MakeProbe(1, 101), start_);
  EXPECT_EQ(Guess(milliseconds(10)), 101);
  EXPECT_EQ(Guess(milliseconds(20)), std::nullopt) << "that one has been told already";
}

TEST_F(UdpHistoryTest, ProbesSentAlikeAreToldInOrder) {
  for (uint16_t i = 1; i <= 3; ++i) {
    history_.Remember(MakeProbe(i, static_cast<uint16_t>(100 + i)), start_ + milliseconds(i));
  }
  EXPECT_EQ(Guess(milliseconds(10)), 101);
  EXPECT_EQ(ById(2), 102);
  EXPECT_EQ(Guess(milliseconds(11)), 103) << "the second one was told by its id";
  EXPECT_EQ(Guess(milliseconds(12)), std::nullopt);
}

TEST_F(UdpHistoryTest, DifferentTtlsAreNotGuessedAt) {
  history_.Remember(MakeProbe(1, 101, 5), start_);
  history_.Remember(MakeProbe(2, 102, 6), start_ + milliseconds(50));
  EXPECT_EQ(Guess(milliseconds(100)), std::nullopt);
  // Far enough apart, the last one is meant.
  history_.Remember(MakeProbe(3, 103, 7), start_ + seconds(5));
  EXPECT_EQ(Guess(milliseconds(5100)), 103);
}

TEST_F(UdpHistoryTest, OldProbesAreForgotten) {
  history_.Remember(MakeProbe(1, 101), start_);
  EXPECT_EQ(Guess(UdpHistory::kRemember), std::nullopt);
  EXPECT_EQ(ById(1), 101) << "nothing has come after it";
  history_.Remember(MakeProbe(2, 102, 64, kFlowPort + 1), start_ + UdpHistory::kRemember);
  EXPECT_EQ(ById(1), std::nullopt);
  EXPECT_EQ(history_.size(), 1u);
}

TEST_F(UdpHistoryTest, StaysWithinItsCapacityAndKeepsTheYoungest) {
  const auto more = UdpHistory::kCapacity + 1000;
  for (uint64_t i = 1; i <= more; ++i) {
    // Every other one of one flow, the rest of many.
    const auto flow_port = static_cast<uint16_t>(i % 2 == 0 ? kFlowPort : 1024 + i % 5000);
    history_.Remember(MakeProbe(i, static_cast<uint16_t>(i), 64, flow_port), start_);
  }
  EXPECT_EQ(history_.size(), UdpHistory::kCapacity);
  EXPECT_EQ(ById(more), static_cast<uint16_t>(more));
  EXPECT_EQ(ById(1002), static_cast<uint16_t>(1002));
  EXPECT_EQ(ById(1000), std::nullopt);
}

}  // namespace
}  // namespace parallax::sensor
