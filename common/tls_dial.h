// One TLS handshake with a collector, over a connection that stands, to see whether it works and
// why not: for looking, not for talking. Thread-safe: no state.
#pragma once

#include <string>

#include "common/time.h"
#include "common/tls.h"

namespace parallax {

struct TlsDialResult {
  bool shaken_hands = false;  // its certificate was issued by our CA, to a collector
  bool accepted = false;      // and it talks to us: ours is right for it, too
  std::string problem;        // what failed first; empty if nothing
  Duration handshake_in{};
};

// REQUIRES: `fd` is connected and non-blocking; it stays the caller's. TLS 1.3 only hears after its
// handshake that the other side does not accept the certificate; so this waits for its first bytes.
TlsDialResult DialTls(int fd, const TlsIdentity& identity, MonoTime deadline);

}  // namespace parallax
