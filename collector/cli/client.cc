#include "collector/cli/client.h"

#include <fmt/format.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <stdlib.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "collector/operate/unix_socket.h"
#include "common/grpc_security.h"
#include "common/tls.h"
#include "parallax/v1/operator.grpc.pb.h"

namespace parallax::cli {
namespace {

// 100,000 targets seen by many sensors fit.
constexpr int kMostReplyBytes = 512 << 20;
constexpr Duration kConnectWithin = std::chrono::seconds(10);

Error CannotReach(const std::string& socket, const std::string& why) {
  return {ErrorCode::kUnavailable,
          fmt::format("cannot reach the collector at {}: {}; start it, or name its socket with "
                      "--socket or PARALLAX_SOCKET",
                      socket, why)};
}

Result<void> TrySocket(const std::string& socket) {
  switch (const int error = collector::TryConnect(socket)) {
    case 0:
      return {};
    case ENOENT:
      return tl::make_unexpected(CannotReach(socket, "no such socket"));
    case ECONNREFUSED:
      return tl::make_unexpected(CannotReach(socket, "nobody listens there"));
    case EACCES:
    case EPERM:
      return Fail(ErrorCode::kPermission,
                  fmt::format("no permission to use {}; run this as the collector's user or group, "
                              "or as root",
                              socket));
    case ENAMETOOLONG:
      return Fail(ErrorCode::kUsage, fmt::format("{}: not a path for a Unix socket", socket));
    default:
      return tl::make_unexpected(CannotReach(socket, std::strerror(error)));
  }
}

ErrorCode CodeOf(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::DEADLINE_EXCEEDED:
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return ErrorCode::kUnavailable;
    case grpc::StatusCode::NOT_FOUND:
      return ErrorCode::kNotFound;
    case grpc::StatusCode::INVALID_ARGUMENT:
      return ErrorCode::kUsage;
    case grpc::StatusCode::UNAUTHENTICATED:
      return ErrorCode::kDenied;
    case grpc::StatusCode::PERMISSION_DENIED:
      return ErrorCode::kPermission;
    default:
      return ErrorCode::kFailure;
  }
}

}  // namespace

struct Client::Impl {
  std::string where;
  Duration timeout;
  std::unique_ptr<v1::Operator::Stub> stub;

  Error ToError(const grpc::Status& status, Duration limit) const {
    if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
      return {ErrorCode::kUnavailable,
              fmt::format("no answer from the collector at {} within {}; try again, or with a "
                          "longer --timeout",
                          where, FormatDuration(limit))};
    }
    if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED) {
      return {ErrorCode::kFailure,
              fmt::format("the collector at {} does not know this question; it is older than this "
                          "command, or no collector at all",
                          where)};
    }
    return {CodeOf(status.error_code()), status.error_message()};
  }

  template <typename Request, typename Reply>
  Result<Reply> Ask(grpc::Status (v1::Operator::Stub::*method)(grpc::ClientContext*, const Request&,
                                                               Reply*),
                    const Request& request) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + timeout);
    Reply reply;
    const grpc::Status status = (stub.get()->*method)(&context, request, &reply);
    if (!status.ok()) {
      return tl::make_unexpected(ToError(status, timeout));
    }
    return reply;
  }
};

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::Client(Client&&) noexcept = default;
Client::~Client() = default;

Result<Client> Client::ConnectFar(const Place& place, Duration timeout) {
  const auto address = ParseHostPort(place.collector);
  if (!address) {
    return Fail(ErrorCode::kUsage, "--collector " + address.error().message);
  }
  if (place.identity.empty()) {
    return Fail(ErrorCode::kUsage,
                "--collector needs --identity DIR, the folder that parallax-collector add-operator "
                "made");
  }
  const auto file = [&](const char* name) { return place.identity + "/" + name; };
  const auto identity =
      LoadTlsIdentity(file("ca.pem"), file("operator.pem"), file("operator.key"), Now().wall);
  if (!identity) {
    return tl::make_unexpected(identity.error());
  }
  ::setenv("GRPC_VERBOSITY", "NONE", 0);
  const auto channel = DialOperatorPort(*address, *identity, kMostReplyBytes);
  const auto patience = std::min<Duration>(timeout, kConnectWithin);
  if (!channel->WaitForConnected(std::chrono::system_clock::now() + patience)) {
    return Fail(ErrorCode::kUnavailable,
                fmt::format("cannot reach the collector at {} within {}: nobody listens there "
                            "(server.operator_listen), something is in the way, or it is of "
                            "another CA than {}",
                            address->ToString(), FormatDuration(patience), file("ca.pem")));
  }
  auto impl = std::make_unique<Impl>();
  impl->where = address->ToString();
  impl->timeout = timeout;
  impl->stub = v1::Operator::NewStub(channel);
  return Client(std::move(impl));
}

Result<Client> Client::Connect(const Place& place, Duration timeout) {
  if (!place.collector.empty()) {
    return ConnectFar(place, timeout);
  }
  const std::string& socket = place.socket;
  if (auto reached = TrySocket(socket); !reached) {
    return tl::make_unexpected(reached.error());
  }
  ::setenv("GRPC_VERBOSITY", "NONE", 0);  // what goes wrong is said by us, once
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMostReplyBytes);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  auto impl = std::make_unique<Impl>();
  impl->where = socket;
  impl->timeout = timeout;
  impl->stub = v1::Operator::NewStub(grpc::CreateCustomChannel(
      collector::GrpcAddressOf(socket), grpc::InsecureChannelCredentials(), arguments));
  return Client(std::move(impl));
}

Result<v1::Status> Client::Status() {
  return impl_->Ask(&v1::Operator::Stub::GetStatus, v1::StatusRequest());
}

Result<v1::SensorList> Client::Sensors(const v1::ListSensorsRequest& request) {
  return impl_->Ask(&v1::Operator::Stub::ListSensors, request);
}

Result<v1::TargetList> Client::Targets(const v1::ListTargetsRequest& request) {
  return impl_->Ask(&v1::Operator::Stub::ListTargets, request);
}

Result<v1::IncidentList> Client::Incidents(const v1::ListIncidentsRequest& request) {
  return impl_->Ask(&v1::Operator::Stub::ListIncidents, request);
}

Result<v1::SynTop> Client::TopSyns(const v1::TopSynsRequest& request) {
  return impl_->Ask(&v1::Operator::Stub::TopSyns, request);
}

Result<v1::SynServerList> Client::SynServers(const v1::ListSynServersRequest& request) {
  return impl_->Ask(&v1::Operator::Stub::ListSynServers, request);
}

Result<v1::PathList> Client::Paths(const v1::ListPathsRequest& request) {
  return impl_->Ask(&v1::Operator::Stub::ListPaths, request);
}

Result<v1::CreatedToken> Client::CreateToken(const v1::CreateTokenRequest& request) {
  return impl_->Ask(&v1::Operator::Stub::CreateToken, request);
}

Result<v1::TokenList> Client::Tokens() {
  return impl_->Ask(&v1::Operator::Stub::ListTokens, v1::ListTokensRequest());
}

Result<v1::Token> Client::RevokeToken(const v1::RevokeTokenRequest& request) {
  return impl_->Ask(&v1::Operator::Stub::RevokeToken, request);
}

Result<v1::SensorTrust> Client::ApproveSensor(const v1::ApproveSensorRequest& request) {
  return impl_->Ask(&v1::Operator::Stub::ApproveSensor, request);
}

Result<v1::SensorTrust> Client::DrainSensor(const v1::DrainSensorRequest& request) {
  return impl_->Ask(&v1::Operator::Stub::DrainSensor, request);
}

Result<v1::SensorTrust> Client::RevokeSensor(const v1::RevokeSensorRequest& request) {
  return impl_->Ask(&v1::Operator::Stub::RevokeSensor, request);
}

Result<void> Client::Watch(uint64_t after, std::optional<Duration> limit,
                           const std::function<bool(const v1::IncidentEvent&)>& on_event) {
  grpc::ClientContext context;
  if (limit) {
    context.set_deadline(std::chrono::system_clock::now() + *limit);
  }
  v1::WatchIncidentsRequest request;
  request.set_after_event(after);
  auto stream = impl_->stub->WatchIncidents(&context, request);
  v1::IncidentEvent event;
  while (stream->Read(&event)) {
    if (!on_event(event)) {
      context.TryCancel();
      (void)stream->Finish();
      return {};
    }
  }
  const grpc::Status status = stream->Finish();
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    return Fail(ErrorCode::kUnavailable,
                fmt::format("{} have passed", FormatDuration(limit.value_or(Duration{}))));
  }
  if (status.ok() || status.error_code() == grpc::StatusCode::UNAVAILABLE) {
    return Fail(ErrorCode::kUnavailable, fmt::format("the collector at {} went away: {}",
                                                     impl_->where, status.error_message()));
  }
  return tl::make_unexpected(impl_->ToError(status, limit.value_or(Duration{})));
}

Result<void> Client::Probe(const v1::ProbeRequest& request,
                           const std::function<bool(const v1::ProbeAnswer&)>& on_answer) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + impl_->timeout);
  auto stream = impl_->stub->Probe(&context, request);
  v1::ProbeAnswer answer;
  while (stream->Read(&answer)) {
    if (!on_answer(answer)) {
      context.TryCancel();
      (void)stream->Finish();
      return {};
    }
  }
  const grpc::Status status = stream->Finish();
  return status.ok() ? Result<void>() : tl::make_unexpected(impl_->ToError(status, impl_->timeout));
}

}  // namespace parallax::cli
