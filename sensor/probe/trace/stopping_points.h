// How many flows have to be asked at a hop before one may believe that all its nodes were seen:
// the stopping points of the multipath detection algorithm (Augustin et al., 2007). Pure.
//
// Flows fall on the K nodes of a hop like balls into K equally likely urns. The probability that n
// balls leave some urn empty is computed exactly, as the distribution of the number of urns hit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace parallax::sensor {

// The probability that `flows` flows miss at least one of `nodes` nodes. REQUIRES: nodes >= 1.
double MissProbability(uint32_t nodes, uint32_t flows);

// The fewest flows that see all of `nodes` nodes with a probability of at least 1 - `epsilon`.
// REQUIRES: nodes >= 1, 0 < epsilon < 1.
uint32_t FlowsToSeeAll(uint32_t nodes, double epsilon);

// For one hop: stop at After(k) flows if k nodes have been seen. Whatever the number of nodes, up
// to kMostNodes, the probability to stop before all have been seen, at this stopping point or an
// earlier one, is at most epsilon. (That makes points a little later than FlowsToSeeAll(k + 1),
// which looks at the last stopping point alone.)
class StoppingPoints {
 public:
  static constexpr uint32_t kMostNodes = 128;

  explicit StoppingPoints(double epsilon);
  uint32_t After(uint32_t nodes);  // 0 counts as 1; beyond kMostNodes: as there
  double epsilon() const { return epsilon_; }

 private:
  void Extend();

  double epsilon_;
  std::vector<uint32_t> points_;  // [k - 1]: after k nodes
};

}  // namespace parallax::sensor
