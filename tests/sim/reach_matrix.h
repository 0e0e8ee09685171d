// Who reaches whom, found out with a few flows between every sensor and every remote host: the
// truth of a network, not what anybody could measure.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/stage.h"

namespace parallax::sim {

// Of so many flows of a sensor and a remote, the share that arrives.
struct Reachability {
  double out = 0;   // from the sensor to the remote
  double in = 0;    // and back
  double both = 0;  // there and back
};

struct ReachMatrix {
  // By sensor, then by remote; nothing if they have no family in common.
  std::vector<std::vector<std::optional<Reachability>>> cells;
  std::vector<bool> heard;  // by sensor: it gets to the collector and back
  // Where what sensors sent to remotes got lost, (router, next node or "" for nowhere), and how
  // often.
  std::map<std::pair<std::string, std::string>, size_t> lost_at;

  bool Reaches(size_t sensor, size_t remote) const {
    return cells[sensor][remote] && cells[sensor][remote]->both > 0.99;
  }
  bool ReachesNothing(size_t sensor) const;
};

ReachMatrix Look(Stage& stage);

}  // namespace parallax::sim
