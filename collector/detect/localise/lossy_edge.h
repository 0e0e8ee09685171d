// Where are single packets lost? Ways over which so many probes went and so many came to nothing go
// in, the edge that explains the losses best comes out.
//
// For each edge two rates are compared, that of the ways over it and that of all others: by how
// much more likely do they make what was seen than one and the same rate for all (a G test)? Edges
// that do it nearly as well cannot be told apart from the best one.
//
// What it does not know: on which direction of the way a packet was lost, and edges that only ways
// back take. Pure and deterministic.
#pragma once

#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "collector/detect/localise/localiser.h"

namespace parallax::collector {

struct LossyWay {
  ObservedPath path;
  unsigned sent = 0;
  unsigned lost = 0;
};

struct LossyEdge {
  PathPlace from;
  PathPlace to;
  double gain = 0;  // natural logarithm of a likelihood ratio
  unsigned sent = 0;
  unsigned lost = 0;
  std::vector<std::pair<PathPlace, PathPlace>> ambiguity;  // other edges that explain it as well
};

// nullopt: no edge explains the losses better than chance would. Ways of one family only.
// `together`: sensors that lose alike, so that none of them does on its own link.
std::optional<LossyEdge> LocaliseLoss(std::span<const LossyWay> ways,
                                      const std::set<SensorName>& together = {});

}  // namespace parallax::collector
