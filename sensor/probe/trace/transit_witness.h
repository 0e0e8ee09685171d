// Does the path to a target leave past a given hop, for example the border router? Needs nothing
// from the target: a probe whose TTL ends just past the hop takes the same forwarding decisions,
// and the router there says so. Pure; owned by the probe thread.
//
//   find    the TTL at which the hop answers: where the hint says, else from the first TTL on
//   beyond  one TTL further; up to two more where routers are silent
//   check   one TTL more, and the one before the hop: in a loop, who answers past the hop is one of
//           those before it, or the hop itself comes next
//
//   proven    a router beyond the hop, or the target, answers
//   refuted   the hop or a router before it says unreachable, or packets come back to one of them
//   unknown   silence, or the hop does not answer on this path
//
// Every TTL that brings no answer is asked again once, spaced.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "sensor/probe/trace/path_search.h"

namespace parallax::sensor {

// The hop to get past.
struct TransitHop {
  std::vector<IpAddress> addresses;  // it may answer with any of them
  uint8_t hint = 0;                  // TTL at which it answered lately; 0: not known
  bool operator==(const TransitHop&) const = default;
};

enum class TransitVerdict : uint8_t { kUnknown, kProven, kRefuted };
std::string_view ToString(TransitVerdict verdict);  // "proven"

enum class TransitReason : uint8_t {
  kSilence,         // unknown: nobody answers beyond the hop
  kHopNotFound,     // unknown: the hop does not answer on this path
  kNotAsked,        // unknown: stopped, by the policy or this host's kernel
  kRouterBeyond,    // proven
  kTargetAnswered,  // proven
  kUnreachable,     // refuted: who is not beyond the hop says unreachable or prohibited
  kLoop,            // refuted: packets come back, or go round before the hop
  kHopIsTarget,     // refuted: there is nothing beyond
};
std::string_view ToString(TransitReason reason);  // "router_beyond"

struct TransitResult {
  TransitVerdict verdict = TransitVerdict::kUnknown;
  TransitReason reason = TransitReason::kSilence;
  uint8_t hop_ttl = 0;               // 0: not found
  std::optional<IpAddress> witness;  // who answered and so decided
  uint8_t witness_ttl = 0;
  uint8_t icmp_type = 0;  // of its ICMP error, if it was one
  uint8_t icmp_code = 0;
  uint32_t sent = 0;  // probes spent
  bool operator==(const TransitResult&) const = default;
};

class TransitWitness : public PathSearch {
 public:
  TransitWitness(const IpAddress& target, const ProbeTry& attempt, const TraceOptions& options,
                 const TransitHop& hop, HopLimiter& limiter);

  bool done() const override { return finished_ || stopped(); }
  Path path() const override;
  TransitResult result() const;

 protected:
  std::optional<Wish> Choose(MonoTime now) override;
  void OnChange(uint32_t sample, MonoTime now) override;

 private:
  struct Place {
    uint32_t asked = 0;
    uint32_t waiting = 0;
    HopWord word = HopWord::kNone;
    IpAddress from;
    uint8_t icmp_type = 0;
    uint8_t icmp_code = 0;
    uint8_t reply_ttl = 0;
    MonoTime last_sent = MonoTime::min();
  };

  bool IsHop(const Place& place) const;
  // An answer from the hop, or from where packets were before they came to it.
  bool IsBack(const Place& place) const;
  bool Answered(unsigned ttl) const { return places_[ttl].word != HopWord::kNone; }
  // Answered, or asked in vain as often as it will be.
  bool Settled(unsigned ttl) const;
  bool InRange(unsigned ttl) const { return ttl >= 1 && ttl <= options_.max_ttl; }
  // TTLs that are worth asking, the best first; empty: the result is final.
  std::vector<unsigned> Wanted() const;
  std::vector<unsigned> WantedToFind() const;
  // The lowest TTL beyond the hop that answered as a router beyond would; 0: none did.
  unsigned FirstBeyond() const;
  void Survey();
  // Where a router answers for the second time, before the hop was found; 0: nowhere.
  unsigned FirstRepeat() const;
  // Settle verdict_ if what is known suffices.
  void Judge();
  void JudgeWithoutHop();
  void Decide(TransitVerdict verdict, TransitReason reason, unsigned ttl);

  const TransitHop hop_;
  std::vector<Place> places_;  // by TTL
  unsigned hop_ttl_ = 0;
  std::optional<TransitResult> verdict_;
  bool finished_ = false;
};

}  // namespace parallax::sensor
