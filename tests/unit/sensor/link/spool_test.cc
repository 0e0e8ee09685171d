#include "sensor/link/spool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <thread>

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr Duration kLong = 60s;  // never waited out
constexpr uint64_t kEnd = std::numeric_limits<uint64_t>::max();

Record Numbered(uint32_t number) {
  Attempt attempt;
  attempt.isn = number;
  return attempt;
}

void Append(Spool& spool, uint32_t first, uint32_t last) {
  for (uint32_t i = first; i <= last; ++i) {
    spool.Append(Numbered(i), Now().mono);
  }
}

std::vector<uint32_t> Numbers(const Spool::Chunk& chunk) {
  std::vector<uint32_t> out;
  for (const Record& record : chunk.records) {
    out.push_back(std::get<Attempt>(record).isn);
  }
  return out;
}

TEST(Spool, NumbersFromOneInOrder) {
  Spool spool(100);
  Append(spool, 1, 5);
  const auto chunk = spool.Read(1, 100, 0s);
  EXPECT_EQ(chunk.first_sequence, 1u);
  EXPECT_THAT(Numbers(chunk), ElementsAre(1, 2, 3, 4, 5));
}

TEST(Spool, ReadingTakesNothingAway) {
  Spool spool(100);
  Append(spool, 1, 3);
  EXPECT_THAT(Numbers(spool.Read(1, 2, 0s)), ElementsAre(1, 2));
  EXPECT_THAT(Numbers(spool.Read(1, 2, 0s)), ElementsAre(1, 2));
  EXPECT_THAT(Numbers(spool.Read(3, 2, 0s)), ElementsAre(3));
  EXPECT_THAT(Numbers(spool.Read(1, 0, 0s)), IsEmpty());
  EXPECT_EQ(spool.stats().records, 3u);
}

TEST(Spool, AcknowledgedRecordsGo) {
  Spool spool(100);
  Append(spool, 1, 5);
  spool.Acknowledge(3);
  EXPECT_EQ(spool.acknowledged(), 3u);
  EXPECT_EQ(spool.stats().records, 2u);
  const auto chunk = spool.Read(1, 100, 0s);
  EXPECT_EQ(chunk.first_sequence, 4u);
  EXPECT_THAT(Numbers(chunk), ElementsAre(4, 5));
  spool.Acknowledge(2);  // late, and older
  EXPECT_EQ(spool.acknowledged(), 3u);
  EXPECT_EQ(spool.stats().records, 2u);
  EXPECT_EQ(spool.stats().dropped, 0u);
}

TEST(Spool, AckBeyondTheEndAcknowledgesWhatThereIs) {
  Spool spool(100);
  spool.Acknowledge(50);
  EXPECT_EQ(spool.acknowledged(), 0u);
  Append(spool, 1, 3);
  spool.Acknowledge(kEnd);
  EXPECT_EQ(spool.acknowledged(), 3u);
  EXPECT_EQ(spool.stats().records, 0u);
  EXPECT_EQ(spool.stats().bytes, 0u);
  Append(spool, 4, 4);  // numbers go on
  const auto chunk = spool.Read(1, 10, 0s);
  EXPECT_EQ(chunk.first_sequence, 4u);
  EXPECT_THAT(Numbers(chunk), ElementsAre(4));
}

TEST(Spool, FullDropsTheOldestAndCounts) {
  Spool spool(3);
  Append(spool, 1, 10);
  EXPECT_EQ(spool.stats().records, 3u);
  EXPECT_EQ(spool.stats().dropped, 7u);
  const auto chunk = spool.Read(1, 100, 0s);
  EXPECT_EQ(chunk.first_sequence, 8u);
  EXPECT_THAT(Numbers(chunk), ElementsAre(8, 9, 10));
  spool.Acknowledge(5);  // of dropped ones: nothing to take away
  EXPECT_EQ(spool.stats().records, 3u);
}

TEST(Spool, ReadGoesOnAfterADropWithTheNextThereIs) {
  Spool spool(3);
  Append(spool, 1, 3);
  EXPECT_THAT(Numbers(spool.Read(1, 1, 0s)), ElementsAre(1));
  Append(spool, 4, 6);
  const auto chunk = spool.Read(2, 2, 0s);
  EXPECT_EQ(chunk.first_sequence, 4u);
  EXPECT_THAT(Numbers(chunk), ElementsAre(4, 5));
}

TEST(Spool, CapacityOne) {
  Spool spool(1);
  for (uint32_t i = 1; i <= 4; ++i) {
    Append(spool, i, i);
    const auto chunk = spool.Read(1, 10, 0s);
    EXPECT_EQ(chunk.first_sequence, i);
    EXPECT_THAT(Numbers(chunk), ElementsAre(i));
  }
  EXPECT_EQ(spool.stats().dropped, 3u);
  spool.Acknowledge(4);
  EXPECT_EQ(spool.stats().records, 0u);
  Append(spool, 5, 5);
  EXPECT_EQ(spool.Read(5, 10, 0s).first_sequence, 5u);
  EXPECT_EQ(spool.stats().dropped, 3u);
}

TEST(Spool, AgesGrowWhileRecordsWait) {
  Spool spool(10);
  const MonoTime hour_ago = Now().mono - 1h;
  Attempt attempt;
  attempt.age = 5s;
  spool.Append(attempt, hour_ago);
  ProbeReport report;
  report.age = 1s;
  report.tries.resize(2);
  spool.Append(report, hour_ago);
  const auto chunk = spool.Read(1, 10, 0s);
  ASSERT_EQ(chunk.records.size(), 2u);
  EXPECT_GE(std::get<Attempt>(chunk.records[0]).age, 1h + 5s);
  EXPECT_GE(std::get<ProbeReport>(chunk.records[1]).age, 1h + 1s);
  // Reading again does not add the same wait twice.
  const auto again = spool.Read(1, 10, 0s);
  EXPECT_LT(std::get<Attempt>(again.records[0]).age, 2h);
}

TEST(Spool, BytesFollowTheRecords) {
  Spool spool(2);
  EXPECT_EQ(spool.stats().bytes, 0u);
  Append(spool, 1, 1);
  const uint64_t one = spool.stats().bytes;
  EXPECT_GE(one, sizeof(Record));
  Append(spool, 2, 9);
  EXPECT_EQ(spool.stats().bytes, 2 * one);
  ProbeReport report;
  report.tries.resize(8);
  spool.Append(report, Now().mono);
  EXPECT_GT(spool.stats().bytes, 2 * one);
}

TEST(Spool, WakeEndsAWaitAlsoWhenItCameFirst) {
  Spool spool(10);
  spool.Wake();
  EXPECT_THAT(spool.Read(1, 10, kLong).records, IsEmpty());
  std::jthread waker([&] { spool.Wake(); });
  EXPECT_THAT(spool.Read(kEnd, 10, kLong).records, IsEmpty());
}

TEST(Spool, AppendEndsAWait) {
  Spool spool(10);
  std::jthread writer([&] { Append(spool, 1, 1); });
  EXPECT_THAT(Numbers(spool.Read(1, 10, kLong)), ElementsAre(1));
}

TEST(Spool, NothingYetIsAnEmptyChunk) {
  Spool spool(10);
  EXPECT_THAT(spool.Read(1, 10, 0s).records, IsEmpty());
  Append(spool, 1, 2);
  EXPECT_THAT(spool.Read(3, 10, 0s).records, IsEmpty());
  EXPECT_THAT(spool.Read(kEnd, 10, 0s).records, IsEmpty());
}

TEST(Spool, WritersAndAReaderTogetherLoseNothing) {
  constexpr uint32_t kEach = 5'000;
  Spool spool(2 * kEach);
  std::jthread a([&] { Append(spool, 1, kEach); });
  std::jthread b([&] { Append(spool, 1, kEach); });
  uint64_t next = 1;
  uint64_t sum = 0;
  while (next <= 2 * kEach) {
    const auto chunk = spool.Read(next, 100, kLong);
    ASSERT_EQ(chunk.first_sequence, next);
    for (const uint32_t number : Numbers(chunk)) {
      sum += number;
    }
    next += chunk.records.size();
    spool.Acknowledge(next - 1);
  }
  EXPECT_EQ(sum, uint64_t{kEach} * (kEach + 1));
  EXPECT_EQ(spool.stats().records, 0u);
  EXPECT_EQ(spool.stats().bytes, 0u);
  EXPECT_EQ(spool.stats().dropped, 0u);
}

}  // namespace
}  // namespace parallax::sensor
