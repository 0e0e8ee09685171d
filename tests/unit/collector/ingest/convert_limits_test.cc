// Whatever another machine sends: refused, cut or made harmless.
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "collector/ingest/convert.h"
#include "sensor/link/convert.h"
#include "tests/unit/sensor/link/batch_of.h"

namespace parallax::collector {
namespace {

constexpr uint64_t kYear2201 = 7'290'000'000ull * 1'000'000'000;
constexpr uint64_t kTwoYears = 2ull * 366 * 86'400 * 1'000'000'000;
constexpr uint64_t kDay = 86'400ull * 1'000'000'000;

v1::Batch GoodAttempt() {
  Attempt attempt;
  attempt.client = {*IpAddress::Parse("198.51.100.7"), 5};
  attempt.server = {*IpAddress::Parse("192.0.2.25"), 25};
  return sensor::BatchOf(1, {attempt});
}

v1::Batch GoodReport() {
  ProbeReport report;
  report.target = *IpAddress::Parse("192.0.2.25");
  report.tries.resize(1);
  return sensor::BatchOf(1, {report});
}

v1::Batch GoodServerReport() {
  ServerReport report;
  report.server = *IpAddress::Parse("192.0.2.25");
  return sensor::BatchOf(1, {report});
}

template <typename T>
struct Spoil {
  const char* name;
  std::function<void(T&)> apply;
};

TEST(IngestLimits, EveryFieldOfAnAttemptOutOfRangeIsRefused) {
  const std::vector<Spoil<v1::Attempt>> spoils = {
      {"no client", [](auto& a) { a.clear_client(); }},
      {"no server", [](auto& a) { a.clear_server(); }},
      {"client address", [](auto& a) { a.mutable_client()->set_address("12345"); }},
      {"server address", [](auto& a) { a.mutable_server()->set_address(std::string(17, 'x')); }},
      {"mixed families", [](auto& a) { a.mutable_server()->set_address(std::string(16, 'x')); }},
      {"client port", [](auto& a) { a.mutable_client()->set_port(65'536); }},
      {"server port", [](auto& a) { a.mutable_server()->set_port(UINT32_MAX); }},
      {"no outcome", [](auto& a) { a.clear_outcome(); }},
      {"outcome", [](auto& a) { a.set_outcome(static_cast<v1::AttemptOutcome>(7)); }},
      {"outcome", [](auto& a) { a.set_outcome(static_cast<v1::AttemptOutcome>(-1)); }},
      {"ttl", [](auto& a) { a.set_ttl(256); }},
      {"time", [](auto& a) { a.set_first_seen(kYear2201); }},
      {"time", [](auto& a) { a.set_first_seen(UINT64_MAX); }},
      {"age", [](auto& a) { a.set_age_nanos(kTwoYears); }},
      {"age", [](auto& a) { a.set_age_nanos(UINT64_MAX); }},
      {"sampling", [](auto& a) { a.set_sampling((1u << 31) + 1); }},
      {"sampling", [](auto& a) { a.set_sampling(UINT32_MAX); }},
  };
  ASSERT_EQ(FromProto(GoodAttempt())->refused, 0u);
  for (const auto& spoil : spoils) {
    v1::Batch batch = GoodAttempt();
    spoil.apply(*batch.mutable_records(0)->mutable_attempt());
    const auto read = FromProto(batch);
    ASSERT_TRUE(read) << spoil.name;
    EXPECT_EQ(read->refused, 1u) << spoil.name;
    EXPECT_TRUE(read->runs.empty()) << spoil.name;
    EXPECT_FALSE(read->complaint.empty()) << spoil.name;
  }
}

TEST(IngestLimits, EveryFieldOfAReportOutOfRangeIsRefused) {
  const std::vector<Spoil<v1::ProbeReport>> spoils = {
      {"no target", [](auto& r) { r.clear_target(); }},
      {"target", [](auto& r) { r.set_target("123"); }},
      {"no tries", [](auto& r) { r.clear_tries(); }},
      {"nine tries",
       [](auto& r) {
         while (r.tries_size() < 9) {
           *r.add_tries() = r.tries(0);
         }
       }},
      {"time", [](auto& r) { r.set_started_at(kYear2201); }},
      {"age", [](auto& r) { r.set_age_nanos(kTwoYears); }},
      {"no state", [](auto& r) { r.mutable_tries(0)->clear_state(); }},
      {"state", [](auto& r) { r.mutable_tries(0)->set_state(static_cast<v1::ProbeState>(8)); }},
      {"no attempt", [](auto& r) { r.mutable_tries(0)->clear_attempt(); }},
      {"method",
       [](auto& r) {
         r.mutable_tries(0)->mutable_attempt()->set_method(static_cast<v1::ProbeMethod>(4));
       }},
      {"port", [](auto& r) { r.mutable_tries(0)->mutable_attempt()->set_port(65'536); }},
      {"flow", [](auto& r) { r.mutable_tries(0)->mutable_attempt()->set_flow(65'536); }},
      {"redirect without a gateway",
       [](auto& r) { r.mutable_tries(0)->mutable_redirect()->set_router("1234"); }},
      {"rtt", [](auto& r) { r.mutable_tries(0)->set_rtt_nanos(kTwoYears); }},
      {"type", [](auto& r) { r.mutable_tries(0)->set_icmp_type(256); }},
      {"code", [](auto& r) { r.mutable_tries(0)->set_icmp_code(256); }},
      {"reporter", [](auto& r) { r.mutable_tries(0)->set_reporter("1"); }},
  };
  ASSERT_EQ(FromProto(GoodReport())->refused, 0u);
  for (const auto& spoil : spoils) {
    v1::Batch batch = GoodReport();
    spoil.apply(*batch.mutable_records(0)->mutable_report());
    const auto read = FromProto(batch);
    ASSERT_TRUE(read) << spoil.name;
    EXPECT_EQ(read->refused, 1u) << spoil.name;
  }
}

TEST(IngestLimits, EveryFieldOfAServerReportOutOfRangeIsRefused) {
  using Report = v1::ServerReport;
  std::vector<Spoil<Report>> spoils = {
      {"no server", [](auto& r) { r.clear_server(); }},
      {"server", [](auto& r) { r.set_server(std::string(15, 'x')); }},
      {"window_start", [](auto& r) { r.set_window_start(kYear2201); }},
      {"window_start", [](auto& r) { r.set_window_start(UINT64_MAX); }},
      {"window", [](auto& r) { r.set_window_nanos(kDay + 1); }},
      {"window", [](auto& r) { r.set_window_nanos(UINT64_MAX); }},
      {"age", [](auto& r) { r.set_age_nanos(kTwoYears); }},
      {"sampling", [](auto& r) { r.set_sampling((1u << 31) + 1); }},
      {"port", [](auto& r) { r.set_port(65'536); }},
  };
  for (const auto set :
       {&Report::set_syns, &Report::set_syn_acks, &Report::set_sources, &Report::set_port_syns,
        &Report::set_port_syn_acks, &Report::set_completed, &Report::set_half_open,
        &Report::set_unanswered, &Report::set_refused, &Report::set_unknown,
        &Report::set_listen_overflows, &Report::set_syn_cookies_sent}) {
    for (const uint64_t odd : {uint64_t{1} << 63, UINT64_MAX}) {
      spoils.push_back({"count", [set, odd](auto& r) { (r.*set)(odd); }});
    }
  }
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  for (const auto set : {&Report::set_half_open_repeated, &Report::set_half_open_known,
                         &Report::set_all_or_nothing}) {
    for (const double odd : {-0.001, 1.001, kInfinity, -kInfinity, kNaN}) {
      spoils.push_back({"share", [set, odd](auto& r) { (r.*set)(odd); }});
    }
  }
  for (const auto set : {&Report::set_syn_rate, &Report::set_usual_rate, &Report::set_excess}) {
    for (const double odd : {-1e-300, kInfinity, -kInfinity, kNaN}) {
      spoils.push_back({"rate", [set, odd](auto& r) { (r.*set)(odd); }});
    }
  }
  ASSERT_EQ(FromProto(GoodServerReport())->refused, 0u);
  for (const auto& spoil : spoils) {
    v1::Batch batch = GoodServerReport();
    spoil.apply(*batch.mutable_records(0)->mutable_server());
    const auto read = FromProto(batch);
    ASSERT_TRUE(read) << spoil.name;
    EXPECT_EQ(read->refused, 1u) << spoil.name;
    EXPECT_EQ(read->complaint, "server report with a value out of range");
  }
}

TEST(IngestLimits, TheLatestTimeAndTheLongestAgeAddUp) {
  v1::Batch batch = GoodAttempt();
  v1::Attempt& attempt = *batch.mutable_records(0)->mutable_attempt();
  attempt.set_first_seen(7'258'118'400ull * 1'000'000'000);
  attempt.set_age_nanos(kTwoYears / 2);
  const auto read = FromProto(batch);
  ASSERT_EQ(read->refused, 0u);
  const auto& out = std::get<Attempt>(read->runs[0].records[0]);
  EXPECT_GT(out.first_seen + out.age, out.first_seen);
  EXPECT_EQ(FormatRfc3339(out.first_seen).substr(0, 4), "2200");
}

TEST(IngestLimits, TextIsMadePrintableAndShort) {
  v1::Batch batch = GoodAttempt();
  v1::Attempt& attempt = *batch.mutable_records(0)->mutable_attempt();
  attempt.set_rule("\x1b[31mred\n\x7f\xc3\xa9");
  attempt.set_interface(std::string(100'000, 'i'));
  const auto read = FromProto(batch);
  ASSERT_EQ(read->refused, 0u);
  const auto& out = std::get<Attempt>(read->runs[0].records[0]);
  EXPECT_EQ(out.rule, "?[31mred????");
  EXPECT_EQ(out.interface, std::string(128, 'i'));
}

TEST(IngestLimits, BatchesAsAWhole) {
  v1::Batch batch;
  batch.set_first_sequence(1);
  EXPECT_FALSE(FromProto(batch)) << "no records";

  v1::Batch big = GoodAttempt();
  while (big.records_size() < 1'000) {
    *big.add_records() = big.records(0);
  }
  const auto read = FromProto(big);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->runs.at(0).records.size(), 1'000u);
  *big.add_records() = big.records(0);
  const auto refused = FromProto(big);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->refused, 1'001u);
  EXPECT_EQ(refused->last_sequence, refused->first_sequence + 1'000);
  EXPECT_TRUE(refused->runs.empty());
  EXPECT_NE(refused->complaint.find("1001"), std::string::npos);

  v1::Batch good = GoodAttempt();
  for (const uint64_t sequence :
       {uint64_t{0}, UINT64_MAX, uint64_t{INT64_MAX}, uint64_t{1} << 63}) {
    good.set_first_sequence(sequence);
    EXPECT_FALSE(FromProto(good)) << sequence;
  }
  good.set_first_sequence(INT64_MAX - 1'000);
  EXPECT_TRUE(FromProto(good));
}

TEST(IngestLimits, Hello) {
  v1::Hello hello;
  EXPECT_FALSE(FromProto(hello)) << "no protocol";
  hello.set_protocol(kLinkProtocol + 1);
  const auto newer = FromProto(hello);
  ASSERT_FALSE(newer);
  EXPECT_NE(newer.error().message.find("upgrade"), std::string::npos) << newer.error().message;

  hello.set_protocol(kLinkProtocol);
  hello.set_version("1\n2");
  for (int i = 0; i < 1'000; ++i) {
    hello.add_addresses(i % 2 == 0 ? std::string(4, 'a') : "bad");
    v1::Prefix* prefix = hello.add_local_networks();
    prefix->set_address(std::string(4, 'a'));
    prefix->set_length(i % 2 == 0 ? 24 : 33);
  }
  const auto read = FromProto(hello);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->version, "1?2");
  EXPECT_EQ(read->addresses.size(), 32u);  // of the first 64
  EXPECT_EQ(read->local_networks.size(), 32u);
}

TEST(IngestLimits, Health) {
  v1::Health health;
  for (int i = 0; i < 1'000; ++i) {
    health.add_interfaces()->set_name("e\tth");
    health.add_gateways()->set_address(std::string(4, 'a'));
    health.mutable_gateways(i)->set_reach(static_cast<v1::Reach>(99));
  }
  health.mutable_gateways(0)->set_address("bad");
  health.set_probing_problem(std::string(100'000, '\x1b'));
  const SensorHealth read = FromProto(health);
  EXPECT_EQ(read.interfaces.size(), 64u);
  EXPECT_EQ(read.interfaces[0].name, "e?th");
  ASSERT_EQ(read.gateways.size(), 15u);
  EXPECT_EQ(read.gateways[0].reach, Reach::kUnknown);
  EXPECT_EQ(read.probing_problem, std::string(128, '?'));
}

}  // namespace
}  // namespace parallax::collector
