// What this host's TCP has counted (/proc/self/net/netstat, TcpExt). Thread-safe.
#pragma once

#include <cstdint>
#include <optional>

namespace parallax::sensor {

struct TcpExtCounters {
  uint64_t listen_overflows = 0;  // ListenOverflows: connections refused, the accept queue was full
  uint64_t syn_cookies_sent = 0;  // SyncookiesSent
};

// Of this process's network namespace; nullopt if the kernel does not tell.
std::optional<TcpExtCounters> ReadTcpExtCounters();

}  // namespace parallax::sensor
