#include "collector/schedule/round_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

const IpAddress kTarget = *IpAddress::Parse("198.51.100.1");
constexpr MonoTime kNow = MonoTime(1h);

ProbeReport Report(const ProbeOrder& order) {
  ProbeReport report;
  report.order_id = order.id;
  report.target = order.target;
  return report;
}

TEST(RoundBook, ARoundIsOverWhenAllHaveReported) {
  RoundBook book(100);
  const ProbeOrder order = book.Open(RoundKind::kCompare, kTarget, {1, 2}, 4, kNow);
  EXPECT_EQ(order.id, 100u);
  EXPECT_LT(order.timeout, order.spacing) << "or a miss before an answer is never reported";
  EXPECT_TRUE(book.Accept(1, Report(order)));
  EXPECT_THAT(book.TakeFinished(kNow), IsEmpty());
  EXPECT_TRUE(book.Accept(2, Report(order)));
  const auto finished = book.TakeFinished(kNow);
  ASSERT_THAT(finished, SizeIs(1));
  EXPECT_THAT(finished[0].reports, SizeIs(2));
  EXPECT_EQ(book.open(), 0u);
}

TEST(RoundBook, OnlyThoseWhoWereAskedAndOnlyOnce) {
  RoundBook book(1);
  const ProbeOrder order = book.Open(RoundKind::kCompare, kTarget, {1, 2}, 4, kNow);
  EXPECT_FALSE(book.Accept(3, Report(order)));
  ProbeReport other = Report(order);
  other.target = *IpAddress::Parse("198.51.100.2");
  EXPECT_FALSE(book.Accept(1, other)) << "a report about somebody else";
  other = Report(order);
  ++other.order_id;
  EXPECT_FALSE(book.Accept(1, other));
  EXPECT_TRUE(book.Accept(1, Report(order)));
  EXPECT_FALSE(book.Accept(1, Report(order)));
}

TEST(RoundBook, TheDeadlineLeavesRoomForEveryTry) {
  RoundBook book(1);
  const ProbeOrder order = book.Open(RoundKind::kCompare, kTarget, {1, 2}, 4, kNow);
  EXPECT_TRUE(book.Accept(2, Report(order)));
  const Duration all = order.spacing * 3 + order.timeout;
  EXPECT_THAT(book.TakeFinished(kNow + all), IsEmpty());
  const auto finished = book.TakeFinished(kNow + all + 4s);
  ASSERT_THAT(finished, SizeIs(1));
  EXPECT_THAT(finished[0].reports, SizeIs(1));
  EXPECT_FALSE(book.Accept(1, Report(order))) << "too late";
}

TEST(RoundBook, WhoWentAwayIsNotWaitedFor) {
  RoundBook book(1);
  const ProbeOrder order = book.Open(RoundKind::kCompare, kTarget, {1, 2, 3}, 4, kNow);
  EXPECT_TRUE(book.Accept(1, Report(order)));
  book.Withdraw(1);  // its word stands
  book.Withdraw(2);
  EXPECT_THAT(book.TakeFinished(kNow), IsEmpty());
  book.Withdraw(3);
  EXPECT_THAT(book.TakeFinished(kNow), SizeIs(1));
}

TEST(RoundBook, OldestFirst) {
  RoundBook book(1);
  for (int i = 0; i < 3; ++i) {
    book.Open(RoundKind::kTrickle, kTarget, {1}, 1, kNow);
  }
  const auto finished = book.TakeFinished(kNow + 1min);
  ASSERT_THAT(finished, SizeIs(3));
  EXPECT_LT(finished[0].id, finished[1].id);
  EXPECT_LT(finished[1].id, finished[2].id);
}

std::string Methods(const std::vector<ProbeTry>& tries) {
  std::string text;
  for (const ProbeTry& t : tries) {
    text += t.method == ProbeMethod::kIcmpEcho ? 'i' : 't';
    EXPECT_EQ(t.port, t.method == ProbeMethod::kIcmpEcho ? 0 : 443);
  }
  return text;
}

TEST(ComposeTries, TheTellingMethodComesMoreOften) {
  EXPECT_EQ(Methods(ComposeTries(true, true, 443, 4)), "itit");
  EXPECT_EQ(Methods(ComposeTries(true, true, 443, 4, true)), "titi");
  EXPECT_EQ(Methods(ComposeTries(false, false, 443, 4)), "itit");
  EXPECT_EQ(Methods(ComposeTries(true, false, 443, 4)), "iiit");
  EXPECT_EQ(Methods(ComposeTries(false, true, 443, 4)), "ttti");
  EXPECT_EQ(Methods(ComposeTries(true, false, 443, 4, true)), "iiit");
  EXPECT_EQ(Methods(ComposeTries(true, false, 443, 2)), "ii");
  EXPECT_EQ(Methods(ComposeTries(false, true, 443, 1)), "t");
  EXPECT_EQ(Methods(ComposeTries(true, true, 443, 1)), "i");
  EXPECT_EQ(Methods(ComposeTries(true, true, 443, 1, true)), "t");
}

}  // namespace
}  // namespace parallax::collector
