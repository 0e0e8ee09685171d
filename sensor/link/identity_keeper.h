// Keeps the identity that a running sensor goes by. It gets its next certificate from the collector
// in time, over a new key that is made here and stays here, and it trusts the CAs that the
// collector names. Run keeps the calling thread; Trust may be called from any other.
//
//   link --Trust--> pending CAs ---+
//                                  +--Install--> files, then holder --> the link dials with it
//   plan: due --ask--> certificate +
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "common/identity_files.h"
#include "common/identity_holder.h"
#include "common/renewal_plan.h"
#include "common/result.h"
#include "common/time.h"

namespace parallax::sensor {

struct RenewedCertificate {
  std::string certificate_pem;
  std::string ca_pem;  // every CA to trust; the first one signs
};

// Sends a request for a certificate (PKCS #10, PEM) to the collector and waits for its answer.
using AskForCertificate = std::function<Result<RenewedCertificate>(
    const TlsIdentity& identity, const std::string& request_pem, const std::stop_token& stop)>;

class IdentityKeeper {
 public:
  // `holder` holds what the files at `paths` hold.
  IdentityKeeper(IdentityPaths paths, std::shared_ptr<IdentityHolder> holder, AskForCertificate ask,
                 uint64_t seed);

  // The collector says which CAs to trust from now on.
  void Trust(const std::string& ca_pem);

  // A step each second until `stop`.
  void Run(const std::stop_token& stop);
  void Step(WallTime now, const std::stop_token& stop = {});

 private:
  void AdoptPending(WallTime now);
  void Renew(WallTime now, const std::stop_token& stop);
  Result<void> Install(TlsIdentity identity, WallTime now);
  void Plan(const TlsIdentity& identity, WallTime now);

  const IdentityPaths paths_;
  const std::shared_ptr<IdentityHolder> holder_;
  const AskForCertificate ask_;
  RenewalPlan plan_;
  std::string complaint_;  // the latest
  std::mutex mutex_;
  std::optional<std::string> pending_;  // CAs to trust, not looked at yet
};

}  // namespace parallax::sensor
