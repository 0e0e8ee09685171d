// Puts a sensor's new key, certificate and CA bundle into their three files together: a crash at
// any moment leaves the old identity or the new one, never a mixture.
//
// Three files cannot be renamed at once. So the new identity goes first into one file of its own,
// the journal (KEY_FILE.next, mode 0600: key, certificate, bundle, each PEM), which appears whole
// or not at all. From that moment on the new identity is the one: its parts are copied to their
// places, and the journal is removed when all are there. Whoever reads an identity calls
// FinishInstall first, which goes on from wherever an earlier one stopped. Not thread-safe; one
// process at a time.
#pragma once

#include <string>

#include "common/result.h"
#include "common/tls.h"

namespace parallax {

struct IdentityPaths {
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
};

std::string JournalOf(const IdentityPaths& paths);

Result<void> InstallIdentity(const IdentityPaths& paths, const TlsIdentity& identity);
// Does what is left of an install that was cut off; nothing, if there is none.
Result<void> FinishInstall(const IdentityPaths& paths);

}  // namespace parallax
