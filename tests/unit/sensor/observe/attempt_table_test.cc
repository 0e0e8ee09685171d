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

uint64_t HashOf(const AttemptTable& table, const AttemptKey& key) {
  return table.Hash({key.client, key.server});
}
std::optional<uint32_t> Find(const AttemptTable& table, const AttemptKey& key) {
  return table.Find(key, HashOf(table, key));
}
// Whoever had to go for it, if it was not reported yet, is copied to `evicted`.
uint32_t Insert(AttemptTable& table, const AttemptKey& key, std::optional<TrackedAttempt>& evicted,
                Duration now = 20s) {
  const uint64_t hash = HashOf(table, key);
  const auto place = table.PlaceFor(hash, MonoTime(now));
  if (place.taken && !table.at(place.index).reported) {
    evicted = table.at(place.index);
  }
  table.Occupy(place, key, hash);
  return place.index;
}

TEST(AttemptTable, FindsWhatWasInserted) {
  AttemptTable table(64, kKey);
  std::optional<TrackedAttempt> evicted;
  for (uint32_t isn = 0; isn < 20; ++isn) {
    const uint32_t index = Insert(table, Key(isn), evicted);
    table.SetTimer(index, MonoTime(5s), MonoTime(0s));
    if (!evicted) {
      ASSERT_EQ(Find(table, Key(isn)), index);
    }
  }
  EXPECT_EQ(Find(table, Key(99)), std::nullopt);
  const auto index = Find(table, Key(19));
  table.Erase(*index);
  EXPECT_EQ(Find(table, Key(19)), std::nullopt);
}

TEST(AttemptTable, EveryPartOfTheKeyCounts) {
  AttemptTable table(64, kKey);
  std::optional<TrackedAttempt> evicted;
  Insert(table, Key(1), evicted);
  AttemptKey other = Key(1);
  other.client.port = 40001;
  EXPECT_FALSE(Find(table, other));
  other = Key(1);
  other.server.address = *IpAddress::Parse("198.51.100.3");
  EXPECT_FALSE(Find(table, other));
  other = Key(1);
  std::swap(other.client, other.server);
  EXPECT_FALSE(Find(table, other));
  EXPECT_FALSE(Find(table, Key(2)));
  EXPECT_TRUE(Find(table, Key(1)));
}

// One bucket only, so that it is clear who competes with whom.
TEST(AttemptTable, AFullBucketGivesUpTheOldestUnansweredFirst) {
  AttemptTable table(8, kKey);
  std::optional<TrackedAttempt> evicted;
  const auto insert = [&](uint32_t isn, Duration seen, bool answered, bool reported) {
    evicted.reset();
    const uint32_t index = Insert(table, Key(isn), evicted);
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
  // Only what was not reported yet is handed out: there is nothing more to say of the others.
  for (const auto& [expected, unreported] :
       {std::pair(3u, false), std::pair(2u, true), std::pair(1u, false), std::pair(0u, true)}) {
    insert(100 + expected, 20s, true, false);
    EXPECT_EQ(evicted.has_value(), unreported);
    EXPECT_TRUE(!evicted || evicted->key.isn == expected);
    EXPECT_EQ(Find(table, Key(expected)), std::nullopt);
    EXPECT_EQ(table.size(), 8u);
  }
}

// Several interfaces, several clocks: what was seen a moment "after now" is the newest, not the
// oldest.
TEST(AttemptTable, TimesSlightlyOutOfOrderDoNotMakeTheNewestTheOldest) {
  AttemptTable table(8, kKey);
  std::optional<TrackedAttempt> evicted;
  for (uint32_t isn = 0; isn < 8; ++isn) {
    const uint32_t index = Insert(table, Key(isn), evicted);
    const MonoTime seen(isn == 3 ? Duration(100s) : 50s + isn * 1s);
    table.at(index).last_seen = seen;
    table.SetTimer(index, MonoTime(200s), seen);
  }
  Insert(table, Key(8), evicted, 99'990ms);
  ASSERT_TRUE(evicted);
  EXPECT_EQ(evicted->key.isn, 0u);
}

// Sent by anybody to fill the table, they must not push out what may be a real client.
TEST(AttemptTable, SynAcksWithoutASynAreWorthNoMoreThanSyns) {
  AttemptTable table(8, kKey);
  std::optional<TrackedAttempt> evicted;
  for (uint32_t isn = 0; isn < 9; ++isn) {
    const uint32_t index = Insert(table, Key(isn), evicted, 10s + isn * 1s);
    TrackedAttempt& a = table.at(index);
    a.last_seen = MonoTime(10s + isn * 1s);
    a.syns = isn == 4 ? 1 : 0;
    a.syn_acks = isn == 4 ? 0 : 1;
    table.SetTimer(index, MonoTime(200s), a.last_seen);
  }
  ASSERT_TRUE(evicted);
  EXPECT_EQ(evicted->key.isn, 0u);
  EXPECT_TRUE(Find(table, Key(4)));
}

TEST(AttemptTable, ATimerMayBePutOffAndAnEntryBeErasedWithoutTouchingTheWheel) {
  AttemptTable table(64, kKey);
  std::optional<TrackedAttempt> evicted;
  const uint32_t put_off = Insert(table, Key(1), evicted, 0s);
  table.SetTimer(put_off, MonoTime(1s), MonoTime(0s));
  table.SetTimer(put_off, MonoTime(10s), MonoTime(0s));
  const uint32_t erased = Insert(table, Key(2), evicted, 0s);
  table.SetTimer(erased, MonoTime(1s), MonoTime(0s));
  table.Erase(erased);
  EXPECT_EQ(table.size(), 1u);
  EXPECT_EQ(table.PopDue(MonoTime(5s)), std::nullopt);
  EXPECT_EQ(table.PopDue(MonoTime(11s)), put_off);
  EXPECT_EQ(table.PopDue(MonoTime(20s)), std::nullopt);
  // The place is used again, and the new timer counts.
  const uint32_t again = Insert(table, Key(3), evicted, 20s);
  table.SetTimer(again, MonoTime(21s), MonoTime(20s));
  EXPECT_EQ(table.PopDue(MonoTime(22s)), again);
}

}  // namespace
}  // namespace parallax::sensor
