// The exact table of probes in flight: gives each probe its identity, and says of each answer
// whether it answers one of them. An answer counts only if the table and the keyed tag agree.
// Probes whose order has ended are remembered a while, so that late and repeated answers can be
// told from forged ones. Pure; owned by the probe thread. Bounded: `capacity` probes in all,
// forgetting the ended ones first, oldest first.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>

#include "common/time.h"
#include "sensor/probe/tagger.h"

namespace parallax::sensor {

// On whose behalf a probe was sent; handed back with its answer.
struct ProbeOwner {
  enum class Kind : uint8_t { kOrder, kGateway };
  Kind kind = Kind::kOrder;
  uint64_t serial = 0;  // the owner's own number
  uint32_t index = 0;   // kOrder: which try
};

struct AnswerCounts {
  uint64_t accepted = 0;
  uint64_t late = 0;       // to a probe of ours whose order has ended
  uint64_t duplicate = 0;  // to a probe of ours that was answered already
  uint64_t forged = 0;     // for a flow of ours, but tag, acknowledgement or source is wrong
  uint64_t foreign = 0;    // somebody else's ping or connection
};

class ProbeLedger {
 public:
  // What an accepted answer belongs to.
  struct Match {
    ProbeOwner owner;
    Duration rtt{};
  };

  ProbeLedger(const ProbeTagger& tagger, size_t capacity);

  // A new probe, in flight from `now` on; nullopt if `capacity` probes are in flight.
  std::optional<Probe> Open(const IpAddress& target, uint32_t scope, const ProbeTry& attempt,
                            const ProbeOwner& owner, MonoTime now);

  // The exact time at which the probe left, where it is known better than at Open.
  void SetSent(uint64_t probe_id, MonoTime at);

  // No answer to the probe is wanted any more.
  void Close(uint64_t probe_id, MonoTime now);

  // The answer's match if it counts; else it has been counted as what it is. The first error and
  // the first proper answer to a probe count.
  std::optional<Match> OnAnswer(const Answer& answer, MonoTime received);

  const AnswerCounts& counts() const { return counts_; }
  size_t size() const { return entries_.size(); }

 private:
  // The fields that an answer brings back.
  struct WireKey {
    IpAddress target;
    ProbeTry attempt;
    uint16_t flow_port = 0;
    uint32_t sequence = 0;
    bool operator==(const WireKey&) const = default;
  };
  struct WireKeyHash {
    size_t operator()(const WireKey& key) const;
  };
  struct Entry {
    Probe probe;
    ProbeOwner owner;
    MonoTime sent;
    bool open = true;
    bool answered = false;
    bool errored = false;
  };
  struct Ended {
    MonoTime forget_at;
    uint64_t probe_id;
  };

  static WireKey KeyOf(const Probe& probe);
  void ForgetOldest();
  void CountUnmatched(const Answer& answer);

  const ProbeTagger& tagger_;
  const size_t capacity_;
  uint64_t next_id_ = 1;
  std::unordered_map<uint64_t, Entry> entries_;  // by probe id
  std::unordered_map<WireKey, uint64_t, WireKeyHash> by_wire_;
  std::deque<Ended> ended_;  // in the order in which they ended
  AnswerCounts counts_;
};

}  // namespace parallax::sensor
