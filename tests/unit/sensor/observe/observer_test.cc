#include "sensor/observe/observer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <variant>
#include <vector>

#include "tests/unit/sensor/observe/segments.h"

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

const IpAddress kSelf = *IpAddress::Parse("192.0.2.1");
const IpAddress kSelf6 = *IpAddress::Parse("2001:db8::1");
const Endpoint kServer{kSelf, 25};
const Endpoint kClient{*IpAddress::Parse("198.51.100.7"), 40000};
constexpr uint16_t kFirst = 61000;
constexpr uint16_t kLast = 61063;

class ObserverTest : public testing::Test {
 protected:
  ObserverTest()
      : observer_({.local_networks = PrefixSet({*Prefix::Parse("192.0.2.0/24")}),
                   .own_probes = {{kSelf, kSelf6}, kFirst, kLast},
                   .attempts = 1024,
                   .key = {1, 2}}) {}

  static CapturedSegment At(Duration t, const SynSegment& segment) {
    return {.segment = segment,
            .stamp = FromUnixNanos(0) + t,
            .seen = MonoTime(t),
            .interface = "eth0"};
  }
  void See(Duration t, const SynSegment& segment) {
    const CapturedSegment captured = At(t, segment);
    observer_.See({&captured, 1}, out_);
  }
  void Advance(Duration t, const TcpExtCounters& host = {}) {
    observer_.Advance({MonoTime(t), FromUnixNanos(0) + t}, host, out_);
  }
  std::vector<Attempt> Attempts() const {
    std::vector<Attempt> attempts;
    for (const Record& record : out_) {
      if (const auto* attempt = std::get_if<Attempt>(&record)) {
        attempts.push_back(*attempt);
      }
    }
    return attempts;
  }
  std::vector<ServerReport> Reports() const {
    std::vector<ServerReport> reports;
    for (const Record& record : out_) {
      if (const auto* report = std::get_if<ServerReport>(&record)) {
        reports.push_back(*report);
      }
    }
    return reports;
  }

  Observer observer_;
  std::vector<Record> out_;
};

TEST_F(ObserverTest, AnAttemptComesTwice) {
  See(1s, SynOf(kClient, kServer, 5));
  ASSERT_EQ(Attempts().size(), 1u);
  EXPECT_EQ(Attempts()[0].outcome, AttemptOutcome::kPending);
  See(1010ms, SynAckOf(kClient, kServer, 6));
  Advance(2s);
  EXPECT_EQ(Attempts().size(), 1u);
  Advance(2600ms);
  ASSERT_EQ(Attempts().size(), 2u);
  EXPECT_EQ(Attempts()[1].rule, "syn_ack_not_repeated");
  EXPECT_EQ(Attempts()[1].interface, "eth0");
}

TEST_F(ObserverTest, NothingGivesNothing) {
  observer_.See({}, out_);
  Advance(1s);
  EXPECT_TRUE(out_.empty());
}

TEST_F(ObserverTest, LocalClientsAreWatchedButNotReported) {
  See(1s, SynOf({*IpAddress::Parse("192.0.2.77"), 5}, kServer, 5));
  EXPECT_TRUE(out_.empty());
  EXPECT_EQ(observer_.stats().filter.local, 1u);
  EXPECT_EQ(observer_.stats().tracker.attempts, 1u);
}

TEST_F(ObserverTest, OwnProbesAndTheirAnswersAreNoAttempts) {
  const Endpoint target{kClient.address, 80};
  for (const IpAddress& self : {kSelf, kSelf6}) {
    for (const uint16_t port : {kFirst, uint16_t{61030}, kLast}) {
      const Endpoint probe{self, port};
      See(1s, SynOf(probe, target, 5));
      See(2s, SynOf(probe, target, 5));
      See(1s, SynAckOf(probe, target, 6));
      See(2s, SynAckOf(probe, target, 6));
      See(2s, RstAckOf(target, probe, 0, 6));
      See(2s, RstOf(probe, target, 6));
    }
  }
  Advance(100s);
  EXPECT_TRUE(out_.empty());
  EXPECT_EQ(observer_.stats().own, 36u);
  EXPECT_EQ(observer_.stats().tracker.syns, 0u);
  EXPECT_EQ(observer_.stats().tracker.attempts, 0u);
}

TEST_F(ObserverTest, WhatOnlyLooksLikeAProbeIsNone) {
  See(1s, SynOf({kSelf, kFirst - 1}, kClient, 5));
  See(1s, SynOf({kSelf, kLast + 1}, kClient, 5));
  See(1s, SynOf({*IpAddress::Parse("192.0.2.2"), kFirst}, kClient, 5));
  See(1s, SynOf(kClient, {kSelf, kFirst}, 5));    // somebody scans the block
  See(1s, SynAckOf(kClient, {kSelf, kLast}, 9));  // and is answered
  EXPECT_EQ(observer_.stats().own, 0u);
  EXPECT_EQ(observer_.stats().tracker.attempts, 5u);
}

TEST_F(ObserverTest, NoBlockOwnsNothing) {
  const OwnProbes none{{kSelf}, 1, 0};
  EXPECT_FALSE(none.Owns(SynOf({kSelf, 0}, kClient, 1)));
  EXPECT_FALSE(none.Owns(SynOf({kSelf, 1}, kClient, 1)));
}

TEST_F(ObserverTest, ProbesAmongOthersLeaveTheOthersInOrder) {
  std::vector<CapturedSegment> batch;
  for (uint16_t i = 0; i < 20; ++i) {
    batch.push_back(At(1s + i * 1ms, SynOf({kClient.address, i}, kServer, i)));
    batch.push_back(At(1s + i * 1ms, SynOf({kSelf, kFirst}, kClient, i)));
  }
  observer_.See(batch, out_);
  EXPECT_EQ(observer_.stats().own, 20u);
  ASSERT_EQ(Attempts().size(), 20u);
  for (uint16_t i = 0; i < 20; ++i) {
    EXPECT_EQ(Attempts()[i].isn, i);
  }
}

TEST_F(ObserverTest, AServerInTroubleIsReportedAfterItsAttempts) {
  for (uint16_t i = 0; i < 5; ++i) {
    See(1s, SynOf({kClient.address, i}, kServer, i));
    See(1010ms, SynAckOf({kClient.address, i}, kServer, i + 1u));
  }
  for (uint16_t i = 0; i < 5; ++i) {
    See(2020ms, SynAckOf({kClient.address, i}, kServer, i + 1u));
  }
  Advance(11s, {.listen_overflows = 3});
  ASSERT_EQ(Reports().size(), 1u);
  EXPECT_TRUE(std::holds_alternative<ServerReport>(out_.back()));
  EXPECT_EQ(Attempts().size(), 10u);
  const ServerReport report = Reports()[0];
  EXPECT_EQ(report.server, kSelf);
  EXPECT_EQ(report.half_open, 5u);
  EXPECT_EQ(report.syns, 5u);
  EXPECT_EQ(report.syn_acks, 10u);
  EXPECT_EQ(report.half_open_repeated, 0.0);
  EXPECT_EQ(report.listen_overflows, 0u);  // one reading so far; of this host
}

TEST_F(ObserverTest, ALossReachesTheTracker) {
  See(1s, SynOf(kClient, kServer, 5));
  observer_.NoteLoss("eth0", MonoTime(2s));
  Advance(10s);
  ASSERT_EQ(Attempts().size(), 2u);
  EXPECT_EQ(Attempts()[1].rule, "capture_loss");
}

// A million SYNs a second from everywhere: everything stays as small as it was.
TEST_F(ObserverTest, AFloodOfThreeMillionSynsTakesNoMemory) {
  Hashes hashes(1);
  std::vector<CapturedSegment> batch(64);
  size_t most = 0;
  uint64_t records = 0;
  uint64_t followed = 0;
  for (uint32_t i = 0; i < 3'000'000; i += 64) {
    const Duration t = 100s + i * 1us;
    for (CapturedSegment& captured : batch) {
      const uint64_t chance = hashes.Next();
      const Endpoint forged{Address(static_cast<uint32_t>(chance)),
                            static_cast<uint16_t>(chance >> 32)};
      captured = At(t, SynOf(forged, kServer, static_cast<uint32_t>(chance >> 8)));
    }
    out_.clear();
    observer_.See(batch, out_);
    records += out_.size();
    if (i % 6400 == 0) {
      Advance(t);
    }
    for (const Record& record : out_) {
      const auto* attempt = std::get_if<Attempt>(&record);
      followed += attempt != nullptr && attempt->outcome == AttemptOutcome::kPending ? 1 : 0;
    }
    most = std::max(most, out_.capacity());
  }
  const ObserverStats stats = observer_.stats();
  EXPECT_LE(most, 16384u);
  EXPECT_LE(followed, 4000u);  // 1000 a second, and as many at once
  EXPECT_LE(records, 10'000u);
  EXPECT_LE(stats.tracker.attempts, 30'000u);
  EXPECT_EQ(stats.tracker.attempts + stats.tracker.unsampled, 3'000'000u);
  EXPECT_GT(stats.filter.held_back_total, 0u);
  out_.clear();
  Advance(103s);
  ASSERT_EQ(Reports().size(), 0u);
  Advance(110s);
  ASSERT_EQ(Reports().size(), 1u);
  EXPECT_TRUE(Reports()[0].aggregate);
  EXPECT_GE(Reports()[0].sampling, 256u);
  EXPECT_EQ(Reports()[0].syns, 3'000'000u);
  EXPECT_NEAR(static_cast<double>(Reports()[0].sources), 2.75e6, 0.7e6);
}

TEST(TrackerMemory, ATableFarTooSmallStaysWithinItsSize) {
  AttemptTracker tracker({.entries = 1024, .key = {1, 2}});
  Hashes hashes(2);
  std::vector<AttemptEvent> events;
  for (uint32_t i = 0; i < 300'000; ++i) {
    const uint64_t chance = hashes.Next();
    tracker.Observe(SynOf({Address(static_cast<uint32_t>(chance)), 1}, kServer, i), {},
                    MonoTime(100s + i * 1us), "", events);
    ASSERT_LE(events.size(), 3u);
    ASSERT_LE(tracker.size(), 1024u);
    events.clear();
  }
  EXPECT_GE(tracker.stats().evicted, 298'000u);
}

}  // namespace
}  // namespace parallax::sensor
