// What the engine asks the store to remember, in the order in which it happened.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "collector/detect/model.h"
#include "collector/enrol/records.h"

namespace parallax::collector {

// Records of one sensor, numbered first_sequence, first_sequence + 1, ... within `epoch`. Stored
// together with the sensor's high-water mark, in one transaction, so that a re-send is harmless:
// whatever is at or below the mark is skipped.
struct IngestedBatch {
  SensorName sensor;
  uint64_t epoch = 0;
  uint64_t first_sequence = 0;
  WallTime received;
  std::vector<Record> records;
};

// Records of a sensor that are malformed: never stored, kept aside for whoever looks for the
// reason. `body` is the batch as it came, or its beginning.
struct RefusedBatch {
  SensorName sensor;
  uint64_t epoch = 0;
  uint64_t first_sequence = 0;
  uint64_t last_sequence = 0;
  uint64_t refused = 0;  // records of it
  WallTime received;
  std::string reason;
  std::string body;
};

// What a sensor goes by, as it says: which CAs it trusts, and which one signed its certificate.
// SHA-256 of their DER, 64 hex digits.
struct SensorIdentity {
  SensorName sensor;
  std::vector<std::string> trusted_cas;
  std::string certificate_ca;  // empty: none that it trusts
  WallTime certificate_expires;
  WallTime told_at;  // collector's clock
  bool operator==(const SensorIdentity&) const = default;
};

struct KnownSensor {
  SensorName name;
  WallTime last_seen;
  std::optional<SensorIdentity> identity;  // nullopt: it has not said
};

struct TargetForgotten {
  IpAddress address;
};

using StoreOp = std::variant<IngestedBatch, SensorRecord, TargetRecord, TargetForgotten, CellRecord,
                             PathRecord, IncidentChange, RefusedBatch, TrustChange, SensorIdentity>;

// Everything of `sensor` and `epoch` up to and including `sequence` is stored.
struct HighWaterMark {
  SensorName sensor;
  uint64_t epoch = 0;
  uint64_t sequence = 0;
  bool operator==(const HighWaterMark&) const = default;
};

// Everything that must survive a restart of the collector.
struct SavedState {
  std::vector<SensorRecord> sensors;
  std::vector<TargetRecord> targets;
  std::vector<CellRecord> cells;
  std::vector<PathRecord> paths;
  std::vector<IncidentRecord> live_incidents;  // all but closed
  uint64_t last_incident = 0;                  // highest number ever given
  std::vector<HighWaterMark> marks;            // where each sensor's records go on
  SavedTrust trust;                            // who may report
};

}  // namespace parallax::collector
