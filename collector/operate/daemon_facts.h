// What the running collector knows of itself and its disk, beyond what is stored: for `parallax
// doctor`, through GetStatus.
#pragma once

#include <cstdint>
#include <string>

#include "common/time.h"

namespace parallax::collector {

// Told by the daemon.
struct DaemonFacts {
  std::string store_problem;  // why nothing can be stored right now; empty if it can
  WallTime certificate_made;
  WallTime certificate_expires;
  WallTime ca_made;
  WallTime ca_expires;
  size_t local_networks = 0;  // prefixes that the configuration names
  Duration retention{};
};

struct DiskFacts {
  std::string database_path;
  uint64_t wal_bytes = 0;
  uint64_t free_bytes = 0;
};

// What cannot be told is 0. Thread-safe.
DiskFacts LookAtDisk(const std::string& database_path);

}  // namespace parallax::collector
