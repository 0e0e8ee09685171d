// What became of TCP connection attempts, inferred from SYN, SYN-ACK and RST alone. The strongest
// sign that a reply never arrived is that it is sent again: a server repeats its SYN-ACK until the
// client acknowledges it, a client repeats its SYN until it is answered.
//
//   SYN ---------------> pending --SYN-ACK--> answered --1.5 s of silence----> completed
//                          |  |                  |  |
//                          |  |                  |  +--same SYN-ACK again----> half_open (1)
//                          |  |                  +-----SYN again-------------> half_open
//                          |  +--SYN again, 0.9 s after the first-----------> unanswered
//                          +-----RST for it----------------------------------> refused
//                          +-----3.5 s of silence----------------------------> unknown
//
// (1) reported up to 0.4 s later, so that the count of SYNs tells a client that keeps trying from a
//     forged one: its SYN is repeated at about the same time.
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
#include <string>
#include <string_view>
#include <vector>

#include "common/records.h"
#include "sensor/capture/segment.h"
#include "sensor/observe/attempt_table.h"

namespace parallax::sensor {

struct AttemptTrackerOptions {
  size_t entries = size_t{1} << 16;  // about 9 MiB
  HashKey key{};                     // secret; RandomHashKey() outside of tests
  // For saved captures: report each attempt once, when nothing more can come, with all that was
  // seen of it. A SYN-ACK repeated after 3 s then still makes it half-open.
  bool report_at_end = false;
};

struct AttemptTrackerStats {
  uint64_t syns = 0;        // segments, capture duplicates not counted
  uint64_t syn_acks = 0;    // likewise
  uint64_t duplicates = 0;  // copies of a segment within 5 ms: seen twice, sent once
  uint64_t odd = 0;         // SYN together with FIN or RST
  uint64_t attempts = 0;
  uint64_t evicted = 0;       // forgotten early for want of room
  uint64_t late_repeats = 0;  // SYN-ACKs repeated only after their attempt was called completed
  uint64_t late_answers = 0;  // first SYN-ACKs that came after the outcome was reported
};

class AttemptTracker {
 public:
  explicit AttemptTracker(const AttemptTrackerOptions& options);

  // Appends to `out` what the segment gives rise to: two records at the most, three if it evicts.
  void Observe(const SynSegment& segment, WallTime stamp, MonoTime now, std::string_view interface,
               std::vector<Attempt>& out);

  // Appends the outcomes that are due, a few thousand at the most, so that no call takes long;
  // true if there are more. Call it every 10 ms or so: an outcome comes at most 50 ms late plus
  // the time between calls.
  bool Advance(MonoTime now, std::vector<Attempt>& out);

  // The capture is over: reports what is still pending, oldest first, and forgets everything. For
  // a live capture such attempts are kUnknown, "capture_ended"; with report_at_end it is taken
  // that nothing more would have come.
  void Finish(MonoTime now, std::vector<Attempt>& out);

  const AttemptTrackerStats& stats() const { return stats_; }
  size_t size() const { return table_.size(); }

 private:
  struct Sighting;  // a segment with its circumstances

  void ObserveSyn(const Sighting& s, std::vector<Attempt>& out);
  void ObserveSynAck(const Sighting& s, std::vector<Attempt>& out);
  void ObserveReset(const Sighting& s, std::vector<Attempt>& out);

  // The entry for `key`, brought up to `now`: a timer that has run out is served first.
  std::optional<uint32_t> FindCurrent(const AttemptKey& key, MonoTime now,
                                      std::vector<Attempt>& out);
  uint32_t Create(const AttemptKey& key, const Sighting& s, std::vector<Attempt>& out);
  // After new evidence: reports the outcome if that settles it, and sets the timer.
  void Settle(uint32_t index, MonoTime now, std::vector<Attempt>& out);
  void ServeTimer(uint32_t index, MonoTime now, std::vector<Attempt>& out);
  void Report(TrackedAttempt& attempt, AttemptOutcome outcome, std::string_view rule, MonoTime now,
              std::vector<Attempt>& out);
  uint16_t NumberOf(std::string_view interface);

  const bool report_at_end_;
  AttemptTable table_;
  AttemptTrackerStats stats_;
  std::vector<std::string> interfaces_;
};

}  // namespace parallax::sensor
