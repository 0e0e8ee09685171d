#include "sensor/observe/report_filter.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

AttemptEvent Record(std::string_view client, uint32_t isn,
                    AttemptOutcome outcome = AttemptOutcome::kPending) {
  AttemptEvent a;
  a.client = {*IpAddress::Parse(client), 40000};
  a.server = {*IpAddress::Parse("192.0.2.25"), 25};
  a.isn = isn;
  a.outcome = outcome;
  return a;
}

ReportFilterOptions Options() {
  return {.local_networks =
              PrefixSet({*Prefix::Parse("192.0.2.0/24"), *Prefix::Parse("2001:db8:1::/48")}),
          .clients = 64,
          .attempts_per_client = 3,
          .accusations_per_client = 2,
          .attempts_per_second = 10,
          .accusations_per_second = 10,
          .key = {5, 6}};
}

TEST(ReportFilter, LocalClientsAreNotReported) {
  ReportFilter filter(Options());
  const MonoTime now(1s);
  EXPECT_FALSE(filter.Admit(Record("192.0.2.77", 1), now));
  EXPECT_FALSE(filter.Admit(Record("2001:db8:1::5", 1, AttemptOutcome::kHalfOpen), now));
  EXPECT_FALSE(filter.Admit(Record("fe80::1", 1), now));
  EXPECT_FALSE(filter.Admit(Record("127.0.0.1", 1), now));
  EXPECT_EQ(filter.stats().local, 4u);
  EXPECT_TRUE(filter.Admit(Record("198.51.100.7", 1), now));
  EXPECT_TRUE(filter.Admit(Record("2001:db8:2::5", 1), now));
}

TEST(ReportFilter, ReportedAttemptsGetTheirOutcomeWhateverItIs) {
  ReportFilter filter(Options());
  for (uint32_t isn = 0; isn < 3; ++isn) {
    EXPECT_TRUE(filter.Admit(Record("198.51.100.7", isn), MonoTime(1s)));
  }
  EXPECT_TRUE(filter.Admit(Record("198.51.100.7", 1, AttemptOutcome::kCompleted), MonoTime(3s)));
  EXPECT_TRUE(filter.Admit(Record("198.51.100.7", 0, AttemptOutcome::kUnknown), MonoTime(3s)));
  // Once only.
  EXPECT_FALSE(filter.Admit(Record("198.51.100.7", 0, AttemptOutcome::kUnknown), MonoTime(3s)));
}

TEST(ReportFilter, AChattyClientIsHeldBackAndItsAccusationsAreNot) {
  ReportFilter filter(Options());
  int reported = 0;
  for (uint32_t isn = 0; isn < 10; ++isn) {
    reported += filter.Admit(Record("198.51.100.7", isn), MonoTime(1s)) ? 1 : 0;
  }
  EXPECT_EQ(reported, 3);
  EXPECT_EQ(filter.stats().held_back, 7u);
  EXPECT_FALSE(filter.Admit(Record("198.51.100.7", 5, AttemptOutcome::kCompleted), MonoTime(2s)));
  EXPECT_TRUE(filter.Admit(Record("198.51.100.7", 6, AttemptOutcome::kHalfOpen), MonoTime(2s)));
  EXPECT_TRUE(filter.Admit(Record("198.51.100.7", 7, AttemptOutcome::kUnanswered), MonoTime(2s)));
  EXPECT_FALSE(filter.Admit(Record("198.51.100.7", 8, AttemptOutcome::kHalfOpen), MonoTime(2s)));
  // Its own reported attempts keep their outcome, and another client is none the worse for it.
  EXPECT_TRUE(filter.Admit(Record("198.51.100.7", 0, AttemptOutcome::kHalfOpen), MonoTime(2s)));
  EXPECT_TRUE(filter.Admit(Record("198.51.100.8", 0), MonoTime(2s)));
}

TEST(ReportFilter, TheAllowanceComesBackAfterAMinute) {
  ReportFilter filter(Options());
  for (uint32_t isn = 0; isn < 10; ++isn) {
    filter.Admit(Record("198.51.100.7", isn), MonoTime(1s));
  }
  EXPECT_FALSE(filter.Admit(Record("198.51.100.7", 20), MonoTime(60s)));
  EXPECT_TRUE(filter.Admit(Record("198.51.100.7", 21), MonoTime(61s)));
}

TEST(ReportFilter, AFloodOfClientsIsHeldToTheRateOfAll) {
  ReportFilter filter(Options());
  int reported = 0;
  int accused = 0;
  for (int i = 0; i < 5000; ++i) {  // over two seconds
    const MonoTime now = MonoTime(10s) + i * 400us;
    const std::string client = fmt::format("203.0.{}.{}", i / 250, i % 250);
    reported += filter.Admit(Record(client, 1), now) ? 1 : 0;
    accused += filter.Admit(Record(client, 2, AttemptOutcome::kHalfOpen), now) ? 1 : 0;
  }
  EXPECT_GE(reported, 28);  // a burst of 10, then 10 a second
  EXPECT_LE(reported, 31);
  EXPECT_GE(accused, 28);
  EXPECT_LE(accused, 31);
  EXPECT_GT(filter.stats().held_back_total, 9000u);
}

TEST(ReportFilter, ASampleOfAFloodCrowdsNobodyOut) {
  ReportFilterOptions options;
  options.attempts_per_second = 10;
  options.sampled_per_second = 3;
  ReportFilter filter(options);
  int admitted = 0;
  for (uint32_t i = 0; i < 50; ++i) {
    AttemptEvent forged = Record("198.51.100." + std::to_string(i), i);
    forged.sampling = 64;
    admitted += filter.Admit(forged, MonoTime(1s)) ? 1 : 0;
  }
  EXPECT_EQ(admitted, 3);
  for (uint32_t i = 0; i < 10; ++i) {
    EXPECT_TRUE(filter.Admit(Record("203.0.113." + std::to_string(i), i), MonoTime(1s))) << i;
  }
}

}  // namespace
}  // namespace parallax::sensor
