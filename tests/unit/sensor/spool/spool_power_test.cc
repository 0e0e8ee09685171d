// Power loss at every operation of a spool's life, with what was not synced torn, reordered or
// gone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/sensor/spool/spool_world.h"

namespace parallax::sensor {
namespace {

constexpr RecordClass kKinds[] = {RecordClass::kBulk, RecordClass::kResults,
                                  RecordClass::kEvidence};

// A life with outages of the collector, a small budget and a clean restart in the middle.
class Life {
 public:
  explicit Life(uint64_t power_goes_at) : power_goes_at_(power_goes_at) {
    world_.options.most_bytes = 24 << 10;
    world_.options.most_memory = 16 << 10;
    world_.disk.before = [this](std::string_view operation) -> Result<void> {
      if (operation == "read" || ++operations_ < power_goes_at_) {
        return {};
      }
      return Fail(ErrorCode::kFailure, "no power");
    };
  }

  bool has_power() const { return operations_ < power_goes_at_; }
  uint64_t operations() const { return operations_; }

  void Run() {
    world_.Start();
    for (int turn = 0; turn < 60 && has_power(); ++turn) {
      for (const RecordClass kind : kKinds) {
        for (int i = 0; i < (kind == RecordClass::kBulk ? 12 : 2); ++i) {
          Append(kind);
        }
      }
      if (turn % 20 < 8) {
        world_.Deliver(turn % 3 == 0 ? 100 : 5);
      }
      world_.Keep();
      NotePromises();
      if (turn == 30) {
        world_.spool->Close(world_.now);
        early_ = recent_ = {};
        world_.Start();
      }
    }
  }

  // What the power loss left is read by a new start, and delivered to the same collector. Before
  // that, the power goes again after so many operations of a start, if there are so many.
  void Check(uint64_t seed, uint64_t power_goes_again_at = 0) const {
    SpoolWorld between;
    Prepare(between, world_, world_.disk.AfterPowerLoss(seed));
    if (power_goes_again_at > 0) {
      uint64_t operations = 0;
      between.disk.before = [&](std::string_view operation) -> Result<void> {
        if (operation == "read" || ++operations < power_goes_again_at) {
          return {};
        }
        return Fail(ErrorCode::kFailure, "no power");
      };
      between.Start();
      between.Settle();
    }
    SpoolWorld after;
    Prepare(after, between, between.disk.AfterPowerLoss(seed + 1));
    after.Start();
    for (int i = 0; i < 400; ++i) {
      after.Append(RecordClass::kBulk, "new");
      after.Deliver(100);
      after.Keep();
    }
    for (const auto& [key, payload] : appended_) {
      const auto got = after.delivered.find(key);
      if (got != after.delivered.end()) {
        EXPECT_EQ(got->second, payload);
      } else {
        EXPECT_FALSE(promised_.contains(key)) << payload << " was on disk, and is lost: operation "
                                              << power_goes_at_ << ", seed " << seed;
      }
    }
    for (const auto& [key, payload] : after.delivered) {
      const auto known = appended_.find(key);
      EXPECT_TRUE(known == appended_.end() || known->second == payload);
    }
  }

 private:
  using Key = std::pair<uint64_t, uint64_t>;

  static void Prepare(SpoolWorld& world, const SpoolWorld& before, FakeDisk disk) {
    world.options = before.options;
    world.epochs = before.epochs;
    world.options.new_epoch = [&world] { return ++world.epochs; };
    world.now = before.now + 60s;
    world.disk = std::move(disk);
    world.delivered = before.delivered;  // an epoch's sequence never means two records
  }

  void Append(RecordClass kind) {
    ++count_;
    const std::string payload =
        "record " + std::to_string(count_) + std::string(count_ % 5 * 20, 'x');
    world_.Append(kind, payload);
    for (const Spool::Lane& lane : world_.spool->Lanes()) {
      if (lane.kind == kind && lane.live) {
        appended_[{lane.epoch, lane.last}] = payload;
      }
    }
  }

  // What was there two Keeps ago and was not acknowledged or dropped since is on disk.
  void NotePromises() {
    std::map<Key, bool> here;
    for (const Spool::Lane& lane : world_.spool->Lanes()) {
      for (uint64_t s = lane.first; s <= lane.last; ++s) {
        here[{lane.epoch, s}] = true;
      }
    }
    if (has_power()) {
      promised_.clear();
      for (const auto& [key, yes] : early_) {
        if (here.contains(key)) {
          promised_[key] = true;
        }
      }
    } else {  // dropped in the dark
      std::erase_if(promised_, [&](const auto& entry) { return !here.contains(entry.first); });
    }
    early_ = std::exchange(recent_, here);
  }

  const uint64_t power_goes_at_;
  SpoolWorld world_;
  uint64_t operations_ = 0;
  uint64_t count_ = 0;
  std::map<Key, std::string> appended_;
  std::map<Key, bool> early_;
  std::map<Key, bool> recent_;
  std::map<Key, bool> promised_;
};

TEST(SpoolPowerTest, NothingThatWasSyncedIsLostWheneverThePowerGoes) {
  Life whole(UINT64_MAX);
  whole.Run();
  ASSERT_GT(whole.operations(), 250u);
  int states = 0;
  for (uint64_t cut = 1; cut <= whole.operations() && !testing::Test::HasFailure(); ++cut) {
    Life life(cut);
    life.Run();
    for (uint64_t seed = 1; seed <= 4; ++seed, ++states) {
      life.Check(seed);
    }
  }
  EXPECT_GE(states, 1000);
}

TEST(SpoolPowerTest, NorIfItGoesAgainWhileTheNextStartReadsWhatIsLeft) {
  Life whole(UINT64_MAX);
  whole.Run();
  int states = 0;
  for (uint64_t cut = 1; cut <= whole.operations() && !testing::Test::HasFailure(); cut += 3) {
    Life life(cut);
    life.Run();
    for (uint64_t again = 1; again <= 12; ++again, ++states) {
      life.Check(cut + again, again);
    }
  }
  EXPECT_GE(states, 1000);
}

}  // namespace
}  // namespace parallax::sensor
