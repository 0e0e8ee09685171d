// Incidents, as somebody woken at 3 a.m. needs them: what, since when, who, where, why, what next.
#include <fmt/format.h>

#include <algorithm>

#include "collector/cli/incident_story.h"
#include "collector/cli/render.h"
#include "collector/cli/table.h"
#include "collector/cli/words.h"

namespace parallax::cli {
namespace {

// One line of the story; without a label it is a point of a list.
std::string LineText(const StoryLine& line) {
  return line.label.empty() ? fmt::format("  - {}\n", Wrap(line.text, 4))
                            : Line(line.label, line.text);
}

// Under keys of any length.
std::string Noted(const std::vector<StoryLine>& lines) {
  size_t width = 0;
  for (const StoryLine& line : lines) {
    width = std::max(width, line.label.size());
  }
  std::string out;
  for (const StoryLine& line : lines) {
    out += fmt::format("  {:<{}}  {}\n", line.label, width,
                       line.text.empty() ? "-" : Wrap(line.text, width + 4));
  }
  return out;
}

std::string Commands(const std::vector<StoryCommand>& commands) {
  size_t width = 0;
  size_t most = 0;
  for (const StoryCommand& next : commands) {
    width = std::max(width, next.command.size());
    most = std::max(most, next.shows.size());
  }
  const bool beside = width + most + 4 <= kWidth;
  std::string out;
  for (const StoryCommand& next : commands) {
    out += beside ? fmt::format("  {:<{}}  {}\n", next.command, width, next.shows)
                  : fmt::format("  {}\n      {}\n", next.command, next.shows);
  }
  return out;
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

Page RenderIncident(const v1::Incident& incident, uint64_t now, const SensorGroups& groups,
                    const Look& look) {
  const IncidentStory story = TellIncident(incident, now, groups);
  const auto bold = [&](const std::string& text) {
    return Paint(text, Colour::kBold, look.colour);
  };
  Page page;
  if (!story.merged.empty()) {
    page.data = bold(story.merged) + "\n";
  }
  page.data += fmt::format(
      "{}  {}{}  {}\n", bold(Printable(incident.id())), bold(Printable(incident.verdict())),
      incident.severity().empty() ? std::string() : "  " + Printable(incident.severity()),
      Paint(story.standing, ColourOfIncident(incident.state()), look.colour));
  page.data += Wrap(story.sentence, 0) + "\n";
  for (const StoryLine& line : story.brief) {
    page.data += LineText(line);
  }
  for (const StorySection& section : story.sections) {
    page.data += "\n" + bold(section.heading) + "\n";
    for (const StoryLine& line : section.lines) {
      page.data += LineText(line);
    }
  }
  if (!story.noted.empty()) {
    page.data += "\n" + bold("Also noted") + "\n" + Noted(story.noted);
  }
  page.data += "\n" + bold("Look at next") + "\n" + Commands(story.next);
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
