#include "collector/detect/suspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "collector/detect/sets.h"

namespace parallax::collector {
namespace {

// A router is only accused for certain if no single sensor, and no single group, could have made it
// up: as many sensors have looked, and those who accuse are of as many groups.
constexpr size_t kQuorumSensors = 3;
constexpr size_t kQuorumGroups = 2;
constexpr size_t kMostSuspects = 3;

std::string Join(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string Describe(const SuspectEdge& edge) {
  std::string text =
      fmt::format("{} -> {}: {} of {} ways over it fail (gain {:.1f})", edge.from.ToString(),
                  edge.to.ToString(), edge.failing, edge.failing + edge.passing, edge.gain);
  if (edge.partial) {
    text += "; routers around it are silent";
  }
  return text;
}

// nullopt: neither end has an address.
std::optional<Family> FamilyOf(const SuspectEdge& edge) {
  for (const PathPlace* place : {&edge.from, &edge.to}) {
    if (place->kind == PathPlace::Kind::kAddress) {
      return place->address.family();
    }
  }
  return edge.instead_of ? std::optional(edge.instead_of->family()) : std::nullopt;
}

// Where ways that work go on to from each place.
class NextPlaces {
 public:
  explicit NextPlaces(const std::vector<ObservedPath>& paths) {
    for (const ObservedPath& path : paths) {
      if (path.reached) {
        Note(path.hops);
      }
      Note(path.before);
    }
  }
  // A router has an address for each department that asks; the way on is the same from all of them.
  bool MayBeOneRouter(const IpAddress& a, const IpAddress& b) const {
    const auto at = next_.find(a);
    const auto bt = next_.find(b);
    return a == b || (at != next_.end() && bt != next_.end() && Intersect(at->second, bt->second));
  }

 private:
  void Note(const std::vector<std::optional<IpAddress>>& hops) {
    for (size_t i = 0; i + 2 < hops.size(); ++i) {  // the last one is the target
      if (hops[i] && hops[i + 1]) {
        next_[*hops[i]].insert(*hops[i + 1]);
      }
    }
  }
  std::map<IpAddress, std::set<IpAddress>> next_;
};

// All that should go on to one place goes silent on different routers: it is that place. Those
// edges, if that is how it is with the best one; else none.
std::vector<SuspectEdge> LostBeforeOnePlace(const std::vector<SuspectEdge>& edges,
                                            const std::vector<ObservedPath>& paths) {
  const std::optional<IpAddress>& place = edges.front().instead_of;
  if (!place || edges.size() < 2) {
    return {};
  }
  const NextPlaces next(paths);
  std::vector<SuspectEdge> lost;
  std::copy_if(edges.begin(), edges.end(), std::back_inserter(lost), [&](const SuspectEdge& edge) {
    return edge.instead_of && edge.to.kind == PathPlace::Kind::kSilence &&
           next.MayBeOneRouter(*edge.instead_of, *place);
  });
  return lost.size() > 1 ? lost : std::vector<SuspectEdge>();
}

// Are these for certain not the addresses of one router? The first routers of different departments
// are not.
bool AreSeveralRouters(const std::vector<SuspectEdge>& edges,
                       const std::vector<ObservedPath>& paths) {
  std::set<std::string> groups;
  for (const ObservedPath& path : paths) {
    const bool first = !path.hops.empty() && path.hops.front() &&
                       std::any_of(edges.begin(), edges.end(), [&](const SuspectEdge& edge) {
                         return edge.from == PathPlace::Address(*path.hops.front());
                       });
    if (first) {
      groups.insert(path.group);
    }
  }
  return groups.size() > 1;
}

// Accuses the place that packets get lost before on `edges`, where the best one should go on to. If
// they may be one router's, with many addresses, it may as well be its link to that place.
void AccusePlace(const SuspectEdge& best, const std::vector<SuspectEdge>& edges,
                 bool several_routers, Suspect& suspect) {
  const std::string into_silence = kIntoSilence;
  const std::string place = best.instead_of->ToString();
  suspect.from = several_routers ? place : best.from.ToString();
  suspect.to = several_routers ? into_silence : place;
  suspect.ambiguity.clear();
  if (!several_routers) {
    suspect.ambiguity.push_back(place + " -> " + into_silence);
  }
  for (const SuspectEdge& edge : edges) {
    const std::string from = edge.from.ToString();
    if (several_routers || from != suspect.from) {
      suspect.ambiguity.push_back(from + " -> " + suspect.to);
    }
  }
}

// Both are sorted, and have nothing twice.
void Unite(std::vector<std::string>& into, const std::vector<std::string>& more) {
  std::vector<std::string> both;
  std::set_union(into.begin(), into.end(), more.begin(), more.end(), std::back_inserter(both));
  into = std::move(both);
}

bool IsConfirmed(const IncidentView& view, const SuspectEdge& edge) {
  std::set<SensorName> looked(edge.accusers.begin(), edge.accusers.end());
  for (const IncidentView::Member& member : view.members) {
    looked.insert(member.reaching.begin(), member.reaching.end());
  }
  return looked.size() >= kQuorumSensors && edge.groups.size() >= kQuorumGroups;
}

}  // namespace

std::vector<std::optional<IpAddress>> Hops(const PathHops& hops) {
  std::vector<std::optional<IpAddress>> out;
  out.reserve(hops.size());
  for (const auto& routers : hops) {
    out.push_back(routers.empty() ? std::nullopt : std::optional(routers.front()));
  }
  return out;
}

std::vector<ObservedPath> OneRouterPerGroup(std::vector<ObservedPath> paths) {
  // By group and next place: the first hops that lead there.
  std::map<std::pair<std::string, IpAddress>, std::set<IpAddress>> leading;
  const auto note = [&](const std::string& group, const auto& hops) {
    if (hops.size() > 1 && hops[0] && hops[1]) {
      leading[{group, *hops[1]}].insert(*hops[0]);
    }
  };
  for (const ObservedPath& path : paths) {
    note(path.group, path.hops);
    note(path.group, path.before);
  }
  std::map<IpAddress, IpAddress> known_as;
  for (const auto& [place, firsts] : leading) {
    IpAddress lowest = *firsts.begin();
    for (const IpAddress& first : firsts) {
      const auto it = known_as.find(first);
      lowest = it == known_as.end() ? lowest : std::min(lowest, it->second);
    }
    for (const IpAddress& first : firsts) {
      known_as[first] = lowest;
    }
  }
  for (ObservedPath& path : paths) {
    for (auto* hops : {&path.hops, &path.before}) {
      if (!hops->empty() && hops->front() && known_as.contains(*hops->front())) {
        hops->front() = known_as.at(*hops->front());
      }
    }
  }
  return paths;
}

std::vector<SuspectEdge> SuspectsAmong(const std::vector<ObservedPath>& paths) {
  // The families have routers of their own, by name.
  std::vector<SuspectEdge> edges;
  for (const Family family : {Family::kV4, Family::kV6}) {
    std::vector<ObservedPath> ways;
    std::copy_if(paths.begin(), paths.end(), std::back_inserter(ways),
                 [&](const ObservedPath& path) { return path.target.family() == family; });
    const auto found = Localise(OneRouterPerGroup(std::move(ways)), {}, kMostSuspects);
    edges.insert(edges.end(), found.begin(), found.end());
  }
  std::stable_sort(edges.begin(), edges.end(),
                   [](const auto& a, const auto& b) { return a.gain > b.gain; });
  edges.resize(std::min(edges.size(), kMostSuspects));
  return edges;
}

Suspect SuspectOf(const SuspectEdge& edge, const std::string& confidence) {
  Suspect suspect;
  // Whoever sends packets to a box that passes nothing on is to be mended, not that box.
  const bool led = !edge.led_by.empty() && edge.led_by.front().kind == PathPlace::Kind::kAddress;
  suspect.from = (led ? edge.led_by.front() : edge.from).ToString();
  suspect.to = (led ? edge.from : edge.to).ToString();
  // The first router answers for other hosts, and not for these: a router that has a null route
  // drops a packet before it looks at its TTL. It is that router, and not the wire before it.
  const bool at_gateway = edge.from.kind == PathPlace::Kind::kSensor &&
                          edge.to.kind == PathPlace::Kind::kSilence && edge.instead_of;
  if (at_gateway) {
    suspect.ambiguity.push_back(suspect.from + " -> " + suspect.to);
    suspect.from = edge.instead_of->ToString();
  }
  suspect.confidence = confidence;
  for (size_t i = 1; i < edge.led_by.size(); ++i) {
    suspect.ambiguity.push_back(edge.led_by[i].ToString() + " -> " + suspect.to);
  }
  for (const auto& [from, to] : edge.ambiguity) {
    suspect.ambiguity.push_back(from.ToString() + " -> " + to.ToString());
  }
  return suspect;
}

std::optional<Explanation> ExplainPaths(const IncidentView& view,
                                        const std::vector<ObservedPath>& paths) {
  const auto failing = static_cast<size_t>(
      std::count_if(paths.begin(), paths.end(), [](const auto& path) { return path.failing; }));
  const std::vector<SuspectEdge> edges = SuspectsAmong(paths);
  if (edges.empty()) {
    return std::nullopt;
  }
  SuspectEdge first = edges.front();
  const std::vector<SuspectEdge> before_one_place = LostBeforeOnePlace(edges, paths);
  if (!before_one_place.empty()) {
    first.accusers.clear();
    first.groups.clear();
  }
  for (const SuspectEdge& edge : before_one_place) {
    Unite(first.accusers, edge.accusers);
    Unite(first.groups, edge.groups);
  }
  Explanation said;
  said.suspect = SuspectOf(first, IsConfirmed(view, first) ? "confirmed" : "likely");
  if (!before_one_place.empty()) {
    AccusePlace(first, before_one_place, AreSeveralRouters(before_one_place, paths), *said.suspect);
  }
  said.places = {*said.suspect};
  for (const SuspectEdge& edge : before_one_place) {
    said.places.push_back(SuspectOf(edge, said.suspect->confidence));
  }
  const auto other = std::find_if(edges.begin(), edges.end(), [&](const SuspectEdge& edge) {
    return FamilyOf(edge) && FamilyOf(first) && FamilyOf(edge) != FamilyOf(first);
  });
  if (other != edges.end()) {
    said.places.push_back(SuspectOf(*other, said.suspect->confidence));
  }
  said.evidence["traced_ways"] =
      fmt::format("{} that fail, {} that work", failing, paths.size() - failing);
  said.evidence["suspect_1"] = Describe(first);
  said.evidence[kSuspectWordOf] = Join(first.accusers);
  const bool beyond = first.instead_of && first.instead_of->ToString() != said.suspect->from;
  said.evidence[kSuspectInsteadOf] = beyond ? first.instead_of->ToString() : std::string();
  said.evidence[kGoRound] = 2 * first.circling > first.failing
                                ? fmt::format("{} of {}", first.circling, first.failing)
                                : std::string();
  for (size_t i = 1; i < kMostSuspects; ++i) {
    said.evidence[fmt::format("suspect_{}", i + 1)] =
        i < edges.size() ? Describe(edges[i]) : std::string();
  }
  return said;
}

}  // namespace parallax::collector
