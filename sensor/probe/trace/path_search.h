// What all machines that look for a path share: the record of every probe sent and what came back,
// and the budgets of the routers on the way. Pure; owned by the probe thread.
//
//   Next() -> a wish --(gate lets it pass)--> OnSent() -> waiting --OnAnswer()--> answered
//                                                            |  \--OnSendError()--> unsent
//                                                            \--Expire()--> lost --OnAnswer()-->
//                                                            late
//
// Whoever drives a search asks Next() for the probe to send and when, again after every event, and
// stops when done(). A search asks nothing more than once at a time and never sends by itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/records.h"
#include "common/time.h"
#include "sensor/probe/trace/hop_limiter.h"
#include "sensor/probe/trace/path.h"
#include "sensor/probe/wire/answer.h"
#include "sensor/probe/wire/ledger.h"

namespace parallax::sensor {

// How long a probe of a trace may wait for its answer.
inline constexpr Duration kShortestHopWait = std::chrono::milliseconds(1);
inline constexpr Duration kLongestHopWait = std::chrono::minutes(1);

struct TraceOptions {
  uint8_t first_ttl = 1;
  uint8_t max_ttl = 30;
  uint16_t probes = 3;  // per hop; a hop that is silent is asked twice at least
  Duration timeout = std::chrono::seconds(1);
  uint8_t gap_limit = 5;  // so many silent hops in a row end a trace
  // Further probes to a hop that answered are left out if its budget would let them go later only.
  Duration patience = std::chrono::seconds(5);
  bool operator==(const TraceOptions&) const = default;
};

// The TTL of probes that are to reach the target wherever it is.
inline constexpr uint8_t kFullTtl = 64;

// Options that make sense: whatever is out of range is put in range.
TraceOptions Sane(TraceOptions options);

// One probe, and what came back.
struct PathSample {
  enum class State : uint8_t { kWaiting, kAnswered, kLost, kUnsent };
  State state = State::kWaiting;
  bool late = false;
  bool full = false;    // sent with full TTL; `ttl` is what that is
  bool former = false;  // answered by the route as it was before it changed
  bool nat = false;
  uint8_t ttl = 0;
  uint16_t flow = 0;
  uint64_t probe_id = 0;
  MonoTime sent;
  HopLimiter::Charge charge;
  // kAnswered only.
  IpAddress from;
  Duration rtt{};
  AnswerKind kind = AnswerKind::kError;
  ErrorMeaning meaning = ErrorMeaning::kTimeExceeded;
  uint8_t icmp_type = 0;
  uint8_t icmp_code = 0;
  uint8_t reply_ttl = 0;
  uint8_t quoted_ttl = 0;
  IpAddress quoted_source;
  MplsStack mpls;

  bool answered() const { return state == State::kAnswered && !former; }
  bool waiting() const { return state == State::kWaiting; }
};

// What an answer says about the way, whoever gave it.
enum class HopWord : uint8_t { kNone, kPassing, kTarget, kUnreachable, kProhibited };

// How far away the sender of a packet is whose TTL has arrived as `ttl`: hosts and routers start at
// 64, 128 or 255. 1: a neighbour. nullopt: not known.
std::optional<uint8_t> DistanceFromTtl(uint8_t ttl);

// A probe that a search would like to send.
struct PathWish {
  uint8_t ttl = 0;
  bool full = false;
  uint16_t flow = 0;
  MonoTime at;  // not before
};

// Of several wishes the one that can be granted first; of those that can be granted now, the one of
// the lowest key.
class WishPicker {
 public:
  struct Key {
    uint32_t first = 0;
    uint32_t second = 0;
    auto operator<=>(const Key&) const = default;
  };
  explicit WishPicker(MonoTime now) : now_(now) {}
  void Offer(const PathWish& wish, Key key);
  const std::optional<PathWish>& best() const { return best_; }
  MonoTime now() const { return now_; }

 private:
  MonoTime now_;
  std::optional<PathWish> best_;
  Key key_;
};

class PathSearch {
 public:
  using Wish = PathWish;

  virtual ~PathSearch() = default;

  // The probe to send next, and when; nullopt: none before something happens.
  std::optional<Wish> Next(MonoTime now);
  // Nothing more to send or to wait for.
  virtual bool done() const = 0;
  // What is known so far; `end` stays kUnfinished until done().
  virtual Path path() const = 0;

  // The wish was granted. Returns the sample's number, which names the probe in the calls below.
  uint32_t OnSent(const Wish& wish, uint64_t probe_id, MonoTime now);
  void OnAnswer(uint32_t sample, const ProbeMatch& match, const Answer& answer, MonoTime now);
  // `unreachable`: the kernel has no way there, as opposed to being short of something.
  void OnSendError(uint32_t sample, bool unreachable, std::string_view why, MonoTime now);
  // Probes that nobody waits for any more from `now` on; their ids.
  std::vector<uint64_t> Expire(MonoTime now);
  // When Expire has something to do next.
  std::optional<MonoTime> NextExpiry() const;
  // Ends the search: kNotSent or kRefused, and why.
  void Stop(TraceEnd end, std::string_view why);

  const IpAddress& target() const { return target_; }
  const ProbeTry& attempt() const { return attempt_; }
  const std::vector<PathSample>& samples() const { return samples_; }
  // Ids of the probes that are still waited for.
  std::vector<uint64_t> WaitingIds() const;

 protected:
  // Goes on where another search ended.
  PathSearch(const PathSearch&) = default;
  PathSearch& operator=(const PathSearch&) = delete;
  PathSearch(const IpAddress& target, const ProbeTry& attempt, const TraceOptions& options,
             HopLimiter& limiter);

  virtual std::optional<Wish> Choose(MonoTime now) = 0;
  // Something in samples() is new: `sample` was sent, answered, lost or unsent.
  virtual void OnChange(uint32_t sample, MonoTime now) = 0;

  bool stopped() const { return stop_end_.has_value(); }
  HopWord WordOf(const PathSample& sample) const;
  // When the router that answers there has a probe left for us. A target's own answers are limited
  // only if they are ICMP errors (UDP).
  MonoTime BudgetAt(uint8_t ttl, const std::optional<IpAddress>& router, MonoTime now) const;
  // A hop that never answered is asked again after so long: other limits have to refill meanwhile.
  Duration AskAgainAfter() const;
  // A path with all but hops, edges and the target's counts.
  Path Head() const;
  // The hop's nodes and counts from the samples with this TTL, `former` ones apart.
  PathHop HopOf(uint8_t ttl) const;
  std::vector<PathSample>& mutable_samples() { return samples_; }

  const IpAddress target_;
  const ProbeTry attempt_;
  const TraceOptions options_;
  HopLimiter& limiter_;

 private:
  bool SeesNat(const PathSample& sample) const;

  std::vector<PathSample> samples_;  // in the order of sending
  size_t first_waiting_ = 0;         // all before are not waiting
  uint32_t send_errors_ = 0;
  MonoTime hold_until_ = MonoTime::min();  // after a send error
  std::optional<TraceEnd> stop_end_;
  std::string stop_detail_;
  std::optional<Redirect> redirect_;
  // The source that routers quote nearest to us: ours, as seen before any translation.
  IpAddress own_source_;
  uint8_t own_source_ttl_ = 255;
};

}  // namespace parallax::sensor
