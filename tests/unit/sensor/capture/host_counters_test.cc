#include "sensor/capture/host_counters.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace parallax::sensor {
namespace {

TEST(HostCounters, AreThereOnLinuxAndNeverGoBack) {
  if (!std::filesystem::exists("/proc/self/net/netstat")) {
    GTEST_SKIP() << "no /proc here";
  }
  const auto before = ReadTcpExtCounters();
  ASSERT_TRUE(before);
  const auto after = ReadTcpExtCounters();
  ASSERT_TRUE(after);
  EXPECT_GE(after->listen_overflows, before->listen_overflows);
  EXPECT_GE(after->syn_cookies_sent, before->syn_cookies_sent);
}

}  // namespace
}  // namespace parallax::sensor
