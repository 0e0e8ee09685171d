#include "sensor/observe/attempt_table.h"

#include <gtest/gtest.h>

#include <chrono>

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

AttemptKey Key(uint32_t isn) {
  return {{*IpAddress::Parse("192.0.2.1"), 40000}, {*IpAddress::Parse("198.51.100.2"), 443}, isn};
}

constexpr HashKey kKey{1, 2};

TEST(AttemptTable, FindsWhatWasInserted) {
  AttemptTable table(64, kKey);
  std::optional<TrackedAttempt> evicted;
  for (uint32_t isn = 0; isn < 20; ++isn) {
    const uint32_t index = table.Insert(Key(isn), evicted);
    table.SetTimer(index, MonoTime(5s), MonoTime(0s));
    if (!evicted) {
      ASSERT_EQ(table.Find(Key(isn)), index);
    }
  }
  EXPECT_EQ(table.Find(Key(99)), std::nullopt);
  const auto index = table.Find(Key(19));
  table.Erase(*index);
  EXPECT_EQ(table.Find(Key(19)), std::nullopt);
}

TEST(AttemptTable, EveryPartOfTheKeyCounts) {
  AttemptTable table(64, kKey);
  std::optional<TrackedAttempt> evicted;
  table.Insert(Key(1), evicted);
  AttemptKey other = Key(1);
  other.client.port = 40001;
  EXPECT_FALSE(table.Find(other));
  other = Key(1);
  other.server.address = *IpAddress::Parse("198.51.100.3");
  EXPECT_FALSE(table.Find(other));
  other = Key(1);
  std::swap(other.client, other.server);
  EXPECT_FALSE(table.Find(other));
  EXPECT_FALSE(table.Find(Key(2)));
  EXPECT_TRUE(table.Find(Key(1)));
}

// One bucket only, so that it is clear who competes with whom.
TEST(AttemptTable, AFullBucketGivesUpTheOldestUnansweredFirst) {
  AttemptTable table(8, kKey);
  std::optional<TrackedAttempt> evicted;
  const auto insert = [&](uint32_t isn, Duration seen, bool answered, bool reported) {
    evicted.reset();
    const uint32_t index = table.Insert(Key(isn), evicted);
    TrackedAttempt& a = table.at(index);
    a.last_seen = MonoTime(seen);
    a.syns = 1;
    a.syn_acks = answered ? 1 : 0;
    a.reported = reported;
    table.SetTimer(index, MonoTime(60s), MonoTime(seen));
  };
  insert(0, 1s, true, false);
  insert(1, 2s, true, true);
  insert(2, 4s, false, false);
  insert(3, 3s, false, true);
  for (uint32_t isn = 4; isn < 8; ++isn) {
    insert(isn, 10s, true, false);
  }
  ASSERT_FALSE(evicted);
  EXPECT_EQ(table.size(), 8u);
  for (const uint32_t expected : {3u, 2u, 1u, 0u}) {
    insert(100 + expected, 20s, true, false);
    ASSERT_TRUE(evicted);
    EXPECT_EQ(evicted->key.isn, expected);
    EXPECT_EQ(table.Find(Key(expected)), std::nullopt);
    EXPECT_EQ(table.size(), 8u);
  }
}

}  // namespace
}  // namespace parallax::sensor
