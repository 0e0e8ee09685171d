#include "sensor/observe/top_talkers.h"

#include <gtest/gtest.h>

#include <array>

namespace parallax::sensor {
namespace {

IpAddress Address(uint32_t n) {
  const std::array<uint8_t, 4> bytes{static_cast<uint8_t>(n >> 24), static_cast<uint8_t>(n >> 16),
                                     static_cast<uint8_t>(n >> 8), static_cast<uint8_t>(n)};
  return IpAddress::V4(bytes);
}

TEST(TopTalkers, CountsExactlyWhileThereIsRoom) {
  TopTalkers top({1, 2}, 1024);
  for (uint32_t n = 1; n <= 9; ++n) {
    for (uint32_t i = 0; i < n; ++i) {
      top.Count(Address(n));
    }
  }
  const auto talkers = top.Top(3);
  ASSERT_EQ(talkers.size(), 3u);
  EXPECT_EQ(talkers[0].address, Address(9));
  EXPECT_EQ(talkers[0].count, 9u);
  EXPECT_EQ(talkers[2].count, 7u);
  EXPECT_EQ(top.Top(100).size(), 9u);
}

TEST(TopTalkers, ALoudOneStandsOutOfAFloodAndNobodyIsOvercounted) {
  TopTalkers top({1, 2}, 64);
  for (uint32_t i = 0; i < 100000; ++i) {
    top.Count(Address(0x10000000 + i));  // each once
    if (i % 10 == 0) {
      top.Count(Address(7));
    }
  }
  const auto talkers = top.Top(2);
  EXPECT_EQ(talkers[0].address, Address(7));
  EXPECT_GT(talkers[0].count, 5000u);
  EXPECT_LE(talkers[0].count, 10000u);
  EXPECT_EQ(talkers[1].count, 1u);
}

}  // namespace
}  // namespace parallax::sensor
