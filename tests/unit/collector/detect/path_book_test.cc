#include "collector/detect/path_book.h"

#include <gtest/gtest.h>

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

const IpAddress kTarget = *IpAddress::Parse("198.51.100.1");
const IpAddress kRouter = *IpAddress::Parse("10.0.0.1");
const IpAddress kOther = *IpAddress::Parse("10.0.0.2");
const ProbeTry kEcho{ProbeMethod::kIcmpEcho, 0, 0};
const ProbeTry kWeb{ProbeMethod::kTcpSyn, 443, 0};

class PathBookTest : public testing::Test {
 protected:
  PathReport Report(const PathOrder& order, TraceEnd end, PathHops hops) {
    PathReport report;
    report.order_id = order.id;
    report.target = order.target;
    report.attempt = order.attempt;
    report.end = end;
    report.hops = std::move(hops);
    return report;
  }
  Moment now_{MonoTime(1h), WallTime(1000h)};
  PathBook book_{7};
};

TEST_F(PathBookTest, TakesWhatWasAskedForAndNothingElse) {
  const auto order = book_.Ask(1, kTarget, kEcho, now_.mono, 5min);
  ASSERT_TRUE(order);
  EXPECT_EQ(order->id, 7u);
  EXPECT_FALSE(book_.Ask(1, kTarget, kEcho, now_.mono, 5min)) << "under way";
  EXPECT_TRUE(book_.Ask(1, kTarget, kWeb, now_.mono, 5min)) << "another flow";
  EXPECT_TRUE(book_.Ask(2, kTarget, kEcho, now_.mono, 5min)) << "another sensor";
  PathReport report = Report(*order, TraceEnd::kReached, {{kRouter}, {kTarget}});
  EXPECT_EQ(book_.Accept(2, report, false, now_.mono), nullptr) << "it was not asked";
  PathReport wrong = report;
  wrong.target = kOther;
  EXPECT_EQ(book_.Accept(1, wrong, false, now_.mono), nullptr);
  wrong = report;
  wrong.attempt.flow = 3;
  EXPECT_EQ(book_.Accept(1, wrong, false, now_.mono), nullptr);
  EXPECT_NE(book_.Accept(1, report, false, now_.mono), nullptr);
  EXPECT_EQ(book_.Accept(1, report, false, now_.mono), nullptr) << "once";
  EXPECT_EQ(book_.recent().size(), 1u);
  EXPECT_FALSE(book_.Ask(1, kTarget, kEcho, now_.mono + 4min, 5min)) << "seen lately";
  EXPECT_TRUE(book_.Ask(1, kTarget, kEcho, now_.mono + 5min, 5min));
}

TEST_F(PathBookTest, AWayThatWasReachedDoesNotFailWhateverTheCellSays) {
  const auto order = *book_.Ask(1, kTarget, kEcho, now_.mono, 5min);
  const auto* reached =
      book_.Accept(1, Report(order, TraceEnd::kReached, {{kTarget}}), true, now_.mono);
  ASSERT_NE(reached, nullptr);
  EXPECT_FALSE(reached->failing);
  const auto again = *book_.Ask(1, kTarget, kWeb, now_.mono, 5min);
  const auto* silent =
      book_.Accept(1, Report(again, TraceEnd::kSilent, {{kRouter}}), true, now_.mono);
  ASSERT_NE(silent, nullptr);
  EXPECT_TRUE(silent->failing);
}

TEST_F(PathBookTest, WhatTheSensorMayNotSendSaysNothing) {
  const auto order = *book_.Ask(1, kTarget, kEcho, now_.mono, 5min);
  EXPECT_EQ(book_.Accept(1, Report(order, TraceEnd::kRefused, {}), true, now_.mono), nullptr);
  EXPECT_TRUE(book_.recent().empty());
  EXPECT_EQ(book_.waiting(), 0u);
}

TEST_F(PathBookTest, TheAtlasKeepsWaysThatLedThere) {
  const auto trace = [&](TraceEnd end, PathHops hops) {
    const auto order = *book_.Ask(1, kTarget, kEcho, now_.mono, 0s);
    return *book_.Accept(1, Report(order, end, std::move(hops)), end != TraceEnd::kReached,
                         now_.mono);
  };
  const PathHops way = {{kRouter}, {}, {kTarget}};
  EXPECT_EQ(book_.Before(1, kTarget), nullptr);
  const auto record = book_.Remember(trace(TraceEnd::kReached, way), "a", now_);
  ASSERT_TRUE(record);
  EXPECT_EQ(*record, (PathRecord{"a", kTarget, now_.wall, way}));
  EXPECT_FALSE(book_.Remember(trace(TraceEnd::kReached, way), "a", now_)) << "no news";
  EXPECT_FALSE(book_.Remember(trace(TraceEnd::kSilent, {{kOther}}), "a", now_));
  ASSERT_NE(book_.Before(1, kTarget), nullptr);
  EXPECT_EQ(*book_.Before(1, kTarget), way) << "what fails is no way";
  EXPECT_TRUE(book_.Remember(trace(TraceEnd::kReached, {{kOther}, {kTarget}}), "a", now_));

  PathBook next(100);
  next.Restore(4, *record, now_);
  ASSERT_NE(next.Before(4, kTarget), nullptr);
  EXPECT_EQ(*next.Before(4, kTarget), way);
  next.Forget(kTarget);
  EXPECT_EQ(next.Before(4, kTarget), nullptr);
}

TEST_F(PathBookTest, KnowsWhereWaysGoOnAndWhereTheyLeave) {
  const IpAddress border = *IpAddress::Parse("10.0.0.3");
  const auto trace = [&](TraceEnd end, PathHops hops) {
    const auto order = *book_.Ask(1, kTarget, kEcho, now_.mono, 0s);
    book_.Accept(1, Report(order, end, std::move(hops)), end != TraceEnd::kReached, now_.mono);
  };
  trace(TraceEnd::kSilent, {{kRouter}, {kOther}});
  EXPECT_FALSE(book_.IsPassed(kRouter)) << "who knows whether that is a way";
  trace(TraceEnd::kReached, {});
  trace(TraceEnd::kReached, {{kRouter}, {}, {kOther}, {border}, {}, {}, {kTarget}});
  EXPECT_TRUE(book_.IsExit(border)) << "those behind it keep silent";
  EXPECT_FALSE(book_.IsPassed(border));
  EXPECT_TRUE(book_.IsPassed(kRouter));
  EXPECT_FALSE(book_.IsExit(kOther));
  EXPECT_EQ(book_.Next(kOther), std::set<IpAddress>{border});
  EXPECT_TRUE(book_.Next(kRouter).empty()) << "somebody stands between them";
  EXPECT_TRUE(book_.Next(kTarget).empty());
}

TEST_F(PathBookTest, TracesAreNotWaitedForNorKeptForEver) {
  const auto lost = *book_.Ask(1, kTarget, kEcho, now_.mono, 5min);
  const auto order = *book_.Ask(1, kTarget, kWeb, now_.mono, 5min);
  book_.Accept(1, Report(order, TraceEnd::kReached, {{kTarget}}), false, now_.mono);
  EXPECT_TRUE(book_.IsKnown(1, kTarget, now_.mono, 5min));
  book_.Tick(now_.mono + 61s);
  EXPECT_EQ(book_.waiting(), 0u);
  EXPECT_EQ(book_.Accept(1, Report(lost, TraceEnd::kReached, {}), false, now_.mono), nullptr);
  book_.Tick(now_.mono + 16min);
  EXPECT_TRUE(book_.recent().empty());
  EXPECT_FALSE(book_.IsKnown(1, kTarget, now_.mono + 16min, 5min));
}

}  // namespace
}  // namespace parallax::collector
