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

// Of an answer, what was not seen, or did not change, for so long is not wanted.
template <typename List>
Result<List> Since(Options& options, const char* field, std::optional<Duration> since,
                   Result<List> answer) {
  if (answer && since) {
    options.list.where.push_back(
        {Condition::Kind::kSince, field, {TimeBefore(answer->answered_at(), *since)}});
  }
  return answer;
}

Result<std::vector<std::string>> SensorsOf(const Options& options, const std::string& group) {
  auto client = Connect(options);
  if (!client) {
    return tl::make_unexpected(client.error());
  }
  const auto sensors = client->Sensors({});
  if (!sensors) {
    return tl::make_unexpected(sensors.error());
  }
  std::vector<std::string> names;
  for (const auto& sensor : sensors->items()) {
    if (sensor.group() == group) {
      names.push_back(sensor.name());
    }
  }
  if (names.empty()) {
    return Fail(ErrorCode::kNotFound, "no sensor is in a group " + group);
  }
  return names;
}

}  // namespace

Result<void> ShowStatus(const Options& options) {
  return WithAnswer(
      options, [](Client& client) { return client.Status(); },
      [&](const v1::Status& status) {
        return IsTable(options) ? Print(RenderStatus(status, LookOf(STDOUT_FILENO)))
                                : PrintOne(options, "Status", ToJson(status));
      });
}

Result<void> ListSensors(const Options& asked, std::optional<Duration> since) {
  Options options = asked;
  return ShowList(
      options, "SensorList",
      [&](Client& client) { return Since(options, "last_seen_at", since, client.Sensors({})); },
      [&](const v1::SensorList& list) { return RenderSensors(list, LookFor(options)); });
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
                   : PrintOne(options, "Sensor", ToJson(sensor));
      });
}

Result<void> ListTargets(const Options& asked, std::optional<Duration> since) {
  Options options = asked;
  v1::ListTargetsRequest request;
  request.set_limit(since ? 0 : LimitToAsk(options));
  return ShowList(
      options, "TargetList",
      [&](Client& client) {
        return Since(options, "last_seen_at", since, client.Targets(request));
      },
      [&](const v1::TargetList& list) { return RenderTargets(list, LookFor(options)); });
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
                   : PrintOne(options, "Target", ToJson(target));
      });
}

namespace {

// A row for each target, a column for each sensor.
Result<void> PrintMatrixCsv(const Options& options, const v1::TargetList& targets,
                            const Json& sensors) {
  std::vector<std::string> columns = {"address", "verdict"};
  for (const Json& sensor : sensors) {
    columns.push_back("reach." + sensor.get<std::string>());
  }
  Put(stdout, Csv(Items(targets.items()), columns, options.list.header));
  return Flushed();
}

}  // namespace

Result<void> ShowMatrix(const Options& options) {
  if (!options.list.columns.empty() || options.format == Format::kWide) {
    return Fail(ErrorCode::kUsage,
                "a matrix has the columns of its sensors; -o table, json, jsonl, csv or name");
  }
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
  if (options.format == Format::kCsv) {
    return PrintMatrixCsv(options, *targets, names);
  }
  return PrintList(options, "Matrix", {{"total", targets->total()}, {"sensors", std::move(names)}},
                   Items(targets->items()));
}

Result<void> ListIncidents(const Options& asked, const IncidentWish& wish) {
  Options options = asked;
  std::vector<Condition>& where = options.list.where;
  const auto is = [&](const char* field, const std::string& value) {
    if (!value.empty()) {
      where.push_back({Condition::Kind::kIs, field, {value}});
    }
  };
  is("verdict", wish.verdict);
  is("family", wish.family);
  if (!wish.sensor.empty()) {
    where.push_back({Condition::Kind::kHas, "failing_sensors", {wish.sensor}});
  }
  if (!wish.group.empty()) {
    const auto members = SensorsOf(options, wish.group);
    if (!members) {
      return tl::make_unexpected(members.error());
    }
    where.push_back({Condition::Kind::kHas, "failing_sensors", *members});
  }
  v1::ListIncidentsRequest request;
  request.set_state(wish.state == "all" ? "" : wish.state);
  request.set_limit(wish.since ? 0 : LimitToAsk(options));
  return ShowList(
      options, "IncidentList",
      [&](Client& client) {
        return Since(options, "updated_at", wish.since, client.Incidents(request));
      },
      [&](const v1::IncidentList& list) {
        return RenderIncidents(list, wish.state, LookFor(options));
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
    return PrintOne(options, "Incident", ToJson(incident));
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
  if (options.format == Format::kCsv || options.format == Format::kName) {
    return Fail(ErrorCode::kUsage, "a watch prints a table, json or jsonl");
  }
  const bool lines = options.format == Format::kTable || options.format == Format::kWide ||
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
                          : PrintList(options, "PathList", Json::object(), Items(latest));
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
                          : PrintList(options, "PathDiffList", Json::object(), Items(diffs));
}

Result<void> TopSyns(const Options& options, const std::string& by, Duration since) {
  v1::TopSynsRequest request;
  request.set_by(by);
  request.set_since_nanos(static_cast<uint64_t>(since.count()));
  request.set_limit(options.limit);
  return ShowList(
      options, "SynTop", [&](Client& client) { return client.TopSyns(request); },
      [&](const v1::SynTop& top) {
        return RenderSynTop(top, by, FormatDuration(since), LookFor(options));
      },
      [&](const v1::SynTop& top) -> Json {
        return {{"by", by}, {"total", top.total()}, {"truncated", top.truncated()}};
      });
}

Result<void> ListSynServers(const Options& options, Duration since) {
  v1::ListSynServersRequest request;
  request.set_since_nanos(static_cast<uint64_t>(since.count()));
  request.set_limit(LimitToAsk(options));
  return ShowList(
      options, "SynServerList", [&](Client& client) { return client.SynServers(request); },
      [&](const v1::SynServerList& list) {
        return RenderSynServers(list, FormatDuration(since), LookFor(options));
      },
      [](const v1::SynServerList& list) -> Json {
        return {{"total", list.total()}, {"truncated", list.truncated()}};
      });
}

}  // namespace parallax::cli
