#include "sensor/probe/ledger.h"

#include <algorithm>
#include <utility>

#include "common/address_hash.h"

namespace parallax::sensor {
namespace {

// A SYN-ACK is repeated for up to 63 s when the RST that answers it gets lost (Linux,
// tcp_synack_retries 5).
constexpr Duration kRememberEnded = std::chrono::seconds(75);
constexpr size_t kFewestCells = 1024;
// Probe ids tell where their entry is.
constexpr unsigned kSlotBits = 24;
constexpr uint64_t kSlotMask = (uint64_t{1} << kSlotBits) - 1;

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
  cells_[at] = {hash, slot};
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
    if (cells_[at].hash == hash && visit(cells_[at].slot)) {
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
  const uint64_t fields = uint64_t{number} << 32 | uint64_t{port} << 8 |
                          static_cast<uint64_t>(method) | uint64_t{1} << 60;
  return AddressHash(key_, target) ^ fields * 0x9e3779b97f4a7c15u;
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
  // ICMP and UDP sequences have 16 bits: pass over the ids whose sequence is taken for this target.
  Probe probe;
  uint64_t hash = 0;
  for (unsigned tries = 0;; ++tries) {
    if (tries == kMostIdsTried) {
      return std::nullopt;
    }
    probe = tagger_.Make(next_number_++ << kSlotBits | slot, target, scope, attempt, ttl);
    hash = WireHash(target, attempt.method, attempt.port, probe.sequence);
    const bool taken = by_wire_.Find(hash, [&](Slot other) {
      const Probe& p = entries_[other].probe;
      return p.sequence == probe.sequence && p.target == target &&
             p.attempt.method == attempt.method && p.attempt.port == attempt.port;
    });
    if (!taken) {
      break;
    }
  }
  free_.pop_back();
  entries_[slot] = Entry{.probe = probe, .owner = owner, .sent = now, .open = true};
  by_wire_.Insert(hash, slot);
  if (attempt.method == ProbeMethod::kUdp) {
    by_flow_.Insert(WireHash(target, attempt.method, attempt.port, probe.flow_port), slot);
  }
  ++in_flight_;
  return probe;
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

void ProbeLedger::ForgetOldest() {
  const auto slot = static_cast<Slot>(ended_.front().probe_id & kSlotMask);
  const Probe& probe = entries_[slot].probe;
  const ProbeTry& attempt = probe.attempt;
  by_wire_.Erase(WireHash(probe.target, attempt.method, attempt.port, probe.sequence), slot);
  if (attempt.method == ProbeMethod::kUdp) {
    by_flow_.Erase(WireHash(probe.target, attempt.method, attempt.port, probe.flow_port), slot);
  }
  entries_[slot] = {};
  free_.push_back(slot);
  ended_.pop_front();
}

ProbeLedger::Entry* ProbeLedger::FindBySequence(const Answer& answer, uint32_t sequence) {
  Entry* found = nullptr;
  by_wire_.Find(WireHash(answer.target, answer.method, answer.port, sequence), [&](Slot slot) {
    const Probe& probe = entries_[slot].probe;
    if (probe.sequence == sequence && probe.target == answer.target &&
        probe.attempt.method == answer.method && probe.attempt.port == answer.port) {
      found = &entries_[slot];
    }
    return found != nullptr;
  });
  return found;
}

// A UDP reply: the youngest probe of the flow that has no answer yet, else the youngest.
ProbeLedger::Entry* ProbeLedger::FindByFlow(const Answer& answer) {
  Entry* found = nullptr;
  by_flow_.Find(WireHash(answer.target, answer.method, answer.port, answer.flow_port),
                [&](Slot slot) {
                  Entry& entry = entries_[slot];
                  const Probe& probe = entry.probe;
                  if (probe.flow_port == answer.flow_port && probe.target == answer.target &&
                      probe.attempt.port == answer.port &&
                      (found == nullptr || Rank(entry) > Rank(*found))) {
                    found = &entry;
                  }
                  return false;
                });
  return found;
}

ProbeLedger::Entry* ProbeLedger::FindMatch(const Answer& answer) {
  const auto tag_right = [&](const Entry& entry) {
    return answer.tag && answer.tag->probe_id == entry.probe.id &&
           answer.tag->tag == entry.probe.tag;
  };
  if (answer.kind == AnswerKind::kUdpReply) {
    return FindByFlow(answer);
  }
  Entry* entry = FindBySequence(answer, answer.sequence);
  const bool quoted = answer.kind == AnswerKind::kError || answer.kind == AnswerKind::kRedirect;
  if (entry == nullptr && quoted && answer.method == ProbeMethod::kUdp) {
    // A NAT that recomputed the checksum leaves the IP identification alone.
    entry = FindBySequence(answer, answer.quoted_ip_id);
  }
  if (entry == nullptr && quoted && answer.tag) {
    entry = FindById(answer.tag->probe_id);
    return entry != nullptr && tag_right(*entry) && entry->probe.target == answer.target
               ? entry
               : nullptr;
  }
  if (entry == nullptr || (answer.tag && !tag_right(*entry))) {
    return nullptr;
  }
  const bool tcp = answer.method == ProbeMethod::kTcpSyn;
  if (answer.flow_port != entry->probe.flow_port) {
    // A NAT may have rewritten our port within a quote, never in the reply itself.
    return quoted && (tcp || answer.tag) ? entry : nullptr;
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
  const bool error = answer.kind == AnswerKind::kError;
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
  if (error || redirect) {
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
  bool forged = tagger_.OwnsFlow(answer);
  if (!forged && answer.tag) {
    // Our own tag, come back from an address that we did not ask.
    const Entry* entry = FindById(answer.tag->probe_id);
    forged = entry != nullptr && entry->probe.tag == answer.tag->tag;
  }
  ++(forged ? counts_.forged : counts_.foreign);
}

}  // namespace parallax::sensor
