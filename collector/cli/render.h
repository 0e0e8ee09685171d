// Answers of the collector as text for people. Pure: ages are counted from the answer's own time.
// Everything that came from elsewhere is made printable first.
#pragma once

#include <string>
#include <vector>

#include "collector/cli/incident_story.h"
#include "collector/cli/path_diff.h"
#include "parallax/v1/operator.pb.h"

namespace parallax::cli {

// `data` goes to stdout; `notes` (legends, counts, the next useful command) to stderr.
struct Page {
  std::string data;
  std::string notes;
};

struct Look {
  bool colour = false;
  bool in_order = false;  // somebody asked for the order that the items are in
};

Page RenderStatus(const v1::Status& status, const Look& look);
Page RenderSensors(const v1::SensorList& list, const Look& look);
Page RenderSensor(const v1::Sensor& sensor, uint64_t now, const Look& look);
Page RenderTargets(const v1::TargetList& list, const Look& look);
Page RenderTarget(const v1::Target& target, uint64_t now, const Look& look);
// Rows: targets; columns: the sensors that any of them names.
// `live`: the incidents that are, for what the cells cannot show.
Page RenderMatrix(const v1::TargetList& list, const v1::IncidentList& live, const Look& look);
// `asked_for` says which incidents the list was to hold ("", "live", "open", ...).
Page RenderIncidents(const v1::IncidentList& list, const std::string& asked_for, const Look& look);
Page RenderIncident(const v1::Incident& incident, uint64_t now, const SensorGroups& groups,
                    const Look& look);
Page RenderSynTop(const v1::SynTop& top, const std::string& by, const std::string& since,
                  const Look& look);
Page RenderSynServers(const v1::SynServerList& list, const std::string& since, const Look& look);
Page RenderPaths(const std::vector<v1::TracedPath>& paths, uint64_t now, const Look& look);
// Two ways side by side.
Page RenderDiffs(const std::vector<PathDiff>& diffs, uint64_t now, const Look& look);
// One line.
std::string RenderEvent(const v1::IncidentEvent& event, const Look& look);

// "now", "12s ago", "3m12s ago", or "never" for 0.
std::string Ago(uint64_t time, uint64_t now);

}  // namespace parallax::cli
