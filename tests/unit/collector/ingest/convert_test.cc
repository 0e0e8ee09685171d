// What a sensor writes, the collector reads back as the same values, and the other way with orders.
#include "collector/ingest/convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "sensor/link/convert.h"
#include "tests/unit/sensor/link/batch_of.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

IpAddress Ip(std::string_view text) { return *IpAddress::Parse(text); }

Attempt SampleAttempt() {
  Attempt attempt;
  attempt.client = {Ip("198.51.100.7"), 51'000};
  attempt.server = {Ip("192.0.2.25"), 25};
  attempt.isn = 0xfedcba98;
  attempt.first_seen = FromUnixNanos(1'700'000'000'123'456'789);
  attempt.age = 3s + 1ns;
  attempt.outcome = AttemptOutcome::kHalfOpen;
  attempt.rule = "syn_ack_repeated";
  attempt.syns = 3;
  attempt.syn_acks = 4'000'000'000;
  attempt.ttl = 255;
  attempt.interface = "eth0";
  attempt.sampling = 1u << 31;
  return attempt;
}

ProbeReport SampleReport() {
  ProbeReport report;
  report.order_id = UINT64_MAX;
  report.target = Ip("2001:db8::9");
  report.started_at = FromUnixNanos(1'700'000'000'000'000'001);
  report.age = 2s;
  report.tries.push_back({.attempt = {ProbeMethod::kIcmpEcho, 0},
                          .state = ProbeState::kUnreachable,
                          .rtt = {},
                          .reporter = Ip("2001:db8::1"),
                          .icmp_type = 1,
                          .icmp_code = 255,
                          .detail = "a \"word\""});
  report.tries.push_back({.attempt = {ProbeMethod::kTcpSyn, 65'535},
                          .state = ProbeState::kAnswered,
                          .rtt = 12'345'678ns,
                          .reporter = std::nullopt,
                          .icmp_type = 0,
                          .icmp_code = 0,
                          .detail = ""});
  report.tries.push_back({.attempt = {ProbeMethod::kUdp, 53, 65'535},
                          .state = ProbeState::kTimeExceeded,
                          .rtt = {},
                          .reporter = Ip("192.0.2.1"),
                          .icmp_type = 11,
                          .icmp_code = 0,
                          .detail = "",
                          .redirect = Redirect{Ip("192.0.2.1"), Ip("192.0.2.254")}});
  return report;
}

ServerReport SampleServerReport() {
  ServerReport report;
  report.server = Ip("2001:db8::25");
  report.window_start = FromUnixNanos(1'700'000'000'000'000'003);
  report.window = 24h;
  report.age = 4s + 1ns;
  report.aggregate = true;
  report.sampling = 64;
  report.syns = INT64_MAX;
  report.syn_acks = 1;
  report.sources = 2;
  report.port = 65'535;
  report.port_syns = 3;
  report.port_syn_acks = 4;
  report.completed = 5;
  report.half_open = 6;
  report.unanswered = 7;
  report.refused = 8;
  report.unknown = 9;
  report.half_open_repeated = 0;
  report.half_open_known = 1;
  report.all_or_nothing = 0.25;
  report.syn_rate = 1e6;
  report.usual_rate = 1e-300;
  report.excess = 1e300;
  report.listen_overflows = 0;
  report.syn_cookies_sent = INT64_MAX;
  return report;
}

std::vector<Record> RoundTrip(const std::vector<Record>& records,
                              sensor::BatchForm form = sensor::BatchForm::kRows) {
  // By way of bytes, as on the wire.
  v1::Batch batch;
  EXPECT_TRUE(batch.ParseFromString(sensor::BatchOf(17, records, form).SerializeAsString()));
  auto read = FromProto(batch);
  EXPECT_TRUE(read) << read.error().message;
  if (!read || read->runs.size() != 1) {
    ADD_FAILURE() << "not one run";
    return {};
  }
  EXPECT_EQ(read->refused, 0u) << read->complaint;
  EXPECT_EQ(read->runs[0].first_sequence, 17u);
  return std::move(read->runs[0].records);
}

TEST(IngestConvert, AttemptsAndReportsComeThrough) {
  Attempt v6 = SampleAttempt();
  v6.client = {Ip("2001:db8:1::7"), 0};
  v6.server = {Ip("::ffff:192.0.2.25"), 65'535};
  const std::vector<Record> records = {SampleAttempt(), SampleReport(), v6, Attempt{}};
  EXPECT_EQ(RoundTrip(records), records);
}

TEST(IngestConvert, ServerReportsComeThroughAndWhatIsAbsentStaysAbsent) {
  ServerReport bare = SampleServerReport();
  bare.server = Ip("192.0.2.25");
  bare.aggregate = false;
  bare.half_open_repeated.reset();
  bare.half_open_known.reset();
  bare.all_or_nothing.reset();
  bare.listen_overflows.reset();
  bare.syn_cookies_sent.reset();
  const std::vector<Record> records = {SampleServerReport(), bare, ServerReport{}};
  EXPECT_EQ(RoundTrip(records), records);
}

TEST(IngestConvert, WithoutAWordOfSamplingEveryAttemptWasFollowed) {
  v1::Batch batch = sensor::BatchOf(1, {SampleAttempt(), SampleServerReport()});
  batch.mutable_records(0)->mutable_attempt()->clear_sampling();
  batch.mutable_records(1)->mutable_server()->clear_sampling();
  const auto read = FromProto(batch);
  ASSERT_EQ(read->refused, 0u);
  EXPECT_EQ(std::get<Attempt>(read->runs[0].records[0]).sampling, 1u);
  EXPECT_EQ(std::get<ServerReport>(read->runs[0].records[1]).sampling, 1u);
}

TEST(IngestConvert, EveryOutcomeComesThrough) {
  std::vector<Record> records;
  for (const auto outcome :
       {AttemptOutcome::kPending, AttemptOutcome::kCompleted, AttemptOutcome::kHalfOpen,
        AttemptOutcome::kUnanswered, AttemptOutcome::kRefused, AttemptOutcome::kUnknown}) {
    Attempt attempt = SampleAttempt();
    attempt.outcome = outcome;
    records.push_back(attempt);
  }
  EXPECT_EQ(RoundTrip(records), records);
}

TEST(IngestConvert, EveryProbeStateAndMethodComesThrough) {
  std::vector<Record> records;
  for (const auto method : {ProbeMethod::kIcmpEcho, ProbeMethod::kTcpSyn}) {
    for (const auto state : {ProbeState::kAnswered, ProbeState::kSilent, ProbeState::kUnreachable,
                             ProbeState::kProhibited, ProbeState::kNotSent, ProbeState::kRefused}) {
      ProbeReport report = SampleReport();
      report.tries[0].attempt = {method, 80};
      report.tries[0].state = state;
      records.push_back(report);
    }
  }
  EXPECT_EQ(RoundTrip(records), records);
}

TEST(IngestConvert, GapsComeThrough) {
  std::vector<Record> records;
  for (size_t kind = 0; kind < kRecordClasses; ++kind) {
    for (size_t reason = 0; reason < kGapReasons; ++reason) {
      records.emplace_back(Gap{static_cast<RecordClass>(kind), UINT64_MAX, 5, reason == 2 ? 0 : 9u,
                               static_cast<GapReason>(reason), FromUnixNanos(42), Duration(43)});
    }
  }
  EXPECT_EQ(RoundTrip(records, sensor::BatchForm::kColumns), records);
}

TEST(IngestConvert, AttemptsComeThroughAsColumns) {
  std::vector<Record> records;
  for (int i = 0; i < 50; ++i) {
    Attempt attempt = SampleAttempt();
    attempt.first_seen += (i % 7 - 3) * std::chrono::seconds(1);  // not in order
    attempt.isn = static_cast<uint32_t>(i) << 26;
    attempt.rule = i % 2 == 0 ? "syn_ack_repeated" : "";
    attempt.interface = "eth" + std::to_string(i % 3);
    if (i % 4 == 0) {
      attempt.client.address = Ip("2001:db8::7");
      attempt.server.address = Ip("2001:db8::19");
    }
    records.emplace_back(attempt);
  }
  const v1::Batch batch = sensor::BatchOf(17, records, sensor::BatchForm::kColumns);
  EXPECT_EQ(batch.records_size(), 0);
  EXPECT_LT(3 * batch.ByteSizeLong(), 2 * sensor::BatchOf(17, records).ByteSizeLong());
  EXPECT_EQ(RoundTrip(records, sensor::BatchForm::kColumns), records);
}

TEST(IngestConvert, ColumnsThatDisagreeAreRefusedAsAWhole) {
  const std::vector<Record> records(3, SampleAttempt());
  const v1::Batch good = sensor::BatchOf(17, records, sensor::BatchForm::kColumns);
  const std::vector<std::function<void(v1::AttemptColumns&)>> spoils = {
      [](auto& c) { c.mutable_families()->push_back(4); },
      [](auto& c) { (*c.mutable_families())[1] = 5; },
      [](auto& c) { c.mutable_addresses()->pop_back(); },
      [](auto& c) { c.add_client_ports(1); },
      [](auto& c) { c.mutable_server_ports()->RemoveLast(); },
      [](auto& c) { c.clear_isns(); },
      [](auto& c) { c.add_first_seen(1); },
      [](auto& c) { c.clear_ages_nanos(); },
      [](auto& c) { c.mutable_outcomes()->push_back(1); },
      [](auto& c) { c.add_rules(0); },
      [](auto& c) { c.clear_interfaces(); },
      [](auto& c) { c.add_syns(0); },
      [](auto& c) { c.clear_syn_acks(); },
      [](auto& c) { c.mutable_ttls()->clear(); },
      [](auto& c) { c.add_sampling(1); },
  };
  for (size_t i = 0; i < spoils.size(); ++i) {
    v1::Batch bad = good;
    spoils[i](*bad.mutable_attempts());
    const auto read = FromProto(bad);
    ASSERT_TRUE(read) << i;
    EXPECT_EQ(read->refused, read->last_sequence - 17 + 1) << i;
    EXPECT_TRUE(read->runs.empty()) << i;
  }
}

TEST(IngestConvert, ValuesOutOfRangeInColumnsCostTheirAttempt) {
  const std::vector<Record> records(3, SampleAttempt());
  const v1::Batch good = sensor::BatchOf(17, records, sensor::BatchForm::kColumns);
  const std::vector<std::function<void(v1::AttemptColumns&)>> spoils = {
      [](auto& c) { c.set_client_ports(1, 65'536); },
      [](auto& c) { (*c.mutable_outcomes())[1] = '\x7f'; },
      [](auto& c) { c.set_rules(1, 99); },
      [](auto& c) { c.set_interfaces(1, UINT32_MAX); },
      [](auto& c) { c.set_ages_nanos(1, UINT64_MAX); },
      [](auto& c) {
        c.set_first_seen(1, INT64_MAX);
        c.set_first_seen(2, -INT64_MAX);
      },
  };
  for (size_t i = 0; i < spoils.size(); ++i) {
    v1::Batch bad = good;
    spoils[i](*bad.mutable_attempts());
    const auto read = FromProto(bad);
    ASSERT_TRUE(read) << i;
    EXPECT_EQ(read->refused, 1u) << i;
    ASSERT_EQ(read->runs.size(), 2u) << i;
    EXPECT_EQ(read->runs[1].first_sequence, 19u) << i;
  }
  v1::Batch both = good;
  both.add_records();
  EXPECT_EQ(FromProto(both)->refused, 3u);
}

TEST(IngestConvert, HelloComesThrough) {
  SensorHello hello{kLinkProtocol,
                    "1.2.3",
                    {5, UINT64_MAX},
                    {Ip("192.0.2.1"), Ip("2001:db8::1")},
                    {*Prefix::Parse("192.0.2.0/24"), *Prefix::Parse("2001:db8::/32"),
                     *Prefix::Parse("0.0.0.0/0"), *Prefix::Parse("::1/128")}};
  const auto read = FromProto(sensor::ToProto(hello));
  ASSERT_TRUE(read) << read.error().message;
  hello.epochs.insert(hello.epochs.begin(), 0);  // that of protocol 2, which is not filled in here
  EXPECT_EQ(*read, hello);
}

TEST(IngestConvert, HealthComesThrough) {
  SensorHealth health;
  health.interfaces = {{"eth0", "up", 1, 2}, {"eth1", "no_permission", UINT64_MAX, 0}};
  health.gateways = {{Ip("192.0.2.254"), Reach::kUp},
                     {Ip("fe80::1"), Reach::kDown},
                     {Ip("192.0.2.253"), Reach::kUnknown}};
  health.syns_seen = 1;
  health.packets_dropped = 2;
  health.probes_sent = 3;
  health.probes_refused = 4;
  health.spool_records = 5;
  health.spool_bytes = 6;
  health.records_dropped = 7;
  health.attempts_evicted = 8;
  health.segments_unsampled = UINT64_MAX;
  health.probing = true;
  health.gateways.push_back({Ip("192.0.2.254"), Reach::kUp, 40, 39});
  EXPECT_EQ(FromProto(sensor::ToProto(health)), health);
  health.spool_problem = "No space left on device";
  health.said_at = FromUnixNanos(1'700'000'000'000'000'001);
  EXPECT_EQ(FromProto(sensor::ToProto(health)), health);
  health.probing = false;
  health.probing_problem = "policy.toml: cannot be read";
  EXPECT_EQ(FromProto(sensor::ToProto(health)), health);
  EXPECT_EQ(FromProto(sensor::ToProto(SensorHealth{})), SensorHealth{});
}

TEST(IngestConvert, OrdersComeThroughToTheSensor) {
  for (const char* target : {"192.0.2.1", "2001:db8::1"}) {
    ProbeOrder order{42,   Ip(target), {{ProbeMethod::kIcmpEcho, 0}, {ProbeMethod::kTcpSyn, 443}},
                     50ms, 1s,         2s};
    while (order.tries.size() < kMaxTries) {
      order.tries.push_back({ProbeMethod::kTcpSyn, 1});
    }
    for (const bool every : {false, true}) {
      order.every = every;
      const auto read = sensor::FromProto(ToProto(order));
      ASSERT_TRUE(read) << read.error().message;
      EXPECT_EQ(*read, Order(order));
    }
    const PathOrder path{43, Ip(target), {ProbeMethod::kTcpSyn, 443, 7}};
    const auto read = sensor::FromProto(ToProto(path));
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(*read, Order(path));
  }
}

TEST(IngestConvert, PathsAndAnnouncementsComeThrough) {
  PathReport path;
  path.order_id = 5;
  path.target = Ip("192.0.2.1");
  path.attempt = {ProbeMethod::kTcpSyn, 443, 2};
  path.started_at = FromUnixNanos(1'700'000'000'000'000'000);
  path.age = 3s;
  path.end = TraceEnd::kUnreachable;
  path.reporter = Ip("10.0.0.1");
  path.changed = true;
  path.hops = {{Ip("10.0.0.1")}, {}, {Ip("10.0.1.1"), Ip("10.0.1.2")}};
  Announcement announcement;
  announcement.kind = AnnouncementKind::kRouterAdvertisement;
  announcement.speaker = Ip("fe80::1");
  announcement.speaker_link = "02:00:00:00:00:01";
  announcement.gateway = Ip("fe80::2");
  announcement.prefix = *Prefix::Parse("::/0");
  announcement.withdrawn = true;
  announcement.metric = 1800;
  announcement.interface = "eth0";
  announcement.first_heard = path.started_at;
  announcement.age = 1s;
  announcement.times = 4;
  Announcement hello = announcement;
  hello.kind = AnnouncementKind::kOspf;
  hello.prefix.reset();
  const std::vector<Record> records = {path, announcement, hello};
  const auto read = FromProto(sensor::BatchOf(1, records));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->refused, 0u) << read->complaint;
  ASSERT_EQ(read->runs.size(), 1u);
  EXPECT_EQ(read->runs[0].records, records);
}

TEST(IngestConvert, MalformedPathsAndAnnouncementsAreRefused) {
  PathReport path;
  path.target = Ip("192.0.2.1");
  path.end = TraceEnd::kSilent;
  path.hops = {{Ip("10.0.0.1")}};
  Announcement announcement;
  announcement.speaker = Ip("10.0.0.66");
  announcement.gateway = Ip("10.0.0.66");
  announcement.prefix = *Prefix::Parse("0.0.0.0/0");
  const auto refused = [&](const std::function<void(v1::Record&, v1::Record&)>& spoil) {
    v1::Batch batch = sensor::BatchOf(1, {path, announcement});
    spoil(*batch.mutable_records(0), *batch.mutable_records(1));
    return FromProto(batch)->refused;
  };
  EXPECT_EQ(refused([](v1::Record&, v1::Record&) {}), 0u);
  const std::vector<std::function<void(v1::Record&, v1::Record&)>> spoils = {
      [](v1::Record& p, v1::Record&) { p.mutable_path()->set_target("123"); },
      [](v1::Record& p, v1::Record&) { p.mutable_path()->clear_end(); },
      [](v1::Record& p, v1::Record&) { p.mutable_path()->set_reporter("1"); },
      [](v1::Record& p, v1::Record&) { p.mutable_path()->mutable_hops(0)->add_routers("1"); },
      [](v1::Record& p, v1::Record&) {
        p.mutable_path()->mutable_hops(0)->add_routers(std::string(16, 'x'));
      },
      [](v1::Record& p, v1::Record&) {
        for (size_t i = 0; i <= kMaxRoutersPerHop; ++i) {
          p.mutable_path()->mutable_hops(0)->add_routers(std::string(4, 'x'));
        }
      },
      [](v1::Record& p, v1::Record&) {
        for (size_t i = 0; i <= kMaxHops; ++i) {
          p.mutable_path()->add_hops();
        }
      },
      [](v1::Record& p, v1::Record&) { p.mutable_path()->mutable_attempt()->set_flow(65536); },
      [](v1::Record&, v1::Record& a) { a.mutable_announcement()->clear_kind(); },
      [](v1::Record&, v1::Record& a) { a.mutable_announcement()->clear_speaker(); },
      [](v1::Record&, v1::Record& a) { a.mutable_announcement()->clear_gateway(); },
      [](v1::Record&, v1::Record& a) {
        a.mutable_announcement()->mutable_prefix()->set_length(33);
      },
      [](v1::Record&, v1::Record& a) { a.mutable_announcement()->set_times(UINT64_MAX); },
  };
  for (size_t i = 0; i < spoils.size(); ++i) {
    EXPECT_EQ(refused(spoils[i]), 1u) << i;
  }
}

TEST(IngestConvert, MalformedRecordsSplitTheRun) {
  v1::Batch batch = sensor::BatchOf(100, std::vector<Record>(7, SampleAttempt()));
  batch.mutable_records(0)->clear_attempt();
  batch.mutable_records(3)->mutable_attempt()->set_ttl(256);
  batch.mutable_records(4)->mutable_attempt()->clear_client();
  const auto read = FromProto(batch);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->refused, 3u);
  EXPECT_EQ(read->complaint, "record of an unknown kind");
  ASSERT_EQ(read->runs.size(), 2u);
  EXPECT_EQ(read->runs[0].first_sequence, 101u);
  EXPECT_EQ(read->runs[0].records.size(), 2u);
  EXPECT_EQ(read->runs[1].first_sequence, 105u);
  EXPECT_EQ(read->runs[1].records.size(), 2u);
}

TEST(IngestConvert, NothingButMalformedRecordsIsNoRun) {
  v1::Batch batch;
  batch.set_first_sequence(1);
  batch.add_records();
  batch.add_records()->mutable_report();
  const auto read = FromProto(batch);
  ASSERT_TRUE(read);
  EXPECT_THAT(read->runs, IsEmpty());
  EXPECT_EQ(read->refused, 2u);
}

}  // namespace
}  // namespace parallax::collector
