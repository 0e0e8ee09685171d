// Keeps the identity that a running collector shows: takes over what others change in its files (ca
// commands, a new certificate put there by hand), and makes its next certificate in time, with the
// CA's key beside it. Nothing here ends a connection. One thread.
//
//   files --changed, and sound--> holder        due, or of another CA than signs now --issue-->
//   files
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "collector/config.h"
#include "common/identity_holder.h"
#include "common/renewal_plan.h"
#include "common/result.h"
#include "common/time.h"

namespace parallax::collector {

// What the collector's three files hold, after what others left half done. As LoadTlsIdentity.
Result<TlsIdentity> LoadCollectorIdentity(const CollectorConfig& config, WallTime now);
// The next certificate, over a new key and for the same hosts, in place of the one that is there,
// expired or not.
Result<void> RenewCollectorIdentity(const CollectorConfig& config, WallTime now);

class IdentityKeeper {
 public:
  // `holder` holds what the files held when the collector started.
  IdentityKeeper(const CollectorConfig& config, std::shared_ptr<IdentityHolder> holder,
                 uint64_t seed);

  // To be called every second or so; reads three small files. True if the holder has another
  // identity from now on. What is wrong is logged once, and the identity stays as it was.
  bool Step(WallTime now);

 private:
  bool Take(TlsIdentity identity);
  bool OfAnotherCa(const TlsIdentity& identity) const;
  void Complain(const std::string& what);

  const CollectorConfig config_;
  const std::shared_ptr<IdentityHolder> holder_;
  RenewalPlan plan_;
  std::string complaint_;  // the latest
};

}  // namespace parallax::collector
