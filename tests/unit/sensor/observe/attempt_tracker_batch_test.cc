// A batch gives what its segments give one by one, whatever its size, in a table far too small.
#include <gtest/gtest.h>

#include <chrono>
#include <span>
#include <vector>

#include "sensor/observe/server_watch.h"
#include "tests/unit/sensor/observe/random_segments.h"

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

class TrackerBatchTest : public testing::TestWithParam<bool> {
 protected:
  // A tracker with a gate of its own.
  struct Side {
    explicit Side(bool at_end, bool gated)
        : tracker({.entries = 64, .key = {3, 4}, .report_at_end = at_end},
                  gated ? &gate : nullptr) {}
    ServerWatch gate{{.servers = 16,
                      .attempts_per_second = 3,
                      .attempts_per_second_total = 4,
                      .addresses = {},
                      .key = {3, 4}}};
    AttemptTracker tracker;
    std::vector<AttemptEvent> events;
  };

  static void ExpectSame(const Side& a, const Side& b) {
    ASSERT_EQ(a.events.size(), b.events.size());
    for (size_t i = 0; i < a.events.size(); ++i) {
      ASSERT_EQ(ToAttempt(a.events[i]), ToAttempt(b.events[i])) << i;
    }
    const AttemptTrackerStats& x = a.tracker.stats();
    const AttemptTrackerStats& y = b.tracker.stats();
    EXPECT_EQ(x.syns, y.syns);
    EXPECT_EQ(x.syn_acks, y.syn_acks);
    EXPECT_EQ(x.duplicates, y.duplicates);
    EXPECT_EQ(x.odd, y.odd);
    EXPECT_EQ(x.attempts, y.attempts);
    EXPECT_EQ(x.evicted, y.evicted);
    EXPECT_EQ(x.unsampled, y.unsampled);
    EXPECT_EQ(x.late_repeats, y.late_repeats);
    EXPECT_EQ(x.late_answers, y.late_answers);
    EXPECT_EQ(a.tracker.size(), b.tracker.size());
  }
};

TEST_P(TrackerBatchTest, GivesExactlyWhatSingleCallsGive) {
  uint64_t evicted = 0;
  uint64_t unsampled = 0;
  for (uint64_t seed = 1; seed <= 16; ++seed) {
    SCOPED_TRACE(seed);
    RandomSegments segments(seed, 60);
    Side batches(GetParam(), seed % 2 == 0);
    Side singles(GetParam(), seed % 2 == 0);
    for (int round = 0; round < 150; ++round) {
      std::vector<CapturedSegment> batch(segments.Chance(40));
      for (CapturedSegment& segment : batch) {
        segment = segments.Next();
        if (segment.segment.Has(kTcpSyn)) {
          batches.gate.Count(segment.segment, segment.seen);
          singles.gate.Count(segment.segment, segment.seen);
        }
      }
      batches.tracker.Observe(batch, batches.events);
      for (const CapturedSegment& s : batch) {
        singles.tracker.Observe(s.segment, s.stamp, s.seen, s.interface, singles.events);
      }
      if (segments.Chance(10) == 0) {
        batches.tracker.NoteLoss("eth0", segments.now());
        singles.tracker.NoteLoss("eth0", segments.now());
      }
      if (segments.Chance(2) == 0) {
        batches.tracker.Advance(segments.now(), batches.events);
        singles.tracker.Advance(segments.now(), singles.events);
      }
    }
    batches.tracker.Finish(segments.now(), batches.events);
    singles.tracker.Finish(segments.now(), singles.events);
    ExpectSame(batches, singles);
    EXPECT_GT(batches.events.size(), 500u);
    evicted += batches.tracker.stats().evicted;
    unsampled += batches.tracker.stats().unsampled;
  }
  EXPECT_GT(evicted, 100u);
  EXPECT_GT(unsampled, 100u);
}

INSTANTIATE_TEST_SUITE_P(LiveAndAtEnd, TrackerBatchTest, testing::Bool());

// Every attempt is reported twice (live) or once (at the end), however times jump about.
TEST_P(TrackerBatchTest, TimesInAnyOrderLoseNoReportAndRepeatNone) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    RandomSegments segments(seed, 60);
    Side side(GetParam(), false);
    for (int i = 0; i < 3000; ++i) {
      CapturedSegment segment = segments.Next();
      const uint32_t kind = segments.Chance(100);
      segment.seen -= kind == 0   ? Duration(segments.Chance(100) * 1h)
                      : kind < 30 ? Duration(segments.Chance(20) * 1ms)
                                  : 0s;
      side.tracker.Observe(segment.segment, segment.stamp, segment.seen, "", side.events);
      side.tracker.Advance(segment.seen, side.events);
      ASSERT_LE(side.tracker.size(), 64u);
    }
    side.tracker.Finish(segments.now(), side.events);
    size_t pending = 0;
    for (const AttemptEvent& event : side.events) {
      pending += event.outcome == AttemptOutcome::kPending ? 1 : 0;
      ASSERT_GE(event.age, 0s);
    }
    const size_t attempts = side.tracker.stats().attempts;
    EXPECT_EQ(pending, GetParam() ? 0 : attempts);
    EXPECT_EQ(side.events.size(), pending + attempts);
  }
}

}  // namespace
}  // namespace parallax::sensor
