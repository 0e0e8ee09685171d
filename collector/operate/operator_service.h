// Answers operators' questions from the database, over read-only connections: the gRPC side of
// operator.proto. Thread-safe; calls run on gRPC's threads. A watch holds one of them until its
// client leaves or Stop() is called, so that watches are limited in number.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "collector/operate/daemon_facts.h"
#include "collector/operate/reader_pool.h"
#include "parallax/v1/operator.grpc.pb.h"

namespace parallax::collector {

class ProbeDesk;
class TrustDesk;

struct OperatorServiceOptions {
  std::string database_path;
  std::function<DaemonFacts()> daemon;  // may be empty: nothing is told of it
  std::string version;
  WallTime started_at;                                   // of the collector
  std::function<WallTime()> clock;                       // the collector's
  Duration time_limit = std::chrono::seconds(5);         // per question to the database
  Duration watch_poll = std::chrono::milliseconds(200);  // how soon a watcher hears of a change
  int most_watchers = 16;
  TrustDesk* desk = nullptr;                        // null: nothing can be changed
  ProbeDesk* probes = nullptr;                      // null: nothing is probed for operators
  std::function<bool(const IpAddress&)> may_probe;  // empty: anything
  // Whether the operator with this certificate may go on with a call that began long ago.
  std::function<grpc::Status(std::string_view certificate_pem)> may_watch;  // empty: yes
};

// Who asks, as one word for the log: over the network his certificate's word, else his own.
std::string CallerOf(const grpc::ServerContext* context, std::string name);

class OperatorService final : public v1::Operator::Service {
 public:
  explicit OperatorService(OperatorServiceOptions options);

  // Ends all watches, soon; new ones are refused. Call before the server's Shutdown.
  void Stop();

  grpc::Status GetStatus(grpc::ServerContext*, const v1::StatusRequest*, v1::Status*) override;
  grpc::Status ListSensors(grpc::ServerContext*, const v1::ListSensorsRequest*,
                           v1::SensorList*) override;
  grpc::Status ListTargets(grpc::ServerContext*, const v1::ListTargetsRequest*,
                           v1::TargetList*) override;
  grpc::Status ListIncidents(grpc::ServerContext*, const v1::ListIncidentsRequest*,
                             v1::IncidentList*) override;
  grpc::Status TopSyns(grpc::ServerContext*, const v1::TopSynsRequest*, v1::SynTop*) override;
  grpc::Status ListSynServers(grpc::ServerContext*, const v1::ListSynServersRequest*,
                              v1::SynServerList*) override;
  grpc::Status ListPaths(grpc::ServerContext*, const v1::ListPathsRequest*, v1::PathList*) override;
  grpc::Status WatchIncidents(grpc::ServerContext*, const v1::WatchIncidentsRequest*,
                              grpc::ServerWriter<v1::IncidentEvent>*) override;

  // operator_service_probe.cc
  grpc::Status Probe(grpc::ServerContext*, const v1::ProbeRequest*,
                     grpc::ServerWriter<v1::ProbeAnswer>*) override;

  // operator_service_trust.cc
  grpc::Status CreateToken(grpc::ServerContext*, const v1::CreateTokenRequest*,
                           v1::CreatedToken*) override;
  grpc::Status ListTokens(grpc::ServerContext*, const v1::ListTokensRequest*,
                          v1::TokenList*) override;
  grpc::Status RevokeToken(grpc::ServerContext*, const v1::RevokeTokenRequest*,
                           v1::Token*) override;
  grpc::Status ApproveSensor(grpc::ServerContext*, const v1::ApproveSensorRequest*,
                             v1::SensorTrust*) override;
  grpc::Status DrainSensor(grpc::ServerContext*, const v1::DrainSensorRequest*,
                           v1::SensorTrust*) override;
  grpc::Status RevokeSensor(grpc::ServerContext*, const v1::RevokeSensorRequest*,
                            v1::SensorTrust*) override;

 private:
  struct Asked {
    std::map<SensorName, std::string> groups;  // of those to ask
    std::map<SensorName, std::string> away;  // of those that were named and cannot be: their state
  };
  Result<Asked> WhomToAsk(const v1::ProbeRequest& request);
  grpc::Status Watch(grpc::ServerContext* context, uint64_t after,
                     grpc::ServerWriter<v1::IncidentEvent>* writer);
  grpc::Status MayGoOn(const grpc::ServerContext& context) const;
  bool WaitForNextPoll();  // false: stopping
  bool stopping();

  const OperatorServiceOptions options_;
  ReaderPool readers_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int watchers_ = 0;
  bool stopping_ = false;
};

}  // namespace parallax::collector
