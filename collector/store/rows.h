// Domain records to and from the rows of the state tables; one place for the columns, used by the
// writer and by readers. Words that this version does not know (a hand-edited file) become
// "unknown", never an error.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "collector/detect/model.h"
#include "collector/store/database.h"
#include "collector/store/ops.h"

namespace parallax::collector {

// Reading. Sensors by name, targets and cells by address bytes, incidents by number.
Result<std::vector<SensorRecord>> ReadSensors(Database& db, const std::optional<SensorName>& name);
Result<std::vector<TargetRecord>> ReadTargets(Database& db, const std::optional<IpAddress>& address,
                                              uint64_t limit);
Result<std::vector<CellRecord>> ReadCells(Database& db, const std::optional<IpAddress>& target);
Result<std::vector<PathRecord>> ReadAtlas(Database& db);
Result<std::vector<HighWaterMark>> ReadMarks(Database& db);
// All that ever connected, by name.
Result<std::vector<KnownSensor>> ReadKnownSensors(Database& db);

// The columns of an incident, in incidents and incident_events alike, and what they say, from
// column `first` on.
inline constexpr std::string_view kIncidentColumns =
    "number, state, verdict, severity, started_at, opened_at, updated_at, closed_at, family, "
    "direction, split, failing_sensors, reaching_sensors, targets, suspect_from, suspect_to, "
    "suspect_confidence, suspect_ambiguity, evidence, summary";
IncidentRecord IncidentFrom(const Rows& rows, int first);

// The same for a server report.
inline constexpr std::string_view kServerReportColumns =
    "server, window_start, window, age, aggregate, sampling, syns, syn_acks, sources, port, "
    "port_syns, port_syn_acks, completed, half_open, unanswered, refused, unknown, "
    "half_open_repeated, half_open_known, all_or_nothing, syn_rate, usual_rate, excess, "
    "listen_overflows, syn_cookies_sent";
ServerReport ServerReportFrom(const Rows& rows, int first);

// method, port, flow, trace_end, reporter, changed, hops: from column `first` on.
PathReport PathFrom(const Rows& rows, int first);

// Writing, inside the caller's transaction. `sensor` is the row in sensor_names.
Result<void> WriteSensor(Database& db, int64_t sensor, const SensorRecord& record);
Result<void> WriteTarget(Database& db, const TargetRecord& record);
Result<void> WriteCell(Database& db, int64_t sensor, const CellRecord& record);
Result<void> WriteAtlas(Database& db, int64_t sensor, const PathRecord& record);
Result<void> WriteIncidentChange(Database& db, const IncidentChange& change);
Result<void> WriteAttempt(Database& db, int64_t sensor, WallTime received, const Attempt& attempt);
Result<void> WriteProbeTry(Database& db, int64_t sensor, WallTime received,
                           const ProbeReport& report, size_t position);
Result<void> WritePath(Database& db, int64_t sensor, WallTime received, const PathReport& report);
Result<void> WriteAnnouncement(Database& db, int64_t sensor, WallTime received,
                               const Announcement& announcement);
// `mark`: the highest sequence of its epoch that is stored. A gap whose end nobody knows begins
// behind it.
Result<void> WriteGap(Database& db, int64_t sensor, WallTime received, const Gap& gap,
                      uint64_t mark);
// Keeps the latest two hundred.
Result<void> WriteRefusedBatch(Database& db, int64_t sensor, const RefusedBatch& batch);
Result<void> WriteServerReport(Database& db, int64_t sensor, WallTime received,
                               const ServerReport& report);
Result<void> WriteIdentity(Database& db, int64_t sensor, const SensorIdentity& identity);

}  // namespace parallax::collector
