// What to type next: commands that exist, with what they show.
#include <fmt/format.h>

#include <algorithm>

#include "collector/cli/incident_subject.h"
#include "collector/cli/table.h"

namespace parallax::cli {
namespace {

using Commands = std::vector<StoryCommand>;

Commands AfterRoutes(const Subject& subject) {
  const std::string host = subject.OneHost();
  const std::string from = subject.FirstFailing();
  const std::string reaching = subject.FirstReaching();
  Commands next;
  if (!host.empty() && !from.empty()) {
    const std::string diff = fmt::format("parallax path diff {} --from {}", host, from);
    if (!reaching.empty()) {
      next.push_back({diff + " --with " + reaching, "where it parts from the way that works"});
    }
    next.push_back({diff, "... from the way in peace, if remembered"});
  }
  if (!host.empty()) {
    next.push_back({"parallax target show " + host, "who reaches it at this moment"});
  }
  next.push_back(subject.evidence.Number("half_open_attempts") > 0 || subject.evidence.Has("flood")
                     ? StoryCommand{"parallax syn servers", "flood or fault, server by server"}
                     : StoryCommand{"parallax matrix", "every sensor and every host"});
  return next;
}

Commands AfterHosts(const Subject& subject) {
  const std::string host = subject.OneHost();
  Commands next;
  if (!host.empty()) {
    next.push_back({"parallax path show " + host, "where the ways to it end"});
    next.push_back({"parallax target show " + host, "who reaches it at this moment"});
  }
  next.push_back({"parallax matrix", "every sensor and every host"});
  return next;
}

Commands AfterSensor(const Subject& subject) {
  Commands next;
  if (const std::string sensor = subject.FirstFailing(); !sensor.empty()) {
    next.push_back({"parallax sensor show " + sensor, "its interfaces, gateways and problems"});
  }
  next.push_back({"parallax sensor list", "whether others have trouble, too"});
  if (!subject.IsAbout("sensor_isolated")) {
    next.push_back({"parallax matrix", "every sensor and every host"});
  }
  return next;
}

}  // namespace

std::vector<StoryCommand> NextOf(const Subject& subject) {
  if (subject.evidence.Has("merged_into")) {
    return {{"parallax incident show " + subject.evidence.Peek("merged_into"),
             "where this is told on"}};
  }
  Commands next;
  if (subject.IsAbout("syn_flood")) {
    next = {{"parallax syn servers", "the figures that tell a flood from a fault, now"},
            {"parallax syn top --by src", "whether a few sources stand out"},
            {"parallax syn top --by port", "what they are after"}};
  } else if (subject.OnRoutes() || (subject.LosesPackets() && !subject.OneHost().empty())) {
    next = AfterRoutes(subject);
  } else if (subject.OnHosts()) {
    next = AfterHosts(subject);
  } else {
    next = AfterSensor(subject);
  }
  if (subject.closed) {
    next.resize(std::min<size_t>(next.size(), 2));
    next.push_back({"parallax incident list --state live", "what is wrong at this moment"});
  }
  return next;
}

}  // namespace parallax::cli
