#include "collector/cli/incident_evidence.h"

#include <array>
#include <charconv>

#include "collector/cli/table.h"

namespace parallax::cli {
namespace {

// The keys are those of collector/detect; what a value looks like is seen where it is written.
constexpr std::array kKnown = {
    EvidenceKind{"merged_into", Part::kTop, "merged", "told on in ", ""},
    EvidenceKind{"failing_again_since", Part::kWhen, "again since", "", ""},
    EvidenceKind{"flapping", Part::kWhen, "flapping", "it failed and came back ",
                 "; that is told as one incident"},

    EvidenceKind{"about", Part::kWho, "about", "", ""},
    EvidenceKind{"by_flow", Part::kWho, "by flow", "some connections from ",
                 " fail; those by which they are commonly probed get through"},
    EvidenceKind{"vantage", Part::kWho, "set aside", "what it says of others does not count: ", ""},
    EvidenceKind{"cut_off_together", Part::kWho, "together", "",
                 " fell silent within a minute of each other: what they share has failed"},
    EvidenceKind{"unheard_accuser", Part::kWho, "unheard", "",
                 " has been away for so long that nobody can say what fails from there"},

    EvidenceKind{"extent", Part::kWhat, "extent", "", ""},
    EvidenceKind{"filtered_method", Part::kWhat, "filtered", "probes by ",
                 " bring no answer from there any more"},
    EvidenceKind{"hosts_awaiting_second_look", Part::kWhat, "not counted", "",
                 " more failed once and await a second look"},
    EvidenceKind{"members_not_listed", Part::kWhat, "not listed", "",
                 " more fail, beyond what one incident can list"},

    EvidenceKind{"flows", Part::kHow, "looked at", "", ""},
    EvidenceKind{"bad_flows", Part::kHow, "failing", "", " of the connections to one host"},
    EvidenceKind{"loss", Part::kHow, "loss", "", " of the packets"},
    EvidenceKind{"loss_usual", Part::kHow, "usual loss", "", ""},
    EvidenceKind{"loss_where_any", Part::kHow, "worst hosts", "",
                 " of the packets to the hosts that lose any"},
    EvidenceKind{"arrivals", Part::kHow, "arrivals", "", ""},
    EvidenceKind{"half_open_attempts", Part::kHow, "half-open", "",
                 " connection attempts from these hosts arrived and stayed half-open"},

    EvidenceKind{"completed_attempts", Part::kHow, "completed", "",
                 " of their attempts got through all the same"},

    EvidenceKind{"suspect_word_of", Part::kWhere, "on word of", "", ""},
    EvidenceKind{"suspect_instead_of", Part::kWhere, "instead of", "", ""},
    EvidenceKind{"ways_that_go_round", Part::kWhere, "a loop", "",
                 " ways come by the same router again"},
    EvidenceKind{"traced_ways", Part::kWhere, "traced", "ways: ", ""},
    EvidenceKind{"suspect_1", Part::kWhere, "traces say", "", ""},
    EvidenceKind{"suspect_2", Part::kWhere, "runner-up", "", ""},
    EvidenceKind{"suspect_3", Part::kWhere, "runner-up", "", ""},
    EvidenceKind{"announcement", Part::kWhere, "heard", "", ""},

    EvidenceKind{"flood", Part::kFlood, "flooded", "", ""},
    EvidenceKind{"syn_rate", Part::kFlood, "rate", "", ""},
    EvidenceKind{"sources", Part::kFlood, "sources", "", " (different addresses)"},
    EvidenceKind{"half_open", Part::kFlood, "half-open", "", " attempts in the same time"},
    EvidenceKind{"syn_repeated", Part::kFlood, "SYN repeated", "",
                 " of the half-open ones (real clients: most; forged ones: next to none)"},
    EvidenceKind{"known_clients", Part::kFlood, "known", "",
                 " of them from clients that have connected before"},
    EvidenceKind{"syn_cookies_sent", Part::kFlood, "SYN cookies", "",
                 " sent by the server's kernel in the same time"},
    EvidenceKind{"listen_overflows", Part::kFlood, "overflows", "",
                 " connections refused in the same time because the accept queue was full"},
    EvidenceKind{"half_open_with_repeated_syn", Part::kFlood, "real clients", "",
                 " of the attempts left half-open had their SYN repeated, as real clients do"},
    EvidenceKind{"flood_features", Part::kFlood, "figures", "", ""},
};

const EvidenceKind* Find(std::string_view key) {
  for (const EvidenceKind& kind : kKnown) {
    if (kind.key == key) {
      return &kind;
    }
  }
  return nullptr;
}

StoryLine LineOf(const EvidenceKind& kind, const std::string& value) {
  std::string text(kind.before);
  text += value;
  text += kind.after;
  return {std::string(kind.label), std::move(text)};
}

// "key value; key value": the figures of a flood that is told within another incident.
std::vector<StoryLine> Figures(std::string_view text) {
  std::map<std::string_view, std::string> values;
  std::vector<StoryLine> others;
  while (!text.empty()) {
    const size_t end = text.find("; ");
    const std::string_view figure = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 2);
    const size_t blank = figure.find(' ');
    if (blank == std::string_view::npos || Find(figure.substr(0, blank)) == nullptr ||
        !values.emplace(figure.substr(0, blank), figure.substr(blank + 1)).second) {
      others.push_back({"figures", std::string(figure)});
    }
  }
  std::vector<StoryLine> lines;
  for (const EvidenceKind& kind : kKnown) {
    if (const auto it = values.find(kind.key); it != values.end()) {
      lines.push_back(LineOf(kind, it->second));
    }
  }
  lines.insert(lines.end(), others.begin(), others.end());
  return lines;
}

}  // namespace

std::span<const EvidenceKind> KnownEvidence() { return kKnown; }

Evidence::Evidence(const v1::Incident& incident) {
  for (const auto& [key, value] : incident.evidence()) {
    values_.emplace(key, Printable(value));
  }
}

std::string Evidence::Peek(std::string_view key) const {
  const auto it = values_.find(key);
  return it == values_.end() ? std::string() : it->second;
}

uint64_t Evidence::Number(std::string_view key) const {
  const std::string text = Peek(key);
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : 0;
}

std::string Evidence::Tell(std::string_view key) {
  told_.emplace(key);
  return Peek(key);
}

std::vector<StoryLine> Evidence::Rest(Part part) {
  std::vector<StoryLine> lines;
  for (const EvidenceKind& kind : kKnown) {
    if (kind.part != part || !Has(kind.key) || told_.contains(kind.key)) {
      continue;
    }
    const std::string value = Tell(kind.key);
    if (kind.key == "flood_features") {
      const auto figures = Figures(value);
      lines.insert(lines.end(), figures.begin(), figures.end());
    } else {
      lines.push_back(LineOf(kind, value));
    }
  }
  return lines;
}

std::vector<StoryLine> Evidence::Others() {
  std::vector<StoryLine> lines;
  for (const auto& [key, value] : values_) {
    if (!told_.contains(key)) {
      lines.push_back({Printable(key), value});
    }
  }
  return lines;
}

}  // namespace parallax::cli
