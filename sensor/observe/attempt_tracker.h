// What became of TCP connection attempts, inferred from SYN, SYN-ACK and RST alone. The strongest
// sign that a reply never arrived is that it is sent again: a server repeats its SYN-ACK until the
// client acknowledges it, a client repeats its SYN until it is answered.
//
//   SYN ---------------> pending --SYN-ACK--> answered --1.5 s of silence----> completed
//                          |  |                  |  |  +--one end goes on (2)--> completed
//                          |  |                  |  +--same SYN-ACK again----> half_open (1)
//                          |  |                  +-----SYN again-------------> half_open
//                          |  +--SYN again, 0.9 s after the first, + 0.4 s---> unanswered (3)
//                          +-----RST for it----------------------------------> refused
//                          +-----3.5 s of silence----------------------------> unknown
//   SYN-ACK without a SYN: half_open if it is sent again, else unknown after 1.5 s
//
// (1) reported up to 0.4 s later, so that the count of SYNs tells a client that keeps trying from a
//     forged one: its SYN is repeated at about the same time.
// (2) seen in saved captures only; the kernel's filter passes no mere acknowledgement. Where they
// are
//     seen, silence is not completion but half_open, "never_acknowledged".
// (3) its answer is on the way, if it was merely the first SYN that got lost; 3.5 s after the first
// SYN
//     at the latest. And unknown, "one_way", at a server from which no answer is ever seen here
//     while most clients do not repeat their SYN: they are answered along another way.
//
// What was concluded from silence (a completion without an acknowledgement, unanswered, a lone SYN
// or SYN-ACK) holds only if everything was seen: an attempt that began before the end of a loss
// (NoteLoss) becomes unknown, "capture_loss", instead. So does such a completion at a server in a
// flood: unknown, "server_flooded".
//
// Timers measured on Linux 6.18: a client without an answer repeats its SYN at 1.0, 2.0, 3.1, 4.1,
// 5.1, 7.1, 11.3, 19.5, 35.6 and 68.4 s (older kernels at 1, 3, 7, 15, 31 and 63 s), a server
// without an acknowledgement its SYN-ACK at 1.0, 3.0, 7.3, 15.5 and 31.6 s (RFC 6298: first
// time-out 1 s). "Completed" is thus a likelihood, not a proof: SYN cookies, other systems' timers
// and tcp_synack_retries=0 can hide a lost reply; the rule travels with the outcome.
//
// An attempt is a 4-tuple and the client's initial sequence number (ISN); a new ISN is a new
// attempt. It is reported when first seen (kPending) and once more when its outcome is known, and
// remembered after that, lest a late repeat pass for a new attempt.
//
// Pure; one thread; bounded: see AttemptTable. `now` may be handed over slightly out of order.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/records.h"
#include "sensor/capture/segment.h"
#include "sensor/observe/answer_sight.h"
#include "sensor/observe/attempt_table.h"

namespace parallax::sensor {

struct AttemptTrackerOptions {
  size_t entries = size_t{1} << 16;  // about 10 MiB
  HashKey key{};                     // secret; RandomHashKey() outside of tests
  // For saved captures: report each attempt once, when nothing more can come, with all that was
  // seen of it. A SYN-ACK repeated after 3 s then still makes it half-open.
  bool report_at_end = false;
};

// What a tracker tells: an Attempt (common/records.h) whose texts are not copied until somebody
// wants to keep it. `interface` lives as long as the tracker.
struct AttemptEvent {
  AttemptEvent() = default;
  AttemptEvent(const TrackedAttempt& a, AttemptOutcome its_outcome, std::string_view its_rule,
               Duration its_age, std::string_view its_interface)
      : client(a.key.client),
        server(a.key.server),
        isn(a.key.isn),
        first_seen(a.first_stamp),
        age(its_age),
        outcome(its_outcome),
        ttl(a.ttl),
        syns(a.syns),
        syn_acks(a.syn_acks),
        sampling(uint32_t{1} << a.sampling_log2),
        syn_repeated(a.syn_repeated),
        rule(its_rule),
        interface(its_interface) {}

  Endpoint client;
  Endpoint server;
  uint32_t isn = 0;
  WallTime first_seen;
  Duration age{};
  AttemptOutcome outcome = AttemptOutcome::kPending;
  uint8_t ttl = 0;
  uint32_t syns = 0;
  uint32_t syn_acks = 0;
  uint32_t sampling = 1;
  bool syn_repeated = false;  // by its sender; `syns` also counts copies that came late
  std::string_view rule;
  std::string_view interface;
};
Attempt ToAttempt(const AttemptEvent& event);

// Watches what the tracker sees, and decides which attempts are followed when there are too many.
class AttemptGate {
 public:
  virtual ~AttemptGate() = default;
  // A segment with SYN set, before anything else is done with it.
  virtual void Count(const SynSegment& segment, MonoTime now) = 0;
  // How many attempts this new one will stand for, a power of two; 0: it is not followed. `hash` is
  // the keyed hash of its 4-tuple.
  virtual uint32_t Admit(const AttemptKey& key, uint64_t hash, MonoTime now) = 0;
  // Whether a SYN-ACK that is not sent again means that it was acknowledged. Not of a server in a
  // flood: one that sends SYN cookies never repeats a SYN-ACK.
  virtual bool MayTrustSilence(const AttemptKey& key, MonoTime now) = 0;
};

struct AttemptTrackerStats {
  uint64_t syns = 0;        // segments, capture duplicates not counted; not admitted ones as well
  uint64_t syn_acks = 0;    // likewise
  uint64_t duplicates = 0;  // copies of a segment within 5 ms: seen twice, sent once
  uint64_t odd = 0;         // SYN together with FIN or RST
  uint64_t attempts = 0;
  uint64_t evicted = 0;       // forgotten before their outcome was known, for want of room
  uint64_t unsampled = 0;     // segments of attempts that the gate did not admit
  uint64_t late_repeats = 0;  // SYN-ACKs first repeated after the outcome was reported
  uint64_t late_answers = 0;  // first SYN-ACKs that came after the outcome was reported
};

class AttemptTracker {
 public:
  // `gate` outlives the tracker; without one every attempt is followed.
  explicit AttemptTracker(const AttemptTrackerOptions& options, AttemptGate* gate = nullptr);

  // Segments of any kind may come; those of SegmentScope::kSynOrRst must. Appends to `out` what
  // they give rise to: three records each at the most. A batch costs half of what its segments cost
  // one by one, because it waits for memory only once.
  void Observe(std::span<const CapturedSegment> segments, std::vector<AttemptEvent>& out);
  void Observe(const SynSegment& segment, WallTime stamp, MonoTime now, std::string_view interface,
               std::vector<AttemptEvent>& out);

  // Something on `interface` was not seen, or on any for an empty name, at some time up to `until`.
  void NoteLoss(std::string_view interface, MonoTime until);

  // Appends the outcomes that are due, a few thousand at the most, so that no call takes long;
  // true if there are more. Call it every 10 ms or so: an outcome comes at most 50 ms late plus
  // the time between calls.
  bool Advance(MonoTime now, std::vector<AttemptEvent>& out);

  // The capture is over: reports what is still pending, oldest first, and forgets everything. For
  // a live capture such attempts are kUnknown, "capture_ended"; with report_at_end it is taken
  // that nothing more would have come.
  void Finish(MonoTime now, std::vector<AttemptEvent>& out);

  const AttemptTrackerStats& stats() const { return stats_; }
  size_t size() const { return table_.size(); }

 private:
  struct Sighting;  // a segment with its circumstances

  // Whose hash to prepare: a SYN-ACK and a refusal come from the server.
  static TupleView TupleOf(const SynSegment& segment);
  void ObserveOne(const Sighting& s, std::vector<AttemptEvent>& out);
  void ObserveSyn(const Sighting& s, std::vector<AttemptEvent>& out);
  void ObserveSynAck(const Sighting& s, std::vector<AttemptEvent>& out);
  void ObserveReset(const Sighting& s, std::vector<AttemptEvent>& out);
  void ObserveOther(const Sighting& s, std::vector<AttemptEvent>& out);

  // What the look-up gives, brought up to `now`: a timer that has run out is served first.
  template <typename LookUp>
  std::optional<uint32_t> FindCurrent(LookUp&& look_up, MonoTime now,
                                      std::vector<AttemptEvent>& out);
  // nullopt if the gate does not admit it.
  std::optional<uint32_t> Create(const AttemptKey& key, const Sighting& s,
                                 std::vector<AttemptEvent>& out);
  // After new evidence: reports the outcome if that settles it, and sets the timer.
  void Settle(uint32_t index, MonoTime now, std::vector<AttemptEvent>& out);
  void ServeTimer(uint32_t index, MonoTime now, std::vector<AttemptEvent>& out);
  // The outcome if nothing more comes, with what is known of the server and of losses.
  void Decide(TrackedAttempt& attempt, MonoTime now, std::vector<AttemptEvent>& out);
  void Report(TrackedAttempt& attempt, AttemptOutcome outcome, std::string_view rule, MonoTime now,
              std::vector<AttemptEvent>& out);
  std::string_view NameOf(const TrackedAttempt& attempt) const;  // of its interface
  bool WasLossy(const TrackedAttempt& attempt) const;
  uint8_t NumberOf(std::string_view interface);

  const bool report_at_end_;
  AttemptGate* const gate_;
  bool sampling_ = false;  // the gate did not admit the last one it was asked about
  AttemptTable table_;
  AnswerSight sight_;
  AttemptTrackerStats stats_;
  struct Interface {
    std::string name;
    MonoTime lost_until = MonoTime::min();
  };
  std::deque<Interface> interfaces_;       // names stay where they are
  uint8_t last_number_ = 0;                // that was asked for
  MonoTime lost_until_ = MonoTime::min();  // of all
};

}  // namespace parallax::sensor
