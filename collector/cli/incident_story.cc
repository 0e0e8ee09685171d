// The frame of the page, and its facts: what happened, since when, from where, which hosts.
#include "collector/cli/incident_story.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "collector/cli/incident_subject.h"
#include "collector/cli/render.h"
#include "collector/cli/table.h"
#include "collector/cli/words.h"
#include "common/time.h"

namespace parallax::cli {
namespace {

constexpr size_t kMostHosts = 8;
constexpr std::ptrdiff_t kMostV6 = 3;  // of these, if there are others
constexpr size_t kMostSensors = 12;

std::string_view KindOf(const Subject& subject) {
  const std::string_view verdict = subject.incident.verdict();
  if (subject.IsAbout("mixed") && subject.LosesPackets()) {
    return "Packet loss and SYN flood";
  }
  constexpr std::pair<std::string_view, std::string_view> kKinds[] = {
      {"route_anomaly", "Routing fault"},
      {"mixed", "Routing fault and SYN flood"},
      {"syn_flood", "SYN flood"},
      {"target_down", "Hosts down"},
      {"border_outage", "Outage at the border"},
      {"sensor_isolated", "Sensor cut off"},
      {"sensor_degraded", "Sensor losing packets"},
      {"lossy_path", "Packet loss"},
      {"policy", "Packet filter"},
  };
  for (const auto& [name, kind] : kKinds) {
    if (name == verdict) {
      return kind;
    }
  }
  return verdict;
}

// Not reaching a host means less if some of it gets through.
std::string ShareOf(const Subject& subject) {
  if (!subject.OnRoutes()) {
    return "";
  }
  const auto share = [](const std::string& text) {
    return text.empty() ? std::string() : " (" + text + " fail)";
  };
  if (subject.incident.split() == "per_flow") {
    return " To one host some connections get through and others do not" +
           share(subject.evidence.Peek("bad_flows")) + ".";
  }
  if (subject.incident.split() == "per_packet") {
    return " Single packets are lost and others get through" +
           share(subject.evidence.Peek("loss")) + ".";
  }
  return "";
}

std::string SentenceOf(const Subject& subject) {
  std::string kind = Printable(KindOf(subject));
  if (subject.candidate) {
    kind += ", not confirmed";
    if (subject.incident.targets().empty() && subject.OnHosts()) {
      return kind + ".";
    }
  }
  const std::string sentence = Printable(FirstSentence(subject.incident.summary()));
  if (subject.evidence.Has("merged_into")) {
    return kind + ". " + sentence;
  }
  return sentence.empty() ? kind + "." : kind + ": " + sentence + ShareOf(subject);
}

// Since when it is what it is now.
std::string StandingOf(const Subject& subject) {
  const v1::Incident& incident = subject.incident;
  const uint64_t since = incident.opened_at() != 0 ? incident.opened_at() : incident.started_at();
  const std::string flapping = subject.evidence.Has("flapping") ? "; it comes and goes" : "";
  if (incident.state() == "closed") {
    return fmt::format("closed {}, after {}", Ago(incident.closed_at(), subject.now),
                       Span(since, incident.closed_at()));
  }
  if (incident.state() == "monitoring") {
    return fmt::format("recovering, watched until it stays well; opened {}{}",
                       Ago(since, subject.now), flapping);
  }
  if (incident.state() == "candidate") {
    return fmt::format("candidate for {}: not confirmed yet", Span(since, subject.now));
  }
  if (const auto again = ParseRfc3339(subject.evidence.Peek("failing_again_since"))) {
    return fmt::format("{} again for {}, first {}{}", Printable(incident.state()),
                       Span(static_cast<uint64_t>(ToUnixNanos(*again)), subject.now),
                       Ago(since, subject.now), flapping);
  }
  return fmt::format("{} for {}{}", Printable(incident.state()), Span(since, subject.now),
                     flapping);
}

std::string ClockAndAge(uint64_t time, uint64_t now) {
  return fmt::format("{}, {}", Clock(time), Ago(time, now));
}

// "mail1 and mail2 (group mail), web1 (group web)", as far as groups are known.
template <typename Sensors>
std::string WithGroups(const Sensors& sensors, const SensorGroups& groups) {
  std::vector<std::pair<std::string, std::vector<std::string>>> sorted;
  size_t number = 0;
  for (const auto& sensor : sensors) {
    if (++number > kMostSensors) {
      continue;
    }
    const auto known = groups.find(sensor);
    const std::string group = known == groups.end() ? "" : Printable(known->second);
    auto it = std::find_if(sorted.begin(), sorted.end(),
                           [&](const auto& entry) { return entry.first == group; });
    if (it == sorted.end()) {
      it = sorted.insert(sorted.end(), {group, {}});
    }
    it->second.push_back(Printable(sensor));
  }
  std::string text;
  for (const auto& [group, names] : sorted) {
    text += (text.empty() ? "" : ", ") + NamesOf(names, kMostSensors);
    text += group.empty() ? "" : " (group " + group + ")";
  }
  if (number > kMostSensors) {
    text += fmt::format(" and {} more", Count(number - kMostSensors));
  }
  return text;
}

bool IsV6(const std::string& host) { return host.find(':') != std::string::npos; }

// The first ones, of both families if there are both.
std::string Listed(std::vector<std::string> hosts) {
  if (hosts.size() > kMostHosts) {
    std::stable_partition(hosts.begin(), hosts.end(), [](const auto& host) { return !IsV6(host); });
    const auto first_v6 = std::find_if(hosts.begin(), hosts.end(), IsV6);
    const auto end_v6 = first_v6 + std::min<std::ptrdiff_t>(kMostV6, hosts.end() - first_v6);
    const auto place = hosts.begin() + kMostHosts - (end_v6 - first_v6);
    if (first_v6 > place) {
      std::rotate(place, first_v6, end_v6);
    }
  }
  std::string text;
  for (size_t i = 0; i < std::min(hosts.size(), kMostHosts); ++i) {
    text += (i == 0 ? "" : ", ") + Printable(hosts[i]);
  }
  if (hosts.size() > kMostHosts) {
    text += fmt::format(" and {} more", Count(hosts.size() - kMostHosts));
  }
  return text;
}

std::string FamiliesOf(const std::vector<std::string>& hosts) {
  const auto v6 = static_cast<size_t>(std::ranges::count_if(hosts, IsV6));
  return v6 == 0 ? "IPv4"
         : v6 == hosts.size()
             ? "IPv6"
             : fmt::format("{} IPv4, {} IPv6", Count(hosts.size() - v6), Count(v6));
}

}  // namespace

Subject::Subject(const v1::Incident& record, uint64_t time, const SensorGroups& known)
    : incident(record),
      now(time),
      groups(known),
      evidence(record),
      candidate(record.state() == "candidate"),
      over(record.state() == "monitoring" || record.state() == "closed"),
      closed(record.state() == "closed") {}

bool Subject::OnRoutes() const {
  return IsAbout("route_anomaly") ||
         ((IsAbout("lossy_path") || IsAbout("mixed")) && !LosesPackets());
}

bool Subject::LosesPackets() const {
  return (IsAbout("lossy_path") || IsAbout("mixed")) && evidence.Has("about");
}

bool Subject::OnHosts() const {
  return OnRoutes() || IsAbout("target_down") || IsAbout("border_outage");
}

std::string Subject::Failing() const {
  std::vector<std::string> names(incident.failing_sensors().begin(),
                                 incident.failing_sensors().end());
  return names.empty() ? "nobody" : NamesOf(names);
}

std::string Subject::Reaching() const {
  std::vector<std::string> names(incident.reaching_sensors().begin(),
                                 incident.reaching_sensors().end());
  return NamesOf(names);
}

std::vector<std::string> Subject::ByFlow() const { return NamesIn("by_flow"); }

std::string Subject::FirstFailing() const {
  const std::vector<std::string> lucky = ByFlow();
  for (const std::string& name : incident.failing_sensors()) {
    if (std::ranges::find(lucky, Printable(name)) == lucky.end()) {
      return Printable(name);
    }
  }
  return incident.failing_sensors().empty() ? "" : Printable(incident.failing_sensors(0));
}

std::string Subject::FirstReaching() const {
  return incident.reaching_sensors().empty() ? "" : Printable(incident.reaching_sensors(0));
}

std::vector<std::string> Subject::WordOf() const { return NamesIn("suspect_word_of"); }

std::vector<std::string> Subject::NamesIn(std::string_view key) const {
  std::vector<std::string> names;
  const std::string text = evidence.Peek(key);
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(", ", begin), text.size());
    names.push_back(text.substr(begin, end - begin));
    begin = end + 2;
  }
  return names;
}

std::string Subject::Edge() const {
  if (!incident.has_suspect()) {
    return "";
  }
  const auto& suspect = incident.suspect();
  return fmt::format("{} -> {}", Printable(suspect.from()),
                     suspect.to().empty() ? std::string("silence") : Printable(suspect.to()));
}

std::string Subject::OneHost() const {
  return !incident.targets_still_failing().empty() ? Printable(incident.targets_still_failing(0))
         : !incident.targets().empty()             ? Printable(incident.targets(0))
                                                   : "";
}

std::string NamesOf(const std::vector<std::string>& names, size_t most) {
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), most); ++i) {
    text += i == 0 ? "" : i + 1 == names.size() ? " and " : ", ";
    text += Printable(names[i]);
  }
  if (names.size() > most) {
    text += fmt::format(" and {} more", Count(names.size() - most));
  }
  return text;
}

Lines WhenOf(Subject& subject) {
  const v1::Incident& incident = subject.incident;
  Lines lines = {
      {"started", ClockAndAge(incident.started_at(), subject.now) + " (first evidence)"}};
  if (incident.opened_at() != 0) {
    lines.push_back({"opened", ClockAndAge(incident.opened_at(), subject.now)});
  }
  lines.push_back({"last change", ClockAndAge(incident.updated_at(), subject.now)});
  if (incident.closed_at() != 0) {
    lines.push_back({"closed", ClockAndAge(incident.closed_at(), subject.now)});
  }
  return lines;
}

Lines WhoOf(Subject& subject) {
  const v1::Incident& incident = subject.incident;
  Evidence& evidence = subject.evidence;
  const std::string failing = WithGroups(incident.failing_sensors(), subject.groups);
  const std::string reaching = WithGroups(incident.reaching_sensors(), subject.groups);
  // Said already if it is the sensor or the server that the whole page is about.
  const std::string about = evidence.Peek("about");
  if (about == subject.FirstFailing() || about == subject.OneHost()) {
    evidence.Tell("about");
  }
  Lines lines;
  if (subject.IsAbout("syn_flood")) {
    lines.push_back({"seen by", failing});
  } else if (subject.IsAbout("sensor_isolated") || subject.IsAbout("sensor_degraded")) {
    lines.push_back({"sensor", failing});
  } else if (subject.LosesPackets()) {
    lines.push_back({"loses from", failing});
    lines.push_back({"no loss from", reaching.empty() ? "nobody who was asked" : reaching});
  } else if (subject.IsAbout("policy")) {
    lines.push_back({"filtered at", failing});
    const std::string method = " " + evidence.Peek("filtered_method");
    if (method.size() > 1 && about.ends_with(method)) {  // a group, or a sensor without one
      evidence.Tell("about");
      lines.push_back({"near", about.substr(0, about.size() - method.size())});
    }
  } else {
    lines.push_back({subject.over ? "failed from" : "fails from", failing});
    lines.push_back({subject.over ? "worked from" : "works from",
                     !reaching.empty()     ? reaching
                     : !subject.OnRoutes() ? "nobody who was asked"
                     : incident.split() == "per_flow"
                         ? "no sensor with every connection"
                         : "no sensor for all of them: each one misses others"});
  }
  return lines;
}

Lines WhatOf(Subject& subject) {
  const v1::Incident& incident = subject.incident;
  const std::set<std::string> still(incident.targets_still_failing().begin(),
                                    incident.targets_still_failing().end());
  const std::vector<std::string> hosts(incident.targets().begin(), incident.targets().end());
  std::vector<std::string> failing;
  std::vector<std::string> recovered;
  for (const std::string& host : hosts) {
    (still.contains(host) ? failing : recovered).push_back(host);
  }
  Lines lines;
  if (hosts.empty()) {
    if (subject.candidate && subject.OnHosts()) {
      lines.push_back({"hosts", "none confirmed yet"});
    }
    return lines;
  }
  if (subject.IsAbout("syn_flood")) {
    return {{"server", Listed(hosts)}};
  }
  if (!subject.OnHosts()) {
    return {{"measured to", fmt::format("{} ({}): {}", Plural(hosts.size(), "host"),
                                        FamiliesOf(hosts), Listed(hosts))}};
  }
  const bool merged = subject.evidence.Has("merged_into");  // what came of them is told there
  const uint64_t all = std::max<uint64_t>(hosts.size(), incident.target_count());
  std::string standing =
      recovered.empty() ? "all failing"
      : failing.empty()
          ? "all recovered"
          : fmt::format("{} {}, {} recovered", Count(failing.size()),
                        merged ? "failing" : "still failing", Count(recovered.size()));
  if (hosts.size() == 1) {
    standing = failing.empty() ? "recovered" : "failing";
  }
  lines.push_back({merged ? "when merged" : "hosts",
                   fmt::format("{} ({}): {}", Count(all), FamiliesOf(hosts), standing)});
  lines.push_back({failing.size() > kMostHosts ? "such as" : "failing", Listed(failing)});
  lines.push_back({"recovered", Listed(recovered)});
  if (std::max(failing.size(), recovered.size()) > kMostHosts) {
    lines.push_back({"all of them",
                     fmt::format("parallax incident show {} -o json", Printable(incident.id()))});
  }
  return lines;
}

IncidentStory TellIncident(const v1::Incident& incident, uint64_t now, const SensorGroups& groups) {
  Subject subject(incident, now, groups);
  IncidentStory story;
  story.sentence = SentenceOf(subject);
  if (const std::string other = subject.evidence.Tell("merged_into"); !other.empty()) {
    story.merged = fmt::format(
        "Merged into {0}, which tells of this from then on: parallax incident show {0}", other);
  }
  story.standing = StandingOf(subject);
  story.brief = BriefOf(subject);
  using Teller = Lines (*)(Subject&);
  const std::tuple<const char*, Teller, std::optional<Part>> parts[] = {
      {"When", WhenOf, Part::kWhen},
      {subject.OnHosts() || subject.LosesPackets() ? "Who agrees, who contradicts"
                                                   : "Which sensors",
       WhoOf, Part::kWho},
      {"What fails", WhatOf, Part::kWhat},
      {"How it fails", HowOf, Part::kHow},
      {"Where the ways part", WhereOf, Part::kWhere},
      {"The flood", FloodOf, Part::kFlood},
      {"How sure this is", SureOf, std::nullopt},
      {"What would change this view", MindOf, std::nullopt}};
  for (const auto& [heading, tell, part] : parts) {
    StorySection section{heading, tell(subject)};
    if (part) {
      const Lines rest = subject.evidence.Rest(*part);
      section.lines.insert(section.lines.end(), rest.begin(), rest.end());
    }
    std::erase_if(section.lines, [](const StoryLine& line) { return line.text.empty(); });
    if (!section.lines.empty()) {
      story.sections.push_back(std::move(section));
    }
  }
  story.noted = subject.evidence.Others();
  story.next = NextOf(subject);
  return story;
}

}  // namespace parallax::cli
