#include "collector/store/writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "collector/store/sqlite_store.h"
#include "tests/unit/collector/store/sample_records.h"
#include "tests/unit/temp_dir.h"

namespace parallax::collector {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

// Fails the first `failures` calls of Apply, then remembers what it is given.
class FlakyStore final : public Store {
 public:
  explicit FlakyStore(int failures) : failures_left_(failures) {}
  Result<void> Apply(std::span<const StoreOp> ops) override {
    if (failures_left_ > 0) {
      --failures_left_;
      return Fail(ErrorCode::kFailure, "disk full");
    }
    applied.insert(applied.end(), ops.begin(), ops.end());
    largest = std::max(largest, ops.size());
    return {};
  }
  Result<uint64_t> HighWater(const SensorName&, uint64_t) override { return 0; }
  Result<SavedState> Load() override { return SavedState{}; }
  Result<uint64_t> Prune(WallTime, uint64_t) override {
    ++prunes;
    return Fail(ErrorCode::kFailure, "disk full");  // never a reason to stop
  }
  Result<void> Maintain(bool idle) override {
    tidied |= idle;
    return {};
  }
  uint64_t refused_rows() const override { return 0; }

  std::vector<StoreOp> applied;
  size_t largest = 0;
  int prunes = 0;
  bool tidied = false;

 private:
  int failures_left_;
};

StoreWriterOptions Quick() {
  StoreWriterOptions options;
  options.gather = 0ns;
  options.idle_after = 1ms;
  options.first_retry = 1us;
  options.longest_retry = 10us;
  return options;
}

TEST(StoreWriter, AcknowledgesOnlyWhatIsCommitted) {
  FlakyStore store(3);
  BoundedQueue<StoreOp> queue(100);
  std::vector<std::tuple<std::string, uint64_t, uint64_t>> acks;
  StoreWriter writer(
      store, queue,
      [&](const SensorName& sensor, uint64_t epoch, uint64_t sequence) {
        EXPECT_FALSE(store.applied.empty());
        acks.emplace_back(sensor, epoch, sequence);
      },
      Quick());
  queue.Push(SampleBatch(1, {SampleAttempt(1), SampleAttempt(2)}));
  queue.Push(SampleBatch(1, {SampleAttempt(1)}, "web-1", 9));
  queue.Push(SampleBatch(3, {SampleAttempt(3)}));
  queue.Push(SampleBatch(4, {}));
  queue.Push(SampleTarget("198.51.100.7"));
  queue.Close();
  writer.Run();
  EXPECT_THAT(acks, ElementsAre(std::tuple("mail-1", 42, 3), std::tuple("web-1", 9, 1)));
  ASSERT_EQ(store.applied.size(), 5u);
  EXPECT_EQ(std::get<IngestedBatch>(store.applied[2]).first_sequence, 3u);  // order kept
  const StoreWriterStats stats = writer.stats();
  EXPECT_EQ(stats.failures, 3u);
  EXPECT_EQ(stats.ops, 5u);
  EXPECT_EQ(stats.given_up, 0u);
  EXPECT_FALSE(stats.failing);
  EXPECT_TRUE(store.tidied);
  EXPECT_GE(store.prunes, 1);
}

TEST(StoreWriter, TellsOfChangesOfTrustOnceCommitted) {
  FlakyStore store(3);
  BoundedQueue<StoreOp> queue(100);
  std::vector<uint64_t> tickets;
  StoreWriterOptions options = Quick();
  options.trust_committed = [&](uint64_t ticket) {
    EXPECT_FALSE(store.applied.empty());
    tickets.push_back(ticket);
  };
  StoreWriter writer(store, queue, nullptr, options);
  queue.Push(TrustChange{1, {}});
  queue.Push(SampleTarget("198.51.100.7"));
  queue.Push(TrustChange{2, {}});
  queue.Close();
  writer.Run();
  EXPECT_THAT(tickets, ElementsAre(1, 2));
}

TEST(StoreWriter, AStoreThatNeverRecoversIsGivenUpOnlyAtClose) {
  FlakyStore store(1'000'000'000);
  BoundedQueue<StoreOp> queue(2);
  std::atomic<int> acks = 0;
  StoreWriter writer(
      store, queue, [&](const auto&, auto, auto) { ++acks; }, Quick());
  std::thread thread([&] { writer.Run(); });
  queue.Push(SampleBatch(1, {SampleAttempt(1)}));
  while (writer.stats().failures < 20) {
    std::this_thread::yield();
  }
  EXPECT_TRUE(writer.stats().failing);
  EXPECT_EQ(writer.stats().last_error, "disk full");
  queue.TryPush(SampleBatch(2, {SampleAttempt(2)}));
  queue.Close();
  thread.join();
  EXPECT_EQ(acks, 0);
  EXPECT_THAT(store.applied, IsEmpty());
  EXPECT_EQ(writer.stats().given_up, 2u);
}

TEST(StoreWriter, WhatFollowsSomethingGivenUpIsNotStored) {
  StoreWriterOptions options = Quick();
  options.most_ops = 1;
  options.attempts_at_close = 3;
  FlakyStore store(3);  // works again one attempt too late
  BoundedQueue<StoreOp> queue(100);
  int acks = 0;
  StoreWriter writer(
      store, queue, [&](const auto&, auto, auto) { ++acks; }, options);
  queue.Push(SampleBatch(1, {SampleAttempt(1)}));
  queue.Push(SampleBatch(2, {SampleAttempt(2)}));
  queue.Push(SampleBatch(3, {SampleAttempt(3)}));
  queue.Close();
  writer.Run();
  EXPECT_EQ(acks, 0);
  EXPECT_THAT(store.applied, IsEmpty());
  EXPECT_EQ(writer.stats().given_up, 3u);
}

TEST(StoreWriter, TransactionsAreBounded) {
  FlakyStore store(0);
  BoundedQueue<StoreOp> queue(100);
  StoreWriterOptions options = Quick();
  options.most_ops = 7;
  options.gather = 1h;  // full before that
  StoreWriter writer(store, queue, nullptr, options);
  for (int i = 0; i < 50; ++i) {
    queue.Push(SampleTarget("198.51.100.7"));
  }
  queue.Close();
  writer.Run();
  EXPECT_EQ(store.applied.size(), 50u);
  EXPECT_EQ(store.largest, 7u);
}

TEST(StoreWriter, BigBatchesGetTransactionsOfTheirOwn) {
  FlakyStore store(0);
  BoundedQueue<StoreOp> queue(100);
  StoreWriterOptions options = Quick();
  options.most_rows = 4;
  std::vector<uint64_t> acks;
  StoreWriter writer(
      store, queue, [&](const auto&, auto, uint64_t last) { acks.push_back(last); }, options);
  queue.Push(SampleBatch(1, {SampleAttempt(1), SampleAttempt(2)}));
  queue.Push(SampleBatch(3, {SampleAttempt(3), SampleAttempt(4), SampleAttempt(5)}));
  queue.Push(SampleBatch(6, std::vector<Record>(10, SampleReport(1))));
  queue.Close();
  writer.Run();
  EXPECT_THAT(acks, ElementsAre(5, 15));
  EXPECT_EQ(writer.stats().transactions, 2u);
}

TEST(StoreWriter, DrainsIntoARealStore) {
  TempDir dir;
  auto store = SqliteStore::Open(dir.Path("parallax.db"));
  ASSERT_TRUE(store) << store.error().message;
  BoundedQueue<StoreOp> queue(10'000);
  uint64_t acked = 0;
  StoreWriter writer(
      **store, queue, [&](const auto&, auto, uint64_t sequence) { acked = sequence; }, Quick());
  std::thread thread([&] { writer.Run(); });
  for (uint64_t i = 1; i <= 2000; ++i) {
    queue.Push(SampleBatch(i, {SampleAttempt(static_cast<uint16_t>(i))}));
  }
  queue.Close();
  thread.join();
  EXPECT_EQ(acked, 2000u);
  EXPECT_EQ((*store)->HighWater("mail-1", 42).value(), 2000u);
}

}  // namespace
}  // namespace parallax::collector
