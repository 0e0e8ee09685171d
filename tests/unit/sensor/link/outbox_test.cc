#include "sensor/link/outbox.h"

#include <gtest/gtest.h>

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;
using Pick = Outbox::Pick;

const MonoTime kStart{1000s};

Spool::Lane Lane(uint64_t epoch, RecordClass kind, uint64_t first, uint64_t last,
                 bool live = true) {
  return {epoch, kind, live, first - 1, first, last};
}

TEST(Outbox, NothingToSendIsNothing) {
  Outbox outbox;
  EXPECT_FALSE(outbox.Next({}, kStart));
  EXPECT_FALSE(outbox.Next({Lane(1, RecordClass::kBulk, 1, 0)}, kStart));
}

TEST(Outbox, GoesOnWhereItStopped) {
  Outbox outbox;
  const std::vector<Spool::Lane> lanes = {Lane(1, RecordClass::kBulk, 1, 2500)};
  EXPECT_EQ(outbox.Next(lanes, kStart), (Pick{1, 1, 1000}));
  outbox.Sent(1, 1, 900, 9000);
  EXPECT_EQ(outbox.Next(lanes, kStart), (Pick{1, 901, 1000}));
  outbox.Sent(1, 901, 2500, 9000);
  EXPECT_FALSE(outbox.Next(lanes, kStart));
}

TEST(Outbox, EvidenceFirstAndLiveBeforeBacklog) {
  Outbox outbox;
  std::vector<Spool::Lane> lanes = {Lane(1, RecordClass::kEvidence, 1, 5, false),
                                    Lane(2, RecordClass::kBulk, 1, 5),
                                    Lane(3, RecordClass::kResults, 1, 5)};
  EXPECT_EQ(outbox.Next(lanes, kStart)->epoch, 3u);
  outbox.Sent(3, 1, 5, 100);
  EXPECT_EQ(outbox.Next(lanes, kStart)->epoch, 2u);
  outbox.Sent(2, 1, 5, 100);
  EXPECT_EQ(outbox.Next(lanes, kStart)->epoch, 1u);
}

TEST(Outbox, TheWindowIsWhatIsNotAcknowledged) {
  OutboxLimits limits;
  limits.records = 100;
  Outbox outbox(limits);
  std::vector<Spool::Lane> lanes = {Lane(1, RecordClass::kBulk, 1, 1000)};
  EXPECT_EQ(outbox.Next(lanes, kStart), (Pick{1, 1, 100}));
  outbox.Sent(1, 1, 100, 1000);
  EXPECT_FALSE(outbox.Next(lanes, kStart));
  lanes[0].acked = 30;
  lanes[0].first = 31;
  EXPECT_EQ(outbox.Next(lanes, kStart), (Pick{1, 101, 30}));
}

TEST(Outbox, BytesCountAsWell) {
  OutboxLimits limits;
  limits.bytes = 1000;
  Outbox outbox(limits);
  std::vector<Spool::Lane> lanes = {Lane(1, RecordClass::kBulk, 1, 1000)};
  outbox.Next(lanes, kStart);
  outbox.Sent(1, 1, 10, 600);
  EXPECT_TRUE(outbox.Next(lanes, kStart));
  outbox.Sent(1, 11, 20, 600);
  EXPECT_FALSE(outbox.Next(lanes, kStart));
  lanes[0].first = 11;
  EXPECT_TRUE(outbox.Next(lanes, kStart));
}

TEST(Outbox, ABacklogIsPacedAndLeavesRoomForWhatIsLive) {
  OutboxLimits limits;
  limits.records = 1000;
  limits.backlog_per_second = 300;
  Outbox outbox(limits);
  std::vector<Spool::Lane> lanes = {Lane(1, RecordClass::kBulk, 1, 10'000, false)};
  EXPECT_EQ(outbox.Next(lanes, kStart), (Pick{1, 1, 300}));
  outbox.Sent(1, 1, 300, 100);
  EXPECT_FALSE(outbox.Next(lanes, kStart));
  EXPECT_EQ(outbox.Next(lanes, kStart + 500ms), (Pick{1, 301, 150}));
  outbox.Sent(1, 301, 450, 100);
  EXPECT_EQ(outbox.Next(lanes, kStart + 1s), (Pick{1, 451, 150}));
  outbox.Sent(1, 451, 600, 100);
  EXPECT_FALSE(outbox.Next(lanes, kStart + 60s)) << "half of the window is the most";
  lanes.push_back(Lane(2, RecordClass::kBulk, 1, 50));
  EXPECT_EQ(outbox.Next(lanes, kStart + 60s)->epoch, 2u);
}

TEST(Outbox, WhatWasDroppedIsNotWaitedFor) {
  Outbox outbox;
  std::vector<Spool::Lane> lanes = {Lane(1, RecordClass::kBulk, 1, 100)};
  outbox.Next(lanes, kStart);
  outbox.Sent(1, 1, 10, 100);
  lanes[0].first = 51;
  EXPECT_EQ(outbox.Next(lanes, kStart), (Pick{1, 51, 1000}));
}

}  // namespace
}  // namespace parallax::sensor
