// What the flows to one target say together: do all of them get through, none, some and others not
// (one branch of a load-balanced path is broken), or is it the single packet that is lost? Pure;
// a flow is a constant header, which every router that balances by flow sends one way.
//
// Five explanations are compared by their marginal likelihood (the probability of exactly these
// answers, averaged over what each leaves open; MacKay, "Information Theory, Inference, and
// Learning Algorithms", 2003, ch. 28), so that a simple one wins until the answers pay for a richer
// one:
//
//               prior   what it leaves open
//   all_up       0.70   one loss for all probes, Beta(1, 1e5): next to none
//   per_packet   0.12   one loss for all probes, Beta(1, 2): anything, a total one hardly
//   all_down     0.10   one loss for all probes, Beta(1e5, 1)
//   per_flow     0.05   each flow is bad with chance s, Beta(1/2, 1/2), at least one is, and at
//                       least one is not; bad flows lose r (mostly all, at least half), good ones q
//                       (mostly nothing, at most a quarter, r >= 3 q). Summed over a grid.
//   changing     0.03   loss depends on when a probe was sent and not on its flow: Beta(1/2, 1/2)
//                       anew for each stretch of time. Weighed only if stretches are given.
//
// Which flows are asked again may depend on the answers so far: it does not change what the answers
// say (the likelihood principle), though it does change plain ratios. Probes of a flow should lie
// 0.3 s or more apart, since copies sent together share their fate, and flows should be asked in
// random order. Where branches carry equal shares a dead one of k shows as 1/k. A path that deals
// single packets to k branches loses 1/k of them when one is dead: that is per_packet.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "common/estimate.h"

namespace parallax {

struct FlowTally {
  uint16_t flow = 0;
  uint16_t sent = 0;  // probes whose outcome is known; 0: says nothing
  uint16_t answered = 0;
};

// The same probes by time: those sent one after another, whatever their flow.
struct StretchTally {
  uint16_t sent = 0;
  uint16_t answered = 0;
};

enum class FlowPattern : uint8_t { kAllUp, kAllDown, kPerFlow, kPerPacket, kUnclear };

// "all_up", "all_down", "per_flow", "per_packet", "unclear".
std::string_view FlowPatternName(FlowPattern pattern);

// The five explanations' posterior probabilities; their sum is 1.
struct FlowBeliefs {
  double all_up = 0;
  double per_packet = 0;
  double all_down = 0;
  double per_flow = 0;
  double changing = 0;
  // Whether loss is none or some is a matter of degree; that it is not bound to flows is not.
  double evenly() const { return all_up + per_packet; }
};

struct FlowVerdict {
  FlowPattern pattern = FlowPattern::kUnclear;
  double confidence = 0;  // posterior of the pattern; if unclear, of the likeliest explanation
  // Loss came and went with time: an outage, a route change, or a limit on answers. The pattern is
  // unclear then, unless FlowCheck has asked all flows anew: it speaks of what came after.
  bool changing = false;
  FlowBeliefs beliefs;
  // Of all flows there could be, how many are bad. per_flow: posterior mean. Otherwise 0 (or 1, if
  // all_down), with the bound that the number of flows asked allows.
  Estimate share;
  // Loss of flows that are not bad; all_down: of all flows; unclear: of all probes.
  Estimate loss;
  Estimate failing_loss;          // per_flow: loss of the bad flows, likewise
  std::vector<uint16_t> failing;  // per_flow: flows more likely bad than not, in the order given
};

// At most 65,536 flows. `stretches` must count the same probes as `flows`, or is not looked
// at. `changed_before`: earlier probes, left out here, showed a change; another is likely (0.3).
FlowVerdict JudgeFlows(std::span<const FlowTally> flows,
                       std::span<const StretchTally> stretches = {}, bool changed_before = false);

}  // namespace parallax
