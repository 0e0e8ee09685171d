// The port that sensors connect to: gRPC over mutual TLS around a LinkService. Thread-safe.
#pragma once

#include <memory>

#include "collector/ingest/events.h"
#include "common/ip.h"
#include "common/queue.h"
#include "common/result.h"
#include "common/tls.h"

namespace parallax::collector {

class LinkServer {
 public:
  // kFailure, naming the address, if it cannot be listened on.
  static Result<std::unique_ptr<LinkServer>> Start(const HostPort& listen,
                                                   const TlsIdentity& identity,
                                                   BoundedQueue<LinkEvent>& events);
  ~LinkServer();

  // See LinkService.
  void SendOrders(const SensorName& sensor, const std::vector<ProbeOrder>& orders);
  void Committed(const SensorName& sensor, uint64_t epoch, uint64_t sequence);
  void Resume();

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
