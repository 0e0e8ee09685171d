// The observing stage whole: captured segments in, records for the collector out.
//
//   segment -> our own probe? -> attempt tracker ---> report filter ---> attempts
//                                  |      ^ gate
//                                  v      |
//                                 server watch --------------------------> server reports
//
// Pure; one thread. Memory is fixed: about 10 MiB for 65,536 attempts, and 5 MiB beside them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "common/ip.h"
#include "common/records.h"
#include "sensor/observe/attempt_tracker.h"
#include "sensor/observe/report_filter.h"
#include "sensor/observe/server_watch.h"

namespace parallax::sensor {

// How to tell our own probes and their answers: source ports that the kernel gives to nobody.
struct OwnProbes {
  std::vector<IpAddress> addresses;  // of this host
  uint16_t first_port = 1;           // a block of ports, both ends in it; empty if last < first
  uint16_t last_port = 0;

  bool Owns(const SynSegment& segment) const;
};

struct ObserverOptions {
  PrefixSet local_networks;  // attempts from these are not reported
  OwnProbes own_probes;
  size_t attempts = size_t{1} << 16;  // followed at a time
  uint32_t attempts_per_second = 2000;
  uint32_t attempts_per_second_total = 10000;
  HashKey key{};  // secret
};

struct ObserverStats {
  uint64_t own = 0;  // segments of our own probes and their answers
  AttemptTrackerStats tracker;
  ReportFilterStats filter;
};

class Observer {
 public:
  explicit Observer(const ObserverOptions& options);

  // In the order of their time. The more at once, the cheaper each.
  void See(std::span<const CapturedSegment> captured, std::vector<Record>& out);
  // The capture lost something on `interface` up to `until`; any interface if it is empty.
  void NoteLoss(std::string_view interface, MonoTime until);
  // Call it every 10 ms or so. `host`: the counters of this host's kernel, a second old at most.
  void Advance(const Moment& now, const TcpExtCounters& host, std::vector<Record>& out);

  ObserverStats stats() const;

 private:
  void Forward(MonoTime now, std::vector<Record>& out);

  const ObserverOptions options_;
  ServerWatch servers_;
  AttemptTracker tracker_;
  ReportFilter filter_;
  uint64_t own_ = 0;
  std::vector<CapturedSegment> foreign_;  // not of our own probes
  std::vector<AttemptEvent> fresh_;
  std::vector<ServerReport> reports_;
};

}  // namespace parallax::sensor
