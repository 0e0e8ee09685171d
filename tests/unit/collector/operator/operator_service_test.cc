// Questions through a real channel, as any client asks them.
#include "collector/operate/operator_service.h"

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <atomic>
#include <thread>

#include "collector/operate/operator_convert.h"
#include "collector/operate/unix_socket.h"
#include "tests/unit/collector/operator/operator_fixture.h"

namespace parallax::collector {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class OperatorServiceTest : public OperatorFixture {
 protected:
  void SetUp() override {
    OperatorFixture::SetUp();
    Seed();
    Serve();
    stub_ = v1::Operator::NewStub(
        grpc::CreateChannel(GrpcAddressOf(socket_), grpc::InsecureChannelCredentials()));
  }

  template <typename Request, typename Reply>
  grpc::Status Ask(grpc::Status (v1::Operator::Stub::*method)(grpc::ClientContext*, const Request&,
                                                              Reply*),
                   const Request& request, Reply* reply) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    return (stub_.get()->*method)(&context, request, reply);
  }
  v1::IncidentList Incidents(const std::string& id, const std::string& state) {
    v1::ListIncidentsRequest request;
    request.set_id(id);
    request.set_state(state);
    v1::IncidentList reply;
    const auto status = Ask(&v1::Operator::Stub::ListIncidents, request, &reply);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return reply;
  }

  std::unique_ptr<v1::Operator::Stub> stub_;
};

TEST_F(OperatorServiceTest, Status) {
  v1::Status reply;
  ASSERT_TRUE(Ask(&v1::Operator::Stub::GetStatus, v1::StatusRequest(), &reply).ok());
  EXPECT_EQ(reply.version(), PARALLAX_VERSION);
  EXPECT_EQ(reply.started_at(), ToProto(At(-4000)));
  EXPECT_EQ(reply.answered_at(), ToProto(At(200)));
  EXPECT_THAT(reply.sensors(), UnorderedElementsAre(Pair("connected", 2), Pair("lost", 1)));
  EXPECT_THAT(reply.incidents(),
              UnorderedElementsAre(Pair("route_anomaly", 2), Pair("sensor_isolated", 1)));
  EXPECT_EQ(reply.attempts_total(), 4u);
  EXPECT_EQ(reply.attempts_last_minute(), 3u);
}

TEST_F(OperatorServiceTest, StatusTellsHowTheDaemonIs) {
  server_.reset();
  OperatorServerOptions options = ServerOptions();
  options.daemon = [] {
    DaemonFacts facts;
    facts.store_problem = "disk is full";
    facts.certificate_expires = At(1000);
    facts.local_networks = 2;
    facts.retention = std::chrono::hours(48);
    return facts;
  };
  auto server = OperatorServer::Start(options);
  ASSERT_TRUE(server) << server.error().message;
  server_ = std::move(*server);
  v1::Status reply;
  ASSERT_TRUE(Ask(&v1::Operator::Stub::GetStatus, v1::StatusRequest(), &reply).ok());
  EXPECT_EQ(reply.store_problem(), "disk is full");
  EXPECT_EQ(reply.certificate_expires_at(), ToProto(At(1000)));
  EXPECT_EQ(reply.ca_expires_at(), 0u) << "never told";
  EXPECT_EQ(reply.local_networks(), 2u);
  EXPECT_EQ(reply.retention_nanos(), 172'800'000'000'000u);
  EXPECT_EQ(reply.database_path(), database_);
  EXPECT_GT(reply.disk_free_bytes(), 0u);
}

TEST_F(OperatorServiceTest, Sensors) {
  v1::SensorList reply;
  ASSERT_TRUE(Ask(&v1::Operator::Stub::ListSensors, v1::ListSensorsRequest(), &reply).ok());
  ASSERT_EQ(reply.items_size(), 3);
  EXPECT_EQ(reply.items(1).id(), "mail-1");
  EXPECT_EQ(reply.items(1).interfaces(1).state(), "gone");
  EXPECT_EQ(reply.items(1).gateways(0).reach(), "up");
  EXPECT_EQ(reply.items(1).attempts_evicted(), 5u);
  EXPECT_EQ(reply.items(1).segments_unsampled(), 123'456u);
  v1::ListSensorsRequest request;
  request.set_name("nobody");
  const auto status = Ask(&v1::Operator::Stub::ListSensors, request, &reply);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "no sensor named nobody");
}

TEST_F(OperatorServiceTest, TargetsNameEverySensor) {
  v1::ListTargetsRequest request;
  v1::TargetList reply;
  ASSERT_TRUE(Ask(&v1::Operator::Stub::ListTargets, request, &reply).ok());
  ASSERT_EQ(reply.items_size(), 3);
  EXPECT_EQ(reply.total(), 3u);
  EXPECT_THAT(reply.items(0).reach(),
              UnorderedElementsAre(Pair("library-1", "up"), Pair("mail-1", "down"),
                                   Pair("web-1", "unknown")));
  request.set_limit(1);
  v1::TargetList one;
  ASSERT_TRUE(Ask(&v1::Operator::Stub::ListTargets, request, &one).ok());
  EXPECT_EQ(one.items_size(), 1);
  EXPECT_EQ(one.total(), 3u);
  request.set_address("not an address");
  EXPECT_EQ(Ask(&v1::Operator::Stub::ListTargets, request, &one).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  request.set_address("192.0.2.200");
  EXPECT_EQ(Ask(&v1::Operator::Stub::ListTargets, request, &one).error_code(),
            grpc::StatusCode::NOT_FOUND);
}

TEST_F(OperatorServiceTest, IncidentsByIdAndState) {
  EXPECT_EQ(Incidents("", "").items_size(), 4);
  EXPECT_EQ(Incidents("", "live").items_size(), 3);
  EXPECT_EQ(Incidents("", "open").items(0).id(), "INC-3");
  EXPECT_EQ(Incidents("", "").last_event(), 4u);
  const v1::Incident incident = Incidents("inc-1", "").items(0);
  EXPECT_EQ(incident.state(), "closed");
  EXPECT_EQ(incident.target_count(), 2u);
  EXPECT_THAT(incident.targets_still_failing(), ElementsAre("198.51.100.7"));
  EXPECT_THAT(incident.suspect().ambiguity(), ElementsAre("a -> b", "c -> d"));
  v1::IncidentList reply;
  v1::ListIncidentsRequest request;
  request.set_id("INC-99");
  EXPECT_EQ(Ask(&v1::Operator::Stub::ListIncidents, request, &reply).error_code(),
            grpc::StatusCode::NOT_FOUND);
  request.set_id("INC-x");
  EXPECT_EQ(Ask(&v1::Operator::Stub::ListIncidents, request, &reply).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  request.clear_id();
  request.set_state("broken");
  EXPECT_EQ(Ask(&v1::Operator::Stub::ListIncidents, request, &reply).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(OperatorServiceTest, TopSyns) {
  v1::TopSynsRequest request;
  v1::SynTop reply;
  ASSERT_TRUE(Ask(&v1::Operator::Stub::TopSyns, request, &reply).ok());
  ASSERT_EQ(reply.items_size(), 2);
  EXPECT_EQ(reply.items(0).key(), "198.51.100.7");
  EXPECT_EQ(reply.items(0).attempts(), 3u);
  EXPECT_EQ(reply.items(0).sensors(), 2u);
  request.set_by("shoe size");
  EXPECT_EQ(Ask(&v1::Operator::Stub::TopSyns, request, &reply).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  request.set_by("port");
  request.set_since_nanos(~uint64_t{0});
  v1::SynTop ports;
  ASSERT_TRUE(Ask(&v1::Operator::Stub::TopSyns, request, &ports).ok());
  EXPECT_EQ(ports.items(0).key(), "25");
}

TEST_F(OperatorServiceTest, SynServers) {
  SeedServers();
  v1::ListSynServersRequest request;
  v1::SynServerList reply;
  ASSERT_TRUE(Ask(&v1::Operator::Stub::ListSynServers, request, &reply).ok());
  ASSERT_EQ(reply.items_size(), 3);
  EXPECT_EQ(reply.total(), 3u);
  EXPECT_FALSE(reply.truncated());
  EXPECT_EQ(reply.answered_at(), ToProto(At(200)));
  const v1::SynServer& flooded = reply.items(0);
  EXPECT_EQ(flooded.server(), "192.0.2.25");
  EXPECT_EQ(flooded.sensor(), "mail-1");
  EXPECT_EQ(flooded.last_seen_at(), ToProto(At(98)));
  EXPECT_EQ(flooded.window_start(), ToProto(At(60)));
  EXPECT_EQ(flooded.sampling(), 64u);
  EXPECT_EQ(flooded.syn_rate(), 120'000);
  EXPECT_TRUE(flooded.has_half_open_known());
  EXPECT_EQ(flooded.half_open_known(), 0);
  EXPECT_TRUE(flooded.has_listen_overflows());
  const v1::SynServer& quiet = reply.items(2);
  EXPECT_EQ(quiet.sensor(), "web-1");
  EXPECT_FALSE(quiet.has_half_open_repeated());
  EXPECT_FALSE(quiet.has_half_open_known());
  EXPECT_FALSE(quiet.has_all_or_nothing());
  EXPECT_FALSE(quiet.has_listen_overflows());
  EXPECT_FALSE(quiet.has_syn_cookies_sent());

  request.set_limit(1);
  v1::SynServerList one;
  ASSERT_TRUE(Ask(&v1::Operator::Stub::ListSynServers, request, &one).ok());
  EXPECT_EQ(one.items_size(), 1);
  EXPECT_EQ(one.total(), 3u);
  request.set_limit(0);
  request.set_since_nanos(2'000'000'000);
  ASSERT_TRUE(Ask(&v1::Operator::Stub::ListSynServers, request, &one).ok());
  EXPECT_EQ(one.items_size(), 1);
  request.set_since_nanos(~uint64_t{0});
  ASSERT_TRUE(Ask(&v1::Operator::Stub::ListSynServers, request, &one).ok());
  EXPECT_EQ(one.items_size(), 3);
}

TEST_F(OperatorServiceTest, AWatchShowsWhatIsLiveThenWhatHappens) {
  grpc::ClientContext context;
  auto stream = stub_->WatchIncidents(&context, v1::WatchIncidentsRequest());
  v1::IncidentEvent event;
  for (const char* id : {"INC-2", "INC-3", "INC-4"}) {
    ASSERT_TRUE(stream->Read(&event));
    EXPECT_EQ(event.change(), "current");
    EXPECT_EQ(event.incident().id(), id);
    EXPECT_EQ(event.event(), 4u);
  }
  Apply({SampleChange("closed", 3, IncidentState::kClosed)});
  ASSERT_TRUE(stream->Read(&event));
  EXPECT_EQ(event.event(), 5u);
  EXPECT_EQ(event.change(), "closed");
  EXPECT_EQ(event.incident().state(), "closed");

  // A second watcher takes up where it left off.
  grpc::ClientContext later;
  v1::WatchIncidentsRequest request;
  request.set_after_event(3);
  auto resumed = stub_->WatchIncidents(&later, request);
  ASSERT_TRUE(resumed->Read(&event));
  EXPECT_EQ(event.event(), 4u);
  ASSERT_TRUE(resumed->Read(&event));
  EXPECT_EQ(event.event(), 5u);

  // Both end with the server.
  server_->Stop();
  EXPECT_FALSE(stream->Read(&event));
  EXPECT_FALSE(resumed->Read(&event));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(resumed->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(OperatorServiceTest, WatchersAreLimitedAndQuestionsStillAnswered) {
  struct Watcher {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<v1::IncidentEvent>> stream;
  };
  std::vector<std::unique_ptr<Watcher>> watchers;
  v1::IncidentEvent event;
  for (int i = 0; i < 16; ++i) {
    auto watcher = std::make_unique<Watcher>();
    watcher->stream = stub_->WatchIncidents(&watcher->context, v1::WatchIncidentsRequest());
    ASSERT_TRUE(watcher->stream->Read(&event));
    watchers.push_back(std::move(watcher));
  }
  grpc::ClientContext context;
  auto one_too_many = stub_->WatchIncidents(&context, v1::WatchIncidentsRequest());
  EXPECT_FALSE(one_too_many->Read(&event));
  EXPECT_EQ(one_too_many->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(Incidents("", "").items_size(), 4);
  for (auto& watcher : watchers) {
    watcher->context.TryCancel();
    while (watcher->stream->Read(&event)) {
    }
    EXPECT_EQ(watcher->stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
}

TEST_F(OperatorServiceTest, ManyAskAtOnceWhileTheStoreIsWritten) {
  std::vector<std::thread> askers;
  std::atomic<int> answered = 0;
  for (int i = 0; i < 8; ++i) {
    askers.emplace_back([&] {
      for (int n = 0; n < 20; ++n) {
        answered += Incidents("", "live").items_size() == 3 ? 1 : 0;
      }
    });
  }
  for (uint64_t n = 10; n < 60; ++n) {
    Apply({SampleBatch(n, {SampleReport(n)}), SampleChange("updated", 3, IncidentState::kOpen)});
    EXPECT_TRUE(store_->Maintain(true));
  }
  for (auto& asker : askers) {
    asker.join();
  }
  EXPECT_EQ(answered, 160);
}

}  // namespace
}  // namespace parallax::collector
