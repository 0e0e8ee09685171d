// Answers a sensor that wants its next certificate. Who it is, its present certificate says, and
// nothing in the request. Thread-safe.
#pragma once

#include <grpcpp/security/auth_context.h>
#include <grpcpp/server_context.h>

#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "collector/ingest/link_server.h"
#include "common/allowance.h"
#include "common/identity_holder.h"
#include "parallax/v1/link.pb.h"

namespace parallax::collector {

// The certificate that the peer showed, if it is valid at `now`: a TLS session that is resumed is
// not looked at again by the library.
Result<CertificateInfo> ShownCertificate(const grpc::AuthContext& peer, WallTime now);

class LinkRenewal {
 public:
  LinkRenewal(RenewCertificate renew, std::shared_ptr<const IdentityHolder> identity)
      : renew_(std::move(renew)), identity_(std::move(identity)) {}

  grpc::Status Answer(const grpc::CallbackServerContext& context, const v1::RenewRequest& request,
                      v1::Renewed* reply);

 private:
  bool MayAsk(const SensorName& sensor, MonoTime now);

  const RenewCertificate renew_;
  const std::shared_ptr<const IdentityHolder> identity_;
  std::mutex mutex_;
  // Of sensors that asked lately: one that asks all the time must not keep others' streams waiting.
  std::map<SensorName, Allowance> allowances_;
};

}  // namespace parallax::collector
