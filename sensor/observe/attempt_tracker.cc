#include "sensor/observe/attempt_tracker.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

constexpr Duration kDuplicateWithin = 5ms;   // mirror ports, bonds and bridges show frames twice
constexpr Duration kRepeatAfter = 180ms;     // below every known retransmission timer (min. 200 ms)
constexpr Duration kSynRepeatLeast = 900ms;  // first time-out 1 s (RFC 6298), less some jitter
constexpr Duration kCompletedAfter = 1500ms;  // Linux repeats a lost SYN-ACK after 1.0 s
constexpr Duration kSilentAfter = 3500ms;     // two SYNs would have been repeated by then
constexpr Duration kAwaitSyn = 400ms;         // after a repeated SYN-ACK

// How long an entry outlives its last segment.
constexpr Duration kKeepUnanswered = 70s;  // Linux: up to 32.8 s, others 64 s between two SYNs
constexpr Duration kKeepAnswered = 8s;
constexpr Duration kKeepRepeating = 35s;  // up to 32 s between two SYN-ACKs

constexpr int kMostPerAdvance = 4096;
constexpr size_t kMostInterfaces = 256;  // names remembered; later ones are reported without name

struct Conclusion {
  AttemptOutcome outcome;
  std::string_view rule;
};

// What the evidence amounts to if nothing more comes.
Conclusion Conclude(const TrackedAttempt& a) {
  if (a.refused) {
    return {AttemptOutcome::kRefused, "rst"};
  }
  if (a.syn_ack_repeated) {
    return {AttemptOutcome::kHalfOpen, "syn_ack_repeated"};
  }
  if (a.syn_after_syn_ack) {
    return {AttemptOutcome::kHalfOpen, "syn_repeated_after_syn_ack"};
  }
  if (a.client_reset) {
    return {AttemptOutcome::kUnknown, "client_reset"};
  }
  if (a.client_abort) {
    return {AttemptOutcome::kCompleted, "client_abort"};
  }
  if (a.syn_acks > 0) {
    return {AttemptOutcome::kCompleted, "syn_ack_not_repeated"};
  }
  if (a.syn_repeated) {
    return {AttemptOutcome::kUnanswered, "syn_repeated"};
  }
  return {AttemptOutcome::kUnknown, "syn_once"};
}

// Whether that conclusion needs no more waiting.
bool IsSettled(const TrackedAttempt& a) {
  const bool unanswered =
      a.syn_repeated && !a.answered() && a.last_syn - a.first_seen >= kSynRepeatLeast;
  // A repeated SYN-ACK says enough about the path, but not about the client: whether its SYN is
  // repeated too tells a host that wants in from a forged address. Both timers started within a
  // round trip of each other, so the answer is about to come.
  return a.refused || a.syn_after_syn_ack || a.client_reset || a.client_abort || unanswered;
}

Duration KeepFor(const TrackedAttempt& a) {
  if (!a.answered()) {
    return kKeepUnanswered;
  }
  return a.syn_ack_repeated || a.syn_after_syn_ack ? kKeepRepeating : kKeepAnswered;
}

}  // namespace

struct AttemptTracker::Sighting {
  const SynSegment& segment;
  WallTime stamp;
  MonoTime now;
  std::string_view interface;
};

AttemptTracker::AttemptTracker(const AttemptTrackerOptions& options)
    : report_at_end_(options.report_at_end), table_(options.entries, options.key) {}

void AttemptTracker::Observe(const SynSegment& segment, WallTime stamp, MonoTime now,
                             std::string_view interface, std::vector<Attempt>& out) {
  const Sighting s{segment, stamp, now, interface};
  if (segment.Has(kTcpSyn) && (segment.Has(kTcpFin) || segment.Has(kTcpRst))) {
    ++stats_.odd;
  } else if (segment.IsSyn()) {
    ObserveSyn(s, out);
  } else if (segment.IsSynAck()) {
    ObserveSynAck(s, out);
  } else if (segment.Has(kTcpRst)) {
    ObserveReset(s, out);
  }
}

void AttemptTracker::ObserveSyn(const Sighting& s, std::vector<Attempt>& out) {
  const AttemptKey key{s.segment.src, s.segment.dst, s.segment.seq};
  const auto found = FindCurrent(key, s.now, out);
  const uint32_t index = found ? *found : Create(key, s, out);
  TrackedAttempt& a = table_.at(index);
  if (a.syns > 0) {
    const Duration gap = s.now - a.last_syn;
    if (gap < kDuplicateWithin && gap > -kDuplicateWithin) {
      ++stats_.duplicates;
      return;
    }
    a.syn_repeated = a.syn_repeated || gap >= kRepeatAfter;
    if (gap >= kRepeatAfter) {
      a.last_syn = s.now;
    }
  } else {
    a.last_syn = s.now;
    a.ttl = s.segment.ttl;
  }
  ++stats_.syns;
  ++a.syns;
  a.last_seen = std::max(a.last_seen, s.now);
  // A SYN that crossed the answer to an earlier copy of itself proves nothing, hence the margin.
  if (a.syn_acks > 0 && s.now - a.first_syn_ack >= kRepeatAfter) {
    a.syn_after_syn_ack = true;
  }
  Settle(index, s.now, out);
}

void AttemptTracker::ObserveSynAck(const Sighting& s, std::vector<Attempt>& out) {
  const AttemptKey key{s.segment.dst, s.segment.src, s.segment.ack - 1};
  const auto found = FindCurrent(key, s.now, out);
  const uint32_t index = found ? *found : Create(key, s, out);
  TrackedAttempt& a = table_.at(index);
  if (a.syn_acks == 0) {
    a.first_syn_ack = s.now;
    a.last_syn_ack = s.now;
    a.server_seq = s.segment.seq;
    stats_.late_answers += a.reported ? 1 : 0;
  } else if (a.server_seq == s.segment.seq) {
    const Duration gap = s.now - a.last_syn_ack;
    if (gap < kDuplicateWithin && gap > -kDuplicateWithin) {
      ++stats_.duplicates;
      return;
    }
    if (gap >= kRepeatAfter) {
      stats_.late_repeats +=
          a.reported && !a.syn_ack_repeated && !a.syn_after_syn_ack && !a.client_reset ? 1 : 0;
      a.syn_ack_repeated = true;
      a.last_syn_ack = s.now;
    }
  }
  // A SYN-ACK with another sequence number is counted and no more: it comes from a server that
  // has forgotten the first, or from another one.
  ++stats_.syn_acks;
  ++a.syn_acks;
  a.last_seen = std::max(a.last_seen, s.now);
  Settle(index, s.now, out);
}

void AttemptTracker::ObserveReset(const Sighting& s, std::vector<Attempt>& out) {
  // From the server, instead of a SYN-ACK. After one, it ends a connection of either kind.
  if (s.segment.Has(kTcpAck)) {
    const AttemptKey key{s.segment.dst, s.segment.src, s.segment.ack - 1};
    if (const auto found = FindCurrent(key, s.now, out)) {
      TrackedAttempt& a = table_.at(*found);
      if (a.syn_acks == 0) {
        a.refused = true;
        a.last_seen = std::max(a.last_seen, s.now);
        Settle(*found, s.now, out);
      }
      return;
    }
  }
  // From the client, after a SYN-ACK. Without ACK it is the host's own TCP that knows of no such
  // attempt: the SYN was forged, or made by a scanner. With an ACK for the SYN-ACK, the client had
  // its connection and broke it off.
  const AttemptKey key{s.segment.src, s.segment.dst, s.segment.seq - 1};
  if (const auto found = FindCurrent(key, s.now, out)) {
    TrackedAttempt& a = table_.at(*found);
    const bool abort = s.segment.Has(kTcpAck);
    if (a.syn_acks > 0 && (!abort || s.segment.ack == a.server_seq + 1)) {
      (abort ? a.client_abort : a.client_reset) = true;
      a.last_seen = std::max(a.last_seen, s.now);
      Settle(*found, s.now, out);
    }
  }
}

std::optional<uint32_t> AttemptTracker::FindCurrent(const AttemptKey& key, MonoTime now,
                                                    std::vector<Attempt>& out) {
  auto found = table_.Find(key);
  // At most twice: the outcome, then the end of the entry.
  while (found && table_.at(*found).due <= now) {
    ServeTimer(*found, now, out);
    found = table_.Find(key);
  }
  return found;
}

uint32_t AttemptTracker::Create(const AttemptKey& key, const Sighting& s,
                                std::vector<Attempt>& out) {
  std::optional<TrackedAttempt> evicted;
  const uint32_t index = table_.Insert(key, evicted);
  if (evicted) {
    ++stats_.evicted;
    if (!evicted->reported) {
      const bool settled = report_at_end_ && IsSettled(*evicted);
      const Conclusion c =
          settled ? Conclude(*evicted) : Conclusion{AttemptOutcome::kUnknown, "evicted"};
      Report(*evicted, c.outcome, c.rule, s.now, out);
    }
  }
  ++stats_.attempts;
  TrackedAttempt& a = table_.at(index);
  a.first_stamp = s.stamp;
  a.first_seen = s.now;
  a.last_seen = s.now;
  a.interface = NumberOf(s.interface);
  if (!report_at_end_) {
    // The counters of the first report are those of the segment that gives rise to it.
    TrackedAttempt first = a;
    (s.segment.IsSyn() ? first.syns : first.syn_acks) = 1;
    first.ttl = s.segment.IsSyn() ? s.segment.ttl : uint8_t{0};
    Report(first, AttemptOutcome::kPending, "", s.now, out);
  }
  return index;
}

void AttemptTracker::Settle(uint32_t index, MonoTime now, std::vector<Attempt>& out) {
  TrackedAttempt& a = table_.at(index);
  if (!a.reported && !report_at_end_ && IsSettled(a)) {
    const Conclusion c = Conclude(a);
    Report(a, c.outcome, c.rule, now, out);
  }
  const bool waiting = !a.reported && !report_at_end_;
  const MonoTime due = !waiting             ? a.last_seen + KeepFor(a)
                       : a.syn_ack_repeated ? a.last_syn_ack + kAwaitSyn
                       : a.syn_acks > 0     ? a.first_syn_ack + kCompletedAfter
                                            : a.first_seen + kSilentAfter;
  table_.SetTimer(index, due, now);
}

void AttemptTracker::ServeTimer(uint32_t index, MonoTime now, std::vector<Attempt>& out) {
  TrackedAttempt& a = table_.at(index);
  if (a.reported) {
    table_.Erase(index);
    return;
  }
  const Conclusion c = Conclude(a);
  Report(a, c.outcome, c.rule, now, out);
  if (report_at_end_) {
    table_.Erase(index);
  } else {
    table_.SetTimer(index, a.last_seen + KeepFor(a), now);
  }
}

bool AttemptTracker::Advance(MonoTime now, std::vector<Attempt>& out) {
  for (int i = 0; i < kMostPerAdvance; ++i) {
    const auto index = table_.PopDue(now);
    if (!index) {
      return false;
    }
    ServeTimer(*index, now, out);
  }
  return true;
}

void AttemptTracker::Finish(MonoTime now, std::vector<Attempt>& out) {
  for (const uint32_t index : table_.All()) {
    TrackedAttempt& a = table_.at(index);
    if (!a.reported) {
      const Conclusion c =
          report_at_end_ ? Conclude(a) : Conclusion{AttemptOutcome::kUnknown, "capture_ended"};
      Report(a, c.outcome, c.rule, now, out);
    }
    table_.Erase(index);
  }
}

void AttemptTracker::Report(TrackedAttempt& attempt, AttemptOutcome outcome, std::string_view rule,
                            MonoTime now, std::vector<Attempt>& out) {
  attempt.reported = outcome != AttemptOutcome::kPending;
  out.push_back({.client = attempt.key.client,
                 .server = attempt.key.server,
                 .isn = attempt.key.isn,
                 .first_seen = attempt.first_stamp,
                 .age = std::max(Duration::zero(), now - attempt.first_seen),
                 .outcome = outcome,
                 .rule = std::string(rule),
                 .syns = attempt.syns,
                 .syn_acks = attempt.syn_acks,
                 .ttl = attempt.ttl,
                 .interface = attempt.interface < interfaces_.size()
                                  ? interfaces_[attempt.interface]
                                  : std::string()});
}

uint16_t AttemptTracker::NumberOf(std::string_view interface) {
  const auto found = std::find(interfaces_.begin(), interfaces_.end(), interface);
  if (found == interfaces_.end() && interfaces_.size() < kMostInterfaces) {
    interfaces_.emplace_back(interface);
    return static_cast<uint16_t>(interfaces_.size() - 1);
  }
  return static_cast<uint16_t>(found - interfaces_.begin());  // size(): no name
}

}  // namespace parallax::sensor
