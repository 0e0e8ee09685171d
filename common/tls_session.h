// TLS 1.3 alone; and TLS for the enrolment port, where one side has no certificate yet: what the
// collector shows, and what a new sensor checks before it says a word. The connections are made by
// others (gRPC, Boost.Asio), which hand their OpenSSL handles in.
#pragma once

#include <string>

#include "common/result.h"
#include "common/time.h"
#include "common/tls.h"

struct ssl_st;
struct ssl_ctx_st;

namespace parallax {

// From now on no session of this process, whoever makes it, takes a TLS before 1.3: gRPC 1.51 has
// no way to say so, but the library tells of each session that it makes. Thread-safe.
void DemandTls13();

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
