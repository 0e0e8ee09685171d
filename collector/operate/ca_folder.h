// The CA on disk, beside the configuration, and how another one takes its place without anybody
// being cut off. Each state is a good one to stay in, for days:
//
//   single     ca.pem: A       ca.key: A
//      | AnnounceCa: everybody learns to trust B
//   announced  ca.pem: A, B    ca.key: A    ca-next.key: B
//      | SwitchCa: the collector shows what B signed, and signs with B; sensors renew
//   replaced   ca.pem: B, A    ca.key: B
//      | RetireCa: A is trusted no more
//   single     ca.pem: B       ca.key: B
//
// The first certificate in ca.pem is always the one that signs. Each step ends with one rename;
// SwitchCa needs two, and a crash between them leaves what FinishSwitch recognizes and completes.
// Whoever changes something holds a lock on the folder meanwhile. No state; any thread, any
// process.
#pragma once

#include <string>
#include <vector>

#include "collector/config.h"
#include "collector/operate/authority.h"
#include "common/certificate_bundle.h"
#include "common/fd.h"
#include "common/result.h"

namespace parallax::collector {

enum class CaStage { kSingle, kAnnounced, kReplaced };

struct CaState {
  CaStage stage = CaStage::kSingle;
  std::vector<BundledCertificate> bundle;  // one, or two: the one that signs, then the other

  const BundledCertificate& signing() const { return bundle.front(); }
  // The one to come, or the one to go. REQUIRES: stage is not kSingle.
  const BundledCertificate& other() const { return bundle.back(); }
};

// While this lives, nobody else changes the CA.
class CaLock {
 public:
  static Result<CaLock> Take(const CollectorConfig::Tls& tls);

 private:
  explicit CaLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

// kBadConfig if ca.pem holds something else than these states know.
Result<CaState> ReadCaState(const CollectorConfig::Tls& tls);

// REQUIRES of all: a CaLock is held. kFailure if the stage is not the one that the step begins in.
Result<void> AnnounceCa(const CollectorConfig::Tls& tls, const KeyPair& next);
Result<void> SwitchCa(const CollectorConfig::Tls& tls);
Result<void> RetireCa(const CollectorConfig::Tls& tls);
// Does what is left of a SwitchCa that was cut off; nothing, if there is none.
Result<void> FinishSwitch(const CollectorConfig::Tls& tls);

std::string CaKeyFile(const CollectorConfig::Tls& tls);      // ca.key
std::string NextCaKeyFile(const CollectorConfig::Tls& tls);  // ca-next.key

}  // namespace parallax::collector
