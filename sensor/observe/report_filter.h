// Which attempts are worth telling the collector: those of remote clients, and of each client only
// so many a minute, so that neither one chatty client nor a flood of forged ones fills the link.
// What is held back is counted. Outcomes that accuse the path (half_open, unanswered) have an
// allowance of their own: they get through even for a client whose other attempts are held back. So
// have attempts of a sample: of a flood some are enough, and they crowd nobody else out.
//
//   attempt -> local client? -> allowance of this client -> allowance of all clients -> report
//
// An attempt whose first record was reported gets its outcome reported as well, whatever it is.
// Pure; one thread; memory is allocated by the constructor (about 3 MiB).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/allowance.h"
#include "common/ip.h"
#include "common/records.h"
#include "common/siphash.h"
#include "common/time.h"
#include "sensor/observe/attempt_tracker.h"

namespace parallax::sensor {

struct ReportFilterOptions {
  PrefixSet local_networks;              // attempts from these are not reported
  size_t clients = size_t{1} << 14;      // remembered at a time
  uint32_t attempts_per_client = 20;     // per minute; at most kMostOpen
  uint32_t accusations_per_client = 20;  // per minute, beyond those of reported attempts
  uint32_t attempts_per_second = 1000;   // of all clients; a second's worth may come at once
  uint32_t accusations_per_second = 1000;
  uint32_t sampled_per_second = 100;  // of those that stand for others as well
  HashKey key{};                      // secret
};

struct ReportFilterStats {
  uint64_t reported = 0;         // records
  uint64_t local = 0;            // records of clients in local_networks or that cannot be remote
  uint64_t held_back = 0;        // records beyond the allowance of their client
  uint64_t held_back_total = 0;  // records beyond the allowance of all clients together
};

class ReportFilter {
 public:
  static constexpr uint32_t kMostOpen = 32;

  explicit ReportFilter(const ReportFilterOptions& options);

  // Whether to report this record of the attempt tracker. Both records of an attempt must be asked
  // about, in order.
  bool Admit(const AttemptEvent& attempt, MonoTime now);

  const ReportFilterStats& stats() const { return stats_; }

 private:
  static constexpr size_t kWays = 4;

  struct Client {
    IpAddress address;
    bool used = false;
    MonoTime window_start;
    uint32_t attempts = 0;
    uint32_t accusations = 0;
    // Fingerprints of attempts reported and still without outcome, a ring; 0 is a free place.
    uint32_t open_next = 0;
    std::array<uint32_t, kMostOpen> open{};
  };

  Client& Remember(const IpAddress& address, MonoTime now);
  uint32_t Fingerprint(const AttemptEvent& attempt) const;

  const ReportFilterOptions options_;
  std::vector<Client> clients_;
  uint64_t bucket_mask_;
  Allowance attempts_;  // a second's worth at the most
  Allowance accusations_;
  Allowance sampled_;
  ReportFilterStats stats_;
};

}  // namespace parallax::sensor
