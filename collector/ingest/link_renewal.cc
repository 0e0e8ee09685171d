#include "collector/ingest/link_renewal.h"

#include <fmt/format.h>

#include <utility>

#include "common/grpc_security.h"
#include "common/key_request.h"
#include "common/log.h"

namespace parallax::collector {
namespace {

// A sensor renews every ten days; how often it may try, over time and at once.
constexpr double kPerSecond = 1;
constexpr double kAtOnce = 10;
constexpr size_t kTidyAbove = 1'000;

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

Result<CertificateInfo> ShownCertificate(const grpc::AuthContext& peer, WallTime now) {
  auto shown = DescribeCertificate(PeerCertificate(peer));
  if (shown && now >= shown->not_after) {
    return Fail(ErrorCode::kDenied,
                fmt::format("the client certificate expired at {}; enroll this sensor again",
                            FormatRfc3339(shown->not_after)));
  }
  return shown;
}

bool LinkRenewal::MayAsk(const SensorName& sensor, MonoTime now) {
  const std::lock_guard lock(mutex_);
  if (allowances_.size() > kTidyAbove) {
    for (auto it = allowances_.begin(); it != allowances_.end();) {
      it = it->second.Left(now) >= kAtOnce ? allowances_.erase(it) : std::next(it);
    }
  }
  return allowances_.try_emplace(sensor, kPerSecond, kAtOnce).first->second.TakeOne(now);
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
  if (!renew_) {
    return refuse(grpc::StatusCode::UNIMPLEMENTED, "this collector renews no certificates");
  }
  if (!MayAsk(peer->name, now.mono)) {
    return {grpc::StatusCode::RESOURCE_EXHAUSTED, "renewed too often; wait"};  // and no log line
  }
  const auto shown = ShownCertificate(*auth, now.wall);
  if (!shown) {
    return refuse(grpc::StatusCode::UNAUTHENTICATED, shown.error().message);
  }
  const auto wanted = ReadRequest(request.request_pem());
  if (!wanted) {
    return refuse(grpc::StatusCode::INVALID_ARGUMENT, wanted.error().message);
  }
  const auto certificate = renew_(*peer, *shown, request.request_pem(), wanted->key_sha256);
  if (!certificate) {
    const auto refused = refuse(CodeOf(certificate.error().code), certificate.error().message);
    return certificate.error().code == ErrorCode::kDenied
               ? refused
               : grpc::Status(refused.error_code(),
                              "the collector cannot sign certificates now (its log says why)");
  }
  reply->set_certificate_pem(*certificate);
  reply->set_ca_pem(identity_->Get().identity->ca_pem);
  const auto made = DescribeCertificate(*certificate);
  LogInfo("sensor {} ({}): certificate renewed, valid until {}", peer->name, peer->group,
          made ? FormatRfc3339(made->not_after) : "?");
  return grpc::Status::OK;
}

}  // namespace parallax::collector
