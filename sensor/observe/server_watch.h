// Watches servers by address: how many SYNs each draws, from how many sources, and what becomes of
// the attempts. Three things come of it:
//   - a gate for the attempt tracker. A server that draws more attempts than its budget goes into
//     aggregate mode: one attempt in N is followed (sampler.h), the rest are only counted, in
//     sketches. Clients that are known to be real are followed all the same, within a budget. There
//     is a second gate of the same kind over all servers together.
//   - the features that tell a SYN flood from a routing fault (records.h, ServerReport).
//   - reports of both, every ten seconds, for servers that are in trouble; of the 64 that drew
//   most,
//     if more are.
// All memory is allocated by the constructor: about 2.5 MiB for 1024 servers. Where there is no
// room for another, the one in its bucket that drew least goes. Pure; one thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "common/ip.h"
#include "common/records.h"
#include "common/siphash.h"
#include "sensor/capture/host_counters.h"
#include "sensor/capture/segment.h"
#include "sensor/observe/attempt_tracker.h"
#include "sensor/observe/known_clients.h"
#include "sensor/observe/rate_watch.h"
#include "sensor/observe/sampler.h"
#include "sensor/observe/sketches.h"
#include "sensor/observe/try_tally.h"

namespace parallax::sensor {

struct ServerWatchOptions {
  size_t servers = 1024;
  uint32_t attempts_per_second = 2000;         // of one server; 0: no limit
  uint32_t attempts_per_second_total = 10000;  // of all servers; 0: no limit
  std::vector<IpAddress> addresses;            // of this host
  HashKey key{};                               // secret
};

class ServerWatch : public AttemptGate {
 public:
  explicit ServerWatch(const ServerWatchOptions& options);

  // The tracker's part.
  void Count(const SynSegment& segment, MonoTime now) override;
  uint32_t Admit(const AttemptKey& key, uint64_t hash, MonoTime now) override;
  bool MayTrustSilence(const AttemptKey& key, MonoTime now) override;
  // Each outcome that the tracker comes to.
  void Decided(const AttemptEvent& attempt, MonoTime now);

  // Appends the reports that are due. `host` are this host's counters. Call it every second or more
  // often.
  void Advance(const Moment& now, const TcpExtCounters& host, std::vector<ServerReport>& out);
  // The same whether due or not, without the host's counters: the capture is over.
  void Finish(const Moment& now, std::vector<ServerReport>& out);

 private:
  static constexpr size_t kWays = 4;
  // Counts of half a minute; a report speaks of the current one and the one before.
  struct Counts {
    uint64_t syns = 0;
    uint64_t syn_acks = 0;
    // Attempts by outcome, each counted for as many as it stands for.
    std::array<uint64_t, kAttemptOutcomes> outcomes{};
    uint64_t half_open_followed = 0;  // the only one that counts what was really looked at
    uint64_t half_open_repeated = 0;
    uint64_t half_open_known = 0;
    bool aggregate = false;  // one in N was followed, for this server's sake or for all
    bool flooded = false;    // it drew more than its own budget
    DistinctCount sources;
  };
  struct Server {
    bool used = false;
    IpAddress address;
    uint64_t hash = 0;
    MonoTime first_seen;
    int64_t second = 0;
    uint64_t syns_in_second = 0;
    int64_t half_minute = 0;
    Counts current;
    Counts previous;
    uint16_t port = 0;  // the majority among the SYNs of late, if there is one (Boyer and Moore)
    int64_t port_votes = 0;
    Sampler sampler{0};
    RateWatch rate;

    // Of both half minutes.
    uint64_t Syns() const { return current.syns + previous.syns; }
    uint64_t Outcomes(AttemptOutcome outcome) const {
      const auto index = static_cast<size_t>(outcome);
      return current.outcomes[index] + previous.outcomes[index];
    }
    uint64_t HalfOpenFollowed() const {
      return current.half_open_followed + previous.half_open_followed;
    }
    uint64_t HalfOpenRepeated() const {
      return current.half_open_repeated + previous.half_open_repeated;
    }
  };

  Server& Of(const IpAddress& address, MonoTime now);
  uint64_t ClientHash(const IpAddress& client);
  void Start(MonoTime now);
  void Pass(Server& server, MonoTime now);
  uint64_t PortHash(const Server& server, uint16_t port) const;
  bool IsOwn(const IpAddress& address) const;
  bool InFlood(const Server& server) const;
  // Some attempts stay half-open, and hardly any of their clients tries again: the SYNs are forged,
  // and those that look completed may have got a SYN cookie.
  bool IsForgedAt(const Server& server) const;
  bool InTrouble(const Server& server) const;
  // The servers in trouble, those that drew most SYNs first.
  std::vector<const Server*> Troubled(MonoTime now);
  ServerReport ReportOf(const Server& server, const Moment& now) const;

  const ServerWatchOptions options_;
  std::vector<Server> servers_;
  // What was looked up last, and is likely to be asked for again.
  Server* last_ = nullptr;
  IpAddress last_client_;
  uint64_t last_client_hash_ = 0;
  Sampler total_;
  KnownClients known_;
  TryTally tries_;
  std::array<CountMin, 2> port_syns_;  // current half minute and the one before, swapped
  std::array<CountMin, 2> port_syn_acks_;
  int64_t half_minute_ = 0;
  size_t current_ = 0;
  int64_t known_second_ = 0;
  uint32_t known_followed_ = 0;
  std::optional<MonoTime> started_;
  MonoTime next_report_;
  std::optional<uint64_t> cookies_sent_;
  MonoTime cookies_until_ = MonoTime::min();  // until when this host counts as sending SYN cookies
  // The kernel's counters at the last reports, newest first: the difference spans their windows.
  struct HostSample {
    MonoTime at;
    TcpExtCounters counters;
  };
  std::vector<HostSample> host_;
};

}  // namespace parallax::sensor
