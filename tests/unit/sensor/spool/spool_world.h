// A spool on a fake disk, under a clock of its own, with a collector that remembers what it was
// told.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sensor/spool/spool.h"
#include "tests/unit/sensor/spool/fake_files.h"

namespace parallax::sensor {

using namespace std::chrono_literals;

inline std::string EncodeGap(const Gap& gap) {
  return std::string(ToString(gap.reason)) + " " + std::string(ToString(gap.kind)) + " " +
         std::to_string(gap.first) + "-" + std::to_string(gap.last);
}

struct SpoolWorld {
  FakeDisk disk;
  SpoolOptions options;
  std::unique_ptr<Spool> spool;
  uint64_t epochs = 100;
  Moment now{MonoTime(1000s), WallTime(1'700'000'000s)};
  // (epoch, sequence) -> payload, of all that was ever delivered.
  std::map<std::pair<uint64_t, uint64_t>, std::string> delivered;

  SpoolWorld() {
    options.boot = 7;
    options.new_epoch = [this] { return ++epochs; };
    options.encode = EncodeGap;
  }

  void Start() {
    spool = std::make_unique<Spool>(options, [this]() -> Result<std::unique_ptr<SpoolFiles>> {
      return std::unique_ptr<SpoolFiles>(new FakeFiles(disk));
    });
    Keep();
  }
  void Append(RecordClass kind, const std::string& payload) { spool->Append(kind, payload, now); }
  void Keep(Duration later = 1s) {
    now = now + later;
    spool->Keep(now);
  }
  // Twice: what is new is written at the second look only.
  void Settle() {
    Keep();
    Keep();
  }
  // Everything that is there, by lane, without acknowledging.
  std::vector<std::string> Payloads(RecordClass kind) {
    std::vector<std::string> out;
    for (const Spool::Lane& lane : spool->Lanes()) {
      if (lane.kind != kind) {
        continue;
      }
      for (uint64_t from = lane.first; from <= lane.last;) {
        const auto chunk = spool->Read(lane.epoch, from, 100, 10'000, now);
        if (chunk.items.empty()) {
          break;
        }
        for (const Spool::Item& item : chunk.items) {
          out.push_back(item.payload);
        }
        from = chunk.first_sequence + chunk.items.size();
      }
    }
    return out;
  }
  // Up to `most` records of each lane go to the collector; `ack` says whether it hears so.
  void Deliver(size_t most, bool ack = true) {
    for (const Spool::Lane& lane : spool->Lanes()) {
      const auto chunk = spool->Read(lane.epoch, lane.first, most, 10'000, now);
      for (size_t i = 0; i < chunk.items.size(); ++i) {
        const auto key = std::pair(lane.epoch, chunk.first_sequence + i);
        const auto [it, added] = delivered.emplace(key, chunk.items[i].payload);
        EXPECT_EQ(it->second, chunk.items[i].payload) << "a sequence was given twice";
      }
      if (ack && !chunk.items.empty()) {
        spool->Acknowledge(lane.epoch, chunk.first_sequence + chunk.items.size() - 1);
      }
    }
  }
};

}  // namespace parallax::sensor
