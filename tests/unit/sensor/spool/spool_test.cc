#include "sensor/spool/spool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/unit/sensor/spool/spool_world.h"

namespace parallax::sensor {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

constexpr RecordClass kBulk = RecordClass::kBulk;
constexpr RecordClass kCounters = RecordClass::kCounters;
constexpr RecordClass kResults = RecordClass::kResults;
constexpr RecordClass kEvidence = RecordClass::kEvidence;

class SpoolTest : public testing::Test {
 protected:
  SpoolWorld world_;

  Spool& spool() { return *world_.spool; }
  Spool::Lane LaneOf(RecordClass kind) {
    for (const Spool::Lane& lane : spool().Lanes()) {
      if (lane.kind == kind && lane.live) {
        return lane;
      }
    }
    ADD_FAILURE() << "no live lane of " << ToString(kind);
    return {};
  }
  void AppendMany(RecordClass kind, int first, int last) {
    for (int i = first; i <= last; ++i) {
      world_.Append(kind, "r" + std::to_string(i));
    }
  }
  size_t SegmentFiles() const {
    return static_cast<size_t>(
        std::count_if(world_.disk.files.begin(), world_.disk.files.end(),
                      [](const auto& file) { return ParseSegmentName(file.first).has_value(); }));
  }
};

TEST_F(SpoolTest, EachClassIsNumberedFromOneInItsEpoch) {
  world_.Start();
  AppendMany(kBulk, 1, 3);
  AppendMany(kResults, 4, 5);
  EXPECT_THAT(world_.Payloads(kBulk), ElementsAre("r1", "r2", "r3"));
  EXPECT_THAT(world_.Payloads(kResults), ElementsAre("r4", "r5"));
  EXPECT_EQ(LaneOf(kBulk).first, 1u);
  EXPECT_EQ(LaneOf(kBulk).last, 3u);
  EXPECT_NE(LaneOf(kBulk).epoch, LaneOf(kResults).epoch);
}

TEST_F(SpoolTest, AcknowledgedRecordsGoAndAnAckOfTooMuchTakesWhatThereIs) {
  world_.Start();
  AppendMany(kBulk, 1, 5);
  const uint64_t epoch = LaneOf(kBulk).epoch;
  spool().Acknowledge(epoch, 3);
  EXPECT_THAT(world_.Payloads(kBulk), ElementsAre("r4", "r5"));
  spool().Acknowledge(epoch, 2);  // late, and older
  EXPECT_EQ(spool().stats().records, 2u);
  spool().Acknowledge(epoch + 1000, 9);  // of nobody
  spool().Acknowledge(epoch, 50);
  EXPECT_EQ(spool().stats().records, 0u);
  AppendMany(kBulk, 6, 6);
  EXPECT_EQ(LaneOf(kBulk).first, 6u);
  EXPECT_THAT(world_.Payloads(kBulk), ElementsAre("r6"));
}

TEST_F(SpoolTest, WhatTheCollectorTakesAtOnceNeverTouchesTheDisk) {
  world_.Start();
  int operations = 0;
  world_.disk.before = [&](std::string_view) {
    ++operations;
    return Result<void>();
  };
  for (int i = 0; i < 20; ++i) {
    AppendMany(kBulk, i, i);
    world_.Deliver(100);
    world_.Keep(200ms);
  }
  EXPECT_EQ(SegmentFiles(), 0u);
  EXPECT_EQ(operations, 0);
}

TEST_F(SpoolTest, WhatWaitsIsThereAfterARestart) {
  world_.Start();
  AppendMany(kBulk, 1, 3);
  AppendMany(kEvidence, 4, 4);
  const uint64_t epoch = LaneOf(kBulk).epoch;
  world_.Settle();
  spool().Acknowledge(epoch, 1);
  world_.Settle();
  spool().Close(world_.now);
  world_.Start();
  AppendMany(kBulk, 5, 5);
  EXPECT_THAT(world_.Payloads(kBulk), ElementsAre("r2", "r3", "r5"));
  EXPECT_THAT(world_.Payloads(kEvidence), ElementsAre("r4"));
  EXPECT_NE(LaneOf(kBulk).epoch, epoch);
  world_.Deliver(100);
  world_.Settle();
  EXPECT_EQ(SegmentFiles(), 0u);
}

TEST_F(SpoolTest, AKilledSensorSaysThatItMayHaveLostSomething) {
  world_.Start();
  AppendMany(kBulk, 1, 3);
  world_.Settle();
  world_.Start();  // no Close
  world_.Keep();
  EXPECT_THAT(world_.Payloads(kBulk), ElementsAre("r1", "r2", "r3"));
  EXPECT_THAT(world_.Payloads(kEvidence), ElementsAre("stopped bulk 4-0"));
}

TEST_F(SpoolTest, AgesGoOnAcrossARestartAndAReboot) {
  world_.Start();
  AppendMany(kBulk, 1, 1);
  const auto age = [&] {
    const Spool::Lane lane = spool().Lanes().front();
    return spool().Read(lane.epoch, lane.first, 1, 1000, world_.now).items.at(0).age;
  };
  EXPECT_EQ(age(), 0s);
  world_.Settle();
  EXPECT_EQ(age(), 2s);
  spool().Close(world_.now);
  world_.now.wall += 100s;  // somebody set the clock: the monotonic one knows better
  world_.Start();
  EXPECT_EQ(age(), 3s);
  spool().Close(world_.now);
  world_.options.boot = 8;
  world_.now = {MonoTime(5s), world_.now.wall + 60s};
  world_.Start();
  EXPECT_EQ(age(), 3s + 100s + 60s + 1s);
}

TEST_F(SpoolTest, FullItDropsByClassAndTellsEachGap) {
  world_.options.most_bytes = 256 << 10;
  world_.Start();
  const std::string large(200, 'x');
  for (int i = 0; i < 300; ++i) {
    world_.Append(kEvidence, large);
    world_.Append(kResults, large);
    world_.Append(kCounters, large);
  }
  EXPECT_EQ(spool().stats().dropped, 0u);
  for (int i = 0; i < 1000; ++i) {
    world_.Append(kBulk, large);
  }
  EXPECT_THAT(world_.Payloads(kCounters), SizeIs(300));
  EXPECT_LT(world_.Payloads(kBulk).size(), 300u);
  EXPECT_LE(spool().stats().bytes, world_.options.most_bytes);
  for (int i = 0; i < 400; ++i) {
    world_.Append(kResults, large);
  }
  EXPECT_LT(world_.Payloads(kCounters).size(), 300u);
  EXPECT_THAT(world_.Payloads(kEvidence), SizeIs(300));
  world_.Keep();
  const auto told = world_.Payloads(kEvidence);
  EXPECT_THAT(told, Contains(StartsWith("full bulk 1-")));
  EXPECT_THAT(told, Contains(StartsWith("full counters 1-")));
  EXPECT_LE(spool().stats().bytes, world_.options.most_bytes);
}

TEST_F(SpoolTest, DroppedAndDeliveredAndWaitingAreAll) {
  world_.options.most_bytes = 64 << 10;
  world_.Start();
  const uint64_t total = 5000;
  for (uint64_t i = 0; i < total; ++i) {
    world_.Append(kBulk, "record " + std::to_string(i));
    if (i % 7 == 0) {
      world_.Deliver(3);
    }
    if (i % 50 == 0) {
      world_.Keep();
    }
  }
  const uint64_t bulk_delivered = static_cast<uint64_t>(
      std::count_if(world_.delivered.begin(), world_.delivered.end(),
                    [](const auto& entry) { return entry.second.starts_with("record"); }));
  const uint64_t waiting = world_.Payloads(kBulk).size();
  EXPECT_GT(spool().stats().dropped, 0u);
  EXPECT_EQ(bulk_delivered + waiting + spool().stats().dropped, total);
}

TEST_F(SpoolTest, ADiskThatFailsCostsNothingAsLongAsMemoryLasts) {
  world_.Start();
  bool broken = false;
  world_.disk.before = [&](std::string_view operation) -> Result<void> {
    return broken && operation != "read" ? Fail(ErrorCode::kFailure, "No space left on device")
                                         : Result<void>();
  };
  AppendMany(kBulk, 1, 3);
  world_.Settle();
  broken = true;
  world_.disk.short_write = 11;  // a disk that is full takes the first bytes
  AppendMany(kBulk, 4, 6);
  world_.Settle();
  EXPECT_EQ(spool().stats().problem, "No space left on device");
  EXPECT_THAT(world_.Payloads(kBulk), ElementsAre("r1", "r2", "r3", "r4", "r5", "r6"));
  broken = false;
  world_.Keep(20s);
  world_.Settle();
  EXPECT_EQ(spool().stats().problem, "");
  world_.disk = world_.disk.AfterPowerLoss(1);
  world_.Start();
  EXPECT_THAT(world_.Payloads(kBulk), ElementsAre("r1", "r2", "r3", "r4", "r5", "r6"));
}

TEST_F(SpoolTest, ASyncThatFailsIsNotTrustedAgain) {
  world_.Start();
  AppendMany(kBulk, 1, 3);
  bool broken = true;
  world_.disk.before = [&](std::string_view operation) -> Result<void> {
    return broken && operation == "sync" ? Fail(ErrorCode::kFailure, "Input/output error")
                                         : Result<void>();
  };
  world_.Settle();
  EXPECT_EQ(spool().stats().problem, "Input/output error");
  for (auto& [name, file] : world_.disk.files) {
    file->pending.clear();  // as Linux does: the pages are clean, and nobody has them
  }
  broken = false;
  world_.Keep(20s);
  world_.Settle();
  world_.disk = world_.disk.AfterPowerLoss(1);
  world_.Start();
  EXPECT_THAT(world_.Payloads(kBulk), ElementsAre("r1", "r2", "r3"));
}

TEST_F(SpoolTest, WithoutADiskMemoryIsBounded) {
  world_.options.most_memory = 64 << 10;
  world_.spool =
      std::make_unique<Spool>(world_.options, []() -> Result<std::unique_ptr<SpoolFiles>> {
        return Fail(ErrorCode::kFailure, "Read-only file system");
      });
  for (int i = 0; i < 5000; ++i) {
    AppendMany(kBulk, i, i);
    if (i % 100 == 0) {
      world_.Keep();
      AppendMany(kEvidence, i, i);
    }
  }
  EXPECT_EQ(spool().stats().problem, "Read-only file system");
  EXPECT_LE(spool().stats().bytes, world_.options.most_memory);
  EXPECT_THAT(world_.Payloads(kBulk), Contains("r4999"));
  EXPECT_THAT(world_.Payloads(kEvidence), AllOf(Contains("r0"), Contains("r4900")));
}

TEST_F(SpoolTest, AFolderThatComesLateIsUsedWithWhatIsInIt) {
  world_.Start();
  AppendMany(kBulk, 1, 2);
  world_.Settle();
  spool().Close(world_.now);
  bool there = false;
  world_.spool =
      std::make_unique<Spool>(world_.options, [&]() -> Result<std::unique_ptr<SpoolFiles>> {
        return there ? Result<std::unique_ptr<SpoolFiles>>(
                           std::unique_ptr<SpoolFiles>(new FakeFiles(world_.disk)))
                     : Fail(ErrorCode::kNotFound, "not mounted");
      });
  world_.Keep();
  AppendMany(kBulk, 3, 3);
  there = true;
  world_.Keep(20s);
  EXPECT_THAT(world_.Payloads(kBulk), ElementsAre("r1", "r2", "r3"));
}

TEST_F(SpoolTest, AfterATurnNewRecordsNeedNotWaitBehindTheBacklog) {
  world_.Start();
  AppendMany(kBulk, 1, 10);
  AppendMany(kResults, 1, 1);
  const uint64_t old = LaneOf(kBulk).epoch;
  spool().Turn(5);
  AppendMany(kBulk, 11, 12);
  EXPECT_NE(LaneOf(kBulk).epoch, old);
  EXPECT_EQ(LaneOf(kBulk).first, 1u);
  EXPECT_EQ(LaneOf(kResults).last, 1u);  // too few to matter
  spool().Acknowledge(old, 10);
  EXPECT_THAT(world_.Payloads(kBulk), ElementsAre("r11", "r12"));
  for (const Spool::Lane& lane : spool().Lanes()) {
    EXPECT_NE(lane.epoch, old);  // nothing left of it
  }
}

TEST_F(SpoolTest, AnySequenceOfALongSegmentCanBeReadAgain) {
  world_.Start();
  const std::string large(1000, 'x');
  for (int i = 1; i <= 900; ++i) {  // a single segment, much larger than what is read at once
    world_.Append(kBulk, std::to_string(i) + large);
  }
  world_.Settle();
  const uint64_t epoch = LaneOf(kBulk).epoch;
  for (const uint64_t from : {900u, 1u, 450u, 451u, 899u, 2u}) {
    const auto chunk = spool().Read(epoch, from, 10, 2000, world_.now);
    ASSERT_FALSE(chunk.items.empty()) << from;
    EXPECT_EQ(chunk.first_sequence, from);
    EXPECT_EQ(chunk.items[0].payload, std::to_string(from) + large);
  }
  EXPECT_EQ(spool().stats().dropped, 0u);
}

TEST_F(SpoolTest, AnyFlippedByteCostsTheRecordsItTouchesAndIsTold) {
  world_.Start();
  AppendMany(kBulk, 1, 9);
  world_.Settle();
  spool().Close(world_.now);
  const FakeDisk whole = world_.disk.AfterPowerLoss(1);
  const auto segment = std::find_if(whole.files.begin(), whole.files.end(), [](const auto& file) {
    return ParseSegmentName(file.first).has_value();
  });
  const std::string name = segment->first;
  const std::string bytes = segment->second->content;
  for (size_t at = 0; at < bytes.size(); ++at) {
    world_.disk = whole.AfterPowerLoss(1);
    world_.disk.files[name]->content[at] ^= 0x10;
    world_.Start();
    const auto left = world_.Payloads(kBulk);
    if (at < kSegmentHeaderBytes) {
      EXPECT_THAT(left, SizeIs(9)) << at;
      continue;
    }
    EXPECT_THAT(left, SizeIs(8)) << at;
    const size_t hit = (at - kSegmentHeaderBytes) / (kRecordHeaderBytes + 2) + 1;
    EXPECT_THAT(left, testing::Not(Contains("r" + std::to_string(hit))));
    world_.Keep();
    if (hit < 9) {  // after the last one nobody knows that there was another
      const std::string number = std::to_string(hit);
      EXPECT_THAT(world_.Payloads(kEvidence), ElementsAre("damaged bulk " + number + "-" + number));
    }
  }
}

TEST_F(SpoolTest, AFileThatCannotBeReadIsAGap) {
  world_.Start();
  AppendMany(kBulk, 1, 9);
  world_.Settle();
  world_.disk.before = [&](std::string_view operation) -> Result<void> {
    return operation == "read" ? Fail(ErrorCode::kFailure, "Input/output error") : Result<void>();
  };
  EXPECT_THAT(world_.Payloads(kBulk), IsEmpty());
  AppendMany(kBulk, 10, 10);
  EXPECT_THAT(world_.Payloads(kBulk), ElementsAre("r10"));
  world_.Keep();
  EXPECT_THAT(world_.Payloads(kEvidence), Contains("damaged bulk 1-9"));
}

TEST_F(SpoolTest, ForeignFilesAreLeftAlone) {
  world_.disk.files["README"] = std::make_shared<FakeDisk::File>();
  world_.disk.files["bulk-1-1.seg"] = std::make_shared<FakeDisk::File>();
  world_.Start();
  AppendMany(kBulk, 1, 1);
  world_.Settle();
  EXPECT_TRUE(world_.disk.files.contains("README"));
  EXPECT_TRUE(world_.disk.files.contains("bulk-1-1.seg"));
}

TEST_F(SpoolTest, WritersAReaderAndTheKeeperTogetherLoseNothing) {
  constexpr int kEach = 5'000;
  world_.Start();
  std::atomic<bool> over = false;
  std::thread keeper([&] {
    Moment now = world_.now;
    while (!over) {
      now = now + 300ms;
      spool().Keep(now);
      std::this_thread::sleep_for(1ms);  // not all of the time
    }
  });
  {
    const auto write = [&](RecordClass kind) {
      for (int i = 1; i <= kEach; ++i) {
        spool().Append(kind, "r" + std::to_string(i), world_.now);
      }
    };
    std::jthread a([&] { write(kBulk); });
    std::jthread b([&] { write(kBulk); });
    std::jthread c([&] { write(kEvidence); });
    while (world_.delivered.size() < 3 * kEach) {
      if (spool().stats().records == 0) {
        spool().Wait(1s);
      }
      world_.Deliver(100);
    }
  }
  over = true;
  keeper.join();
  EXPECT_EQ(world_.delivered.size(), 3u * kEach);
  EXPECT_EQ(spool().stats().records, 0u);
  EXPECT_EQ(spool().stats().dropped, 0u);
}

}  // namespace
}  // namespace parallax::sensor
