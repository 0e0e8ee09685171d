#include "collector/detect/localise/localiser.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>

#include "collector/detect/localise/path_graph.h"

namespace parallax::collector {
namespace {

using Path = PathGraph::Path;
using Edge = PathGraph::Edge;

struct Choice {
  EdgeId edge = 0;
  double gain = 0;
  bool above_floor = false;
};

// Where paths went on to from one place.
class Votes {
 public:
  explicit Votes(const Edge& edge) : edge_(edge) {}

  void Add(const Trail& trail) {
    const auto at = std::find(trail.begin(), trail.end(), edge_.from);
    if (at == trail.end()) {
      return;
    }
    const std::optional<Step> step = NextStep(trail, static_cast<size_t>(at - trail.begin()));
    const PlaceId next = step ? trail[step->to] : kSilence;
    if (next == edge_.to && next != kSilence) {
      return;
    }
    ++count_;
    ++by_place_[next];
    silent_ += !step || step->to - step->from > 1 ? 1 : 0;
  }

  size_t count() const { return count_; }
  // Did more than half of them go on to where the next hop does not answer, or nobody at all?
  bool silent() const { return 2 * silent_ > count_; }
  // The place that answered next on more than half of them.
  std::optional<PlaceId> winner() const {
    for (const auto& [place, votes] : by_place_) {
      if (place != kSilence && 2 * votes > count_) {
        return place;
      }
    }
    return std::nullopt;
  }

 private:
  Edge edge_;
  size_t count_ = 0;
  size_t silent_ = 0;
  std::map<PlaceId, size_t> by_place_;
};

template <typename T>
void SortUnique(std::vector<T>& values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

class Search {
 public:
  Search(const PathGraph& graph, const LocaliserOptions& options)
      : graph_(graph), options_(options) {
    for (const Path& path : graph.failing()) {
      if (!path.accused.empty()) {
        unexplained_.push_back(&path);
      }
    }
  }

  // The next suspect, if there is one. Nothing comes after one that is below the floor.
  std::optional<SuspectEdge> Next() {
    if (done_) {
      return std::nullopt;
    }
    failing_.assign(graph_.edges().size(), 0);
    for (const Path* path : unexplained_) {
      for (const EdgeId edge : path->accused) {
        ++failing_[edge];
      }
    }
    const std::optional<Choice> best = Best();
    if (!best) {
      return std::nullopt;
    }
    done_ = !best->above_floor;
    const auto explained =
        std::stable_partition(unexplained_.begin(), unexplained_.end(), [&](const Path* path) {
          return std::find(path->accused.begin(), path->accused.end(), best->edge) ==
                 path->accused.end();
        });
    const std::vector<const Path*> paths(explained, unexplained_.end());
    unexplained_.erase(explained, unexplained_.end());
    return Describe(*best, paths);
  }

 private:
  // Of equal ones, the first in the graph's order.
  std::optional<Choice> Best() const {
    std::optional<Choice> best;
    for (EdgeId id = 0; id < failing_.size(); ++id) {
      if (failing_[id] == 0) {
        continue;
      }
      const size_t passing = graph_.edges()[id].passing;
      const Choice choice{id, EdgeGain(failing_[id], passing, options_),
                          HitRatio(id) >= options_.hit_ratio_floor};
      if (choice.gain > 0 && (!best || std::pair(choice.above_floor, choice.gain) >
                                           std::pair(best->above_floor, best->gain))) {
        best = choice;
      }
    }
    return best;
  }

  double HitRatio(EdgeId id) const {
    const auto failing = static_cast<double>(failing_[id]);
    return failing / (failing + static_cast<double>(graph_.edges()[id].passing));
  }

  // The edges that the same paths accuse, but for forgotten answers, and as many paths acquit; in
  // the order of the path that has most of them.
  std::vector<EdgeId> Alike(EdgeId chosen, const std::vector<const Path*>& paths) const {
    std::map<EdgeId, size_t> shared;
    for (const Path* path : paths) {
      for (const EdgeId id : path->accused) {
        ++shared[id];
      }
    }
    const double least = options_.alike * static_cast<double>(paths.size());
    std::erase_if(shared, [&](const auto& entry) {
      return static_cast<double>(entry.second) < least ||
             graph_.edges()[entry.first].passing != graph_.edges()[chosen].passing;
    });
    std::vector<EdgeId> alike;
    std::vector<EdgeId> on_path;
    for (const Path* path : paths) {
      on_path.clear();
      std::copy_if(path->accused.begin(), path->accused.end(), std::back_inserter(on_path),
                   [&](EdgeId id) { return shared.contains(id); });
      if (on_path.size() > alike.size()) {
        alike.swap(on_path);
      }
    }
    return alike;
  }

  // Which of several edges that cannot be told apart stands for them; the lowest. The way parts
  // where a place that is known to pass packets on passes them on to where no good path goes. If
  // nothing is known, a router is likelier to choose a wrong next hop than a host is: the first hop
  // was reached, after all.
  int Rank(EdgeId id) const {
    const Edge& edge = graph_.edges()[id];
    if (edge.healthy) {
      return 3;
    }
    if (graph_.Forwards(edge.from)) {
      return 0;
    }
    return graph_.Place(edge.from).kind == PathPlace::Kind::kSensor ? 2 : 1;
  }

  SuspectEdge Describe(const Choice& best, const std::vector<const Path*>& paths) const {
    const std::vector<EdgeId> alike = Alike(best.edge, paths);
    const EdgeId first = *std::min_element(
        alike.begin(), alike.end(), [this](EdgeId a, EdgeId b) { return Rank(a) < Rank(b); });
    const Edge& edge = graph_.edges()[first];
    SuspectEdge suspect;
    suspect.from = graph_.Place(edge.from);
    suspect.to = graph_.Place(edge.to);
    suspect.gain = best.gain;
    suspect.hit_ratio = HitRatio(first);
    suspect.failing = paths.size();
    suspect.passing = edge.passing;
    for (const Path* path : paths) {
      suspect.circling += path->observed->circles ? 1 : 0;
      suspect.accusers.push_back(path->observed->sensor);
      suspect.groups.push_back(path->observed->group);
    }
    SortUnique(suspect.accusers);
    SortUnique(suspect.groups);
    for (const EdgeId id : alike) {
      if (id != first) {
        const Edge& other = graph_.edges()[id];
        suspect.ambiguity.emplace_back(graph_.Place(other.from), graph_.Place(other.to));
      }
    }
    suspect.partial = !best.above_floor || (edge.to != kSilence && !edge.direct);
    LookBack(edge, paths, suspect);
    if (suspect.from.kind == PathPlace::Kind::kAddress && !graph_.Forwards(edge.from)) {
      for (const Path* path : paths) {
        for (const EdgeId id : path->accused) {
          if (graph_.edges()[id].to == edge.from) {
            suspect.led_by.push_back(graph_.Place(graph_.edges()[id].from));
          }
        }
      }
      SortUnique(suspect.led_by);
    }
    return suspect;
  }

  // Where these packets should have gone. If they should have gone through silent routers, the
  // fault may be at any of these.
  void LookBack(const Edge& edge, const std::vector<const Path*>& paths,
                SuspectEdge& suspect) const {
    Votes votes(edge);
    for (const Path* path : paths) {
      votes.Add(path->before);
    }
    if (votes.count() == 0) {
      for (const Path& path : graph_.passing()) {
        votes.Add(path.now.empty() ? path.before : path.now);
      }
    }
    if (const std::optional<PlaceId> winner = votes.winner()) {
      suspect.instead_of = graph_.Place(*winner).address;
    }
    suspect.partial = suspect.partial || (edge.to == kSilence && votes.silent());
  }

  const PathGraph& graph_;
  const LocaliserOptions& options_;
  std::vector<const Path*> unexplained_;
  std::vector<size_t> failing_;  // unexplained paths that accuse it, by EdgeId
  bool done_ = false;
};

}  // namespace

std::string PathPlace::ToString() const {
  switch (kind) {
    case Kind::kSensor:
      return sensor;
    case Kind::kAddress:
      return address.ToString();
    case Kind::kSilence:
      break;
  }
  return "silence";
}

double EdgeGain(size_t failing, size_t passing, const LocaliserOptions& options) {
  const auto f = static_cast<double>(failing);
  const auto g = static_cast<double>(passing);
  const double phi = options.background;
  const double r = std::min(f / (f + g), options.most_ratio);
  return f * std::log((r + (1 - r) * phi) / phi) + g * std::log(1 - r) -
         std::log(1 / options.prior);
}

std::vector<SuspectEdge> Localise(std::span<const ObservedPath> paths,
                                  const LocaliserOptions& options, size_t most) {
  std::vector<SuspectEdge> suspects;
  const PathGraph graph(paths);
  Search search(graph, options);
  while (suspects.size() < most) {
    std::optional<SuspectEdge> next = search.Next();
    if (!next) {
      break;
    }
    suspects.push_back(std::move(*next));
  }
  return suspects;
}

}  // namespace parallax::collector
