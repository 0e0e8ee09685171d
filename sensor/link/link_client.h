// The sensor's end of the link: keeps one stream to one of the collector's addresses, the next one
// when one fails. Run keeps the calling thread until Stop; each stream adds two short-lived
// threads.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "common/identity_holder.h"
#include "common/ip.h"
#include "common/records.h"
#include "sensor/link/legacy_numbers.h"
#include "sensor/spool/spool.h"

namespace parallax::sensor {

struct LinkOptions {
  std::vector<HostPort> addresses;  // one or more, tried in turn
  // Each stream is dialled with what it holds then; one whose certificate is another by now makes
  // way for the next.
  std::shared_ptr<const IdentityHolder> identity;
  SensorHello hello;  // but for the epochs
  // The collector names the CAs to trust, PEM. On a thread of the stream; must not block.
  std::function<void(const std::string& ca_pem)> on_trust = [](const std::string&) {};
};

class LinkClient {
 public:
  // `health` is called on Run's thread, `on_order` on a thread of the stream; neither may block.
  LinkClient(LinkOptions options, Spool& spool, std::function<SensorHealth()> health,
             std::function<void(Order)> on_order);

  // Connects, and again, until Stop is called; then sends what is left, says goodbye, and returns
  // within about 2 s even if the collector is stuck.
  void Run();
  // From any thread, also before Run.
  void Stop();
  // A collector has said welcome, and the stream stands. From any thread.
  bool connected() const { return connected_; }

 private:
  void Report(size_t address, const std::string& why);

  LinkOptions options_;
  Spool& spool_;
  std::function<SensorHealth()> health_;
  std::function<void(Order)> on_order_;
  LegacyNumbers legacy_;
  std::atomic<bool> connected_ = false;
  std::stop_source stop_;
  std::vector<std::string> last_failures_;  // per address: logged once, not at every attempt
};

}  // namespace parallax::sensor
