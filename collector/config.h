// collector.toml as typed values. The defaults stand here and nowhere else; what is shipped in
// deploy/config/collector.toml says the same, and a test holds the two together.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "common/ip.h"
#include "common/log.h"
#include "common/result.h"
#include "common/time.h"

namespace parallax::collector {

// Where new sensors enroll, if nobody says: a thousand ports above where sensors report.
HostPort DefaultHttpsListen(const HostPort& listen);

struct CollectorConfig {
  struct Server {
    HostPort listen{"::", 7443};  // an address, never a name
    HostPort https_listen = DefaultHttpsListen(listen);
    std::string operator_socket = "operator.sock";
    std::optional<HostPort> operator_listen;  // off unless named; an address, never a name
    bool operator==(const Server&) const = default;
  } server;
  struct Tls {
    std::string ca_file = "ca.pem";
    std::string certificate_file = "collector.pem";
    std::string key_file = "collector.key";
    Duration sensor_certificate_life = std::chrono::hours(30 * 24);
    Duration collector_certificate_life = std::chrono::hours(365 * 24);
    bool operator==(const Tls&) const = default;
  } tls;
  struct Store {
    std::string path = "parallax.db";
    Duration retention = std::chrono::hours(14 * 24);
    bool operator==(const Store&) const = default;
  } store;
  struct Ingest {
    uint32_t records_per_second = 10'000;  // of one sensor, over time
    bool operator==(const Ingest&) const = default;
  } ingest;
  struct Targets {
    PrefixSet local_networks;
    PrefixSet deny;
    Duration forget_after = std::chrono::hours(24);
    bool operator==(const Targets&) const = default;
  } targets;
  struct Schedule {
    Duration baseline_interval = std::chrono::minutes(5);
    uint16_t probe_tcp_port = 443;
    double max_rounds_per_second = 20;
    bool operator==(const Schedule&) const = default;
  } schedule;
  struct Detect {
    Duration open_after = std::chrono::seconds(10);
    Duration close_after = std::chrono::seconds(60);
    Duration flap_quiet = std::chrono::minutes(10);
    Duration lost_after = std::chrono::seconds(10);
    bool operator==(const Detect&) const = default;
  } detect;
  struct Log {
    LogLevel level = LogLevel::kInfo;
    bool operator==(const Log&) const = default;
  } log;
  bool operator==(const CollectorConfig&) const = default;
};

// Reads and checks `path`; relative file names in it are taken from its folder. kBadConfig with
// every complaint, one per line.
Result<CollectorConfig> LoadCollectorConfig(const std::string& path);

}  // namespace parallax::collector
