// From traced ways to what an incident says about its place: the suspect edge, how sure it is and
// on whose word it rests, and where the ways part. Pure functions over values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "collector/detect/incident_book.h"
#include "collector/detect/localise/localiser.h"
#include "common/records.h"

namespace parallax::collector {

// One router per hop, as the localiser wants it: of several the first; nobody where nobody
// answered.
std::vector<std::optional<IpAddress>> Hops(const PathHops& hops);

// A department's router may answer each of its sensors from another address: the one that faces it.
// First hops of one group that lead on to the same place are one router; all of them get the lowest
// of its addresses.
std::vector<ObservedPath> OneRouterPerGroup(std::vector<ObservedPath> paths);

// The suspect edges, best first; a department's router is taken for one, whichever of its addresses
// it answers a sensor from.
std::vector<SuspectEdge> SuspectsAmong(const std::vector<ObservedPath>& paths);

Suspect SuspectOf(const SuspectEdge& edge, const std::string& confidence);

// nullopt: the ways do not tell.
std::optional<Explanation> ExplainPaths(const IncidentView& view,
                                        const std::vector<ObservedPath>& paths);

}  // namespace parallax::collector
