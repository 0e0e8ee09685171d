#include "common/queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <thread>

namespace parallax {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(BoundedQueue, RefusesAndCountsWhenFull) {
  BoundedQueue<int> queue(2);
  EXPECT_TRUE(queue.TryPush(1));
  EXPECT_TRUE(queue.TryPush(2));
  EXPECT_FALSE(queue.TryPush(3));
  EXPECT_FALSE(queue.TryPush(4));
  EXPECT_EQ(queue.refused(), 2u);
  EXPECT_EQ(queue.size(), 2u);
  EXPECT_THAT(queue.PopBatch(10, seconds(0)), ElementsAre(1, 2));
  EXPECT_TRUE(queue.TryPush(5));
}

TEST(BoundedQueue, PopsOldestFirstAndNoMoreThanAsked) {
  BoundedQueue<int> queue(10);
  for (int i = 0; i < 5; ++i) {
    queue.TryPush(int{i});
  }
  EXPECT_THAT(queue.PopBatch(2, seconds(0)), ElementsAre(0, 1));
  EXPECT_THAT(queue.PopBatch(9, seconds(0)), ElementsAre(2, 3, 4));
  EXPECT_THAT(queue.PopBatch(9, seconds(0)), IsEmpty());
}

TEST(BoundedQueue, ClosedQueueLetsNothingInAndDrains) {
  BoundedQueue<std::unique_ptr<int>> queue(4);
  EXPECT_TRUE(queue.TryPush(std::make_unique<int>(7)));
  queue.Close();
  EXPECT_TRUE(queue.closed());
  EXPECT_FALSE(queue.TryPush(std::make_unique<int>(8)));
  EXPECT_FALSE(queue.Push(std::make_unique<int>(9)));
  EXPECT_EQ(queue.refused(), 0u) << "closed is not full";
  const auto batch = queue.PopBatch(4, seconds(60));
  ASSERT_EQ(batch.size(), 1u);
  EXPECT_EQ(*batch[0], 7);
  EXPECT_THAT(queue.PopBatch(4, seconds(60)), IsEmpty());
}

TEST(BoundedQueue, RefusedItemStaysWithTheCaller) {
  BoundedQueue<std::unique_ptr<int>> queue(1);
  ASSERT_TRUE(queue.TryPush(std::make_unique<int>(1)));
  auto item = std::make_unique<int>(2);
  EXPECT_FALSE(queue.TryPush(std::move(item)));
  ASSERT_NE(item, nullptr);  // NOLINT(bugprone-use-after-move): that is the contract
  queue.PopBatch(1, seconds(0));
  EXPECT_TRUE(queue.TryPush(std::move(item)));
}

TEST(BoundedQueue, CloseWakesBothSides) {
  BoundedQueue<int> full(1);
  ASSERT_TRUE(full.TryPush(1));
  bool pushed = true;
  std::thread producer([&] { pushed = full.Push(2); });
  BoundedQueue<int> empty(1);
  std::vector<int> popped{99};
  std::thread consumer([&] { popped = empty.PopBatch(1, seconds(60)); });
  full.Close();
  empty.Close();
  producer.join();
  consumer.join();
  EXPECT_FALSE(pushed);
  EXPECT_THAT(popped, IsEmpty());
}

TEST(BoundedQueue, WaitingPushLosesNothing) {
  constexpr int kItems = 20000;
  BoundedQueue<int> queue(3);
  std::thread producer([&] {
    for (int i = 0; i < kItems; ++i) {
      ASSERT_TRUE(queue.Push(i));
    }
    queue.Close();
  });
  int next = 0;
  while (true) {
    const auto batch = queue.PopBatch(2, seconds(60));
    if (batch.empty()) {
      break;
    }
    for (const int item : batch) {
      ASSERT_EQ(item, next++);
    }
  }
  producer.join();
  EXPECT_EQ(next, kItems);
  EXPECT_EQ(queue.refused(), 0u);
}

}  // namespace
}  // namespace parallax
