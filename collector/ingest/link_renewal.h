// Answers a sensor that wants its next certificate. Who it is, its present certificate says, and
// nothing in the request. Thread-safe.
#pragma once

#include <grpcpp/security/auth_context.h>
#include <grpcpp/server_context.h>

#include <memory>
#include <mutex>
#include <string>

#include "collector/ingest/link_server.h"
#include "collector/ingest/renewal_limit.h"
#include "common/identity_holder.h"
#include "parallax/v1/link.pb.h"

namespace parallax::collector {

// The certificate that the peer showed is valid at `now`: a TLS session that is resumed is not
// looked at again by the library.
Result<void> StillValid(const grpc::AuthContext& peer, WallTime now);

class LinkRenewal {
 public:
  LinkRenewal(Renewal options, std::shared_ptr<const IdentityHolder> identity)
      : options_(std::move(options)), identity_(std::move(identity)) {}

  grpc::Status Answer(const grpc::CallbackServerContext& context, const v1::RenewRequest& request,
                      v1::Renewed* reply);

 private:
  const Renewal options_;
  const std::shared_ptr<const IdentityHolder> identity_;
  std::mutex mutex_;
  RenewalLimit limit_;
};

}  // namespace parallax::collector
