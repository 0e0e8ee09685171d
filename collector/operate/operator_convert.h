// Domain values to the messages of operator.proto. Pure functions; nothing comes back this way.
#pragma once

#include "collector/operate/daemon_facts.h"
#include "collector/store/reader.h"
#include "parallax/v1/operator.pb.h"

namespace parallax::collector {

void ToProto(const StatusCounts& counts, v1::Status* out);
void ToProto(const DiskFacts& disk, v1::Status* out);
void ToProto(const DaemonFacts& daemon, v1::Status* out);
void ToProto(const SensorRecord& sensor, v1::Sensor* out);
void ToProto(const TargetView& target, v1::Target* out);
void ToProto(const IncidentRecord& incident, v1::Incident* out);
void ToProto(const IncidentEventView& event, v1::IncidentEvent* out);
void ToProto(const SynTopRow& row, v1::SynTopRow* out);
void ToProto(const ServerReportView& view, v1::SynServer* out);
void ToProto(const PathView& view, v1::TracedPath* out);

// 0 for times before the epoch: "never".
uint64_t ToProto(WallTime time);

}  // namespace parallax::collector
