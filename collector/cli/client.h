// Questions to the collector, over its Unix socket or, with a certificate, over the network: the
// only gRPC in the command line. One thread. Errors say what to do about them: no socket, nobody
// listening, no permission, too slow.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "collector/cli/place.h"
#include "common/result.h"
#include "common/time.h"
#include "parallax/v1/operator.pb.h"

namespace parallax::cli {

class Client {
 public:
  // Fails at once if nobody listens there. `timeout` holds for each question.
  static Result<Client> Connect(const Place& place, Duration timeout);
  Client(Client&&) noexcept;
  Client& operator=(Client&&) = delete;
  ~Client();

  Result<v1::Status> Status();
  Result<v1::SensorList> Sensors(const v1::ListSensorsRequest& request);
  Result<v1::TargetList> Targets(const v1::ListTargetsRequest& request);
  Result<v1::IncidentList> Incidents(const v1::ListIncidentsRequest& request);
  Result<v1::SynTop> TopSyns(const v1::TopSynsRequest& request);
  Result<v1::PathList> Paths(const v1::ListPathsRequest& request);
  Result<v1::SynServerList> SynServers(const v1::ListSynServersRequest& request);
  Result<v1::CreatedToken> CreateToken(const v1::CreateTokenRequest& request);
  Result<v1::TokenList> Tokens();
  Result<v1::Token> RevokeToken(const v1::RevokeTokenRequest& request);
  Result<v1::SensorTrust> ApproveSensor(const v1::ApproveSensorRequest& request);
  Result<v1::SensorTrust> DrainSensor(const v1::DrainSensorRequest& request);
  Result<v1::SensorTrust> RevokeSensor(const v1::RevokeSensorRequest& request);

  // Hands each answer on, as it comes, until `on_answer` returns false or all have come.
  Result<void> Probe(const v1::ProbeRequest& request,
                     const std::function<bool(const v1::ProbeAnswer&)>& on_answer);

  // Hands every event after `after` to `on_event` until that returns false (then ok), the collector
  // goes away, or `limit` has passed (both kUnavailable). No limit: for ever.
  Result<void> Watch(uint64_t after, std::optional<Duration> limit,
                     const std::function<bool(const v1::IncidentEvent&)>& on_event);

 private:
  static Result<Client> ConnectFar(const Place& place, Duration timeout);

  struct Impl;
  explicit Client(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace parallax::cli
