// Decides which flows to one target to ask, and when enough is known to say how its flows behave
// (flow_verdict.h). A plain machine without a clock; owned by whoever probes the target.
//
//   round 1: every flow once -> judge --sure--> done
//                                | not sure, and probes are left
//                                v
//   next round: up to 16 flows that lost probes, and as many others as controls -> judge again
//
// Each round is in a random order of its own, and begins when the last one's outcomes are known, at
// least 0.4 s after its last probe, and up to 0.25 s later than need be: what changes with time
// shall not look like a flow. If nothing was answered a round is 8 flows only, and round 1 is
// broken off after 64. If loss turns out to have come and gone with time, all flows are asked anew,
// once, and what was before is forgotten. At most N + 6 * min(N, 16) probes, and N more where it
// was asked anew.
//
// At least 0.99 of the posterior must speak for what is said (0.999 for per_flow), or the probes
// must be used up. How much loss there is, if it is no matter of flows, is not chased.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "common/flow_verdict.h"
#include "common/time.h"

namespace parallax::sensor {

class FlowCheck {
 public:
  static constexpr size_t kMaxFlows = 4096;
  static constexpr double kSure = 0.99;
  static constexpr double kSureOfBranch = 0.999;

  // Flows are numbered from 0; `flows` beyond kMaxFlows are not asked. `seed` orders them. With
  // `count` each flow is asked that many times, whatever is answered.
  FlowCheck(size_t flows, uint64_t seed, size_t count = 0);

  // The flow to ask now; it is in flight until one of the calls below. nullopt: none now; ask again
  // at NextTime(), or after one of those calls.
  std::optional<uint16_t> Next(MonoTime now);
  // When Next has a flow; in the past: at once. nullopt: not before an outcome, or done.
  std::optional<MonoTime> NextTime() const;

  // What became of the flow's probe in flight. Ignored if there is none: a flow has one at most,
  // and an answer that comes after OnLost is not taken back.
  void OnAnswer(uint16_t flow, MonoTime now) { OnOutcome(flow, now, Outcome::kAnswered); }
  void OnLost(uint16_t flow, MonoTime now) { OnOutcome(flow, now, Outcome::kLost); }
  // It did not leave this host: counted as never asked, and not asked again before the next round.
  void OnNotSent(uint16_t flow, MonoTime now) { OnOutcome(flow, now, Outcome::kNotSent); }

  bool done() const { return done_; }
  // Of the outcomes so far; final once done.
  FlowVerdict Verdict() const;

  size_t flows() const { return flows_.size(); }
  size_t sent() const { return sent_; }  // probes with an outcome or in flight
  size_t answered() const { return answered_; }

 private:
  enum class Outcome : uint8_t { kAnswered, kLost, kNotSent };
  struct State {
    uint16_t sent = 0;  // with an outcome
    uint16_t answered = 0;
    uint16_t stretch = 0;  // of the probe in flight
    bool in_flight = false;
    uint16_t lost() const { return static_cast<uint16_t>(sent - answered); }
  };

  void OnOutcome(uint16_t flow, MonoTime now, Outcome outcome);
  void EndRound();
  bool Sure(const FlowVerdict& verdict) const;
  void StartAnew();
  void PlanAll();
  void PlanRetries();
  // Of the flows for which `wanted` holds, up to `most`: least asked first, else at random.
  template <typename Wanted>
  void Pick(size_t most, Wanted wanted);
  void Shuffle();
  uint64_t Random();

  std::vector<State> flows_;
  std::vector<uint16_t> round_;  // flows to ask in this round
  size_t at_ = 0;                // of round_
  std::vector<StretchTally> stretches_;
  size_t stretch_length_;
  size_t in_stretch_ = 0;  // probes handed out in the last one
  MonoTime not_before_ = MonoTime::min();
  uint64_t random_;
  size_t count_;
  size_t rounds_ = 0;  // ended, since the start or the new start
  size_t in_flight_ = 0;
  size_t budget_;
  size_t asked_ = 0;  // handed out, sent or not
  size_t sent_ = 0;
  size_t answered_ = 0;
  size_t answered_since_ = 0;  // the new start
  size_t lost_since_ = 0;
  size_t not_sent_since_ = 0;  // the round began
  bool changed_ = false;       // was started anew
  bool done_ = false;
};

}  // namespace parallax::sensor
