// The sensor's end of the link: keeps one stream to one of the collector's addresses, sends what the
// spool holds, takes orders. Runs on the thread that calls Run, plus one reader thread per stream.
// A blocking write is the backpressure: when the collector does not read, the spool grows.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/ip.h"
#include "common/records.h"
#include "common/tls.h"
#include "sensor/link/spool.h"

namespace parallax::sensor {

struct LinkOptions {
  std::vector<HostPort> addresses;  // tried in turn
  TlsIdentity identity;
  SensorHello hello;
};

class LinkClient {
 public:
  LinkClient(LinkOptions options, Spool& spool, std::function<SensorHealth()> health,
             std::function<void(ProbeOrder)> on_order);

  // Connects, and again, until Stop is called; then says goodbye if it can.
  void Run();
  void Stop();

 private:
  // One stream, from dial to end. True if the collector welcomed us.
  bool Session(const HostPort& address);
  bool Wait(Duration d);  // false once stopped

  LinkOptions options_;
  Spool& spool_;
  std::function<SensorHealth()> health_;
  std::function<void(ProbeOrder)> on_order_;

  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  std::condition_variable stop_changed_;
  std::string last_failure_;  // logged once, not at every attempt
};

}  // namespace parallax::sensor
