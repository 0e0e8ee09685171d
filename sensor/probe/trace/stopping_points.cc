#include "sensor/probe/trace/stopping_points.h"

#include <algorithm>

namespace parallax::sensor {
namespace {

// hit[j]: the probability that exactly j of `nodes` nodes have been hit so far; one flow more.
void AskOnce(std::vector<double>& hit, uint32_t nodes) {
  const double n = nodes;
  for (uint32_t j = nodes; j > 0; --j) {
    hit[j] = hit[j] * (j / n) + hit[j - 1] * ((n - (j - 1)) / n);
  }
  hit[0] = 0;
}

}  // namespace

double MissProbability(uint32_t nodes, uint32_t flows) {
  std::vector<double> hit(size_t{nodes} + 1);
  hit[0] = 1;
  for (uint32_t i = 0; i < flows; ++i) {
    AskOnce(hit, nodes);
  }
  return std::clamp(1 - hit[nodes], 0.0, 1.0);
}

uint32_t FlowsToSeeAll(uint32_t nodes, double epsilon) {
  std::vector<double> hit(size_t{nodes} + 1);
  hit[0] = 1;
  uint32_t flows = 0;
  while (1 - hit[nodes] > epsilon) {
    AskOnce(hit, nodes);
    ++flows;
  }
  return flows;
}

StoppingPoints::StoppingPoints(double epsilon) : epsilon_(std::clamp(epsilon, 1e-9, 0.5)) {}

uint32_t StoppingPoints::After(uint32_t nodes) {
  const uint32_t k = std::clamp(nodes, 1u, kMostNodes);
  while (points_.size() < k) {
    Extend();
  }
  return points_[k - 1];
}

// The point after k nodes is the first at which stopping is safe should there be k + 1.
void StoppingPoints::Extend() {
  const auto k = static_cast<uint32_t>(points_.size() + 1);
  const uint32_t nodes = k + 1;
  std::vector<double> hit(size_t{nodes} + 1);
  hit[0] = 1;
  double stopped = 0;  // too early, at one of the points before
  const uint32_t last = points_.empty() ? 1 : points_.back();
  for (uint32_t flows = 1;; ++flows) {
    AskOnce(hit, nodes);
    for (uint32_t j = 1; j < k; ++j) {
      if (flows >= points_[j - 1]) {
        stopped += hit[j];
        hit[j] = 0;
      }
    }
    if (flows >= last && stopped + hit[k] <= epsilon_) {
      points_.push_back(flows);
      return;
    }
  }
}

}  // namespace parallax::sensor
