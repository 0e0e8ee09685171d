// What was not delivered, and what was refused, as the store keeps it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "collector/store/database.h"
#include "collector/store/reader.h"
#include "collector/store/sqlite_store.h"
#include "tests/unit/collector/store/sample_records.h"
#include "tests/unit/temp_dir.h"

namespace parallax::collector {
namespace {

class DeliveryTest : public testing::Test {
 protected:
  DeliveryTest() {
    store_ = std::move(*SqliteStore::Open(dir_.Path("db")));
    SensorRecord sensor;
    sensor.name = "mail";
    sensor.health.spool_problem = "No space left on device";
    sensor.clock_offset = Duration(-37);
    Apply(sensor);
  }

  void Apply(const StoreOp& op) {
    const auto applied = store_->Apply({&op, 1});
    ASSERT_TRUE(applied) << applied.error().message;
    EXPECT_EQ(store_->refused_rows(), 0u);
  }
  void Tell(uint64_t sequence, const Gap& gap) {
    IngestedBatch batch;
    batch.sensor = "mail";
    batch.epoch = 50;
    batch.first_sequence = sequence;
    batch.records = {gap};
    Apply(batch);
  }
  void Receive(uint64_t epoch, uint64_t last) {
    IngestedBatch batch;
    batch.sensor = "mail";
    batch.epoch = epoch;
    batch.first_sequence = last;
    batch.records = {Record(Attempt{})};
    std::get<Attempt>(batch.records[0]).client.address = *IpAddress::Parse("192.0.2.1");
    std::get<Attempt>(batch.records[0]).server.address = *IpAddress::Parse("192.0.2.2");
    Apply(batch);
  }
  SensorRecord Mail() {
    const auto reader = Reader::Open(dir_.Path("db"), std::chrono::seconds(60));
    EXPECT_TRUE(reader) << reader.error().message;
    const auto sensors = (*reader)->Sensors("mail");
    EXPECT_TRUE(sensors && sensors->size() == 1);
    return sensors->at(0);
  }

  TempDir dir_;
  std::unique_ptr<SqliteStore> store_;
};

Gap GapOf(uint64_t epoch, uint64_t first, uint64_t last, GapReason reason = GapReason::kFull) {
  return {RecordClass::kBulk, epoch, first, last, reason, WallTime(Duration(1)), {}};
}

TEST_F(DeliveryTest, WhatASensorSaysOfItselfIsReadBack) {
  EXPECT_EQ(Mail().health.spool_problem, "No space left on device");
  EXPECT_EQ(Mail().clock_offset, Duration(-37));
  EXPECT_EQ(Mail().undelivered, SensorRecord::Undelivered{});
}

TEST_F(DeliveryTest, GapsAddUpAndAreNotCountedTwice) {
  Tell(1, GapOf(10, 1, 100));
  Tell(2, GapOf(10, 201, 210, GapReason::kDamaged));
  Tell(3, GapOf(20, 5, 0, GapReason::kStopped));
  Tell(4, GapOf(10, 1, 100));  // told again by another start of the sensor
  EXPECT_EQ(Mail().undelivered, (SensorRecord::Undelivered{110, 1, 0}));
}

TEST_F(DeliveryTest, AGapCountsAlsoWhenLaterRecordsCameFirst) {
  Receive(10, 40);
  Tell(1, GapOf(10, 1, 30));
  EXPECT_EQ(Mail().undelivered.lost, 30u);
  Tell(2, GapOf(10, 21, 0, GapReason::kStopped));  // more arrived than the sensor knew
  auto db = Database::Open(dir_.Path("db"), Database::Mode::kReadOnly);
  ASSERT_TRUE(db);
  EXPECT_EQ(*(*db)->QueryInt("SELECT first_sequence FROM gaps WHERE reason = 'stopped'"), 41);
}

TEST_F(DeliveryTest, TheLatestRefusedBatchesAreKeptAsTheyCame) {
  const std::string body("\0\xff\n", 3);
  for (uint64_t i = 1; i <= 250; ++i) {
    Apply(RefusedBatch{"mail", 10, i, i + 4, 5, WallTime(Duration(i)),
                       "columns of different lengths", body});
  }
  EXPECT_EQ(Mail().undelivered.refused, 200u * 5);
  auto db = Database::Open(dir_.Path("db"), Database::Mode::kReadOnly);
  ASSERT_TRUE(db);
  EXPECT_EQ(*(*db)->QueryInt("SELECT min(first_sequence) FROM refused_batches"), 51);
  EXPECT_EQ(*(*db)->QueryInt("SELECT count(*) FROM refused_batches WHERE body = x'00ff0a'"), 200);
}

TEST_F(DeliveryTest, OldGapsGoWithTheRest) {
  Tell(1, GapOf(10, 1, 100));
  ASSERT_TRUE(store_->Prune(WallTime(Duration(1)), 1000));
  EXPECT_EQ(Mail().undelivered.lost, 0u);
}

}  // namespace
}  // namespace parallax::collector
