// What the server watch says of servers in trouble, and whom it trusts.
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "sensor/observe/server_watch.h"
#include "tests/unit/sensor/observe/segments.h"

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

const Endpoint kServer{*IpAddress::Parse("2001:db8::25"), 25};
const Endpoint kOwn{*IpAddress::Parse("2001:db8::1"), 443};
// Monotonic time 0 in these tests.
constexpr int64_t kWallAtZero = 1'700'000'000'000'000'000;

Endpoint Client(uint32_t n, uint16_t port = 40000) { return {Address(n), port}; }

class ServerWatchReportTest : public testing::Test {
 protected:
  ServerWatchReportTest()
      : watch_({.servers = 256,
                .attempts_per_second = 2000,
                .attempts_per_second_total = 10000,
                .addresses = {kOwn.address},
                .key = {1, 2}}) {}

  static Moment At(Duration t) { return {MonoTime(t), FromUnixNanos(kWallAtZero) + t}; }

  void Syns(Duration at, uint32_t count, const Endpoint& server = kServer, uint32_t sources = 50) {
    for (uint32_t i = 0; i < count; ++i) {
      watch_.Count(SynOf(Client(i % sources), server, i), MonoTime(at + i * Duration(1s) / count));
    }
  }
  void SynAcks(Duration at, uint32_t count, const Endpoint& server = kServer) {
    for (uint32_t i = 0; i < count; ++i) {
      watch_.Count(SynAckOf(Client(i), server, i), MonoTime(at));
    }
  }
  void Decide(const Endpoint& client, AttemptOutcome outcome, Duration at, uint32_t syns = 1,
              const Endpoint& server = kServer, uint32_t sampling = 1) {
    AttemptEvent event;
    event.client = client;
    event.server = server;
    event.outcome = outcome;
    event.syns = syns;
    event.syn_repeated = syns >= 2;
    event.sampling = sampling;
    watch_.Decided(event, MonoTime(at));
  }
  void HalfOpen(int count, Duration at, const Endpoint& server = kServer) {
    for (int i = 0; i < count; ++i) {
      Decide(Client(static_cast<uint32_t>(i)), AttemptOutcome::kHalfOpen, at, 1, server);
    }
  }
  std::vector<ServerReport> Reports(Duration at, const TcpExtCounters& host = {}) {
    std::vector<ServerReport> reports;
    watch_.Advance(At(at), host, reports);
    return reports;
  }
  // The one report there is.
  ServerReport Report(Duration at, const TcpExtCounters& host = {}) {
    const auto reports = Reports(at, host);
    EXPECT_EQ(reports.size(), 1u);
    return reports.empty() ? ServerReport{} : reports[0];
  }
  bool Trusts(const Endpoint& client, const Endpoint& server, Duration at) {
    return watch_.MayTrustSilence({client, server, 1}, MonoTime(at));
  }

  ServerWatch watch_;
};

TEST_F(ServerWatchReportTest, BeforeAnythingWasSeenThereIsNothingToSay) {
  std::vector<ServerReport> reports;
  watch_.Advance(At(1000s), {}, reports);
  watch_.Finish(At(1000s), reports);
  Decide(Client(1), AttemptOutcome::kHalfOpen, 1000s);
  watch_.Finish(At(1000s), reports);
  EXPECT_TRUE(reports.empty());
}

TEST_F(ServerWatchReportTest, HealthyServersAreNotReported) {
  for (Duration at = 900s; at < 1100s; at += 1s) {
    Syns(at, 100);
    SynAcks(at, 100);
    Decide(Client(1), AttemptOutcome::kCompleted, at);
    Decide(Client(2), AttemptOutcome::kUnknown, at);
    Decide(Client(3), AttemptOutcome::kUnanswered, at);
    ASSERT_TRUE(Reports(at).empty());
  }
}

TEST_F(ServerWatchReportTest, ThreeHalfOpenAttemptsAreTroubleUntilTheyAreAMinuteOld) {
  Syns(900s, 10);
  HalfOpen(2, 905s);
  EXPECT_TRUE(Reports(910s).empty());
  HalfOpen(1, 911s);
  EXPECT_TRUE(Reports(915s).empty());  // not due
  EXPECT_EQ(Reports(920s).size(), 1u);
  EXPECT_TRUE(Reports(929s).empty());
  EXPECT_EQ(Report(930s).half_open, 3u);
  EXPECT_EQ(Report(940s).half_open, 3u);
  EXPECT_EQ(Report(950s).half_open, 3u);
  EXPECT_TRUE(Reports(960s).empty());
}

TEST_F(ServerWatchReportTest, TheWindowIsTheHalfMinuteAndTheOneBefore) {
  Syns(899s, 30);
  HalfOpen(3, 909s);
  const ServerReport early = Report(909s);
  EXPECT_EQ(early.window, 10s);  // since it was first seen
  EXPECT_EQ(ToUnixNanos(early.window_start), kWallAtZero + Duration(899s).count());
  for (Duration at = 910s; at < 1000s; at += 1s) {
    HalfOpen(1, at);
    for (const ServerReport& report : Reports(at)) {
      EXPECT_EQ(report.window_start + report.window, At(at).wall);
      EXPECT_LT(report.window, 60s);
      if (at >= 930s) {
        EXPECT_GE(report.window, 30s);
        EXPECT_EQ(ToUnixNanos(report.window_start) % Duration(30s).count(),
                  kWallAtZero % Duration(30s).count());
      }
    }
  }
}

TEST_F(ServerWatchReportTest, CountsAreThoseOfTheWindow) {
  Syns(900s, 500);  // falls out of it
  for (Duration at = 930s; at < 980s; at += 1s) {
    Syns(at, 100);
    SynAcks(at, 90);
    Decide(Client(1), AttemptOutcome::kCompleted, at);
    Decide(Client(2), AttemptOutcome::kRefused, at);
    Decide(Client(3), AttemptOutcome::kUnanswered, at);
    Decide(Client(4), AttemptOutcome::kUnknown, at);
    Decide(Client(5), AttemptOutcome::kHalfOpen, at);
    Decide(Client(6), AttemptOutcome::kPending, at);
  }
  const ServerReport report = Report(985s);
  EXPECT_EQ(report.server, kServer.address);
  EXPECT_EQ(report.window, 55s);
  EXPECT_EQ(report.age, 0s);
  EXPECT_EQ(report.syns, 5000u);
  EXPECT_EQ(report.syn_acks, 4500u);
  EXPECT_NEAR(static_cast<double>(report.sources), 50, 5);
  EXPECT_EQ(report.port, 25);
  EXPECT_EQ(report.port_syns, 5000u);
  EXPECT_EQ(report.port_syn_acks, 4500u);
  EXPECT_EQ(report.completed, 50u);
  EXPECT_EQ(report.refused, 50u);
  EXPECT_EQ(report.unanswered, 50u);
  EXPECT_EQ(report.unknown, 50u);
  EXPECT_EQ(report.half_open, 50u);
  EXPECT_FALSE(report.aggregate);
  EXPECT_EQ(report.sampling, 1u);
  EXPECT_EQ(report.listen_overflows, std::nullopt);  // not our own host
}

TEST_F(ServerWatchReportTest, ThePortIsTheOneThatDrewMostOfLate) {
  for (Duration at = 900s; at < 1800s; at += 1s) {
    Syns(at, 500, {kServer.address, 443});
  }
  for (Duration at = 1800s; at < 1850s; at += 1s) {
    Syns(at, 300, {kServer.address, 25});
    Syns(at, 50, {kServer.address, 443});
  }
  HalfOpen(3, 1850s);
  const ServerReport report = Report(1850s);
  EXPECT_EQ(report.port, 25);
  EXPECT_EQ(report.port_syns, 15000u);
}

TEST_F(ServerWatchReportTest, APortsCountsOfLongAgoAreGone) {
  Syns(900s, 1000, {kServer.address, 443});
  Syns(1000s, 60, {kServer.address, 443});
  Syns(1001s, 40, {kServer.address, 25});
  HalfOpen(3, 1002s);
  const ServerReport report = Report(1010s);
  EXPECT_EQ(report.port, 443);
  EXPECT_EQ(report.port_syns, 60u);
}

TEST_F(ServerWatchReportTest, SharesOfHalfOpenAttempts) {
  Syns(900s, 100);
  for (uint32_t n = 0; n < 3; ++n) {  // known: completed one before
    Decide(Client(n), AttemptOutcome::kCompleted, 901s);
  }
  Decide(Client(3), AttemptOutcome::kCompleted, 901s, 1, kServer, 4);  // of a sample: not so sure
  for (uint32_t n = 0; n < 4; ++n) {
    Decide(Client(n, 41000), AttemptOutcome::kHalfOpen, 905s, n < 2 ? 2 : 1);
  }
  const ServerReport few = Report(910s);
  EXPECT_EQ(few.half_open_repeated, std::nullopt);  // four are too few for a share
  EXPECT_EQ(few.half_open_known, std::nullopt);
  Decide(Client(9), AttemptOutcome::kHalfOpen, 911s, 7);
  const ServerReport report = Report(920s);
  EXPECT_DOUBLE_EQ(report.half_open_repeated.value_or(-1), 0.6);
  EXPECT_DOUBLE_EQ(report.half_open_known.value_or(-1), 0.6);
}

TEST_F(ServerWatchReportTest, WhatStandsForManyWeighsAsMany) {
  Syns(900s, 100);
  for (uint32_t n = 0; n < 6; ++n) {  // real ones, each for itself
    Decide(Client(n), AttemptOutcome::kHalfOpen, 905s, 2);
  }
  for (uint32_t n = 0; n < 3; ++n) {
    Decide(Client(100 + n), AttemptOutcome::kHalfOpen, 905s, 1, kServer, 64);
  }
  const ServerReport report = Report(910s);
  EXPECT_EQ(report.half_open, 6u + 3 * 64);
  EXPECT_NEAR(report.half_open_repeated.value_or(-1), 6.0 / (6 + 3 * 64), 1e-9);
}

// SYN cookies from the first second on: the rate says nothing, but those few do that got none.
TEST_F(ServerWatchReportTest, HalfOpenAttemptsThatNobodyRepeatsMakeCompletionsDoubtful) {
  Syns(900s, 100);
  Decide(Client(500), AttemptOutcome::kCompleted, 901s);
  HalfOpen(19, 905s);
  EXPECT_TRUE(Trusts(Client(1000), kServer, 906s));
  HalfOpen(1, 905s);
  EXPECT_FALSE(Trusts(Client(1000), kServer, 906s));
  EXPECT_TRUE(Trusts(Client(500), kServer, 906s));  // known
  EXPECT_TRUE(Trusts(Client(1000), kOwn, 906s));    // elsewhere
  for (uint32_t n = 0; n < 2; ++n) {                // a tenth of them are tried again
    Decide(Client(600 + n), AttemptOutcome::kHalfOpen, 907s, 2);
  }
  EXPECT_TRUE(Trusts(Client(1000), kServer, 908s));
  Decide(Client(1), AttemptOutcome::kHalfOpen, 907s, 1, kServer, 64);
  EXPECT_FALSE(Trusts(Client(1000), kServer, 908s));
  EXPECT_TRUE(Trusts(Client(1000), kServer, 1000s));  // a minute later
}

TEST_F(ServerWatchReportTest, AllOrNothingTellsAFaultFromAnOverflow) {
  Syns(900s, 100);
  Syns(900s, 100, kOwn);
  for (uint32_t n = 0; n < 10; ++n) {
    for (uint16_t i = 0; i < 4; ++i) {
      Decide(Client(n, i), AttemptOutcome::kHalfOpen, 901s);
      Decide(Client(n, i),
             (n + i) % 2 == 0 ? AttemptOutcome::kHalfOpen : AttemptOutcome::kCompleted, 901s, 1,
             kOwn);
    }
  }
  const auto reports = Reports(910s);
  ASSERT_EQ(reports.size(), 2u);
  for (const ServerReport& report : reports) {
    EXPECT_EQ(report.all_or_nothing, report.server == kServer.address ? 1.0 : 0.0);
  }
}

TEST_F(ServerWatchReportTest, ARateFarBeyondWhatIsUsualIsAFloodEvenWithinTheBudget) {
  for (Duration at = 900s; at < 960s; at += 1s) {
    Syns(at, 50);
    ASSERT_TRUE(Reports(at).empty());
  }
  for (Duration at = 960s; at < 970s; at += 1s) {
    Syns(at, 1500);
  }
  const ServerReport report = Report(970s);
  EXPECT_FALSE(report.aggregate);
  EXPECT_NEAR(report.usual_rate, 50, 15);
  EXPECT_GT(report.syn_rate, 1000);
  EXPECT_GT(report.excess, 40);
  EXPECT_FALSE(Trusts(Client(1), kServer, 970s));
  EXPECT_TRUE(Trusts(Client(1), kOwn, 970s));  // another server
}

TEST_F(ServerWatchReportTest, TheFirstHalfMinuteIsTakenForUsual) {
  for (Duration at = 900s; at < 1000s; at += 1s) {
    Syns(at, 1500);
    ASSERT_TRUE(Reports(at).empty());
  }
}

TEST_F(ServerWatchReportTest, ManyServersInTroubleAreReportedLargestFirst) {
  for (uint32_t n = 0; n < 100; ++n) {
    const Endpoint server{Address(0x800000 + n), 80};
    Syns(900s, 5 + n, server);
    HalfOpen(3, 905s, server);
  }
  const auto reports = Reports(910s);
  ASSERT_EQ(reports.size(), 64u);
  EXPECT_EQ(reports[0].syns, 104u);
  for (size_t i = 1; i < reports.size(); ++i) {
    EXPECT_EQ(reports[i].syns, reports[i - 1].syns - 1);
  }
}

TEST_F(ServerWatchReportTest, OfTheOwnHostTheKernelsCountersWithinTheWindow) {
  Reports(899s, {.listen_overflows = 1000, .syn_cookies_sent = 5000});
  Syns(900s, 10, kOwn);
  HalfOpen(3, 901s, kOwn);
  const ServerReport first = Report(910s, {.listen_overflows = 1010, .syn_cookies_sent = 5020});
  EXPECT_EQ(first.listen_overflows, 10u);
  EXPECT_EQ(first.syn_cookies_sent, 20u);
  uint64_t overflows = 1010;
  for (Duration at = 920s; at < 1200s; at += 10s) {
    overflows += 10;
    HalfOpen(1, at - 1s, kOwn);
    const ServerReport report = Report(at, {.listen_overflows = overflows});
    // One a second; a reading every ten seconds.
    EXPECT_GE(*report.listen_overflows, static_cast<uint64_t>(ToSeconds(report.window)));
    EXPECT_LE(*report.listen_overflows, static_cast<uint64_t>(ToSeconds(report.window)) + 10);
  }
}

// The reading failed and was taken for zero; or the kernel began anew.
TEST_F(ServerWatchReportTest, CountersThatFallAreNoEvents) {
  Reports(899s, {.listen_overflows = 1000, .syn_cookies_sent = 5000});
  Syns(900s, 10, kOwn);
  HalfOpen(3, 901s, kOwn);
  const ServerReport report = Report(910s, {});
  EXPECT_EQ(report.listen_overflows, 0u);
  EXPECT_EQ(report.syn_cookies_sent, 0u);
}

TEST_F(ServerWatchReportTest, AHostThatSendsSynCookiesIsNotTrustedForAMinute) {
  Syns(900s, 10, kOwn);
  Syns(900s, 10);
  Decide(Client(7), AttemptOutcome::kCompleted, 901s, 1, kOwn);
  Reports(902s, {.syn_cookies_sent = 5000});  // sent before we came
  EXPECT_TRUE(Trusts(Client(1), kOwn, 902s));
  Reports(903s, {.syn_cookies_sent = 5001});
  EXPECT_FALSE(Trusts(Client(1), kOwn, 903s));
  EXPECT_TRUE(Trusts(Client(7), kOwn, 903s));     // known
  EXPECT_TRUE(Trusts(Client(1), kServer, 903s));  // another host's kernel
  Reports(930s, {.syn_cookies_sent = 5001});
  EXPECT_FALSE(Trusts(Client(1), kOwn, 962s));
  EXPECT_TRUE(Trusts(Client(1), kOwn, 963s));
}

TEST_F(ServerWatchReportTest, ANewClientThatCompletesDuringAFloodDoesNotBecomeKnown) {
  for (Duration at = 900s; at < 940s; at += 1s) {
    Syns(at, at < 930s ? 10 : 1500);
  }
  ASSERT_FALSE(Trusts(Client(1), kServer, 940s));
  Decide(Client(1), AttemptOutcome::kCompleted, 940s);
  EXPECT_FALSE(Trusts(Client(1), kServer, 940s));
}

TEST_F(ServerWatchReportTest, FinishReportsWhetherDueOrNot) {
  Syns(900s, 10);
  HalfOpen(3, 901s);
  std::vector<ServerReport> reports;
  watch_.Finish(At(902s), reports);
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports[0].window, 2s);
}

TEST_F(ServerWatchReportTest, WhereThereIsNoRoomTheServerThatDrewLeastGoes) {
  Syns(900s, 1000);
  HalfOpen(3, 901s);
  for (uint32_t n = 0; n < 100'000; ++n) {
    watch_.Count(SynOf(Client(1), {Address(n), 80}, n), MonoTime(902s));
  }
  EXPECT_EQ(Report(910s).syns, 1000u);
}

TEST_F(ServerWatchReportTest, TimeJumpingAheadByHoursEmptiesTheWindow) {
  for (Duration at = 900s; at < 940s; at += 1s) {
    Syns(at, at < 930s ? 10 : 1900);
  }
  HalfOpen(10, 940s);
  EXPECT_EQ(Reports(940s).size(), 1u);
  EXPECT_TRUE(Reports(940s + 100h).empty());
  EXPECT_TRUE(Trusts(Client(1), kServer, 940s + 100h));
  HalfOpen(3, 941s + 100h);
  const ServerReport report = Report(950s + 100h);
  EXPECT_EQ(report.half_open, 3u);
  EXPECT_EQ(report.syns, 0u);
  EXPECT_EQ(report.port_syns, 0u);
  EXPECT_LE(report.window, 60s);
}

TEST_F(ServerWatchReportTest, TimeGoingBackwardsMakesNoNegativeWindow) {
  Syns(900s, 10);
  HalfOpen(3, 901s);
  std::vector<ServerReport> reports;
  watch_.Advance(At(100s), {}, reports);
  EXPECT_TRUE(reports.empty());
  watch_.Finish(At(100s), reports);
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports[0].window, 0s);
  EXPECT_EQ(reports[0].half_open, 3u);
  Syns(100s, 10);
  EXPECT_EQ(Report(910s).syns, 20u);
}

}  // namespace
}  // namespace parallax::sensor
