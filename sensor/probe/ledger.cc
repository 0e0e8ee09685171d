#include "sensor/probe/ledger.h"

#include <algorithm>

namespace parallax::sensor {
namespace {

// A SYN-ACK is repeated for up to 63 s when the RST that answers it gets lost (Linux,
// tcp_synack_retries 5).
constexpr Duration kRememberEnded = std::chrono::seconds(75);

}  // namespace

size_t ProbeLedger::WireKeyHash::operator()(const WireKey& key) const {
  const uint64_t fields = uint64_t{key.sequence} << 32 | uint64_t{key.flow_port} << 16 |
                          (key.attempt.port ^ static_cast<unsigned>(key.attempt.method));
  return std::hash<IpAddress>{}(key.target) ^ static_cast<size_t>(fields * 0x9e3779b97f4a7c15u);
}

ProbeLedger::ProbeLedger(const ProbeTagger& tagger, size_t capacity)
    : tagger_(tagger), capacity_(capacity) {}

ProbeLedger::WireKey ProbeLedger::KeyOf(const Probe& probe) {
  return {probe.target, probe.attempt, probe.flow_port, probe.sequence};
}

std::optional<Probe> ProbeLedger::Open(const IpAddress& target, uint32_t scope,
                                       const ProbeTry& attempt, const ProbeOwner& owner,
                                       MonoTime now) {
  while (!ended_.empty() && (ended_.front().forget_at <= now || entries_.size() >= capacity_)) {
    ForgetOldest();
  }
  if (entries_.size() >= capacity_) {
    return std::nullopt;
  }
  // ICMP sequences have 16 bits: skip the ids whose sequence is taken for this target.
  Probe probe = tagger_.Make(next_id_++, target, scope, attempt);
  while (by_wire_.contains(KeyOf(probe))) {
    probe = tagger_.Make(next_id_++, target, scope, attempt);
  }
  by_wire_.emplace(KeyOf(probe), probe.id);
  entries_.emplace(probe.id, Entry{probe, owner, now});
  return probe;
}

void ProbeLedger::SetSent(uint64_t probe_id, MonoTime at) {
  if (const auto it = entries_.find(probe_id); it != entries_.end()) {
    it->second.sent = at;
  }
}

void ProbeLedger::Close(uint64_t probe_id, MonoTime now) {
  const auto it = entries_.find(probe_id);
  if (it != entries_.end() && it->second.open) {
    it->second.open = false;
    ended_.push_back({now + kRememberEnded, probe_id});
  }
}

void ProbeLedger::ForgetOldest() {
  const auto it = entries_.find(ended_.front().probe_id);
  by_wire_.erase(KeyOf(it->second.probe));
  entries_.erase(it);
  ended_.pop_front();
}

std::optional<ProbeLedger::Match> ProbeLedger::OnAnswer(const Answer& answer, MonoTime received) {
  const auto found =
      by_wire_.find({answer.target, answer.attempt, answer.flow_port, answer.sequence});
  if (found == by_wire_.end()) {
    CountUnmatched(answer);
    return std::nullopt;
  }
  Entry& entry = entries_.at(found->second);
  // An echo reply must carry the tag; an error may quote too little to hold it.
  const bool icmp = answer.attempt.method == ProbeMethod::kIcmpEcho;
  const bool tag_needed = icmp && answer.kind != AnswerKind::kError;
  const bool tag_wrong = answer.echo && (answer.echo->probe_id != entry.probe.id ||
                                         answer.echo->tag != entry.probe.tag);
  if (tag_wrong || (tag_needed && !answer.echo)) {
    ++counts_.forged;
    return std::nullopt;
  }
  const bool error = answer.kind == AnswerKind::kError;
  if (entry.answered || (error && entry.errored)) {
    ++counts_.duplicate;
    return std::nullopt;
  }
  (error ? entry.errored : entry.answered) = true;
  if (!entry.open) {
    ++counts_.late;
    return std::nullopt;
  }
  ++counts_.accepted;
  return Match{entry.owner, std::max(received - entry.sent, Duration::zero())};
}

void ProbeLedger::CountUnmatched(const Answer& answer) {
  if (tagger_.EchoTagIsOurs(answer)) {
    ++counts_.late;  // ours, but ended too long ago to be remembered
    return;
  }
  bool forged = answer.flow_port == tagger_.FlowPort(answer.target, answer.attempt);
  if (!forged && answer.echo) {
    // Our own tag, come back from an address that we did not ask.
    const auto it = entries_.find(answer.echo->probe_id);
    forged = it != entries_.end() && it->second.probe.tag == answer.echo->tag;
  }
  ++(forged ? counts_.forged : counts_.foreign);
}

}  // namespace parallax::sensor
