// What the parts of an incident's page have in common: the record, what kind of fault it is, and
// the account of its evidence. For the files incident_*.cc only.
#pragma once

#include <string>
#include <vector>

#include "collector/cli/incident_story.h"

namespace parallax::cli {

struct Subject {
  Subject(const v1::Incident& record, uint64_t time, const SensorGroups& known);

  // Some sensors reach these hosts and others do not, whatever it is called by now.
  bool OnRoutes() const;
  // Packets get lost, with or without a flood; no host is held to be unreachable.
  bool LosesPackets() const;
  // Hosts were probed in rounds; else it is about a sensor, a server or a filter.
  bool OnHosts() const;
  bool IsAbout(std::string_view verdict) const { return incident.verdict() == verdict; }
  std::string Failing() const;       // the sensors, as the subject of a sentence
  std::string Reaching() const;      // likewise; empty if there are none
  std::string FirstFailing() const;  // whose probes fail, if there is one
  std::string FirstReaching() const;
  std::vector<std::string> WordOf() const;  // on whose word somebody is suspected
  std::vector<std::string> ByFlow() const;  // who fails with some connections, and not with probes
  std::string Edge() const;                 // "a -> b"; empty if nobody is suspected
  std::string OneHost() const;  // that still fails, else one that did; empty if none is known

  const v1::Incident& incident;
  uint64_t now;
  const SensorGroups& groups;
  Evidence evidence;
  bool candidate;
  bool over;  // recovered: watched, or closed
  bool closed;

 private:
  std::vector<std::string> NamesIn(std::string_view key) const;
};

using Lines = std::vector<StoryLine>;

// "a, b and c"; "a, b, c and 5 more".
inline constexpr size_t kMostNamed = 4;
std::string NamesOf(const std::vector<std::string>& names, size_t most = kMostNamed);

// In the order in which they stand on the page; what is used in an earlier one is not repeated.
Lines BriefOf(Subject& subject);
Lines WhenOf(Subject& subject);
Lines WhoOf(Subject& subject);
Lines WhatOf(Subject& subject);
Lines HowOf(Subject& subject);
Lines WhereOf(Subject& subject);
Lines FloodOf(Subject& subject);
Lines SureOf(Subject& subject);
Lines MindOf(Subject& subject);

std::vector<StoryCommand> NextOf(const Subject& subject);

}  // namespace parallax::cli
