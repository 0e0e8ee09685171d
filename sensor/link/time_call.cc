#include "sensor/link/time_call.h"

#include <grpcpp/client_context.h>

#include <chrono>

#include "common/grpc_security.h"
#include "parallax/v1/link.grpc.pb.h"

namespace parallax::sensor {

Result<CollectorClock> AskTime(const HostPort& where, const TlsIdentity& identity,
                               MonoTime deadline) {
  RouteGrpcLog();
  const auto stub = v1::SensorLink::NewStub(DialCollector(where, identity));
  // The first call waits for the connection; the second one's way there and back is short.
  for (int call = 1;; ++call) {
    const Moment before = Now();
    grpc::ClientContext context;
    context.set_deadline(
        std::chrono::system_clock::now() +
        std::chrono::duration_cast<std::chrono::system_clock::duration>(deadline - before.mono));
    v1::CollectorTime reply;
    const grpc::Status status = stub->GetTime(&context, {}, &reply);
    const Duration took = Now().mono - before.mono;
    if (!status.ok()) {
      const bool denied = status.error_code() == grpc::StatusCode::PERMISSION_DENIED ||
                          status.error_code() == grpc::StatusCode::UNAUTHENTICATED;
      return Fail(denied ? ErrorCode::kDenied : ErrorCode::kUnavailable, status.error_message());
    }
    if (call == 2) {
      const WallTime there = FromUnixNanos(static_cast<int64_t>(reply.now()));
      return CollectorClock{before.wall + took / 2 - there, took / 2, reply.version()};
    }
  }
}

}  // namespace parallax::sensor
