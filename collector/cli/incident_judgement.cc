// What is made of an incident: who is to be looked at, whether it is a flood, how sure that is, and
// what would show it to be wrong. No more is claimed than the record says.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "collector/cli/incident_subject.h"
#include "collector/cli/table.h"
#include "collector/cli/words.h"
#include "collector/detect/cell.h"

namespace parallax::cli {
namespace {

std::string Or(std::string text, std::string_view otherwise) {
  return text.empty() || text == "?" ? std::string(otherwise) : std::move(text);
}

// A suspect that begins at a sensor is the link before its first router.
bool BeginsAtSensor(const Subject& subject) {
  const std::string& from = subject.incident.suspect().from();
  const auto is = [&](const std::string& sensor) { return sensor == from; };
  const auto& failing = subject.incident.failing_sensors();
  return std::any_of(failing.begin(), failing.end(), is) || subject.groups.contains(from);
}

bool IntoSilence(const Subject& subject) {
  const std::string& to = subject.incident.suspect().to();
  return to.empty() || to == "silence";
}

// What they send does not arrive: where ours were last seen is nobody's fault.
bool FailsOnTheWayIn(const Subject& subject) {
  return IntoSilence(subject) && subject.incident.direction() == "inbound";
}

// "confirmed", "likely, on the word of mail1 alone".
std::string ConfidenceOf(const Subject& subject) {
  const std::string confidence = Printable(subject.incident.suspect().confidence());
  const std::vector<std::string> names = subject.WordOf();
  if (names.empty()) {
    return confidence;
  }
  const bool confirmed = confidence == "confirmed";
  return fmt::format("{}, on the word of {}{}", confidence, NamesOf(names),
                     confirmed && subject.evidence.Has("announcement") ? " and an announcement"
                     : !confirmed && names.size() == 1                 ? " alone"
                                                                       : "");
}

std::string SuspectText(const Subject& subject) {
  if (!subject.incident.has_suspect()) {
    const bool wanted =
        subject.OnRoutes() || subject.LosesPackets() || subject.IsAbout("border_outage");
    return wanted ? "not located" : "";
  }
  const std::string instead = subject.evidence.Peek("suspect_instead_of");
  std::string text = subject.Edge();
  if (!instead.empty() && instead != Printable(subject.incident.suspect().to())) {
    text += IntoSilence(subject) ? ", where others go on to " + instead : ", instead of " + instead;
  }
  const std::string confidence = ConfidenceOf(subject);
  return text + (confidence.empty() ? "" : " (" + confidence + ")");
}

std::string FloodText(const Subject& subject) {
  const Evidence& evidence = subject.evidence;
  const std::string server = evidence.Peek("flood");
  if (subject.IsAbout("syn_flood")) {
    return fmt::format(
        "yes: of the half-open attempts {} repeat their SYN, {} are of known clients",
        Or(evidence.Peek("syn_repeated"), "few"), Or(evidence.Peek("known_clients"), "few"));
  }
  if (subject.IsAbout("mixed")) {
    return fmt::format(
        "yes, at {}, and the {} {} real as well", server.empty() ? "a server there" : server,
        subject.LosesPackets() ? "packet loss" : "routing fault", subject.over ? "was" : "is");
  }
  if (!server.empty()) {
    return fmt::format("one was seen at {} as well", server);
  }
  if (!subject.OnRoutes()) {
    return subject.LosesPackets() ? "not judged by this: it is probes that are lost"
           : subject.OnHosts()    ? "nothing points to one: it is probes that go unanswered"
                                  : "";
  }
  const uint64_t half_open = evidence.Number("half_open_attempts");
  const uint64_t repeated = evidence.Number("half_open_with_repeated_syn");
  if (half_open == 0) {
    return "none reported by the sensors where it fails";
  }
  const std::string share = fmt::format("{} of {} had the SYN repeated", Count(repeated),
                                        Plural(half_open, "half-open attempt"));
  return 2 * repeated >= half_open ? "no: " + share + ", as real clients do"
                                   : "none reported, but not ruled out: only " + share;
}

std::string SuspectAction(const Subject& subject) {
  const std::string from = Printable(subject.incident.suspect().from());
  const std::string to = Printable(subject.incident.suspect().to());
  if (BeginsAtSensor(subject)) {
    return fmt::format("check {}'s link to its first router, and that router", from);
  }
  if (subject.IsAbout("lossy_path") || subject.LosesPackets()) {
    return fmt::format("check the link {} for errors and load", subject.Edge());
  }
  if (FailsOnTheWayIn(subject)) {
    return fmt::format(
        "check the routes that lead back to {}, beginning at the border: packets from these hosts "
        "do not arrive; {} is only where ours were last seen",
        subject.FirstFailing(), from);
  }
  if (subject.evidence.Has("ways_that_go_round")) {
    return fmt::format("check the routes of {}{} for these hosts: packets go round there", from,
                       IntoSilence(subject) ? " and of the routers beside it" : " and of " + to);
  }
  if (IntoSilence(subject)) {
    const std::string& split = subject.incident.split();
    return fmt::format(
        "check {} and the link behind it: {}packets to these hosts {} lost there", from,
        split == "per_flow" || split == "per_packet" ? "some " : "",
        subject.incident.suspect().confidence() == "confirmed" ? "are" : "seem to be");
  }
  if (subject.evidence.Peek("suspect_instead_of") == to) {
    return fmt::format(
        "check {1} and the link to it from {0}: packets to these hosts get lost there", from, to);
  }
  return fmt::format("check the routes of {}: why does it send packets for these hosts to {}?",
                     from, to);
}

std::string ActionOf(const Subject& subject) {
  const std::string sensor = subject.FirstFailing();
  const std::string flooded = subject.evidence.Peek("flood");
  if (subject.evidence.Has("merged_into")) {
    return "read " + subject.evidence.Peek("merged_into");
  }
  if (subject.closed) {
    return "nothing now: it is over";
  }
  if (subject.over && !flooded.empty()) {
    return "it has recovered and is watched; the flood may go on: parallax syn servers";
  }
  if (subject.over) {
    return "nothing now: it has recovered and is still watched";
  }
  if (subject.candidate) {
    return "wait: nothing is confirmed yet, and it may pass by itself";
  }
  if (subject.IsAbout("syn_flood")) {
    return fmt::format(
        "see that SYN cookies are on at {}, and ask upstream to filter; leave the "
        "routers alone",
        subject.OneHost().empty() ? "the server" : subject.OneHost());
  }
  if (subject.IsAbout("sensor_isolated")) {
    return subject.incident.failing_sensors_size() > 1
               ? std::string(
                     "check what these sensors share: their router, a switch, a line, power")
               : fmt::format("check {}: host, cable, switch port, first router", sensor);
  }
  if (subject.IsAbout("sensor_degraded")) {
    return fmt::format("check the link of {}: errors, duplex, load", sensor);
  }
  if (subject.IsAbout("target_down")) {
    return "ask whoever runs these hosts: every sensor that was asked misses them";
  }
  if (subject.IsAbout("policy")) {
    return "nothing urgent: if the filter is not wanted, ask who changed a firewall there";
  }
  std::string text =
      subject.incident.has_suspect() ? SuspectAction(subject)
      : subject.IsAbout("border_outage")
          ? "check the border router and its uplinks"
          : fmt::format("compare the ways from {} and from {}", sensor,
                        subject.FirstReaching().empty() ? "elsewhere" : subject.FirstReaching());
  if (!flooded.empty()) {
    text += fmt::format("; see that SYN cookies are on at {}", flooded);
  }
  return text;
}

size_t GroupsOf(const auto& sensors, const SensorGroups& groups) {
  std::set<std::string> known;
  for (const auto& sensor : sensors) {
    const auto it = groups.find(sensor);
    if (it == groups.end() || it->second.empty()) {
      return 0;  // not known of all
    }
    known.insert(it->second);
  }
  return known.size();
}

std::string Counted(const auto& sensors, const SensorGroups& groups) {
  const size_t number = GroupsOf(sensors, groups);
  const std::string text = Plural(static_cast<uint64_t>(sensors.size()), "sensor");
  return number == 0 ? text : text + " of " + Plural(number, "group");
}

std::string VotesText(const Subject& subject) {
  const auto& failing = subject.incident.failing_sensors();
  const auto& reaching = subject.incident.reaching_sensors();
  if (!subject.OnHosts() || failing.empty()) {
    return "";
  }
  const auto verb = [&](const char* one, const char* many, const char* then, int number) {
    return subject.over ? then : number > 1 ? many : one;
  };
  const size_t lucky = subject.ByFlow().size();
  return fmt::format("{} {} these hosts{}, {} {} them", Counted(failing, subject.groups),
                     verb("misses", "miss", "missed", failing.size()),
                     lucky == 0 ? "" : fmt::format(" ({} with some connections only)", lucky),
                     reaching.empty() ? "none" : Counted(reaching, subject.groups),
                     verb("reaches", "reach", "reached", reaching.size()));
}

std::string RoundsText(const Subject& subject) {
  if (subject.candidate) {
    return "a second, separate round of probes has to agree, and it has to last";
  }
  if (subject.OnHosts()) {
    return subject.evidence.Has("flapping")
               ? "it failed in round after round of probes, or in short outages again and again"
               : "each host listed failed in two separate rounds of probes at least; in a round "
                 "all "
                 "sensors ask at the same time";
  }
  if (subject.IsAbout("sensor_degraded")) {
    return "the loss is spread over seconds and no single burst; its gateway, or a sensor beside "
           "it, "
           "shows that it is its own link";
  }
  if (subject.LosesPackets()) {
    return "measured in two separate looks at least; one burst or a short outage does not count";
  }
  if (subject.IsAbout("policy")) {
    return "tried until plain loss could not explain the silence; the method worked from there "
           "before, and another one still does";
  }
  if (subject.IsAbout("syn_flood")) {
    return "two reports or more say so";
  }
  return subject.IsAbout("sensor_isolated") ? "judged by its gateway and by sensors around it; "
                                              "which part of its link is broken is "
                                              "not known"
                                            : "";
}

std::string SuspectRule(const Subject& subject) {
  if (!subject.incident.has_suspect()) {
    return "";
  }
  if (subject.incident.suspect().confidence() == "confirmed") {
    return "confirmed: no single sensor or group could have made it up";
  }
  if (!subject.OnHosts()) {
    return "no more than likely: it rests on ways as remembered";
  }
  return "no more than likely: to confirm it takes three sensors that looked and accusers of two "
         "groups, or its announcement heard by another group";
}

void MindOnRoutes(const Subject& subject, Lines& lines) {
  const std::string reaching = subject.Reaching();
  if (!reaching.empty()) {
    lines.push_back({"", fmt::format("If {} cannot reach these hosts either, the hosts or the way "
                                     "out of the campus are at fault.",
                                     reaching)});
  }
  if (subject.incident.failing_sensors().size() == 1) {
    lines.push_back(
        {"", fmt::format("If {0} fails to reach its own gateway, or a neighbour behind "
                         "the same router reaches these hosts, it is rather {0} itself.",
                         subject.FirstFailing())});
  }
  if (!subject.incident.has_suspect()) {
    lines.push_back({"",
                     "A trace that ends, or leaves the way it took in peace, would name a "
                     "suspect."});
  } else if (FailsOnTheWayIn(subject)) {
    return;  // ways to these hosts are not at fault
  } else if (subject.incident.suspect().confidence() == "confirmed") {
    lines.push_back({"", fmt::format("Ways over {} that work would clear it.", subject.Edge())});
  } else {
    lines.push_back({"", fmt::format("Ways over {} that work would clear it; ways from another "
                                     "group that fail over it would confirm it.",
                                     subject.Edge())});
  }
}

}  // namespace

Lines BriefOf(Subject& subject) {
  Lines lines = {{"suspect", SuspectText(subject)},
                 {"SYN flood", FloodText(subject)},
                 {"do first", ActionOf(subject)}};
  if (subject.incident.has_suspect()) {
    subject.evidence.Tell("suspect_word_of");
    subject.evidence.Tell("suspect_instead_of");
  }
  if (subject.evidence.Number("half_open_attempts") > 0 && !subject.evidence.Has("flood") &&
      subject.OnRoutes()) {
    subject.evidence.Tell("half_open_with_repeated_syn");
  }
  std::erase_if(lines, [](const StoryLine& line) { return line.text.empty(); });
  return lines;
}

Lines FloodOf(Subject& subject) {
  Evidence& evidence = subject.evidence;
  if (evidence.Peek("half_open_attempts") == "0" &&
      evidence.Peek("half_open_with_repeated_syn") == "0") {
    evidence.Tell("half_open_with_repeated_syn");  // of none
  }
  if (!subject.IsAbout("syn_flood")) {
    evidence.Tell("flood");  // at the top
  }
  return {};
}

Lines SureOf(Subject& subject) {
  if (subject.evidence.Has("merged_into")) {
    return {};
  }
  Lines lines = {{"sensors", VotesText(subject)}, {"rounds", RoundsText(subject)}};
  if (subject.OnHosts() && !subject.candidate) {
    lines.push_back(
        {"error rate",
         fmt::format("by design a host that can be reached is taken for lost once in {} "
                     "tests (of hosts that answer probes; usual loss is allowed for)",
                     Count(static_cast<uint64_t>(1 / collector::kAlpha + 0.5)))});
  }
  lines.push_back({"suspect", SuspectRule(subject)});
  return lines;
}

Lines MindOf(Subject& subject) {
  Lines lines;
  if (subject.evidence.Has("merged_into")) {
    return lines;
  }
  if (subject.closed) {
    lines.push_back(
        {"", "If the same fails again within half an hour, this incident opens again."});
    return lines;
  }
  if (subject.over) {
    lines.push_back({"", "If it fails again before it is closed, this incident is open again."});
  } else if (subject.OnRoutes()) {
    MindOnRoutes(subject, lines);
  } else if (subject.IsAbout("target_down")) {
    lines.push_back({"", "If one sensor reaches them and others do not, it is a route."});
    lines.push_back({"", "If hosts of many networks go silent at once, it is the border."});
  } else if (subject.IsAbout("border_outage")) {
    lines.push_back({"",
                     "If one sensor reaches these hosts and others do not, it is a route on "
                     "campus."});
    lines.push_back({"", "If they come back one by one, it was the hosts."});
  } else if (subject.IsAbout("sensor_isolated")) {
    lines.push_back({"",
                     "If sensors behind the same router fail as well, it is the network and not "
                     "this sensor."});
  } else if (subject.IsAbout("sensor_degraded")) {
    lines.push_back(
        {"", "If another sensor of its group loses as much, it is the path they share."});
  } else if (subject.LosesPackets()) {
    lines.push_back({"",
                     "If other sensors of the same group lose nothing, it is that sensor's own "
                     "link."});
  } else if (subject.IsAbout("policy")) {
    lines.push_back({"", "If the other method falls silent as well, it is no filter but a route."});
    lines.push_back({"", "If most groups see the same, the hosts have stopped to answer it."});
  } else if (subject.IsAbout("syn_flood")) {
    lines.push_back({"",
                     "If clients repeat their SYNs, or clients known from before stay "
                     "half-open, our answers get lost: a routing fault."});
  }
  return lines;
}

}  // namespace parallax::cli
