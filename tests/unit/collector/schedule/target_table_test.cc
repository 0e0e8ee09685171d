#include "collector/schedule/target_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

const Moment kNow{MonoTime(1h), WallTime(1000h)};
IpAddress Address(const char* text) { return *IpAddress::Parse(text); }
bool Nobody(const IpAddress&) { return false; }

Attempt With(AttemptOutcome outcome, uint32_t syns) {
  Attempt attempt;
  attempt.outcome = outcome;
  attempt.syns = syns;
  return attempt;
}

TEST(Earned, ByCompletionOrByARepeatedSyn) {
  using enum AttemptOutcome;
  EXPECT_EQ(TargetTable::Earned(With(kCompleted, 1)), EarnedBy::kCompleted);
  EXPECT_EQ(TargetTable::Earned(With(kHalfOpen, 2)), EarnedBy::kRepeatedSyn);
  EXPECT_EQ(TargetTable::Earned(With(kUnanswered, 3)), EarnedBy::kRepeatedSyn);
  for (const Attempt& nothing : {With(kHalfOpen, 1), With(kUnanswered, 1), With(kPending, 2),
                                 With(kRefused, 2), With(kUnknown, 2), With(kHalfOpen, 0)}) {
    EXPECT_EQ(TargetTable::Earned(nothing), std::nullopt);
  }
}

TEST(Earned, ButNotByACompletionThatSynCookiesMayHaveFeigned) {
  using enum AttemptOutcome;
  for (const uint32_t sampling : {2u, 64u, 1u << 31}) {
    const auto sampled = [&](AttemptOutcome outcome, uint32_t syns) {
      Attempt attempt = With(outcome, syns);
      attempt.sampling = sampling;
      return TargetTable::Earned(attempt);
    };
    EXPECT_EQ(sampled(kCompleted, 1), std::nullopt);
    EXPECT_EQ(sampled(kCompleted, 0), std::nullopt);
    EXPECT_EQ(sampled(kCompleted, 2), EarnedBy::kRepeatedSyn);
    EXPECT_EQ(sampled(kHalfOpen, 2), EarnedBy::kRepeatedSyn);
    EXPECT_EQ(sampled(kUnanswered, 2), EarnedBy::kRepeatedSyn);
    EXPECT_EQ(sampled(kHalfOpen, 1), std::nullopt);
    EXPECT_EQ(sampled(kRefused, 2), std::nullopt);
  }
}

TEST(TargetTable, KeepsToItsLimits) {
  TargetOptions options;
  options.capacity = 2;
  options.local_networks.Add(*Prefix::Parse("10.0.0.0/8"));
  options.deny.Add(*Prefix::Parse("2001:db8:bad::/48"));
  TargetTable table(options);
  EXPECT_EQ(table.Earn(Address("10.1.2.3"), EarnedBy::kCompleted, kNow), nullptr);
  EXPECT_EQ(table.Earn(Address("2001:db8:bad::1"), EarnedBy::kCompleted, kNow), nullptr);
  EXPECT_EQ(table.Earn(Address("fe80::1"), EarnedBy::kCompleted, kNow), nullptr);
  EXPECT_EQ(table.refused(), 0u);
  Target* first = table.Earn(Address("198.51.100.1"), EarnedBy::kCompleted, kNow);
  ASSERT_NE(first, nullptr);
  ASSERT_NE(table.Earn(Address("198.51.100.2"), EarnedBy::kRepeatedSyn, kNow), nullptr);
  EXPECT_EQ(table.Earn(Address("198.51.100.3"), EarnedBy::kCompleted, kNow), nullptr);
  EXPECT_EQ(table.refused(), 1u);
  EXPECT_EQ(table.Earn(Address("198.51.100.1"), EarnedBy::kRepeatedSyn, kNow), first);
  EXPECT_EQ(first->record.earned_by, EarnedBy::kCompleted);
}

TEST(TargetTable, ForgetsTheOldTheDeniedAndTheNamed) {
  TargetOptions options;
  options.deny.Add(*Prefix::Parse("203.0.113.0/24"));
  options.forget_after = 24h;
  TargetTable table(options);
  table.Earn(Address("198.51.100.1"), EarnedBy::kCompleted, kNow);
  table.Earn(Address("198.51.100.2"), EarnedBy::kCompleted, kNow)->record.last_seen += 1h;
  table.Earn(Address("198.51.100.3"), EarnedBy::kCompleted, kNow)->open_round = 7;
  table.Earn(Address("198.51.100.4"), EarnedBy::kCompleted, kNow + 2h);
  TargetRecord denied;  // by a configuration that has changed since
  denied.address = Address("203.0.113.9");
  denied.last_seen = kNow.wall;
  table.Restore(denied);
  EXPECT_THAT(table.Forget(Nobody, kNow + 23h), ElementsAre(Address("203.0.113.9")));
  const auto named = [](const IpAddress& a) { return a == Address("198.51.100.4"); };
  EXPECT_THAT(table.Forget(named, kNow + 24h + 1s),
              ElementsAre(Address("198.51.100.1"), Address("198.51.100.4")));
  EXPECT_EQ(table.Find(Address("198.51.100.1")), nullptr);
  EXPECT_NE(table.Find(Address("198.51.100.2")), nullptr);
  EXPECT_NE(table.Find(Address("198.51.100.3")), nullptr) << "a round is under way";
}

}  // namespace
}  // namespace parallax::collector
