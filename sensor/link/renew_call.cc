#include "sensor/link/renew_call.h"

#include <fmt/format.h>
#include <grpcpp/client_context.h>

#include <chrono>

#include "common/grpc_security.h"
#include "parallax/v1/link.grpc.pb.h"

namespace parallax::sensor {
namespace {

constexpr auto kPatience = std::chrono::seconds(5);

grpc::Status Call(const HostPort& address, const TlsIdentity& identity,
                  const v1::RenewRequest& request, v1::Renewed* reply,
                  const std::stop_token& stop) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
  const std::stop_callback cancel(stop, [&] { context.TryCancel(); });
  return v1::SensorLink::NewStub(DialCollector(address, identity))->Renew(&context, request, reply);
}

}  // namespace

Result<RenewedCertificate> AskToRenew(const std::vector<HostPort>& addresses,
                                      const TlsIdentity& identity, const std::string& request_pem,
                                      const std::stop_token& stop) {
  v1::RenewRequest request;
  request.set_request_pem(request_pem);
  Error last{ErrorCode::kUnavailable, "no collector to ask"};
  for (const HostPort& address : addresses) {
    v1::Renewed reply;
    const grpc::Status status = Call(address, identity, request, &reply, stop);
    if (status.ok()) {
      return RenewedCertificate{std::move(*reply.mutable_certificate_pem()),
                                std::move(*reply.mutable_ca_pem())};
    }
    const std::string why =
        fmt::format("collector {}: {}", address.ToString(), status.error_message());
    switch (status.error_code()) {
      case grpc::StatusCode::PERMISSION_DENIED:
      case grpc::StatusCode::UNAUTHENTICATED:
      case grpc::StatusCode::INVALID_ARGUMENT:
        return Fail(ErrorCode::kDenied, why);
      default:
        last = {ErrorCode::kUnavailable, why};
    }
    if (stop.stop_requested()) {
      break;
    }
  }
  return tl::make_unexpected(last);
}

}  // namespace parallax::sensor
