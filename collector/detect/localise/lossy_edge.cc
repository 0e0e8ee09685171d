#include "collector/detect/localise/lossy_edge.h"

#include <cmath>
#include <map>
#include <set>

namespace parallax::collector {
namespace {

// An edge has to make what was seen so many times more likely than one rate for all (e^3 = 20), and
// one that falls short of the best by a factor of e is as good.
constexpr double kLeastGain = 3;
constexpr double kAsGood = 1;

using Edge = std::pair<PathPlace, PathPlace>;

struct Tally {
  double sent = 0;
  double lost = 0;
};

// Log-likelihood of `lost` of `sent` at the rate that fits best.
double Likelihood(const Tally& tally) {
  const auto term = [&](double n) { return n > 0 ? n * std::log(n / tally.sent) : 0; };
  return term(tally.lost) + term(tally.sent - tally.lost);
}

std::set<Edge> EdgesOf(const ObservedPath& path) {
  std::set<Edge> edges;
  PathPlace last = PathPlace::Sensor(path.sensor);
  for (const auto& hop : path.hops) {
    if (!hop) {
      continue;
    }
    PathPlace next = PathPlace::Address(*hop);
    if (last != next && *hop != path.target) {  // a host that limits its answers looks lossy, too
      edges.emplace(last, next);
    }
    last = std::move(next);
  }
  return edges;
}

}  // namespace

std::optional<LossyEdge> LocaliseLoss(std::span<const LossyWay> ways,
                                      const std::set<SensorName>& together) {
  Tally all;
  std::map<Edge, Tally> edges;
  for (const LossyWay& way : ways) {
    all.sent += way.sent;
    all.lost += way.lost;
    for (const Edge& edge : EdgesOf(way.path)) {
      if (edge.first.kind == PathPlace::Kind::kSensor && together.contains(way.path.sensor)) {
        continue;
      }
      edges[edge].sent += way.sent;
      edges[edge].lost += way.lost;
    }
  }
  const double alike = Likelihood(all);
  std::vector<std::pair<double, const std::pair<const Edge, Tally>*>> gains;
  double best = 0;
  for (const auto& entry : edges) {
    const Tally& over = entry.second;
    const Tally rest{all.sent - over.sent, all.lost - over.lost};
    if (over.lost * rest.sent <= rest.lost * over.sent) {
      continue;  // it loses no more than others do
    }
    const double gain = Likelihood(over) + Likelihood(rest) - alike;
    gains.emplace_back(gain, &entry);
    best = std::max(best, gain);
  }
  if (best < kLeastGain) {
    return std::nullopt;
  }
  LossyEdge found;
  bool named = false;
  for (const auto& [gain, entry] : gains) {
    const auto& [edge, tally] = *entry;
    if (!named && gain == best) {
      found.from = edge.first;
      found.to = edge.second;
      found.gain = gain;
      found.sent = static_cast<unsigned>(tally.sent);
      found.lost = static_cast<unsigned>(tally.lost);
      named = true;
    } else if (gain > best - kAsGood) {
      found.ambiguity.push_back(edge);
    }
  }
  return found;
}

}  // namespace parallax::collector
