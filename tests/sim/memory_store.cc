#include "tests/sim/memory_store.h"

#include <type_traits>
#include <variant>

namespace parallax::sim {

using namespace parallax::collector;  // NOLINT: the simulator speaks the collector's language

void MemoryStore::Apply(const StoreOp& op) {
  std::visit(
      [this](const auto& value) {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<T, SensorRecord>) {
          sensors_[value.name] = value;
        } else if constexpr (std::is_same_v<T, TargetRecord>) {
          targets_[value.address] = value;
        } else if constexpr (std::is_same_v<T, CellRecord>) {
          cells_[{value.sensor, value.target}] = value;
        } else if constexpr (std::is_same_v<T, PathRecord>) {
          atlas_[{value.sensor, value.target}] = value;
        } else if constexpr (std::is_same_v<T, TargetForgotten>) {
          targets_.erase(value.address);
          std::erase_if(atlas_, [&](const auto& p) { return p.first.second == value.address; });
          std::erase_if(cells_, [&](const auto& c) { return c.first.second == value.address; });
        } else if constexpr (std::is_same_v<T, IncidentChange>) {
          incidents_[value.incident.number] = value.incident;
          changes_.push_back(value);
        }
      },
      op);
}

SavedState MemoryStore::Load() const {
  SavedState saved;
  for (const auto& [name, record] : sensors_) {
    saved.sensors.push_back(record);
  }
  for (const auto& [address, record] : targets_) {
    saved.targets.push_back(record);
  }
  for (const auto& [key, record] : cells_) {
    saved.cells.push_back(record);
  }
  for (const auto& [key, record] : atlas_) {
    saved.paths.push_back(record);
  }
  for (const auto& [number, record] : incidents_) {
    saved.last_incident = std::max(saved.last_incident, number);
    if (record.state != IncidentState::kClosed) {
      saved.live_incidents.push_back(record);
    }
  }
  return saved;
}

std::vector<IncidentRecord> MemoryStore::With(Verdict verdict) const {
  std::vector<IncidentRecord> found;
  for (const auto& [number, record] : incidents_) {
    if (record.verdict == verdict) {
      found.push_back(record);
    }
  }
  return found;
}

}  // namespace parallax::sim
