#include "sensor/probe/wire/ledger.h"

#include <algorithm>
#include <utility>

#include "common/address_hash.h"

namespace parallax::sensor {
namespace {

// A SYN-ACK is repeated for up to 63 s when the RST that answers it gets lost (Linux,
// tcp_synack_retries 5).
constexpr Duration kRememberEnded = std::chrono::seconds(75);
constexpr size_t kFewestCells = 1024;
// So many ids are tried before an ended probe must give up its sequence.
constexpr unsigned kIdsTriedFirst = 8;
// So many of a flow's youngest probes are considered for an answer that does not name its own.
constexpr unsigned kMostYounger = 64;
// Packets overtake each other by this much at the most.
constexpr Duration kOvertaken = std::chrono::seconds(1);
// Probe ids tell where their entry is.
constexpr unsigned kSlotBits = 24;
constexpr uint64_t kSlotMask = (uint64_t{1} << kSlotBits) - 1;

// The answer speaks of a probe to this target, in this way.
bool IsAbout(const Answer& answer, const Probe& probe) {
  return probe.target == answer.target && probe.attempt.method == answer.method &&
         probe.attempt.port == answer.port;
}

}  // namespace

ProbeLedger::SlotIndex::SlotIndex() : cells_(kFewestCells) {}

void ProbeLedger::SlotIndex::Insert(uint64_t hash, Slot slot) {
  if (2 * (used_ + 1) > cells_.size()) {
    std::vector<Cell> old(2 * cells_.size());
    old.swap(cells_);
    used_ = 0;
    for (const Cell& cell : old) {
      if (cell.slot != kNone) {
        Insert(cell.hash, cell.slot);
      }
    }
  }
  const size_t mask = cells_.size() - 1;
  size_t at = hash & mask;
  while (cells_[at].slot != kNone) {
    at = (at + 1) & mask;
  }
  cells_[at] = {static_cast<uint32_t>(hash), slot};
  ++used_;
}

void ProbeLedger::SlotIndex::Erase(uint64_t hash, Slot slot) {
  const size_t mask = cells_.size() - 1;
  size_t at = hash & mask;
  while (cells_[at].slot != slot) {
    if (cells_[at].slot == kNone) {
      return;
    }
    at = (at + 1) & mask;
  }
  // Whoever stands behind the gap and may stand in it moves up (Knuth, vol. 3, 6.4 algorithm R).
  size_t gap = at;
  for (size_t next = (gap + 1) & mask; cells_[next].slot != kNone; next = (next + 1) & mask) {
    const size_t home = cells_[next].hash & mask;
    if (((next - home) & mask) >= ((next - gap) & mask)) {
      cells_[gap] = cells_[next];
      gap = next;
    }
  }
  cells_[gap] = {};
  --used_;
}

template <typename Visit>
bool ProbeLedger::SlotIndex::Find(uint64_t hash, Visit&& visit) const {
  const size_t mask = cells_.size() - 1;
  for (size_t at = hash & mask; cells_[at].slot != kNone; at = (at + 1) & mask) {
    if (cells_[at].hash == static_cast<uint32_t>(hash) && visit(cells_[at].slot)) {
      return true;
    }
  }
  return false;
}

ProbeLedger::ProbeLedger(const ProbeTagger& tagger, size_t capacity)
    : tagger_(tagger), capacity_(std::min(capacity, size_t{kSlotMask})) {
  entries_.reserve(capacity_);  // address space; memory is taken as they come into use
}

uint64_t ProbeLedger::WireHash(const IpAddress& target, ProbeMethod method, uint16_t port,
                               uint32_t number) const {
  const uint64_t fields =
      uint64_t{number} << 32 | uint64_t{port} << 8 | static_cast<uint64_t>(method);
  // The number must reach the low bits, or all probes of one target meet in one cell.
  const uint64_t mixed = (fields + 1) * 0x9e3779b97f4a7c15u;
  return AddressHash(key_, target) ^ mixed ^ mixed >> 32;
}

const ProbeLedger::Entry* ProbeLedger::FindById(uint64_t probe_id) const {
  const uint64_t slot = probe_id & kSlotMask;
  return probe_id != 0 && slot < entries_.size() && entries_[slot].probe.id == probe_id
             ? &entries_[slot]
             : nullptr;
}

ProbeLedger::Entry* ProbeLedger::FindById(uint64_t probe_id) {
  return const_cast<Entry*>(std::as_const(*this).FindById(probe_id));
}

std::optional<ProbeOwner> ProbeLedger::OwnerOf(uint64_t probe_id) const {
  const Entry* entry = FindById(probe_id);
  return entry != nullptr && entry->open ? std::optional(entry->owner) : std::nullopt;
}

std::optional<Probe> ProbeLedger::Open(const IpAddress& target, uint32_t scope,
                                       const ProbeTry& attempt, uint8_t ttl,
                                       const ProbeOwner& owner, MonoTime now) {
  while (!ended_.empty() &&
         (ended_.front().forget_at <= now || in_flight_ + ended_.size() >= capacity_)) {
    ForgetOldest();
  }
  if (in_flight_ >= capacity_) {
    return std::nullopt;
  }
  if (free_.empty()) {
    free_.push_back(static_cast<Slot>(entries_.size()));
    entries_.emplace_back();
  }
  const Slot slot = free_.back();
  free_.pop_back();
  const bool tcp = attempt.method == ProbeMethod::kTcpSyn;
  std::optional<uint32_t> before;
  if (tcp) {
    const Slot last =
        YoungestOf(target, attempt.method, attempt.port, tagger_.FlowPort(target, attempt));
    before = last != kNone ? std::optional(entries_[last].probe.sequence) : std::nullopt;
  }
  // Pass over the ids whose sequence is taken for this target: those of ICMP and UDP have 16 bits.
  Probe probe;
  uint64_t hash = 0;
  for (unsigned tries = 0;; ++tries) {
    if (tries == kMostIdsTried) {
      free_.push_back(slot);
      return std::nullopt;
    }
    probe =
        tagger_.Make(next_number_++ << kSlotBits | slot, target, scope, attempt, ttl, now, before);
    hash = WireHash(target, attempt.method, attempt.port, probe.sequence);
    const Slot taken_by = TakenBy(probe, hash);
    if (taken_by == kNone) {
      break;
    }
    if (tries >= kIdsTriedFirst && !entries_[taken_by].open) {
      Forget(taken_by);
      break;
    }
    before = tcp ? std::optional(probe.sequence) : std::nullopt;
  }
  entries_[slot] = Entry{.probe = probe, .owner = owner, .sent = now, .open = true};
  by_wire_.Insert(hash, slot);
  if (attempt.method != ProbeMethod::kIcmpEcho) {
    JoinFlow(slot);
  }
  ++in_flight_;
  return probe;
}

ProbeLedger::Slot ProbeLedger::TakenBy(const Probe& probe, uint64_t hash) const {
  Slot found = kNone;
  by_wire_.Find(hash, [&](Slot slot) {
    const Probe& p = entries_[slot].probe;
    if (p.sequence == probe.sequence && p.target == probe.target &&
        p.attempt.method == probe.attempt.method && p.attempt.port == probe.attempt.port) {
      found = slot;
    }
    return found != kNone;
  });
  return found;
}

uint64_t ProbeLedger::FlowHash(const Probe& probe) const {
  return WireHash(probe.target, probe.attempt.method, probe.attempt.port, probe.flow_port);
}

ProbeLedger::Slot ProbeLedger::YoungestOf(const IpAddress& target, ProbeMethod method,
                                          uint16_t port, uint16_t flow_port) const {
  Slot found = kNone;
  by_flow_.Find(WireHash(target, method, port, flow_port), [&](Slot slot) {
    const Probe& probe = entries_[slot].probe;
    if (probe.flow_port == flow_port && probe.target == target && probe.attempt.port == port &&
        probe.attempt.method == method) {
      found = slot;
    }
    return found != kNone;
  });
  return found;
}

void ProbeLedger::JoinFlow(Slot slot) {
  Entry& entry = entries_[slot];
  const Probe& probe = entry.probe;
  const uint64_t hash = FlowHash(probe);
  entry.older = YoungestOf(probe.target, probe.attempt.method, probe.attempt.port, probe.flow_port);
  if (entry.older != kNone) {
    entries_[entry.older].younger = slot;
    by_flow_.Erase(hash, entry.older);
  }
  by_flow_.Insert(hash, slot);
}

void ProbeLedger::LeaveFlow(Slot slot) {
  const Entry& entry = entries_[slot];
  if (entry.younger != kNone) {
    entries_[entry.younger].older = entry.older;
  } else {
    const uint64_t hash = FlowHash(entry.probe);
    by_flow_.Erase(hash, slot);
    if (entry.older != kNone) {
      by_flow_.Insert(hash, entry.older);
    }
  }
  if (entry.older != kNone) {
    entries_[entry.older].younger = entry.younger;
  }
}

void ProbeLedger::SetSent(uint64_t probe_id, MonoTime at) {
  if (Entry* entry = FindById(probe_id); entry != nullptr) {
    entry->sent = at;
  }
}

void ProbeLedger::Close(uint64_t probe_id, MonoTime now) {
  if (Entry* entry = FindById(probe_id); entry != nullptr && entry->open) {
    entry->open = false;
    --in_flight_;
    ended_.push_back({now + kRememberEnded, probe_id});
  }
}

void ProbeLedger::Forget(Slot slot) {
  const Probe& probe = entries_[slot].probe;
  const ProbeTry& attempt = probe.attempt;
  by_wire_.Erase(WireHash(probe.target, attempt.method, attempt.port, probe.sequence), slot);
  if (attempt.method != ProbeMethod::kIcmpEcho) {
    LeaveFlow(slot);
  }
  entries_[slot] = {};
  free_.push_back(slot);
}

void ProbeLedger::ForgetOldest() {
  const uint64_t probe_id = ended_.front().probe_id;
  ended_.pop_front();
  if (FindById(probe_id) != nullptr) {
    Forget(static_cast<Slot>(probe_id & kSlotMask));
  }
}

ProbeLedger::Entry* ProbeLedger::FindBySequence(const Answer& answer, uint32_t sequence) {
  Entry* found = nullptr;
  by_wire_.Find(WireHash(answer.target, answer.method, answer.port, sequence), [&](Slot slot) {
    const Probe& probe = entries_[slot].probe;
    if (probe.sequence == sequence && IsAbout(answer, probe)) {
      found = &entries_[slot];
    }
    return found != nullptr;
  });
  return found;
}

// The probe whose tag the answer carries.
ProbeLedger::Entry* ProbeLedger::FindByTag(const Answer& answer) {
  Entry* const entry = answer.tag ? FindById(answer.tag->probe_id) : nullptr;
  return entry != nullptr && entry->probe.tag == answer.tag->tag && IsAbout(answer, entry->probe)
             ? entry
             : nullptr;
}

uint8_t ProbeLedger::Reach(const Entry& entry) {
  return entry.probe.ttl == 0 ? kDefaultTtl : entry.probe.ttl;
}

// How likely a UDP reply that names no probe is to answer this one. Only the target replies: hardly
// to a probe whose TTL ran out, rather to one that is waited for, and to the one that goes
// farthest.
unsigned ProbeLedger::LikelihoodOfReply(const Entry& entry) {
  return (entry.errored ? 0u : 1024u) + (entry.open ? 512u : 0u) + Reach(entry);
}

// A UDP reply: the likeliest of the flow that has no answer yet, and of those the youngest; else
// the youngest of all.
ProbeLedger::Entry* ProbeLedger::FindByFlow(const Answer& answer) {
  const Slot youngest = YoungestOf(answer.target, answer.method, answer.port, answer.flow_port);
  if (youngest == kNone) {
    return nullptr;
  }
  Entry* best = nullptr;
  Slot slot = youngest;
  for (unsigned i = 0; i < kMostYounger && slot != kNone; ++i, slot = entries_[slot].older) {
    Entry& entry = entries_[slot];
    if (!entry.answered &&
        (best == nullptr || LikelihoodOfReply(entry) > LikelihoodOfReply(*best))) {
      best = &entry;
    }
  }
  return best != nullptr ? best : &entries_[youngest];
}

// An ACK that names a probe of the flow. If that one is answered, another SYN of ours has come to
// the target after it: the first younger one that is waited for and goes at least as far, else an
// older one that was overtaken; but an ACK that is said twice may be a copy. Else the named one.
ProbeLedger::Entry* ProbeLedger::FindByAck(Entry& named, const Answer& answer) {
  if (named.acked) {
    return &named;
  }
  named.acked = true;
  const auto may_be = [&named](const Entry& entry) {
    return entry.open && !entry.answered && !entry.errored && Reach(entry) >= Reach(named);
  };
  if (may_be(named)) {
    return &named;
  }
  Entry* younger = nullptr;
  Slot slot = YoungestOf(answer.target, answer.method, answer.port, answer.flow_port);
  unsigned looked_at = 0;
  for (; slot != kNone && &entries_[slot] != &named && looked_at < kMostYounger; ++looked_at) {
    younger = may_be(entries_[slot]) ? &entries_[slot] : younger;
    slot = entries_[slot].older;
  }
  if (younger != nullptr) {
    return younger;
  }
  for (slot = named.older; slot != kNone && looked_at < kMostYounger; ++looked_at) {
    Entry& older = entries_[slot];
    if (older.sent + kOvertaken < named.sent) {
      break;
    }
    if (may_be(older)) {
      return &older;
    }
    slot = older.older;
  }
  return &named;
}

ProbeLedger::Entry* ProbeLedger::FindMatch(const Answer& answer) {
  Entry* const tagged = FindByTag(answer);
  if (answer.kind == AnswerKind::kUdpReply) {
    if (tagged != nullptr && tagged->probe.flow_port == answer.flow_port) {
      return tagged;
    }
    // Somebody plays back a probe of another time, or of another process.
    return answer.echoes_probe ? nullptr : FindByFlow(answer);
  }
  Entry* entry = FindBySequence(answer, answer.sequence);
  const bool quoted = answer.kind == AnswerKind::kError || answer.kind == AnswerKind::kRedirect;
  if (quoted && answer.method == ProbeMethod::kUdp) {
    if (answer.tag) {
      return tagged;  // whatever checksum a NAT has made, even another probe's
    }
    if (entry == nullptr || entry->probe.flow_port != answer.flow_port) {
      // A NAT that recomputed the checksum leaves the IP identification alone.
      entry = FindBySequence(answer, answer.quoted_ip_id);
    }
  }
  if (entry == nullptr || (answer.tag && entry != tagged)) {
    return nullptr;
  }
  const bool tcp = answer.method == ProbeMethod::kTcpSyn;
  if (answer.flow_port != entry->probe.flow_port) {
    // A NAT may have rewritten our port within a quote, never in the reply itself.
    return quoted && (tcp || answer.tag) ? entry : nullptr;
  }
  if (answer.kind == AnswerKind::kAck) {
    return FindByAck(*entry, answer);
  }
  return quoted || tcp || answer.tag ? entry : nullptr;
}

std::optional<ProbeMatch> ProbeLedger::OnAnswer(const Answer& answer, MonoTime received) {
  Entry* const entry = FindMatch(answer);
  if (entry == nullptr) {
    CountUnmatched(answer);
    return std::nullopt;
  }
  const bool redirect = answer.kind == AnswerKind::kRedirect;
  const bool quoted = redirect || answer.kind == AnswerKind::kError;
  const bool error = answer.kind == AnswerKind::kError && answer.source != answer.target;
  bool& seen = redirect ? entry->redirected : error ? entry->errored : entry->answered;
  if (seen || (error && entry->answered)) {
    ++counts_.duplicate;
    return std::nullopt;
  }
  seen = true;
  ++(entry->open ? counts_.accepted : counts_.late);
  const Probe& probe = entry->probe;
  ProbeMatch match;
  match.owner = entry->owner;
  match.probe_id = probe.id;
  match.rtt = std::max(received - entry->sent, Duration::zero());
  match.ttl = probe.ttl;
  match.late = !entry->open;
  if (quoted) {
    const bool sum = probe.attempt.method == ProbeMethod::kUdp && answer.quoted_checksum &&
                     *answer.quoted_checksum != static_cast<uint16_t>(probe.sequence);
    const bool echo = probe.flow_checksum != 0 && probe.target.is_v4() && answer.quoted_checksum &&
                      *answer.quoted_checksum != probe.flow_checksum;
    match.nat = answer.flow_port != probe.flow_port || sum || echo;
  }
  return match;
}

void ProbeLedger::CountUnmatched(const Answer& answer) {
  if (tagger_.TagIsOurs(answer)) {
    ++counts_.late;  // ours, but ended too long ago to be remembered
    return;
  }
  const bool own_kernel = answer.kind == AnswerKind::kError && answer.from_this_host();
  bool forged = !own_kernel && tagger_.OwnsFlow(answer);
  if (!forged && answer.tag) {
    // Our own tag, come back from an address that we did not ask.
    const Entry* entry = FindById(answer.tag->probe_id);
    forged = entry != nullptr && entry->probe.tag == answer.tag->tag;
  }
  ++(forged ? counts_.forged : counts_.foreign);
}

}  // namespace parallax::sensor
