// The port that sensors connect to: gRPC over mutual TLS around a LinkService. Thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "collector/ingest/events.h"
#include "common/identity_holder.h"
#include "common/ip.h"
#include "common/peer_name.h"
#include "common/queue.h"
#include "common/result.h"
#include "common/tls.h"

namespace parallax::collector {

// The next certificate, PEM, for the sensor that shows `shown`, over the key of its request (PKCS
// #10, PEM), whose SHA-256 is `key_sha256`. What is wrong goes to the sensor if it is kDenied.
// Called on gRPC's threads; may wait for the store.
using RenewCertificate = std::function<Result<std::string>(
    const PeerName& peer, const CertificateInfo& shown, const std::string& request_pem,
    const std::string& key_sha256)>;

struct LinkServerOptions {
  // What the store holds already: sensors that come back are not asked for it again.
  std::vector<HighWaterMark> marks;
  // A stream that is silent for so long is ended.
  Duration hello_within = std::chrono::seconds(10);
  // What one sensor may send, over time; twice as much at once. Beyond it, its stream is not read
  // for a while, and its spool takes over.
  uint32_t records_per_second = 10'000;
  // Asked once per stream, before anything is read from it: may the sensor with this certificate
  // speak? Its words go to the sensor if not. Must not block. Null: whoever has a certificate may.
  std::function<Result<void>(const PeerName& peer, const CertificateInfo& certificate)> may_speak =
      {};
  RenewCertificate renew = {};  // null: nothing is renewed here
};

class LinkServer {
 public:
  // kFailure, naming the address, if it cannot be listened on. Port 0: any free one.
  static Result<std::unique_ptr<LinkServer>> Start(const HostPort& listen,
                                                   std::shared_ptr<const IdentityHolder> identity,
                                                   BoundedQueue<LinkEvent>& events,
                                                   const LinkServerOptions& options = {});
  // The same for an identity that stays.
  static Result<std::unique_ptr<LinkServer>> Start(const HostPort& listen,
                                                   const TlsIdentity& identity,
                                                   BoundedQueue<LinkEvent>& events,
                                                   const LinkServerOptions& options = {}) {
    return Start(listen, std::make_shared<const IdentityHolder>(identity), events, options);
  }
  ~LinkServer();

  uint16_t port() const;

  // See LinkService.
  void SendOrders(const SensorName& sensor, const std::vector<Order>& orders);
  void Committed(const SensorName& sensor, uint64_t epoch, uint64_t sequence);
  void Resume();
  void End(const SensorName& sensor, const std::string& why);
  // The CAs that sensors are to trust are others now, as `identity` holds them: tells all streams.
  void TellTrust();
  uint64_t orders_dropped() const;

  // Nothing more comes out of it; acks of what came out can still be sent.
  void StopReading();
  // Ends all streams and closes the port.
  void Stop();

 private:
  struct Impl;
  explicit LinkServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace parallax::collector
