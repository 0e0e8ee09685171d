// What this host's TCP has counted (/proc/self/net/netstat, TcpExt).
#pragma once

#include <cstdint>
#include <optional>

#include "common/time.h"

namespace parallax::sensor {

struct TcpExtCounters {
  uint64_t listen_overflows = 0;  // ListenOverflows: connections refused, the accept queue was full
  uint64_t syn_cookies_sent = 0;  // SyncookiesSent
};

// Of this process's network namespace; nullopt if the kernel does not tell. Thread-safe.
std::optional<TcpExtCounters> ReadTcpExtCounters();

// Reads them once a second, for somebody who asks all the time. One thread.
class HostCounterWatch {
 public:
  // A second old at most. The last reading stands where there is none: a fall to zero would look
  // like a rise afterwards.
  const TcpExtCounters& At(MonoTime now);

 private:
  TcpExtCounters counters_;
  MonoTime read_at_;
};

}  // namespace parallax::sensor
