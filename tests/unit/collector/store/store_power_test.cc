// Power loss at every operation of the store's life, with what was not synced torn, reordered or
// gone: whatever was applied is there when the store is opened again, and nothing by halves.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "collector/store/sqlite_store.h"
#include "tests/unit/collector/store/recording_vfs.h"
#include "tests/unit/collector/store/sample_records.h"
#include "tests/unit/temp_dir.h"

namespace parallax::collector {
namespace {

constexpr uint64_t kBatches = 30;
constexpr uint64_t kPerBatch = 5;
constexpr const char* kFile = "parallax.db";

// Real disks take their time to sync, and the disk that counts here is a recorded one.
std::filesystem::path InMemory() {
  const std::filesystem::path memory = "/dev/shm";
  return std::filesystem::is_directory(memory) ? memory : std::filesystem::temp_directory_path();
}

void Put(const RecordingVfs::Files& files, const TempDir& dir) {
  for (const auto& [file, content] : files) {
    std::ofstream(dir.Path(file), std::ios::binary) << content;
    std::filesystem::permissions(dir.Path(file), std::filesystem::perms(0600));
  }
}

// A life in which batches come, incidents change, sensors are let in, checkpoints are taken in
// between, and the store is closed and opened once.
class Life {
 public:
  Life() {
    Open();
    for (uint64_t i = 1; i <= kBatches; ++i) {
      Apply(i);
      if (i % 4 == 0) {
        Keep(i % 8 == 0);
      }
      if (i == kBatches / 2) {
        store_.reset();
        Open();
      }
    }
    store_.reset();
    disk_.Stop();
  }

  size_t operations() const { return disk_.operations(); }

  RecordingVfs::Files AfterPowerLoss(size_t operations, uint64_t seed) const {
    return disk_.AfterPowerLoss(operations, seed);
  }

  // What the power loss left is opened as after a reboot.
  void Check(const RecordingVfs::Files& left, size_t operations) const {
    const TempDir after(InMemory());
    Put(left, after);
    const auto store = SqliteStore::Open(after.Path(kFile));
    ASSERT_TRUE(store) << store.error().message;
    const auto there = (*store)->HighWater("mail-1", 42);
    ASSERT_TRUE(there) << there.error().message;
    uint64_t promised = 0;
    for (const auto& [at, batches] : promises_) {
      promised = at <= operations ? batches : promised;
    }
    EXPECT_GE(*there, promised * kPerBatch);
    const auto db = Database::Open(after.Path(kFile), Database::Mode::kReadOnly);
    ASSERT_TRUE(db) << db.error().message;
    EXPECT_EQ((*db)->QueryInt("SELECT count(*) FROM attempts").value(),
              static_cast<int64_t>(*there));
    EXPECT_EQ((*db)->QueryInt("SELECT count(*) FROM incident_events").value(),
              static_cast<int64_t>(*there / kPerBatch));
    EXPECT_EQ((*db)
                  ->QueryInt("SELECT count(*) FROM pragma_integrity_check WHERE "
                             "integrity_check <> 'ok'")
                  .value(),
              0);
    // And it goes on.
    EXPECT_TRUE((*store)->Apply(Batch(*there / kPerBatch + 1)));
  }

 private:
  static std::vector<StoreOp> Batch(uint64_t i) {
    std::vector<Record> records;
    for (uint64_t k = 0; k < kPerBatch; ++k) {
      records.emplace_back(SampleAttempt(static_cast<uint16_t>(i * kPerBatch + k)));
    }
    IngestedBatch batch = SampleBatch((i - 1) * kPerBatch + 1, std::move(records));
    return {batch, SampleChange("opened", i, IncidentState::kOpen)};
  }

  void Open() {
    auto opened = SqliteStore::Open(dir_.Path(kFile));
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
  }
  void Apply(uint64_t i) {
    ASSERT_TRUE(store_->Apply(Batch(i)));
    promises_[disk_.operations()] = i;
  }
  void Keep(bool idle) { ASSERT_TRUE(store_->Maintain(idle)); }

  TempDir dir_{InMemory()};
  RecordingVfs disk_;
  std::unique_ptr<SqliteStore> store_;
  std::map<size_t, uint64_t> promises_;  // after so many operations, so many batches were applied
};

// The store is opened with what the first power loss left, and the power goes again meanwhile.
void CheckAgain(const Life& life, const RecordingVfs::Files& left, size_t operations,
                size_t& states) {
  const TempDir dir(InMemory());
  Put(left, dir);
  RecordingVfs disk(left);
  {
    auto store = SqliteStore::Open(dir.Path(kFile));
    ASSERT_TRUE(store) << store.error().message;
    ASSERT_TRUE((*store)->Maintain(true));
  }
  disk.Stop();
  for (size_t again = 0; again <= disk.operations(); ++again, ++states) {
    SCOPED_TRACE("and again after " + std::to_string(again));
    ASSERT_NO_FATAL_FAILURE(life.Check(disk.AfterPowerLoss(again, again), operations));
  }
}

TEST(StorePower, WhateverWasAppliedIsThereAfterAPowerLossAtAnyOperation) {
  const Life life;
  size_t states = 0;
  for (size_t operations = 0; operations <= life.operations(); ++operations) {
    for (uint64_t seed = 0; seed < 2; ++seed, ++states) {
      SCOPED_TRACE("operation " + std::to_string(operations) + ", seed " + std::to_string(seed));
      const auto left = life.AfterPowerLoss(operations, operations * 2 + seed);
      ASSERT_NO_FATAL_FAILURE(life.Check(left, operations));
    }
  }
  EXPECT_GE(states, 1'000u);
}

TEST(StorePower, AlsoIfThePowerGoesAgainWhileItIsOpened) {
  const Life life;
  size_t states = 0;
  for (size_t operations = 0; operations <= life.operations(); operations += 32) {
    SCOPED_TRACE("operation " + std::to_string(operations));
    ASSERT_NO_FATAL_FAILURE(
        CheckAgain(life, life.AfterPowerLoss(operations, operations), operations, states));
  }
  EXPECT_GE(states, 300u);
}

}  // namespace
}  // namespace parallax::collector
