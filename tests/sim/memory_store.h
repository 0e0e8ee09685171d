// A store without a disk: the latest row of everything, and all that happened to incidents. Gives
// a new engine what an old one would have found after a restart.
#pragma once

#include <map>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "collector/store/ops.h"

namespace parallax::sim {

class MemoryStore {
 public:
  void Apply(const collector::StoreOp& op);
  collector::SavedState Load() const;

  const std::map<collector::SensorName, collector::SensorRecord>& sensors() const {
    return sensors_;
  }
  const std::map<IpAddress, collector::TargetRecord>& targets() const { return targets_; }
  const std::map<std::pair<collector::SensorName, IpAddress>, collector::CellRecord>& cells()
      const {
    return cells_;
  }
  const std::map<uint64_t, collector::IncidentRecord>& incidents() const { return incidents_; }
  const std::vector<collector::IncidentChange>& changes() const { return changes_; }

  // All incidents ever told with this verdict, oldest first.
  std::vector<collector::IncidentRecord> With(collector::Verdict verdict) const;

 private:
  std::map<collector::SensorName, collector::SensorRecord> sensors_;
  std::map<IpAddress, collector::TargetRecord> targets_;
  std::map<std::pair<collector::SensorName, IpAddress>, collector::CellRecord> cells_;
  // Paths by target first, so that all of a target's go together.
  std::map<std::pair<IpAddress, collector::SensorName>, collector::PathRecord> atlas_;
  std::unordered_map<IpAddress, std::set<collector::SensorName>> cells_of_;  // who has one
  std::map<uint64_t, collector::IncidentRecord> incidents_;
  std::vector<collector::IncidentChange> changes_;
};

}  // namespace parallax::sim
