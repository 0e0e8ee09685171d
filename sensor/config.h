// sensor.toml as typed values. The defaults stand here and nowhere else; what is shipped in
// deploy/config/sensor.toml says the same, and a test holds the two together. What the sensor may
// probe is not here but in the policy file, which is read on its own (sensor/probe).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "common/ip.h"
#include "common/log.h"
#include "common/result.h"

namespace parallax::sensor {

struct SensorConfig {
  struct Collector {
    std::vector<HostPort> addresses;  // at least one; tried in turn
    std::string ca_file = "ca.pem";
    std::string certificate_file = "sensor.pem";
    std::string key_file = "sensor.key";
    bool operator==(const Collector&) const = default;
  } collector;
  struct Capture {
    std::vector<std::string> interfaces;  // empty: all that are up and have an address
    PrefixSet local_networks;             // empty: the networks of those interfaces
    bool promiscuous = false;
    unsigned ring_mib = 64;  // kernel ring, shared by the interfaces
    bool operator==(const Capture&) const = default;
  } capture;
  struct Observe {
    size_t attempts = size_t{1} << 16;    // followed at a time; 160 bytes each
    uint32_t attempts_per_second = 2000;  // followed at one server; beyond, one in N is
    uint32_t attempts_per_second_total = 10000;
    bool operator==(const Observe&) const = default;
  } observe;
  struct Probe {
    std::string policy_file = "policy.toml";
    bool operator==(const Probe&) const = default;
  } probe;
  struct Spool {
    std::string dir = "spool";
    unsigned max_mib = 256;    // in all
    unsigned memory_mib = 16;  // of it in memory, while the disk fails
    bool operator==(const Spool&) const = default;
  } spool;
  struct Log {
    LogLevel level = LogLevel::kInfo;
    bool operator==(const Log&) const = default;
  } log;
  bool operator==(const SensorConfig&) const = default;
};

// Reads and checks `path`; relative file names in it are taken from its folder. kBadConfig with
// every complaint, one per line.
Result<SensorConfig> LoadSensorConfig(const std::string& path);

}  // namespace parallax::sensor
