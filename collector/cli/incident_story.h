// An incident told to somebody woken at 3 a.m.: the lines that are enough to act on first, then
// what stands behind them. A pure function of the incident's record; nothing of its evidence is
// left out.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "collector/cli/incident_evidence.h"
#include "parallax/v1/operator.pb.h"

namespace parallax::cli {

using SensorGroups = std::map<std::string, std::string>;  // sensor -> its group, as far as known

struct StorySection {
  std::string heading;
  std::vector<StoryLine> lines;
};

// A command that exists, and what it shows.
struct StoryCommand {
  std::string command;
  std::string shows;
};

struct IncidentStory {
  std::string merged;            // where it is told on; empty if here
  std::string standing;          // its state, and for how long
  std::string sentence;          // what happened
  std::vector<StoryLine> brief;  // who is suspected, whether it is a flood, what to do first
  std::vector<StorySection> sections;
  std::vector<StoryLine> noted;    // evidence that there are no words for, by key
  std::vector<StoryCommand> next;  // the first one is the most useful
};

IncidentStory TellIncident(const v1::Incident& incident, uint64_t now, const SensorGroups& groups);

}  // namespace parallax::cli
