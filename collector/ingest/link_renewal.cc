#include "collector/ingest/link_renewal.h"

#include <fmt/format.h>

#include <utility>

#include "common/grpc_security.h"
#include "common/key_request.h"
#include "common/log.h"

namespace parallax::collector {
namespace {

grpc::StatusCode CodeOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kDenied:
      return grpc::StatusCode::PERMISSION_DENIED;
    case ErrorCode::kUsage:
      return grpc::StatusCode::INVALID_ARGUMENT;
    default:
      return grpc::StatusCode::UNAVAILABLE;
  }
}

}  // namespace

Result<void> StillValid(const grpc::AuthContext& peer, WallTime now) {
  const auto shown = DescribeCertificate(PeerCertificate(peer));
  if (!shown) {
    return tl::make_unexpected(shown.error());
  }
  if (now >= shown->not_after) {
    return Fail(ErrorCode::kDenied,
                fmt::format("the client certificate expired at {}; enroll this sensor again",
                            FormatRfc3339(shown->not_after)));
  }
  return {};
}

grpc::Status LinkRenewal::Answer(const grpc::CallbackServerContext& context,
                                 const v1::RenewRequest& request, v1::Renewed* reply) {
  const Moment now = Now();
  const auto auth = context.auth_context();
  const auto peer = auth ? PeerSensor(*auth) : std::nullopt;
  if (!peer) {
    LogWarning("{}: wants to renew, but its certificate names no sensor; refused", context.peer());
    return {grpc::StatusCode::UNAUTHENTICATED, "the client certificate names no sensor"};
  }
  const auto refuse = [&](grpc::StatusCode code, const std::string& why) {
    LogWarning("{}: sensor {}: not renewed: {}", context.peer(), peer->name, why);
    return grpc::Status(code, why);
  };
  if (!options_.sign) {
    return refuse(grpc::StatusCode::UNIMPLEMENTED, "this collector renews no certificates");
  }
  {
    const std::lock_guard lock(mutex_);
    if (!limit_.MayRenew(peer->name, now.mono)) {
      return {grpc::StatusCode::RESOURCE_EXHAUSTED, "renewed too often; wait"};  // and no log line
    }
  }
  const auto shown = DescribeCertificate(PeerCertificate(*auth));
  const auto valid = StillValid(*auth, now.wall);
  if (!shown || !valid) {
    return refuse(grpc::StatusCode::UNAUTHENTICATED,
                  shown ? valid.error().message : shown.error().message);
  }
  const auto wanted = ReadRequest(request.request_pem());
  if (!wanted) {
    return refuse(grpc::StatusCode::INVALID_ARGUMENT, wanted.error().message);
  }
  if (options_.may) {
    if (const auto may = options_.may(*peer, *shown, wanted->key_sha256); !may) {
      return refuse(CodeOf(may.error().code), may.error().message);
    }
  }
  const auto certificate = options_.sign(request.request_pem(), *peer, now.wall);
  if (!certificate) {
    LogError("cannot renew the certificate of sensor {}: {}", peer->name,
             certificate.error().message);
    return {CodeOf(certificate.error().code),
            "the collector cannot sign certificates now (its log says why)"};
  }
  reply->set_certificate_pem(*certificate);
  reply->set_ca_pem(identity_->Get().identity->ca_pem);
  const auto made = DescribeCertificate(*certificate);
  LogInfo("sensor {} ({}): certificate renewed, valid until {}", peer->name, peer->group,
          made ? FormatRfc3339(made->not_after) : "?");
  return grpc::Status::OK;
}

}  // namespace parallax::collector
