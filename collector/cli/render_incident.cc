// Incidents, as somebody woken at 3 a.m. needs them: what, since when, who, where, why, what next.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "collector/cli/render.h"
#include "collector/cli/table.h"
#include "collector/cli/words.h"

namespace parallax::cli {
namespace {

constexpr int kMostTargets = 20;

std::string Meaning(const std::string& verdict) {
  if (verdict == "route_anomaly") {
    return "route_anomaly: some sensors reach these hosts and others do not";
  }
  if (verdict == "target_down") {
    return "target_down: no sensor reaches these hosts any more";
  }
  if (verdict == "sensor_isolated") {
    return "sensor_isolated: the sensor itself is cut off; its view of hosts is set aside";
  }
  if (verdict == "sensor_degraded") {
    return "sensor_degraded: the sensor loses packets on its own link; its view is set aside";
  }
  if (verdict == "border_outage") {
    return "border_outage: most hosts, in many networks, are out of reach of every sensor";
  }
  if (verdict == "lossy_path") {
    return "lossy_path: far more packets are lost than usual, and some sensors see none of it";
  }
  if (verdict == "policy") {
    return "policy: a filter stops one kind of probe; routes are fine";
  }
  if (verdict == "syn_flood") {
    return "syn_flood: SYNs from made-up sources; routes are fine";
  }
  if (verdict == "mixed") {
    return "mixed: a SYN flood, and at the same time routes that fail for real hosts";
  }
  return Printable(verdict);
}

// Since when it is what it is now.
std::string Standing(const v1::Incident& incident, uint64_t now) {
  const uint64_t since = incident.opened_at() != 0 ? incident.opened_at() : incident.started_at();
  if (incident.state() == "closed") {
    return fmt::format("closed {}, after {}", Ago(incident.closed_at(), now),
                       Span(since, incident.closed_at()));
  }
  if (incident.state() == "monitoring") {
    return fmt::format("recovering, watched until it stays well; opened {}", Ago(since, now));
  }
  if (incident.state() == "candidate") {
    return fmt::format("candidate for {}: not confirmed yet", Span(since, now));
  }
  return fmt::format("{} for {}", Printable(incident.state()), Span(since, now));
}

std::string SuspectText(const v1::Incident& incident) {
  if (!incident.has_suspect()) {
    return "";
  }
  const auto& suspect = incident.suspect();
  std::string text =
      fmt::format("{} -> {}", Printable(suspect.from()),
                  suspect.to().empty() ? std::string("silence") : Printable(suspect.to()));
  if (!suspect.confidence().empty()) {
    text += fmt::format(" ({})", Printable(suspect.confidence()));
  }
  if (!suspect.ambiguity().empty()) {
    text += "; as likely: " + Joined(suspect.ambiguity());
  }
  return text;
}

std::string TargetLines(const v1::Incident& incident) {
  const std::set<std::string> failing(incident.targets_still_failing().begin(),
                                      incident.targets_still_failing().end());
  if (incident.targets().empty()) {
    return "";
  }
  std::string out =
      fmt::format("\nTargets: {}, of which {} still {}\n", Count(incident.target_count()),
                  Count(failing.size()), failing.size() == 1 ? "fails" : "fail");
  // Those that still fail first.
  std::vector<std::string> lines;
  for (const bool still : {true, false}) {
    for (const auto& address : incident.targets()) {
      if (failing.contains(address) == still) {
        lines.push_back(fmt::format("  {}{}\n", Printable(address), still ? "" : "  recovered"));
      }
    }
  }
  const auto shown = std::min<size_t>(lines.size(), kMostTargets);
  for (size_t i = 0; i < shown; ++i) {
    out += lines[i];
  }
  if (shown < lines.size()) {
    out += fmt::format("  and {} more\n", Count(lines.size() - shown));
  }
  return out;
}

std::string_view FirstSentence(std::string_view text) {
  const size_t end = text.find(". ");
  return end == std::string_view::npos ? text : text.substr(0, end + 1);
}

std::string NextCommand(const v1::Incident& incident) {
  if (incident.verdict() == "sensor_isolated" && !incident.failing_sensors().empty()) {
    return fmt::format("parallax sensor show {}", Printable(incident.failing_sensors(0)));
  }
  if (incident.has_suspect() && !incident.targets_still_failing().empty() &&
      !incident.failing_sensors().empty()) {
    return fmt::format("parallax path diff {} --from {}",
                       Printable(incident.targets_still_failing(0)),
                       Printable(incident.failing_sensors(0)));
  }
  if (!incident.targets_still_failing().empty()) {
    return fmt::format("parallax target show {}", Printable(incident.targets_still_failing(0)));
  }
  return incident.state() == "closed" ? "parallax incident list" : "parallax incident watch";
}

}  // namespace

Page RenderIncidents(const v1::IncidentList& list, const std::string& asked_for, const Look& look) {
  Table table({{"ID"},
               {"STATE"},
               {"VERDICT"},
               {"SEVERITY"},
               {"OPENED"},
               {"LASTED", Table::Align::kRight},
               {"TARGETS", Table::Align::kRight},
               {"FAILING"},
               {"REACHING"}});
  for (const auto& incident : list.items()) {
    const uint64_t end = incident.closed_at() != 0 ? incident.closed_at() : list.answered_at();
    table.Add({incident.id(),
               {incident.state(), ColourOfIncident(incident.state())},
               incident.verdict(),
               incident.severity().empty() ? "-" : incident.severity(),
               Clock(incident.opened_at()),
               incident.opened_at() == 0 ? "-" : Span(incident.opened_at(), end),
               Count(incident.target_count()),
               Brief(incident.failing_sensors()),
               Brief(incident.reaching_sensors())});
  }
  if (table.empty()) {
    const std::string which = asked_for.empty() || asked_for == "all" ? "" : asked_for + " ";
    return {"", fmt::format("No {}incidents.\nNext: parallax matrix\n", which)};
  }
  std::string notes;
  if (static_cast<uint64_t>(list.items_size()) < list.total()) {
    notes = fmt::format("{} of {} shown; all with --all\n", list.items_size(), Count(list.total()));
  }
  notes += fmt::format("Next: parallax incident show {}\n", Printable(list.items(0).id()));
  return {table.Text(look.colour), std::move(notes)};
}

Page RenderIncident(const v1::Incident& incident, uint64_t now, const Look& look) {
  Page page;
  page.data = fmt::format(
      "{}  {}{}  {}\n", Paint(Printable(incident.id()), Colour::kBold, look.colour),
      Paint(Printable(incident.verdict()), Colour::kBold, look.colour),
      incident.severity().empty() ? std::string() : "  " + Printable(incident.severity()),
      Paint(Standing(incident, now), ColourOfIncident(incident.state()), look.colour));
  if (!incident.summary().empty()) {
    page.data += Wrap(Printable(incident.summary()), 0) + "\n";
  }
  page.data += "\n";
  page.data += Line("verdict", Meaning(incident.verdict()));
  page.data += Line("started", Clock(incident.started_at()) + " (first evidence)");
  page.data += Line("opened", incident.opened_at() == 0 ? "" : Clock(incident.opened_at()));
  page.data += Line("updated", fmt::format("{} ({})", Clock(incident.updated_at()),
                                           Ago(incident.updated_at(), now)));
  page.data += Line("closed", incident.closed_at() == 0 ? "" : Clock(incident.closed_at()));
  page.data += Line("fails from", Joined(incident.failing_sensors()));
  page.data += Line("works from", Joined(incident.reaching_sensors()));
  page.data += Line("family", Printable(incident.family()));
  page.data += Line("direction", Printable(incident.direction()));
  page.data += Line("split", Printable(incident.split()));
  page.data += Line("suspect", incident.has_suspect() ? SuspectText(incident) : "not located");
  page.data += TargetLines(incident);
  if (!incident.evidence().empty()) {
    page.data += "\nEvidence\n";
    const std::map<std::string, std::string> sorted(incident.evidence().begin(),
                                                    incident.evidence().end());
    size_t width = 0;
    for (const auto& [key, value] : sorted) {
      width = std::max(width, key.size());
    }
    for (const auto& [key, value] : sorted) {
      page.data +=
          fmt::format("  {:<{}}  {}\n", Printable(key), width, Wrap(Printable(value), width + 4));
    }
  }
  page.notes = fmt::format("Next: {}\n", NextCommand(incident));
  return page;
}

std::string RenderEvent(const v1::IncidentEvent& event, const Look& look) {
  const auto& incident = event.incident();
  return fmt::format("{}  {}  {:<10}  {}  {}  {}\n", Clock(event.at()), Printable(incident.id()),
                     Printable(event.change()),
                     Paint(fmt::format("{:<10}", Printable(incident.state())),
                           ColourOfIncident(incident.state()), look.colour),
                     Printable(incident.verdict()), Printable(FirstSentence(incident.summary())));
}

}  // namespace parallax::cli
