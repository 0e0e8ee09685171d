#include "collector/cli/render.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <vector>

#include "collector/cli/render_trust.h"
#include "collector/cli/table.h"
#include "collector/cli/words.h"
#include "common/ip.h"
#include "common/time.h"

namespace parallax::cli {
namespace {

using Align = Table::Align;

// "2 connected, 1 lost"
template <typename Map>
std::string Tally(const Map& counts, std::string_view none) {
  const std::map<std::string, uint32_t> sorted(counts.begin(), counts.end());
  std::string out;
  for (const auto& [word, number] : sorted) {
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", Count(number), Printable(word));
  }
  return out.empty() ? std::string(none) : out;
}

std::string NotAllShown(int shown, uint64_t total, std::string_view remedy) {
  const auto number = static_cast<uint64_t>(shown);
  return number < total ? fmt::format("{} of {} shown; {}\n", Count(number), Count(total), remedy)
                        : std::string();
}

// What needs attention first: route anomalies, then the other verdicts, healthy ones last.
int Rank(const std::string& verdict) {
  if (verdict == "route_anomaly") {
    return 0;
  }
  if (verdict == "healthy") {
    return 3;
  }
  return verdict == "unknown" ? 2 : 1;
}

std::vector<const v1::Target*> WorstFirst(const v1::TargetList& list, const Look& look) {
  std::vector<const v1::Target*> targets;
  for (const auto& target : list.items()) {
    targets.push_back(&target);
  }
  if (!look.in_order) {
    std::ranges::stable_sort(targets, {}, [](const v1::Target* t) { return Rank(t->verdict()); });
  }
  return targets;
}

std::vector<std::string> SensorsWith(const v1::Target& target, std::string_view reach) {
  std::vector<std::string> names;
  for (const auto& [sensor, state] : target.reach()) {
    if (state == reach) {
      names.push_back(sensor);
    }
  }
  std::ranges::sort(names);
  return names;
}

std::string Rate(double per_second) {
  constexpr double kMost = 1e15;
  return per_second >= 10 ? Count(static_cast<uint64_t>(std::llround(std::min(per_second, kMost))))
                          : fmt::format("{:.1f}", per_second);
}

std::string Percent(bool there, double share) {
  return there ? fmt::format("{:.1f}%", share * 100) : std::string("-");
}

// A policy that could not be read again is a problem even while an older one is in force.
std::string Probing(const v1::Sensor& sensor) {
  const std::string problem = Printable(sensor.probing_problem());
  if (!sensor.probing()) {
    return "no: " + problem;
  }
  return fmt::format("{} sent, {} refused by its policy{}", Plural(sensor.probes_sent(), "probe"),
                     Count(sensor.probes_refused()), problem.empty() ? "" : "; " + problem);
}

// Records that it had and the collector has not.
std::string Undelivered(const v1::Sensor& sensor) {
  std::vector<std::string> parts;
  if (sensor.records_lost() > 0) {
    parts.push_back(Plural(sensor.records_lost(), "record") + " lost");
  }
  if (sensor.gaps_of_unknown_size() > 0) {
    parts.push_back("killed " + Plural(sensor.gaps_of_unknown_size(), "time") +
                    ", with what it had not written yet");
  }
  if (sensor.records_refused() > 0) {
    parts.push_back(Count(sensor.records_refused()) + " malformed");
  }
  return Joined(parts);
}

std::string Clock(const v1::Sensor& sensor) {
  constexpr int64_t kWorthSaying = 1'000'000'000;
  const int64_t offset = sensor.clock_offset_nanos();
  if (std::abs(offset) < kWorthSaying) {
    return {};
  }
  return fmt::format("{} {} the collector's", FormatAge(Duration(std::abs(offset))),
                     offset < 0 ? "behind" : "ahead of");
}

// What a sensor knows to have missed of the attempts there were.
std::string Missed(const v1::Sensor& sensor) {
  std::vector<std::string> parts;
  if (sensor.attempts_evicted() > 0) {
    parts.push_back(Count(sensor.attempts_evicted()) + " forgotten for want of room");
  }
  if (sensor.segments_unsampled() > 0) {
    parts.push_back(Plural(sensor.segments_unsampled(), "segment") + " of others not followed");
  }
  return Joined(parts);
}

// A cell is what one connection says. Where some of a sensor's connections fail and that one does
// not, the incident knows.
std::string ByFlow(const v1::IncidentList& live) {
  std::string notes;
  for (const auto& incident : live.items()) {
    if (const auto found = incident.evidence().find("by_flow");
        found != incident.evidence().end() && incident.state() != "candidate") {
      notes +=
          Wrap(fmt::format("{}: {} as well, by flow: some connections to its hosts fail, others "
                           "and the probes get through",
                           Printable(incident.id()), Printable(found->second)),
               0) +
          "\n";
    }
  }
  return notes;
}

}  // namespace

std::string Ago(uint64_t time, uint64_t now) {
  if (time == 0) {
    return "never";
  }
  return now < time + 1'000'000'000 ? "now" : Span(time, now) + " ago";
}

Page RenderStatus(const v1::Status& status, const Look& look) {
  Page page;
  page.data = fmt::format("Collector {} up {}\n", Printable(status.version()),
                          Span(status.started_at(), status.answered_at()));
  page.data += Line("sensors", Tally(status.sensors(), "none have connected yet"));
  page.data += Line("targets", Tally(status.targets(), "none yet"));
  const bool anomaly = status.incidents().contains("route_anomaly");
  page.data += Line("incidents", Paint(Tally(status.incidents(), "none live"),
                                       anomaly                      ? Colour::kRed
                                       : status.incidents().empty() ? Colour::kGreen
                                                                    : Colour::kYellow,
                                       look.colour));
  page.data += Line("last minute", fmt::format("{}, {} half open",
                                               Plural(status.attempts_last_minute(), "attempt"),
                                               Count(status.half_open_last_minute())));
  page.data += Line("stored", fmt::format("{}, {}, {}", Plural(status.attempts_total(), "attempt"),
                                          Plural(status.reports_total(), "probe report"),
                                          Bytes(status.database_bytes())));
  if (!status.incidents().empty()) {
    page.notes = "Next: parallax incident list --state live\n";
  } else if (status.sensors().empty()) {
    page.notes = "Next: parallax token create --group GROUP\n";
  } else {
    page.notes = "Next: parallax matrix\n";
  }
  return page;
}

Page RenderSensors(const v1::SensorList& list, const Look& look) {
  Table table({{"NAME"},
               {"GROUP"},
               {"STATE"},
               {"LAST SEEN"},
               {"SYNS", Align::kRight},
               {"DROPPED", Align::kRight},
               {"SPOOL", Align::kRight},
               {"PROBES", Align::kRight},
               {"PROBLEM"}});
  bool pending = false;
  for (const auto& sensor : list.items()) {
    const bool waits = sensor.state() == "pending";
    const std::string problem = waits ? "key " + sensor.key_fingerprint() : sensor.problem();
    pending = pending || waits;
    table.Add(
        {sensor.name(),
         sensor.group().empty() ? "-" : sensor.group(),
         {sensor.state(), ColourOfSensor(sensor.state())},
         Ago(sensor.last_seen_at(), list.answered_at()),
         Count(sensor.syns_seen()),
         Count(sensor.packets_dropped()),
         Bytes(sensor.spool_bytes()),
         Count(sensor.probes_sent()),
         {problem.empty() ? "-" : problem, problem.empty() ? Colour::kDim : Colour::kYellow}});
  }
  if (table.empty()) {
    return {"", "No sensor has connected yet.\nNext: parallax token create --group GROUP\n"};
  }
  if (pending) {
    return {table.Text(look.colour),
            "Next, if the key is the one that its host shows: parallax sensor approve sha256:... "
            "--group GROUP\n"};
  }
  return {table.Text(look.colour),
          fmt::format("Next: parallax sensor show {}\n", Printable(list.items(0).name()))};
}

Page RenderSensor(const v1::Sensor& sensor, uint64_t now, const Look& look) {
  Page page;
  page.data =
      fmt::format("{} in {}: {}\n", Paint(Printable(sensor.name()), Colour::kBold, look.colour),
                  Printable(sensor.group()),
                  Paint(Printable(sensor.state()), ColourOfSensor(sensor.state()), look.colour));
  page.data += Line("problem", Printable(sensor.problem()));
  page.data += Line("trust", Printable(sensor.trust()));
  page.data += Line("key", KeyText(sensor));
  page.data += Line("certificate", CertificateText(sensor, now));
  page.data += Line("last seen", Ago(sensor.last_seen_at(), now));
  page.data += Line("first seen", Clock(sensor.first_seen_at()));
  page.data += Line("version", Printable(sensor.version()));
  page.data += Line(
      "connects", sensor.address().empty() ? std::string() : "from " + Printable(sensor.address()));
  page.data += Line("addresses", Joined(sensor.addresses()));
  page.data += Line("networks", Joined(sensor.local_networks()));
  page.data +=
      Line("heard", fmt::format("{}, {} dropped by the kernel", Plural(sensor.syns_seen(), "SYN"),
                                Count(sensor.packets_dropped())));
  page.data += Line("attempts", Missed(sensor));
  page.data += Line("probing", Probing(sensor));
  page.data +=
      Line("spool", fmt::format("{} in {}, {} dropped for want of room",
                                Plural(sensor.spool_records(), "record"),
                                Bytes(sensor.spool_bytes()), Count(sensor.records_dropped())) +
                        (sensor.spool_problem().empty()
                             ? ""
                             : "; in memory only: " + Printable(sensor.spool_problem())));
  page.data += Line("not here", Undelivered(sensor));
  page.data += Line("clock", Clock(sensor));
  for (const auto& interface : sensor.interfaces()) {
    page.data += Line("interface",
                      fmt::format("{} {}, {} captured, {} dropped", Printable(interface.name()),
                                  Printable(interface.state()), Count(interface.packets_received()),
                                  Count(interface.packets_dropped())));
  }
  for (const auto& gateway : sensor.gateways()) {
    page.data += Line(
        "gateway", fmt::format("{} {}", Printable(gateway.address()), Printable(gateway.reach())));
  }
  page.notes = "Next: parallax matrix\n";
  return page;
}

Page RenderTargets(const v1::TargetList& list, const Look& look) {
  Table table({{"ADDRESS"}, {"VERDICT"}, {"UP FROM"}, {"DOWN FROM"}, {"LAST SEEN"}, {"CHECKED"}});
  for (const v1::Target* target : WorstFirst(list, look)) {
    const auto down = SensorsWith(*target, "down");
    table.Add({target->address(),
               {target->verdict(), ColourOfVerdict(target->verdict())},
               Brief(SensorsWith(*target, "up")),
               {Brief(down), down.empty() ? Colour::kDim : Colour::kRed},
               Ago(target->last_seen_at(), list.answered_at()),
               Ago(target->checked_at(), list.answered_at())});
  }
  if (table.empty()) {
    return {"",
            "No targets yet: they are earned by connection attempts that sensors see.\n"
            "Next: parallax syn top\n"};
  }
  return {table.Text(look.colour),
          NotAllShown(list.items_size(), list.total(), "all with --all") +
              fmt::format("Next: parallax target show {}\n",
                          Printable(WorstFirst(list, look).front()->address()))};
}

Page RenderTarget(const v1::Target& target, uint64_t now, const Look& look) {
  Page page;
  page.data = fmt::format(
      "{}: {}\n", Paint(Printable(target.address()), Colour::kBold, look.colour),
      Paint(Printable(target.verdict()), ColourOfVerdict(target.verdict()), look.colour));
  page.data +=
      Line("earned by", target.earned_by() == "completed"      ? "a connection that completed"
                        : target.earned_by() == "repeated_syn" ? "a SYN that was repeated"
                                                               : Printable(target.earned_by()));
  page.data += Line("first seen", Clock(target.first_seen_at()));
  page.data += Line("last seen", Ago(target.last_seen_at(), now));
  page.data += Line("checked", Ago(target.checked_at(), now));
  Table table({{"  SENSOR"}, {"REACH"}, {"RTT", Align::kRight}});
  const std::map<std::string, std::string> reach(target.reach().begin(), target.reach().end());
  for (const auto& [sensor, state] : reach) {
    const auto rtt = target.rtt_ms().find(sensor);
    table.Add({"  " + sensor,
               {state, ColourOfReach(state)},
               rtt == target.rtt_ms().end() || state == "down"
                   ? "-"
                   : fmt::format("{:.1f} ms", rtt->second)});
  }
  page.data += table.empty() ? std::string() : "\n" + table.Text(look.colour);
  page.notes = target.verdict() == "route_anomaly" ? "Next: parallax incident list --state live\n"
                                                   : "Next: parallax matrix\n";
  return page;
}

Page RenderMatrix(const v1::TargetList& list, const v1::IncidentList& live, const Look& look) {
  std::set<std::string> sensors;
  for (const auto& target : list.items()) {
    for (const auto& [sensor, state] : target.reach()) {
      sensors.insert(sensor);
    }
  }
  std::vector<Table::Column> columns = {{"TARGET"}};
  for (const auto& sensor : sensors) {
    columns.push_back({Printable(sensor)});
  }
  columns.push_back({"VERDICT"});
  Table table(std::move(columns));
  for (const v1::Target* target : WorstFirst(list, look)) {
    std::vector<TableCell> row = {target->address()};
    for (const auto& sensor : sensors) {
      const auto found = target->reach().find(sensor);
      const std::string state = found == target->reach().end() ? "unknown" : found->second;
      row.emplace_back(std::string(SymbolOfReach(state)), ColourOfReach(state));
    }
    row.emplace_back(target->verdict(), ColourOfVerdict(target->verdict()));
    table.Add(std::move(row));
  }
  if (table.empty()) {
    return {"",
            "No targets yet: they are earned by connection attempts that sensors see.\n"
            "Next: parallax sensor list\n"};
  }
  return {table.Text(look.colour),
          fmt::format("Legend: {}\n", kReachLegend) + ByFlow(live) +
              NotAllShown(list.items_size(), list.total(), "all with --all") +
              fmt::format("Next: parallax target show {}\n",
                          Printable(WorstFirst(list, look).front()->address()))};
}

Page RenderSynTop(const v1::SynTop& top, const std::string& by, const std::string& since,
                  const Look& look) {
  Table table({{by == "dst"    ? "TO"
                : by == "port" ? "PORT"
                               : "FROM"},
               {"ATTEMPTS", Align::kRight},
               {"COMPLETED", Align::kRight},
               {"HALF OPEN", Align::kRight},
               {"UNANSWERED", Align::kRight},
               {"REFUSED", Align::kRight},
               {"UNKNOWN", Align::kRight},
               {"PENDING", Align::kRight},
               {"SENSORS", Align::kRight},
               {"LAST SEEN"}});
  for (const auto& row : top.items()) {
    table.Add({row.key(),
               Count(row.attempts()),
               Count(row.completed()),
               {Count(row.half_open()), row.half_open() > 0 ? Colour::kRed : Colour::kNone},
               Count(row.unanswered()),
               Count(row.refused()),
               Count(row.unknown()),
               Count(row.pending()),
               Count(row.sensors()),
               Ago(row.last_seen_at(), top.answered_at())});
  }
  if (table.empty()) {
    return {"", fmt::format("No connection attempts in the last {}.\nNext: parallax sensor list\n",
                            since)};
  }
  const std::string next =
      by == "src" ? fmt::format("parallax target show {}", Printable(top.items(0).key()))
                  : std::string("parallax syn top --by src");
  return {table.Text(look.colour),
          (top.truncated() ? "Only the newest million attempts of that time are counted.\n" : "") +
              NotAllShown(top.items_size(), top.total(), "more with --limit") +
              fmt::format("Next: {}\n", next)};
}

Page RenderSynServers(const v1::SynServerList& list, const std::string& since, const Look& look) {
  Table table({{"SERVER"},
               {"SENSOR"},
               {"FOLLOWED"},
               {"SYN/S", Align::kRight},
               {"USUAL", Align::kRight},
               {"SOURCES", Align::kRight},
               {"HALF OPEN", Align::kRight},
               {"REPEATED", Align::kRight},
               {"KNOWN", Align::kRight},
               {"ALWAYS", Align::kRight},
               {"COOKIES", Align::kRight},
               {"OVERFLOWS", Align::kRight},
               {"LAST SEEN"}});
  for (const auto& row : list.items()) {
    table.Add({row.server(),
               row.sensor(),
               {row.sampling() > 1 ? fmt::format("1 in {}", Count(row.sampling())) : "all",
                row.aggregate() ? Colour::kYellow : Colour::kNone},
               Rate(row.syn_rate()),
               Rate(row.usual_rate()),
               Count(row.sources()),
               {Count(row.half_open()), row.half_open() > 0 ? Colour::kRed : Colour::kNone},
               Percent(row.has_half_open_repeated(), row.half_open_repeated()),
               Percent(row.has_half_open_known(), row.half_open_known()),
               Percent(row.has_all_or_nothing(), row.all_or_nothing()),
               row.has_syn_cookies_sent() ? Count(row.syn_cookies_sent()) : "-",
               row.has_listen_overflows() ? Count(row.listen_overflows()) : "-",
               Ago(row.last_seen_at(), list.answered_at())});
  }
  if (table.empty()) {
    return {"", fmt::format("No reports of servers in the last {}: sensors tell of those whose "
                            "attempts are too many, or stay half-open.\nNext: parallax syn top\n",
                            since)};
  }
  return {table.Text(look.colour),
          "Legend: half-open attempts whose client REPEATED its SYN, or is KNOWN to have completed "
          "one;\n        clients with failures that fail ALWAYS. Much of each: a fault; little: a "
          "flood.\n" +
              std::string(list.truncated()
                              ? "Only the newest million reports of that time are looked at.\n"
                              : "") +
              NotAllShown(list.items_size(), list.total(), "all with --all") +
              fmt::format("Next: parallax syn top --since {}\n", since)};
}

}  // namespace parallax::cli
