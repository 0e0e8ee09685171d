// Serves operators on a Unix socket, where file permissions (mode 0660) say who may connect, and on
// a port if there is to be one, where certificates do (operator_files.h). Start and Stop belong to
// one thread, that of main; calls run on a bounded number of gRPC's threads.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "collector/config.h"
#include "collector/operate/daemon_facts.h"
#include "common/identity_holder.h"
#include "common/ip.h"
#include "common/result.h"
#include "common/time.h"

namespace parallax::collector {

class ProbeDesk;
class TrustDesk;

struct OperatorServerOptions {
  std::string socket_path;
  std::string database_path;  // must exist; opened read-only
  WallTime started_at;        // of the collector
  std::function<WallTime()> clock = [] { return Now().wall; };
  std::function<DaemonFacts()> daemon = {};  // called on any thread until Stop() is over
  TrustDesk* desk = nullptr;    // for who may report; null: only questions are answered
  ProbeDesk* probes = nullptr;  // null: nothing is probed for operators
  std::function<bool(const IpAddress&)> may_probe = {};  // empty: anything

  // For operators over the network: TLS with this identity. Nullopt: there is no such port.
  std::optional<HostPort> listen = {};
  std::shared_ptr<const IdentityHolder> identity = {};
  CollectorConfig::Tls tls = {};  // where operators are listed
};

class OperatorServer {
 public:
  // Replaces a socket that nobody listens on any more. Fails, leaving everything as it is, if
  // another collector listens there, or if something that is no socket is in the way.
  static Result<std::unique_ptr<OperatorServer>> Start(const OperatorServerOptions& options);
  ~OperatorServer();

  // Ends watches, lets running calls finish for a moment, removes the socket. Idempotent.
  void Stop();

 private:
  struct Impl;
  explicit OperatorServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace parallax::collector
