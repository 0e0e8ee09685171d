// The second sending thread, with a socket pair in place of the network.
#include "sensor/probe/ports/send_batch.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <iterator>

namespace parallax::sensor {
namespace {

size_t Threads() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return static_cast<size_t>(std::distance(begin(tasks), end(tasks)));
}

// Capabilities belong to threads: one that is begun too early keeps those that its owner drops.
TEST(BatchSender, BeginsItsThreadWhenThereIsSomethingToSend) {
  std::array<int, 2> pair{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair.data()), 0);
  const UniqueFd reader(pair[0]);
  const size_t before = Threads();
  BatchSender sender((UniqueFd(pair[1])));
  EXPECT_EQ(Threads(), before);
  SendBatch* const batch = sender.Free();
  ASSERT_NE(batch, nullptr);
  EXPECT_EQ(Threads(), before + 1);
  batch->Clear();
  sender.Start();
}

TEST(BatchSender, EndsWithoutEverHavingSent) { const BatchSender sender((UniqueFd())); }

}  // namespace
}  // namespace parallax::sensor
