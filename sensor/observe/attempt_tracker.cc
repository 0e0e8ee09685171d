#include "sensor/observe/attempt_tracker.h"

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <utility>

#include "sensor/observe/attempt_rules.h"

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

constexpr Duration kDuplicateWithin = 5ms;  // mirror ports, bonds and bridges show frames twice
constexpr Duration kRepeatAfter = 180ms;    // below every known retransmission timer (min. 200 ms)
constexpr int kMostPerAdvance = 4096;
constexpr size_t kMostInterfaces = 255;  // names remembered; later ones are reported without name
constexpr size_t kBatch = 8;             // segments on their way at once

void CountUp(uint16_t& counter) { counter = static_cast<uint16_t>(counter + (counter < 0xffff)); }

}  // namespace

Attempt ToAttempt(const AttemptEvent& event) {
  return {.client = event.client,
          .server = event.server,
          .isn = event.isn,
          .first_seen = event.first_seen,
          .age = event.age,
          .outcome = event.outcome,
          .rule = std::string(event.rule),
          .syns = event.syns,
          .syn_acks = event.syn_acks,
          .ttl = event.ttl,
          .interface = std::string(event.interface),
          .sampling = event.sampling};
}

struct AttemptTracker::Sighting {
  const SynSegment& segment;
  WallTime stamp;
  MonoTime now;
  std::string_view interface;
  uint64_t hash;  // of AttemptTracker::TupleOf()

  // Who is who if the sender is the client, and if it is the server.
  TupleView FromClient() const { return {segment.src, segment.dst}; }
  TupleView FromServer() const { return {segment.dst, segment.src}; }
};

AttemptTracker::AttemptTracker(const AttemptTrackerOptions& options, AttemptGate* gate)
    : report_at_end_(options.report_at_end),
      gate_(gate),
      table_(options.entries, options.key),
      sight_(options.key) {}

TupleView AttemptTracker::TupleOf(const SynSegment& segment) {
  const bool from_server = segment.IsSynAck() || (segment.Has(kTcpRst) && segment.Has(kTcpAck));
  return from_server ? TupleView{segment.dst, segment.src} : TupleView{segment.src, segment.dst};
}

void AttemptTracker::Observe(std::span<const CapturedSegment> segments,
                             std::vector<AttemptEvent>& out) {
  while (!segments.empty()) {
    const auto batch = segments.first(std::min(segments.size(), kBatch));
    segments = segments.subspan(batch.size());
    std::array<uint64_t, kBatch> hashes;
    for (size_t i = 0; i < batch.size(); ++i) {
      hashes[i] = table_.Hash(TupleOf(batch[i].segment));
      table_.PrefetchBucket(hashes[i]);
    }
    for (size_t i = 0; i < batch.size(); ++i) {
      table_.PrefetchEntry(hashes[i], batch[i].seen, !sampling_);
    }
    for (size_t i = 0; i < batch.size(); ++i) {
      const CapturedSegment& c = batch[i];
      ObserveOne({c.segment, c.stamp, c.seen, c.interface, hashes[i]}, out);
    }
  }
}

void AttemptTracker::Observe(const SynSegment& segment, WallTime stamp, MonoTime now,
                             std::string_view interface, std::vector<AttemptEvent>& out) {
  ObserveOne({segment, stamp, now, interface, table_.Hash(TupleOf(segment))}, out);
}

void AttemptTracker::ObserveOne(const Sighting& s, std::vector<AttemptEvent>& out) {
  const SynSegment& segment = s.segment;
  if (gate_ != nullptr && segment.Has(kTcpSyn)) {
    gate_->Count(segment, s.now);
  }
  if (segment.Has(kTcpSyn) && (segment.Has(kTcpFin) || segment.Has(kTcpRst))) {
    ++stats_.odd;
  } else if (segment.IsSyn()) {
    ObserveSyn(s, out);
  } else if (segment.IsSynAck()) {
    ObserveSynAck(s, out);
  } else if (segment.Has(kTcpRst)) {
    ObserveReset(s, out);
  } else if (segment.Has(kTcpAck)) {
    ObserveOther(s, out);
  }
}

void AttemptTracker::NoteLoss(std::string_view interface, MonoTime until) {
  MonoTime* lost_until = &lost_until_;
  if (!interface.empty()) {
    const uint8_t number = NumberOf(interface);
    if (number < interfaces_.size()) {
      lost_until = &interfaces_[number].lost_until;
    }
  }
  *lost_until = std::max(*lost_until, until);
}

void AttemptTracker::ObserveSyn(const Sighting& s, std::vector<AttemptEvent>& out) {
  const AttemptKey key{s.segment.src, s.segment.dst, s.segment.seq};
  auto found = FindCurrent([&] { return table_.Find(key, s.hash); }, s.now, out);
  if (!found && !(found = Create(key, s, out))) {
    return;
  }
  TrackedAttempt& a = table_.at(*found);
  if (a.syns > 0) {
    const Duration gap = s.now - a.last_syn;
    if (gap < kDuplicateWithin && gap > -kDuplicateWithin) {
      ++stats_.duplicates;
      // Captured before the one that was read first. Each interface is read by itself, so that only
      // the kernel's stamps tell.
      if (a.syns == 1 && s.stamp < a.first_stamp) {
        a.ttl = s.segment.ttl;
        a.interface = NumberOf(s.interface);
      }
      return;
    }
    if (gap >= kRepeatAfter) {
      a.syn_repeated = true;
      a.last_syn = s.now;
    }
  } else {
    a.last_syn = s.now;
    a.ttl = s.segment.ttl;
  }
  ++stats_.syns;
  CountUp(a.syns);
  a.syn_payload = std::max(a.syn_payload, s.segment.payload);
  a.last_seen = std::max(a.last_seen, s.now);
  // A SYN that crossed the answer to an earlier copy of itself proves nothing, hence the margin.
  if (a.syn_acks > 0 && s.now - a.first_syn_ack >= kRepeatAfter) {
    a.syn_after_syn_ack = true;
  }
  Settle(*found, s.now, out);
}

void AttemptTracker::ObserveSynAck(const Sighting& s, std::vector<AttemptEvent>& out) {
  const TupleView tuple = s.FromServer();
  auto found =
      FindCurrent([&] { return table_.FindByNext(tuple, s.segment.ack, s.hash); }, s.now, out);
  if (!found && !(found = Create({tuple.client, tuple.server, s.segment.ack - 1}, s, out))) {
    return;
  }
  TrackedAttempt& a = table_.at(*found);
  if (a.syn_acks == 0) {
    a.first_syn_ack = s.now;
    a.last_syn_ack = s.now;
    a.server_seq = s.segment.seq;
    stats_.late_answers += a.reported ? 1 : 0;
    sight_.Answered(tuple.server.address, s.now);
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
      a.acknowledged = false;
      a.last_syn_ack = s.now;
    }
  }
  // A SYN-ACK with another sequence number is counted and no more: it comes from a server that
  // has forgotten the first, or from another one.
  ++stats_.syn_acks;
  CountUp(a.syn_acks);
  a.last_seen = std::max(a.last_seen, s.now);
  Settle(*found, s.now, out);
}

void AttemptTracker::ObserveReset(const Sighting& s, std::vector<AttemptEvent>& out) {
  // From the server, instead of a SYN-ACK. After one, it ends a connection of either kind.
  if (s.segment.Has(kTcpAck)) {
    const TupleView tuple = s.FromServer();
    const auto found =
        FindCurrent([&] { return table_.FindByNext(tuple, s.segment.ack, s.hash); }, s.now, out);
    if (found) {
      TrackedAttempt& a = table_.at(*found);
      if (a.syn_acks == 0) {
        a.refused = true;
        a.last_seen = std::max(a.last_seen, s.now);
        sight_.Answered(tuple.server.address, s.now);
        Settle(*found, s.now, out);
      }
      return;
    }
  }
  // From the client, after a SYN-ACK. Without ACK it is the host's own TCP that knows of no such
  // attempt: the SYN was forged, or made by a scanner. With an ACK for the SYN-ACK, the client had
  // its connection and broke it off.
  const TupleView tuple = s.FromClient();
  const uint64_t hash = table_.Hash(tuple);
  const auto found =
      FindCurrent([&] { return table_.FindByNext(tuple, s.segment.seq, hash); }, s.now, out);
  if (found) {
    TrackedAttempt& a = table_.at(*found);
    const bool abort = s.segment.Has(kTcpAck);
    if (a.syn_acks > 0 && (!abort || s.segment.ack == a.server_seq + 1)) {
      a.client_abort = a.client_abort || abort;
      a.client_reset = a.client_reset || !abort;
      a.last_seen = std::max(a.last_seen, s.now);
      Settle(*found, s.now, out);
    }
  }
}

void AttemptTracker::ObserveOther(const Sighting& s, std::vector<AttemptEvent>& out) {
  const auto go_on = [&](const TupleView& tuple, uint64_t hash, auto&& look_up) {
    const auto found = FindCurrent([&] { return look_up(tuple, hash); }, s.now, out);
    if (!found) {
      return false;
    }
    TrackedAttempt& a = table_.at(*found);
    if (!a.acknowledged && !a.refused) {
      a.acknowledged = true;
      sight_.Acknowledged(tuple.server.address, s.now);
      a.last_seen = std::max(a.last_seen, s.now);
      Settle(*found, s.now, out);
    }
    return true;
  };
  // The client acknowledges, whether or not we saw what; or the server says more.
  const auto by_client = [&](const TupleView& tuple, uint64_t hash) -> std::optional<uint32_t> {
    const auto found = table_.FindByNext(tuple, s.segment.seq, hash);
    const bool fits = found && (table_.at(*found).syn_acks == 0 ||
                                s.segment.ack == table_.at(*found).server_seq + 1);
    return fits ? found : std::nullopt;
  };
  const auto by_server = [&](const TupleView& tuple, uint64_t hash) {
    return table_.FindByServerNext(tuple, s.segment.seq, hash);
  };
  if (!go_on(s.FromClient(), s.hash, by_client)) {
    go_on(s.FromServer(), table_.Hash(s.FromServer()), by_server);
  }
}

template <typename LookUp>
std::optional<uint32_t> AttemptTracker::FindCurrent(LookUp&& look_up, MonoTime now,
                                                    std::vector<AttemptEvent>& out) {
  auto found = look_up();
  // At most twice: the outcome, then the end of the entry.
  while (found && table_.at(*found).due <= now) {
    ServeTimer(*found, now, out);
    found = look_up();
  }
  return found;
}

std::optional<uint32_t> AttemptTracker::Create(const AttemptKey& key, const Sighting& s,
                                               std::vector<AttemptEvent>& out) {
  const uint32_t sampling = gate_ == nullptr ? 1 : gate_->Admit(key, s.hash, s.now);
  sampling_ = sampling == 0;
  if (sampling == 0) {
    ++stats_.unsampled;
    ++(s.segment.IsSyn() ? stats_.syns : stats_.syn_acks);
    return std::nullopt;
  }
  const AttemptTable::Place place = table_.PlaceFor(s.hash, s.now);
  if (place.taken && !table_.at(place.index).reported) {
    TrackedAttempt& evicted = table_.at(place.index);
    ++stats_.evicted;
    if (report_at_end_ && IsSettled(evicted)) {
      Decide(evicted, s.now, out);
    } else {
      Report(evicted, AttemptOutcome::kUnknown, "evicted", s.now, out);
    }
  }
  ++stats_.attempts;
  TrackedAttempt& a = table_.Occupy(place, key, s.hash);
  a.first_stamp = s.stamp;
  a.first_seen = s.now;
  a.last_seen = s.now;
  a.sampling_log2 = static_cast<uint8_t>(std::bit_width(sampling) - 1);
  a.interface = NumberOf(s.interface);
  if (!report_at_end_) {
    // The counters of the first report are those of the segment that gives rise to it.
    AttemptEvent& event =
        out.emplace_back(a, AttemptOutcome::kPending, "", Duration::zero(), NameOf(a));
    const bool syn = s.segment.IsSyn();
    event.syns = syn ? 1 : 0;
    event.syn_acks = syn ? 0 : 1;
    event.ttl = syn ? s.segment.ttl : uint8_t{0};
  }
  return place.index;
}

void AttemptTracker::Settle(uint32_t index, MonoTime now, std::vector<AttemptEvent>& out) {
  TrackedAttempt& a = table_.at(index);
  if (!a.reported && !report_at_end_ && IsSettled(a)) {
    Decide(a, now, out);
  }
  const bool waiting = !a.reported && !report_at_end_;
  table_.SetTimer(index, waiting ? ConcludeAt(a) : a.last_seen + KeepFor(a), now);
}

void AttemptTracker::ServeTimer(uint32_t index, MonoTime now, std::vector<AttemptEvent>& out) {
  TrackedAttempt& a = table_.at(index);
  const bool was_reported = a.reported;
  if (!was_reported) {
    Decide(a, now, out);
  }
  if (was_reported || report_at_end_) {
    table_.Erase(index);
  } else {
    table_.SetTimer(index, a.last_seen + KeepFor(a), now);
  }
}

bool AttemptTracker::Advance(MonoTime now, std::vector<AttemptEvent>& out) {
  const auto before = static_cast<std::ptrdiff_t>(out.size());
  int served = 0;
  for (; served < kMostPerAdvance; ++served) {
    const auto index = table_.PopDue(now);
    if (!index) {
      break;
    }
    ServeTimer(*index, now, out);
  }
  // Timers of one tick come in no order.
  std::stable_sort(
      out.begin() + before, out.end(),
      [](const AttemptEvent& a, const AttemptEvent& b) { return a.first_seen < b.first_seen; });
  return served == kMostPerAdvance;
}

void AttemptTracker::Finish(MonoTime now, std::vector<AttemptEvent>& out) {
  for (const uint32_t index : table_.All()) {
    TrackedAttempt& a = table_.at(index);
    if (!a.reported) {
      if (report_at_end_) {
        Decide(a, now, out);
      } else {
        Report(a, AttemptOutcome::kUnknown, "capture_ended", now, out);
      }
    }
    table_.Erase(index);
  }
}

void AttemptTracker::Decide(TrackedAttempt& a, MonoTime now, std::vector<AttemptEvent>& out) {
  Conclusion c = Conclude(a);
  const IpAddress& server = a.key.server.address;
  if (c.from_silence && WasLossy(a)) {
    c = {AttemptOutcome::kUnknown, "capture_loss"};
  } else if (c.from_silence && c.outcome == AttemptOutcome::kCompleted &&
             sight_.ShowsAcknowledgements(server, now)) {
    c = {AttemptOutcome::kHalfOpen, "never_acknowledged"};
  } else if (c.from_silence && c.outcome == AttemptOutcome::kCompleted && gate_ != nullptr &&
             !gate_->MayTrustSilence(a.key, now)) {
    c = {AttemptOutcome::kUnknown, "server_flooded"};
  } else if (c.outcome == AttemptOutcome::kUnanswered) {
    sight_.Repeated(server, now);
    if (sight_.IsOneWay(server, now)) {
      c = {AttemptOutcome::kUnknown, "one_way"};
    }
  } else if (!a.answered() && !a.acknowledged &&
             (gate_ == nullptr || gate_->MayTrustSilence(a.key, now))) {
    sight_.OnlyOnce(server, a.key.client.address, now);
  }
  Report(a, c.outcome, c.rule, now, out);
}

bool AttemptTracker::WasLossy(const TrackedAttempt& a) const {
  return a.first_seen <= lost_until_ ||
         (a.interface < interfaces_.size() && a.first_seen <= interfaces_[a.interface].lost_until);
}

void AttemptTracker::Report(TrackedAttempt& attempt, AttemptOutcome outcome, std::string_view rule,
                            MonoTime now, std::vector<AttemptEvent>& out) {
  attempt.reported = true;
  out.emplace_back(attempt, outcome, rule, std::max(Duration::zero(), now - attempt.first_seen),
                   NameOf(attempt));
}

std::string_view AttemptTracker::NameOf(const TrackedAttempt& attempt) const {
  return attempt.interface < interfaces_.size()
             ? std::string_view(interfaces_[attempt.interface].name)
             : std::string_view();
}

uint8_t AttemptTracker::NumberOf(std::string_view interface) {
  if (last_number_ < interfaces_.size() && interfaces_[last_number_].name == interface) {
    return last_number_;  // nearly always
  }
  const auto found = std::find_if(interfaces_.begin(), interfaces_.end(),
                                  [&](const Interface& i) { return i.name == interface; });
  const auto number = static_cast<uint8_t>(found - interfaces_.begin());
  if (found == interfaces_.end()) {
    if (interfaces_.size() >= kMostInterfaces) {
      return number;  // no name
    }
    interfaces_.push_back({.name = std::string(interface)});
  }
  last_number_ = number;
  return number;
}

}  // namespace parallax::sensor
