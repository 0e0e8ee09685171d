#include "tests/sim/scenario_score.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

namespace parallax::sim {
namespace {

using collector::IncidentChange;
using collector::IncidentRecord;
using collector::IncidentState;

// An incident's life, from its opening on.
struct Told {
  IncidentRecord opened;
  IncidentRecord last;
  size_t notices = 0;  // opened, reopened, closed
  bool start_changed = false;
};

std::string Trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t[]()\"");
  const size_t last = text.find_last_not_of(" \t[]()\"");
  return first == text.npos ? "" : std::string(text.substr(first, last - first + 1));
}

using Edge = std::pair<std::string, std::string>;

// Edges in a text: "a -> b", separated by , or ;
void ReadEdges(std::string_view text, std::vector<Edge>& edges) {
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of(",;"), text.size());
    const std::string_view piece = text.substr(0, end);
    if (const size_t arrow = piece.find("->"); arrow != piece.npos) {
      edges.emplace_back(Trimmed(piece.substr(0, arrow)), Trimmed(piece.substr(arrow + 2)));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

class Judge {
 public:
  Judge(Stage& stage, Moment begin, const std::vector<Duration>& lost)
      : stage_(stage), begin_(begin), lost_(lost) {}

  bool Fits(const ScenarioExpectation& expected, const IncidentRecord& incident) const {
    const Duration opened = Since(incident.opened_at);
    const std::string verdict(ToString(incident.verdict));
    const auto contains = [](const auto& all, const auto& one) {
      return std::find(all.begin(), all.end(), one) != all.end();
    };
    return (verdict == expected.verdict || contains(expected.also_right, verdict)) &&
           opened >= expected.after && opened <= expected.by &&
           (expected.family.empty() || expected.family == incident.family) &&
           std::all_of(
               expected.failing.begin(), expected.failing.end(),
               [&](const std::string& name) { return contains(incident.failing_sensors, name); });
  }

  Met Decide(const ScenarioExpectation& expected, const Told& told) {
    const IncidentRecord& incident = told.last;
    Met met;
    met.found = true;
    const auto first_lost =
        std::find_if(lost_.begin(), lost_.end(), [&](Duration at) { return at >= expected.after; });
    const Duration opened = Since(incident.opened_at);
    const Duration began =
        first_lost != lost_.end() && *first_lost <= opened ? *first_lost : expected.after;
    met.to_open = opened - began;
    if (!expected.direction.empty()) {
      met.direction = incident.direction == expected.direction;
    }
    if (!expected.split.empty()) {
      met.split = incident.split == expected.split;
    }
    if (expected.has_suspect) {
      const std::vector<Edge> edges = Suspected(incident);
      const auto right = [&](const Edge& edge) { return IsRight(expected, edge); };
      met.suspect_first = incident.suspect && right(edges.front());
      met.suspect_in_three = std::any_of(
          edges.begin(), edges.begin() + static_cast<ptrdiff_t>(std::min<size_t>(edges.size(), 3)),
          right);
    }
    if (expected.closed_by) {
      met.further.push_back(incident.state == IncidentState::kClosed &&
                            Since(incident.closed_at) <= *expected.closed_by);
    }
    if (!expected.innocent.empty()) {
      met.further.push_back(!incident.suspect || !Blames(expected.innocent, *incident.suspect));
    }
    if (!expected.confidence.empty()) {
      met.further.push_back(incident.suspect &&
                            incident.suspect->confidence == expected.confidence);
    }
    if (expected.keeps_start) {
      met.further.push_back(!told.start_changed);
    }
    if (expected.notices) {
      met.further.push_back(told.notices <= *expected.notices);
    }
    return met;
  }

 private:
  Duration Since(WallTime at) const { return at - begin_.wall; }

  // The name of the node that an incident speaks of: by its address on a link, or by name.
  std::string NodeNamed(const std::string& text) {
    Network& network = stage_.world().network();
    const auto address = IpAddress::Parse(text);
    const auto node = address ? network.NodeWith(*address) : std::nullopt;
    return node ? network.NameOf(*node) : text;
  }

  // The suspect, then the edges that are as good as it, then what the evidence names further.
  static std::vector<Edge> Suspected(const IncidentRecord& incident) {
    std::vector<Edge> edges;
    if (incident.suspect) {
      edges.emplace_back(incident.suspect->from, incident.suspect->to);
      for (const std::string& text : incident.suspect->ambiguity) {
        ReadEdges(text, edges);
      }
    }
    for (const auto& [key, text] : incident.evidence) {
      if (key.find("suspect") != key.npos) {
        ReadEdges(text, edges);
      }
    }
    return edges;
  }

  bool IsRight(const ScenarioExpectation& expected, const Edge& edge) {
    if (NodeNamed(edge.first) != expected.suspect_from) {
      return false;
    }
    const bool silence = edge.second.empty() || edge.second == "silence";
    if (expected.suspect_to.empty() || silence) {
      return silence &&
             (expected.suspect_to.empty() || IsSilent(expected.suspect_from, expected.suspect_to));
    }
    return NodeNamed(edge.second) == expected.suspect_to;
  }

  // No trace gets an answer from there: it never gives one, or it is dead, or cut off.
  bool IsSilent(const std::string& from, const std::string& name) {
    const Network& network = stage_.world().network();
    const NodeId node = stage_.At(name);
    const auto link = network.LinkBetween(stage_.At(from), node);
    return !network.options(node).forwards || !network.options(node).answers_ttl ||
           !network.IsNodeUp(node) || (link && !network.IsLinkUp(*link));
  }

  bool Blames(const std::vector<std::string>& nodes, const collector::Suspect& suspect) {
    return std::find(nodes.begin(), nodes.end(), NodeNamed(suspect.from)) != nodes.end();
  }

  Stage& stage_;
  const Moment begin_;
  const std::vector<Duration>& lost_;
};

std::map<uint64_t, Told> LivesOf(const std::vector<IncidentChange>& changes) {
  std::map<uint64_t, Told> lives;
  for (const IncidentChange& change : changes) {
    const bool is_notice =
        change.change == "opened" || change.change == "reopened" || change.change == "closed";
    auto it = lives.find(change.incident.number);
    if (it == lives.end() && change.change == "opened") {
      it = lives.try_emplace(change.incident.number, Told{change.incident, {}, 0, false}).first;
    }
    if (it == lives.end()) {
      continue;
    }
    Told& told = it->second;
    told.last = change.incident;
    told.notices += is_notice ? 1 : 0;
    told.start_changed = told.start_changed || change.incident.started_at != told.opened.started_at;
  }
  return lives;
}

// Nothing if there was neither.
std::optional<bool> FloodConfused(const Scenario& scenario,
                                  const std::vector<IncidentRecord>& unexpected) {
  const bool flood =
      std::any_of(scenario.faults.begin(), scenario.faults.end(),
                  [](const ScenarioFault& fault) { return fault.kind == FaultKind::kFlood; });
  const bool fault = std::any_of(scenario.expected.begin(), scenario.expected.end(),
                                 [](const ScenarioExpectation& e) {
                                   return e.verdict == "route_anomaly" || e.verdict == "mixed";
                                 });
  if (!flood && !fault) {
    return std::nullopt;
  }
  return std::any_of(unexpected.begin(), unexpected.end(), [&](const IncidentRecord& incident) {
    const std::string_view verdict = ToString(incident.verdict);
    const bool says_flood = verdict == "syn_flood" || verdict == "mixed";
    const bool says_fault = verdict == "route_anomaly" || verdict == "mixed";
    return (says_flood && !flood) || (says_fault && !fault);
  });
}

}  // namespace

void ScoreIncidents(Stage& stage, const std::vector<IncidentChange>& changes, Moment begin,
                    const std::vector<Duration>& lost, RunScore& score) {
  std::map<uint64_t, Told> lives = LivesOf(changes);
  Judge judge(stage, begin, lost);
  for (const ScenarioExpectation& expected : stage.scenario().expected) {
    const auto found = std::find_if(lives.begin(), lives.end(), [&](const auto& life) {
      return judge.Fits(expected, life.second.opened) || judge.Fits(expected, life.second.last);
    });
    if (!expected.optional) {
      score.met.push_back(found == lives.end() ? Met{} : judge.Decide(expected, found->second));
    }
    if (found != lives.end()) {
      score.incident_targets += found->second.last.targets.size();
      score.incidents.push_back(found->second.last);
      lives.erase(found);
    }
  }
  for (auto& [number, told] : lives) {
    score.incidents.push_back(told.last);
    score.unexpected.push_back(std::move(told.last));
  }
  score.flood_confused = FloodConfused(stage.scenario(), score.unexpected);
}

}  // namespace parallax::sim
