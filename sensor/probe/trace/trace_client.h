// Runs many path searches at once, as the probe command's trace does. Pure; a client of the gate,
// owned by the probe thread.
//
//   order:  queued -> running: ready (its next probe waits for a token of all)
//                              | asleep (until its next probe is due, or one times out)
//                  -> finished: result taken
//
// Searches take turns, one probe each, so that none holds the others up.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sensor/probe/probe_client.h"
#include "sensor/probe/trace/hop_limiter.h"
#include "sensor/probe/trace/multipath.h"
#include "sensor/probe/trace/path_search.h"
#include "sensor/probe/trace/transit_witness.h"

namespace parallax::sensor {

struct TraceOrder {
  uint64_t id = 0;  // the caller's own
  IpAddress target;
  ProbeTry attempt;  // of several flows the first
  TraceOptions options;
  // All ways that flows take, instead of the one of `attempt.flow`.
  std::optional<MultipathOptions> multipath = {};
  // Only whether the path leaves past this hop; `multipath` means nothing then.
  std::optional<TransitHop> past = {};
  bool operator==(const TraceOrder&) const = default;
};

struct TraceResult {
  uint64_t order_id = 0;
  Path path;  // for `past` only as far as it was asked
  std::optional<TransitResult> transit;
  WallTime started_at;  // sensor's clock
  Duration took{};
};

// A trace that is still running.
struct TraceSnapshot {
  uint64_t order_id = 0;
  Path path;
};

class TraceClient : public ProbeClient {
 public:
  // `gate` must outlive the client.
  explicit TraceClient(ProbeGate& gate, size_t most_at_once = 64);
  ~TraceClient() override;

  void Add(const TraceOrder& order);

  void Advance(const Moment& now, size_t most, std::vector<ProbeSend>& sends) override;
  void OnAnswer(const ProbeMatch& match, const Answer& answer, const Moment& now) override;
  void OnSendError(const ProbeOwner& owner, int error, const Moment& now) override;
  std::optional<MonoTime> NextDeadline() const override;

  // What has been finished since the last call, in the order of finishing.
  void TakeResults(std::vector<TraceResult>& results);
  bool done() const { return queued_.empty() && running_.empty(); }
  size_t waiting() const { return queued_.size(); }
  // The running traces as far as they are, in the order in which they were begun.
  std::vector<TraceSnapshot> Unfinished() const;

 private:
  struct Running {
    TraceOrder order;
    std::unique_ptr<PathSearch> search;
    Moment started;
    MonoTime wake;       // its place in wakes_, unless ready
    bool ready = false;  // in ready_
  };
  enum class Turn : uint8_t { kGoOn, kNoMore };

  std::unique_ptr<PathSearch> MakeSearch(const TraceOrder& order);
  // A finished search may be the first of two. False: it was the last.
  static bool GoOn(Running& running);
  void StartNext(const Moment& now);
  // One probe of the search, or what else is due.
  Turn Serve(uint64_t serial, const Moment& now, std::vector<ProbeSend>& sends);
  void SetReady(uint64_t serial, Running& running, bool front);
  void SleepUntil(uint64_t serial, Running& running, MonoTime at);
  void Finish(uint64_t serial, const Moment& now);

  ProbeGate& gate_;
  const size_t most_at_once_;
  HopLimiter limiter_;
  std::deque<TraceOrder> queued_;
  uint64_t next_serial_ = 1;
  std::unordered_map<uint64_t, Running> running_;  // by serial
  std::deque<uint64_t> ready_;                     // serials; none is there twice
  std::set<std::pair<MonoTime, uint64_t>> wakes_;
  MonoTime blocked_until_ = MonoTime::min();  // the ledger was full
  std::vector<TraceResult> results_;
};

}  // namespace parallax::sensor
