// Looks around for `parallax-sensor doctor`: each function sees one thing and says what it saw, as
// facts.h has it, and judges nothing. None waits beyond its deadline, but that a name may take its
// time to be resolved: run those that wait beside each other. Thread-safe: no state.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "sensor/config.h"
#include "sensor/doctor/facts.h"

namespace parallax::sensor {

// Of files (look_files.cc).
IdentityFacts LookAtIdentity(const SensorConfig::Collector& config, WallTime now);
PolicyFacts LookAtPolicy(const std::string& file);
SpoolFacts LookAtSpool(const std::string& folder);

// Of this host (look_host.cc).
PersonFacts LookAtPerson();
ClockFacts LookAtClock();
InterfacesFacts LookAtInterfaces(const SensorConfig::Capture& config, MonoTime deadline);

// Of the network (look_collector.cc, look_way.cc). Without an identity TLS is not tried.
CollectorFacts LookAtCollector(const HostPort& where, const std::optional<TlsIdentity>& identity,
                               MonoTime deadline);
LoopbackFacts LookAtLoopback(MonoTime deadline);

// The gateways need two that work together until the second is done: one that probes, and one that
// waits for what comes of it.
class GatewayLook {
 public:
  explicit GatewayLook(const Result<Policy>& policy);
  ~GatewayLook();
  void Probe();
  WayFacts Wait(MonoTime deadline);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace parallax::sensor
