#include "collector/cli/commands.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>
#include <vector>

#include "collector/cli/answer.h"
#include "collector/cli/client.h"
#include "collector/cli/json.h"
#include "collector/cli/path_diff.h"
#include "collector/cli/render.h"
#include "common/ip.h"

namespace parallax::cli {
namespace {

bool IsRouteAnomaly(const v1::Incident& incident) {
  return incident.verdict() == "route_anomaly" || incident.verdict() == "mixed";
}

bool IsOpenAnomaly(const v1::Incident& incident) {
  return IsRouteAnomaly(incident) && incident.state() == "open";
}

bool Ends(Until until, const v1::Incident& incident) {
  switch (until) {
    case Until::kOpen:
      return IsOpenAnomaly(incident);
    case Until::kClosed:
      return IsRouteAnomaly(incident) && incident.state() == "closed";
    case Until::kForever:
      break;
  }
  return false;
}

}  // namespace

Result<void> ShowStatus(const Options& options) {
  return WithAnswer(
      options, [](Client& client) { return client.Status(); },
      [&](const v1::Status& status) {
        return IsTable(options) ? Print(RenderStatus(status, LookOf(STDOUT_FILENO)))
                                : PrintOne(options.format, "Status", ToJson(status));
      });
}

Result<void> ListSensors(const Options& options) {
  return WithAnswer(
      options, [](Client& client) { return client.Sensors({}); },
      [&](const v1::SensorList& list) {
        return IsTable(options)
                   ? Print(RenderSensors(list, LookOf(STDOUT_FILENO)))
                   : PrintList(options.format, "SensorList", Json::object(), Items(list.items()));
      });
}

Result<void> ShowSensor(const Options& options, const std::string& name) {
  v1::ListSensorsRequest request;
  request.set_name(name);
  return WithAnswer(
      options, [&](Client& client) { return client.Sensors(request); },
      [&](const v1::SensorList& list) {
        const auto& sensor = list.items(0);
        return IsTable(options)
                   ? Print(RenderSensor(sensor, list.answered_at(), LookOf(STDOUT_FILENO)))
                   : PrintOne(options.format, "Sensor", ToJson(sensor));
      });
}

Result<void> ListTargets(const Options& options) {
  v1::ListTargetsRequest request;
  request.set_limit(LimitOf(options));
  return WithAnswer(
      options, [&](Client& client) { return client.Targets(request); },
      [&](const v1::TargetList& list) {
        return IsTable(options) ? Print(RenderTargets(list, LookOf(STDOUT_FILENO)))
                                : PrintList(options.format, "TargetList", {{"total", list.total()}},
                                            Items(list.items()));
      });
}

Result<void> ShowTarget(const Options& options, const std::string& address) {
  if (!IpAddress::Parse(address)) {
    return Fail(ErrorCode::kUsage, address + ": not an IPv4 or IPv6 address");
  }
  v1::ListTargetsRequest request;
  request.set_address(address);
  return WithAnswer(
      options, [&](Client& client) { return client.Targets(request); },
      [&](const v1::TargetList& list) {
        const auto& target = list.items(0);
        return IsTable(options)
                   ? Print(RenderTarget(target, list.answered_at(), LookOf(STDOUT_FILENO)))
                   : PrintOne(options.format, "Target", ToJson(target));
      });
}

Result<void> ShowMatrix(const Options& options) {
  auto client = Connect(options);
  if (!client) {
    return tl::make_unexpected(client.error());
  }
  v1::ListTargetsRequest request;
  request.set_limit(LimitOf(options));
  auto targets = client->Targets(request);
  if (!targets) {
    return tl::make_unexpected(targets.error());
  }
  if (IsTable(options)) {
    v1::ListIncidentsRequest live;
    live.set_state("live");
    const auto incidents = client->Incidents(live);
    if (!incidents) {
      return tl::make_unexpected(incidents.error());
    }
    return Print(RenderMatrix(*targets, *incidents, LookOf(STDOUT_FILENO)));
  }
  auto sensors = client->Sensors({});
  if (!sensors) {
    return tl::make_unexpected(sensors.error());
  }
  Json names = Json::array();
  for (const auto& sensor : sensors->items()) {
    if (sensor.state() != "pending" && sensor.state() != "approved") {  // those never looked
      names.push_back(sensor.name());
    }
  }
  return PrintList(options.format, "Matrix",
                   {{"total", targets->total()}, {"sensors", std::move(names)}},
                   Items(targets->items()));
}

Result<void> ListIncidents(const Options& options, const std::string& state) {
  v1::ListIncidentsRequest request;
  request.set_state(state == "all" ? "" : state);
  request.set_limit(LimitOf(options));
  return WithAnswer(
      options, [&](Client& client) { return client.Incidents(request); },
      [&](const v1::IncidentList& list) {
        return IsTable(options) ? Print(RenderIncidents(list, state, LookOf(STDOUT_FILENO)))
                                : PrintList(options.format, "IncidentList",
                                            {{"total", list.total()}}, Items(list.items()));
      });
}

Result<void> ShowIncident(const Options& options, const std::string& id) {
  auto client = Connect(options);
  if (!client) {
    return tl::make_unexpected(client.error());
  }
  v1::ListIncidentsRequest request;
  request.set_id(id);
  const auto list = client->Incidents(request);
  if (!list) {
    return tl::make_unexpected(list.error());
  }
  const auto& incident = list->items(0);
  if (!IsTable(options)) {
    return PrintOne(options.format, "Incident", ToJson(incident));
  }
  SensorGroups groups;  // good to know; the page does without
  if (const auto sensors = client->Sensors({})) {
    for (const auto& sensor : sensors->items()) {
      groups.emplace(sensor.name(), sensor.group());
    }
  }
  return Print(RenderIncident(incident, list->answered_at(), groups, LookOf(STDOUT_FILENO)));
}

Result<void> WatchIncidents(const Options& options, Until until) {
  auto client = Connect(options);
  if (!client) {
    return tl::make_unexpected(client.error());
  }
  v1::ListIncidentsRequest request;
  request.set_state("live");
  auto live = client->Incidents(request);
  if (!live) {
    return tl::make_unexpected(live.error());
  }
  const bool lines = options.format == Format::kTable ||
                     (options.format == Format::kDefault && ::isatty(STDOUT_FILENO) == 1);
  const Look look = LookOf(STDOUT_FILENO);
  Result<void> printed;
  const auto show = [&](const v1::IncidentEvent& event) {
    Put(stdout,
        lines ? RenderEvent(event, look) : Dump(WithKind("IncidentEvent", ToJson(event)), -1));
    printed = Flushed();
    return printed.has_value() && !Ends(until, event.incident());
  };

  // What is live now comes first; what happens from this very snapshot on follows.
  bool anomaly_live = false;
  for (auto incident = live->items().rbegin(); incident != live->items().rend(); ++incident) {
    v1::IncidentEvent event;
    event.set_event(live->last_event());
    event.set_at(incident->updated_at());
    event.set_change("current");
    *event.mutable_incident() = *incident;
    anomaly_live = anomaly_live || (IsRouteAnomaly(*incident) && incident->state() != "candidate");
    if (!show(event)) {
      return printed;
    }
  }
  if (until == Until::kClosed && !anomaly_live) {
    Put(stderr, "No route anomaly is live.\n");
    return {};
  }
  if (lines && until == Until::kForever && ::isatty(STDOUT_FILENO) == 1) {
    Put(stderr, "Waiting for changes; Ctrl-C ends.\n");
  }
  auto watched = client->Watch(live->last_event(), options.timeout, show);
  return printed ? watched : printed;
}

namespace {

Result<v1::PathList> AskPaths(const Options& options, const std::string& target,
                              const std::string& from) {
  if (!IpAddress::Parse(target)) {
    return Fail(ErrorCode::kUsage, target + ": not an IPv4 or IPv6 address");
  }
  auto client = Connect(options);
  if (!client) {
    return tl::make_unexpected(client.error());
  }
  v1::ListPathsRequest request;
  request.set_target(target);
  request.set_sensor(from);
  return client->Paths(request);
}

}  // namespace

Result<void> ShowPath(const Options& options, const std::string& target, const std::string& from) {
  const auto list = AskPaths(options, target, from);
  if (!list) {
    return tl::make_unexpected(list.error());
  }
  const std::vector<v1::TracedPath> latest = LatestPaths(*list);
  return IsTable(options) ? Print(RenderPaths(latest, list->answered_at(), LookOf(STDOUT_FILENO)))
                          : PrintList(options.format, "PathList", Json::object(), Items(latest));
}

Result<void> DiffPaths(const Options& options, const std::string& target, const std::string& from,
                       const std::string& with) {
  const auto list = AskPaths(options, target, with.empty() ? from : std::string());
  if (!list) {
    return tl::make_unexpected(list.error());
  }
  const std::vector<PathDiff> diffs = DiffOf(*list, from, with);
  if (diffs.empty()) {
    return Fail(ErrorCode::kNotFound,
                fmt::format("there are no two ways to {} to compare{}", target,
                            with.empty() ? "; try --with another sensor" : ""));
  }
  return IsTable(options) ? Print(RenderDiffs(diffs, list->answered_at(), LookOf(STDOUT_FILENO)))
                          : PrintList(options.format, "PathDiffList", Json::object(), Items(diffs));
}

Result<void> TopSyns(const Options& options, const std::string& by, Duration since) {
  v1::TopSynsRequest request;
  request.set_by(by);
  request.set_since_nanos(static_cast<uint64_t>(since.count()));
  request.set_limit(options.limit);
  return WithAnswer(
      options, [&](Client& client) { return client.TopSyns(request); },
      [&](const v1::SynTop& top) {
        return IsTable(options)
                   ? Print(RenderSynTop(top, by, FormatDuration(since), LookOf(STDOUT_FILENO)))
                   : PrintList(options.format, "SynTop",
                               {{"by", by}, {"total", top.total()}, {"truncated", top.truncated()}},
                               Items(top.items()));
      });
}

Result<void> ListSynServers(const Options& options, Duration since) {
  v1::ListSynServersRequest request;
  request.set_since_nanos(static_cast<uint64_t>(since.count()));
  request.set_limit(LimitOf(options));
  return WithAnswer(
      options, [&](Client& client) { return client.SynServers(request); },
      [&](const v1::SynServerList& list) {
        return IsTable(options)
                   ? Print(RenderSynServers(list, FormatDuration(since), LookOf(STDOUT_FILENO)))
                   : PrintList(options.format, "SynServerList",
                               {{"total", list.total()}, {"truncated", list.truncated()}},
                               Items(list.items()));
      });
}

}  // namespace parallax::cli
