// Traces the path of one flow to one target: only the TTL varies, so all probes take one way where
// routers balance by flow (Paris traceroute). Pure; owned by the probe thread.
//
//   first probes   the target with full TTL, whose answer tells the distance, and the hops up to
//                  there at once, one probe each; while the distance is not known, as many hops
//                  beyond the last that answered as the gap limit allows
//        |
//        | every hop up to the end seen so far was asked once
//        v
//   more probes    the rest of each hop's probes; a silent hop is asked again, but spaced
//        |                                   ^
//        | nothing left to ask or wait for   | contradictions: answers that no single route gives
//        |                                   v
//        |                    ask again      every hop once more, those that contradict and those
//        |                                   behind them in full; then
//        |                      - an earlier answer came back: packets are balanced one by one
//        |                      - none did: the route changed; what was seen before it is "former"
//        v
//     finished:  reached | unreachable | prohibited | loop | silent | max_ttl
//
// The route is known after one round trip as far as the policy's rate and the routers' limits
// (hop_limiter.h) let probes go: probes are wished for in the order in which they tell most.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "sensor/probe/trace/path_search.h"

namespace parallax::sensor {

class Tracer : public PathSearch {
 public:
  // `limiter` must outlive the tracer.
  Tracer(const IpAddress& target, const ProbeTry& attempt, const TraceOptions& options,
         HopLimiter& limiter);

  bool done() const override { return finished_ || stopped(); }
  Path path() const override;
  // Done, and not for want of permission or of a way out of this host.
  bool traced() const { return finished_ && !stopped(); }

 protected:
  std::optional<Wish> Choose(MonoTime now) override;
  void OnChange(uint32_t sample, MonoTime now) override;

 private:
  static constexpr uint32_t kFewestAsksOfSilent = 2;

  // What the samples that count say of one TTL. Entry 0 is that of the probes with full TTL.
  struct Hop {
    uint32_t asked = 0;
    uint32_t waiting = 0;
    uint32_t answered = 0;
    uint32_t asked_since = 0;  // from change_from_ on
    uint32_t answered_since = 0;
    MonoTime last_sent = MonoTime::min();
    HopWord word = HopWord::kNone;  // passing counts most, then the target's
    IpAddress from;
    uint8_t reply_ttl = 0;
    bool contradicts = false;
  };
  // Who answered, and whether packets go on from there.
  struct Identity {
    IpAddress from;
    HopWord word = HopWord::kNone;
    bool operator==(const Identity&) const = default;
  };
  // The same address answers two TTLs.
  struct Repeat {
    uint8_t first = 0;
    uint8_t second = 0;
  };
  enum class Phase : uint8_t { kTracing, kAskingAgain };

  Identity IdentityOf(const PathSample& sample) const { return {sample.from, WordOf(sample)}; }
  void Survey();
  void FindContradictions();
  void FindRepeats();
  unsigned LastToAsk() const;
  // Probes of a hop that count at this stage, and how many there ought to be.
  struct Want {
    uint32_t count = 0;
    uint32_t wanted = 0;
  };
  Want WantAt(unsigned ttl) const;
  std::optional<Wish> WishAt(unsigned ttl, MonoTime now) const;
  std::optional<Wish> WishForFull(MonoTime now) const;
  bool StillWaiting() const;
  // Nothing is left to ask: says what the contradictions meant. False: the trace is complete.
  bool Resolve();
  size_t LastChange() const;
  bool SomeIdentityReturns() const;
  TraceEnd EndOf(Path& path) const;
  unsigned ConclusionTtl() const;

  std::vector<Hop> hops_;  // by TTL
  // 0: none.
  uint8_t target_ttl_ = 0;
  uint8_t error_ttl_ = 0;
  uint8_t highest_answered_ = 0;
  uint8_t lowest_contradiction_ = 0;
  Duration longest_rtt_{};
  std::optional<Repeat> loop_;
  std::vector<bool> behind_nat_;  // by TTL: the repeated address is that of a translator

  Phase phase_ = Phase::kTracing;
  size_t change_from_ = 0;  // samples from this one on took the later route
  std::optional<size_t> contradiction_from_;
  uint32_t changes_ = 0;
  bool changed_ = false;
  bool per_packet_ = false;
  bool finished_ = false;
};

}  // namespace parallax::sensor
