// TLS for the enrolment port, where one side has no certificate yet: what the collector shows, and
// what a new sensor checks before it says a word. TLS 1.3 only. No state. The connections are made
// by others (Boost.Asio), which hand their OpenSSL handles in.
#pragma once

#include <string>

#include "common/result.h"
#include "common/time.h"
#include "common/tls.h"

struct ssl_st;
struct ssl_ctx_st;

namespace parallax {

// The server's side: shows the certificate and then the whole CA bundle, so that a pin can be
// checked. Kept in memory are no sessions and no tickets.
Result<void> ShowIdentity(ssl_ctx_st* context, const TlsIdentity& identity);

// The client's side, before the handshake: TLS 1.3, and nothing is judged during the handshake.
Result<void> PrepareToCheck(ssl_ctx_st* context);
// After the handshake, before anything is sent: the peer holds a server certificate for
// kCollectorDnsName which is valid at `now` and rests on the CA whose DER has the SHA-256
// `pin` (64 hex digits). kDenied, saying whether it is the pin, the clock, or the certificate.
Result<void> CheckPinned(ssl_st* session, const std::string& pin, WallTime now);

}  // namespace parallax
