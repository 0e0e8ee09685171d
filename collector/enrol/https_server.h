// A small HTTPS server: one thread, TLS 1.3, one request per connection, everything limited: bytes,
// time, connections in all and per address. What is asked and answered is the handler's business.
// The only file pair that knows Boost.Beast on the collector's side.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "common/enrolment.h"
#include "common/ip.h"
#include "common/result.h"
#include "common/tls.h"

namespace parallax::collector {

struct HttpRequest {
  IpAddress from;  // an IPv4 caller is IPv4, whatever the socket
  std::string method;
  std::string target;
  std::string body;
};

// Called once, from any thread, now or later; what it is given runs on the server's thread and
// makes the answer. Nothing happens if the connection, or the server, is gone by then.
using HttpReply = std::function<void(std::function<HttpAnswer()>)>;

struct HttpsServerOptions {
  size_t most_connections = 64;
  size_t most_per_address = 8;         // or IPv6 /64
  Duration patience = kEnrolPatience;  // for a connection, from its first byte to its last
  size_t most_header_bytes = kMostEnrolHeaderBytes;
  size_t most_body_bytes = kMostEnrolBodyBytes;
};

class HttpsServer {
 public:
  using Handler = std::function<void(const HttpRequest&, const HttpReply&)>;

  // Binds the port. kFailure, naming the address, if it cannot be listened on. Port 0: any free
  // one.
  static Result<std::unique_ptr<HttpsServer>> Open(const HostPort& listen,
                                                   const TlsIdentity& identity, Handler handler,
                                                   const HttpsServerOptions& options = {});
  ~HttpsServer();

  uint16_t port() const;
  // Serves until Stop; `tick` is called every second, on this thread.
  void Run(const std::function<void()>& tick);

  // From any thread. Connections made from then on see the new identity.
  Result<void> UseIdentity(const TlsIdentity& identity);
  void Stop();

 private:
  struct Impl;
  explicit HttpsServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<Impl> impl_;
};

}  // namespace parallax::collector
