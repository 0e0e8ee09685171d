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
          cells_of_[value.target].insert(value.sensor);
        } else if constexpr (std::is_same_v<T, PathRecord>) {
          atlas_[{value.target, value.sensor}] = value;
        } else if constexpr (std::is_same_v<T, TargetForgotten>) {
          targets_.erase(value.address);
          for (const SensorName& sensor : cells_of_[value.address]) {
            cells_.erase({sensor, value.address});
          }
          cells_of_.erase(value.address);
          const auto first = atlas_.lower_bound({value.address, {}});
          auto last = first;
          while (last != atlas_.end() && last->first.first == value.address) {
            ++last;
          }
          atlas_.erase(first, last);
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
