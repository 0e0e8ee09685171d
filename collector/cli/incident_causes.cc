// How it fails (what kind of split, which direction) and where the ways part, with the reasons.
#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <utility>

#include "collector/cli/incident_subject.h"
#include "collector/cli/table.h"
#include "collector/cli/words.h"

namespace parallax::cli {
namespace {

// What the traces say of an edge, as the localiser writes it: "A -> B: 12 of 15 ways over it fail
// (gain 5.2); routers around it are silent".
struct EdgeWord {
  std::string edge;
  uint64_t failing = 0;
  uint64_t ways = 0;
  std::string score;
  bool partial = false;
};

std::optional<uint64_t> TakeNumber(std::string_view& text, std::string_view then) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  if (error != std::errc() || !text.starts_with(then)) {
    return std::nullopt;
  }
  text.remove_prefix(then.size());
  return number;
}

std::optional<EdgeWord> ReadEdge(std::string_view text) {
  const size_t colon = text.find(": ");
  if (colon == std::string_view::npos) {
    return std::nullopt;
  }
  EdgeWord word;
  word.edge = text.substr(0, colon);
  text.remove_prefix(colon + 2);
  const auto failing = TakeNumber(text, " of ");
  const auto ways = failing ? TakeNumber(text, " ways over it fail (gain ") : std::nullopt;
  const size_t end = text.find(')');
  if (!ways || *ways < *failing || end == std::string_view::npos) {
    return std::nullopt;
  }
  word.failing = *failing;
  word.ways = *ways;
  word.score = text.substr(0, end);
  text.remove_prefix(end + 1);
  word.partial = text == "; routers around it are silent";
  return word.partial || text.empty() ? std::optional(std::move(word)) : std::nullopt;
}

// `best`: the first one explains all that it can, each of the others what is left.
std::string TracesSay(const std::string& text, bool best) {
  const auto word = ReadEdge(text);
  if (!word) {
    return text;
  }
  const uint64_t passing = word->ways - word->failing;
  return fmt::format(
      "{}: for it, {}{} that {}; against it, {} (score {}{}){}", word->edge,
      Plural(word->failing, best ? "way" : "more way"), best ? " over it" : "",
      word->failing == 1 ? "fails" : "fail",
      passing == 0 ? std::string("none that works")
                   : fmt::format("{} that {}", Count(passing), passing == 1 ? "works" : "work"),
      word->score, best ? ", the higher the surer" : "",
      word->partial ? "; routers around it do not answer, so it may be a stretch of "
                      "the way and not one link"
                    : "");
}

std::string SplitText(const Subject& subject) {
  const std::string& split = subject.incident.split();
  if (split == "per_destination") {
    return "whole hosts: to a host that fails no connection works, and to other hosts all do "
           "(per_destination)";
  }
  if (split == "per_flow") {
    return "single connections: to one and the same host some get through and others never do, so "
           "one of several parallel ways is broken (per_flow)";
  }
  if (split == "per_packet") {
    return "single packets, whatever the connection: a link is bad, or one of several parallel "
           "ways "
           "(per_packet)";
  }
  return split == "unknown" || split.empty()
             ? "not known: whole hosts, single connections or single packets"
             : Printable(split);
}

std::string SplitReason(Subject& subject) {
  const std::string flows = subject.evidence.Tell("flows");
  if (!flows.empty()) {
    return flows;
  }
  return subject.incident.split() == "per_packet"
             ? "one and the same connection was answered at one time and not at another"
             : "";
}

std::string HalfOpenText(Subject& subject) {
  const uint64_t number = subject.evidence.Number("half_open_attempts");
  subject.evidence.Tell("half_open_attempts");
  return fmt::format("{} from them arrived there and stayed half-open",
                     Plural(number, "connection attempt"));
}

// In plain words, and why that is believed.
std::pair<std::string, std::string> DirectionText(Subject& subject) {
  const std::string& direction = subject.incident.direction();
  const bool counted = subject.evidence.Has("half_open_attempts");
  const uint64_t half_open = subject.evidence.Number("half_open_attempts");
  if (direction == "outbound") {
    return {"the way out: packets from these hosts arrive, our answers to them get lost",
            half_open > 0 ? HalfOpenText(subject)
            : !subject.OnRoutes()
                ? std::string("connection attempts arrived there and stayed half-open")
                : std::string()};
  }
  if (direction == "inbound") {
    return {"the way in: what these hosts send does not arrive", subject.evidence.Tell("arrivals")};
  }
  if (direction != "unknown" && !direction.empty()) {
    return {Printable(direction), ""};
  }
  if (counted) {
    subject.evidence.Tell("half_open_attempts");
  }
  return {"not known: way out or way in",
          counted && half_open == 0
              ? "no connection attempt from these hosts has shown that the way in works"
              : ""};
}

}  // namespace

Lines HowOf(Subject& subject) {
  if (!subject.OnRoutes() && !subject.LosesPackets()) {
    return {};
  }
  Lines lines = {{"kind", SplitText(subject)}, {"because", SplitReason(subject)}};
  const auto [direction, reason] = DirectionText(subject);
  lines.push_back({"direction", direction});
  lines.push_back({"because", reason});
  return lines;
}

Lines WhereOf(Subject& subject) {
  Evidence& evidence = subject.evidence;
  Lines lines;
  if (!subject.incident.has_suspect()) {
    if (subject.OnRoutes() || subject.LosesPackets()) {
      lines.push_back({"not located",
                       "no trace shows yet where the ways that fail part from those "
                       "that work"});
    }
    return lines;
  }
  const auto& suspect = subject.incident.suspect();
  if (subject.WordOf().size() > kMostNamed) {
    lines.push_back({"on word of", evidence.Peek("suspect_word_of")});
  }
  lines.push_back({"or else", suspect.ambiguity().empty()
                                  ? ""
                                  : Joined(suspect.ambiguity()) +
                                        (suspect.ambiguity().size() == 1
                                             ? ": the traces cannot tell this from it"
                                             : ": the traces cannot tell these from it")});
  if (const std::string traced = evidence.Tell("traced_ways"); !traced.empty()) {
    lines.push_back({"traced", "ways: " + traced});
  } else if (subject.LosesPackets()) {
    lines.push_back({"traced",
                     "compared are the ways as remembered, those that lose with those "
                     "that do not"});
  }
  for (const auto& [key, label] :
       {std::pair("suspect_1", "traces say"), std::pair("suspect_2", "runner-up"),
        std::pair("suspect_3", "runner-up")}) {
    const std::string value = evidence.Tell(key);
    lines.push_back(
        {label, value.empty() ? "" : TracesSay(value, key == std::string("suspect_1"))});
  }
  lines.push_back({"heard", evidence.Tell("announcement")});
  return lines;
}

}  // namespace parallax::cli
