// What only the sensor's side does; the round trips with the collector's side are in
// tests/unit/collector/ingest/convert_test.cc.
#include "sensor/link/convert.h"

#include <gtest/gtest.h>

#include "tests/unit/sensor/link/batch_of.h"

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

v1::Order GoodOrder() {
  v1::Order any;
  v1::ProbeOrder& order = *any.mutable_probe();
  order.set_id(7);
  order.set_target(std::string("\xc0\x00\x02\x01", 4));
  order.add_tries()->set_method(v1::PROBE_METHOD_ICMP_ECHO);
  v1::ProbeTry* tcp = order.add_tries();
  tcp->set_method(v1::PROBE_METHOD_TCP_SYN);
  tcp->set_port(443);
  v1::ProbeTry* udp = order.add_tries();
  udp->set_method(v1::PROBE_METHOD_UDP);
  udp->set_port(53);
  udp->set_flow(65'535);
  order.set_start_after_nanos(200'000'000);
  order.set_spacing_nanos(1'000'000'000);
  order.set_timeout_nanos(2'000'000'000);
  order.set_every(true);
  return any;
}

TEST(SensorConvert, ReadsAnOrder) {
  const auto order = FromProto(GoodOrder());
  ASSERT_TRUE(order) << order.error().message;
  const ProbeOrder expected{
      7,
      *IpAddress::Parse("192.0.2.1"),
      {{ProbeMethod::kIcmpEcho, 0}, {ProbeMethod::kTcpSyn, 443}, {ProbeMethod::kUdp, 53, 65'535}},
      200ms,
      1s,
      2s,
      true};
  EXPECT_EQ(*order, Order(expected));
}

TEST(SensorConvert, TheLongestWaitsAreStillAccepted) {
  v1::Order any = GoodOrder();
  v1::ProbeOrder& order = *any.mutable_probe();
  order.set_start_after_nanos(60'000'000'000);
  order.set_spacing_nanos(60'000'000'000);
  order.set_timeout_nanos(60'000'000'000);
  while (order.tries_size() < 8) {
    *order.add_tries() = order.tries(0);
  }
  EXPECT_TRUE(FromProto(any));
}

TEST(SensorConvert, RefusesEveryFieldOutOfRange) {
  const std::vector<std::pair<const char*, void (*)(v1::ProbeOrder&)>> spoils = {
      {"no target", [](v1::ProbeOrder& o) { o.clear_target(); }},
      {"short target", [](v1::ProbeOrder& o) { o.set_target("abc"); }},
      {"long target", [](v1::ProbeOrder& o) { o.set_target(std::string(17, 'a')); }},
      {"flow", [](v1::ProbeOrder& o) { o.mutable_tries(2)->set_flow(65'536); }},
      {"no tries", [](v1::ProbeOrder& o) { o.clear_tries(); }},
      {"nine tries",
       [](v1::ProbeOrder& o) {
         while (o.tries_size() < 9) {
           *o.add_tries() = o.tries(0);
         }
       }},
      {"late start", [](v1::ProbeOrder& o) { o.set_start_after_nanos(60'000'000'001); }},
      {"endless start", [](v1::ProbeOrder& o) { o.set_start_after_nanos(UINT64_MAX); }},
      {"spacing", [](v1::ProbeOrder& o) { o.set_spacing_nanos(UINT64_MAX); }},
      {"no time-out", [](v1::ProbeOrder& o) { o.set_timeout_nanos(0); }},
      {"time-out", [](v1::ProbeOrder& o) { o.set_timeout_nanos(60'000'000'001); }},
      {"no method",
       [](v1::ProbeOrder& o) { o.mutable_tries(0)->set_method(v1::PROBE_METHOD_UNSPECIFIED); }},
      {"unknown method",
       [](v1::ProbeOrder& o) { o.mutable_tries(0)->set_method(static_cast<v1::ProbeMethod>(99)); }},
      {"no port", [](v1::ProbeOrder& o) { o.mutable_tries(1)->set_port(0); }},
      {"port", [](v1::ProbeOrder& o) { o.mutable_tries(1)->set_port(65'536); }},
  };
  for (const auto& [name, spoil] : spoils) {
    v1::Order order = GoodOrder();
    spoil(*order.mutable_probe());
    const auto read = FromProto(order);
    ASSERT_FALSE(read) << name;
    EXPECT_EQ(read.error().message.rfind("order 7: ", 0), 0u) << read.error().message;
  }
}

TEST(SensorConvert, RefusesBadOrdersForAPath) {
  v1::Order order;
  EXPECT_FALSE(FromProto(order)) << "of no kind";
  v1::PathOrder& path = *order.mutable_path();
  path.set_id(9);
  path.set_target(std::string("\xc0\x00\x02\x01", 4));
  path.mutable_attempt()->set_method(v1::PROBE_METHOD_UDP);
  const auto no_port = FromProto(order);
  ASSERT_FALSE(no_port);
  EXPECT_EQ(no_port.error().message, "order 9: a try has an unknown method or no port");
  path.mutable_attempt()->set_port(53);
  path.mutable_attempt()->set_flow(3);
  const auto good = FromProto(order);
  ASSERT_TRUE(good);
  const PathOrder expected{9, *IpAddress::Parse("192.0.2.1"), {ProbeMethod::kUdp, 53, 3}};
  EXPECT_EQ(*good, Order(expected));
  path.set_target("12345");
  EXPECT_FALSE(FromProto(order));
}

TEST(SensorConvert, NegativeDurationsBecomeZero) {
  Attempt attempt;
  attempt.outcome = AttemptOutcome::kUnanswered;
  attempt.age = -5s;
  EXPECT_EQ(BatchOf(1, {attempt}).records(0).attempt().age_nanos(), 0u);
}

// A proto3 string that is no UTF-8 makes the whole message unreadable at the other end.
TEST(SensorConvert, TextIsPrintableAsciiOfLimitedLength) {
  SensorHealth health;
  health.interfaces.push_back({"eth\xff\x01", "up", 0, 0});
  health.probing_problem = std::string(1000, 'x');
  const v1::Health out = ToProto(health);
  EXPECT_EQ(out.interfaces(0).name(), "eth??");
  EXPECT_EQ(out.probing_problem().size(), 128u);
  Attempt attempt;
  attempt.interface = "\xc3\x28";
  EXPECT_EQ(BatchOf(1, {attempt}).records(0).attempt().interface(), "?(");
}

TEST(SensorConvert, ColumnsOrRowsWhateverTheRecordsAre) {
  Spool::Chunk chunk;
  chunk.first_sequence = 41;
  const auto add = [&](const Record& record) { chunk.items.push_back({Encode(record), 2s}); };
  Attempt attempt;
  attempt.client.address = *IpAddress::Parse("192.0.2.1");
  attempt.server.address = *IpAddress::Parse("192.0.2.2");
  attempt.outcome = AttemptOutcome::kUnanswered;
  attempt.age = 1s;
  add(attempt);
  add(attempt);
  add(ServerReport{});
  add(Gap{RecordClass::kBulk, 5, 1, 9, GapReason::kFull, {}, {}});

  v1::Batch columns;
  EXPECT_EQ(FillBatch(chunk, 0, BatchForm::kColumns, &columns), 2u);
  EXPECT_EQ(columns.first_sequence(), 41u);
  EXPECT_EQ(columns.attempts().ages_nanos(1), 3'000'000'000u);
  EXPECT_EQ(columns.records_size(), 0);
  v1::Batch others;
  EXPECT_EQ(FillBatch(chunk, 2, BatchForm::kColumns, &others), 2u);
  EXPECT_EQ(others.first_sequence(), 43u);
  EXPECT_EQ(others.records(1).gap().last_sequence(), 9u);

  // A collector that knows no columns knows no gaps either.
  v1::Batch rows;
  EXPECT_EQ(FillBatch(chunk, 0, BatchForm::kRows, &rows), 3u);
  EXPECT_EQ(rows.records(0).attempt().age_nanos(), 3'000'000'000u);
  v1::Batch nothing;
  EXPECT_EQ(FillBatch(chunk, 3, BatchForm::kRows, &nothing), 0u);
}

TEST(SensorConvert, WhatIsNoRecordEndsABatch) {
  Spool::Chunk chunk;
  chunk.first_sequence = 1;
  chunk.items = {{Encode(Attempt{}), 0s}, {"\xff\xff", 0s}, {Encode(Attempt{}), 0s}};
  v1::Batch batch;
  EXPECT_EQ(FillBatch(chunk, 0, BatchForm::kRows, &batch), 1u);
}

TEST(SensorConvert, TheLargestRecordsFitIntoTheSpool) {
  ProbeReport report;
  report.tries.resize(kMaxTries);
  for (ProbeTryResult& result : report.tries) {
    result.detail = std::string(500, 'd');
    result.reporter = *IpAddress::Parse("2001:db8::1");
  }
  EXPECT_LE(Encode(report).size(), kMostPayload);
  PathReport path;
  path.hops.assign(kMaxHops,
                   std::vector<IpAddress>(kMaxRoutersPerHop, *IpAddress::Parse("2001:db8::1")));
  EXPECT_LE(Encode(path).size(), kMostPayload);
}

}  // namespace
}  // namespace parallax::sensor
