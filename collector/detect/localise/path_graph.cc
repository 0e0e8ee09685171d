#include "collector/detect/localise/path_graph.h"

#include <algorithm>
#include <utility>

namespace parallax::collector {
namespace {

constexpr EdgeId kNoEdge = UINT32_MAX;

// In an order of their own, so that numbers are given alike whatever the order of the input.
std::vector<const ObservedPath*> Sorted(std::span<const ObservedPath> paths) {
  std::vector<const ObservedPath*> sorted;
  sorted.reserve(paths.size());
  for (const ObservedPath& path : paths) {
    sorted.push_back(&path);
  }
  std::sort(sorted.begin(), sorted.end(),
            [](const ObservedPath* a, const ObservedPath* b) { return *a < *b; });
  return sorted;
}

// Packets that come by the same router again, with one silent hop between: it sends them back to
// where they came from, as far as anybody knows.
void TurnBack(Trail& trail) {
  for (size_t i = 1; i + 2 < trail.size(); ++i) {
    if (trail[i] != kSilence && trail[i + 1] == kSilence && trail[i + 2] == trail[i] &&
        trail[i - 1] != trail[i]) {
      trail[i + 1] = trail[i - 1];
    }
  }
}

}  // namespace

PathGraph::PathGraph(std::span<const ObservedPath> paths) {
  AddPlace(PathPlace::Silence());
  Trail latest;
  for (const ObservedPath* path : Sorted(paths)) {
    Path& made = (path->failing ? failing_ : passing_).emplace_back();
    made.observed = path;
    made.now = MakeTrail(*path, path->hops, latest);
    made.before = MakeTrail(*path, path->before, latest);
  }
  FillSilence();
  for (const auto* all : {&passing_, &failing_}) {
    for (const Path& path : *all) {
      const ObservedPath& observed = *path.observed;
      if (!observed.failing) {
        AddHealthy(path.now, observed.reached, true);
      }
      AddHealthy(path.before, observed.before.empty() || observed.before.back() == observed.target,
                 false);
    }
  }
  MatchSilence();
  for (Path& path : failing_) {
    Accuse(path);
  }
}

PathPlace PathGraph::Place(PlaceId id) const { return places_[id]; }

PlaceId PathGraph::AddPlace(PathPlace place) {
  places_.push_back(std::move(place));
  forwards_.push_back(false);
  place_met_.push_back(0);
  place_at_.push_back(0);
  return static_cast<PlaceId>(places_.size() - 1);
}

EdgeId PathGraph::EdgeBetween(PlaceId from, PlaceId to) {
  if (2 * edges_.size() >= edge_slots_.size()) {
    GrowEdgeSlots();
  }
  const size_t mask = edge_slots_.size() - 1;
  for (size_t slot = SpanHash()({from, to, 1}) & mask;; slot = (slot + 1) & mask) {
    EdgeId& id = edge_slots_[slot];
    if (id == kNoEdge) {
      id = static_cast<EdgeId>(edges_.size());
      Edge& edge = edges_.emplace_back();
      edge.from = from;
      edge.to = to;
      edge_met_.push_back(0);
      return id;
    }
    if (edges_[id].from == from && edges_[id].to == to) {
      return id;
    }
  }
}

void PathGraph::GrowEdgeSlots() {
  edge_slots_.assign(std::max<size_t>(1024, 4 * edge_slots_.size()), kNoEdge);
  const size_t mask = edge_slots_.size() - 1;
  for (EdgeId id = 0; id < edges_.size(); ++id) {
    size_t slot = SpanHash()({edges_[id].from, edges_[id].to, 1}) & mask;
    while (edge_slots_[slot] != kNoEdge) {
      slot = (slot + 1) & mask;
    }
    edge_slots_[slot] = id;
  }
}

Trail PathGraph::MakeTrail(const ObservedPath& path,
                           const std::vector<std::optional<IpAddress>>& hops, Trail& latest) {
  Trail trail;
  if (hops.empty()) {
    return trail;
  }
  trail.reserve(hops.size() + 1);
  const auto sensor = sensor_ids_.find(path.sensor);
  if (sensor != sensor_ids_.end()) {
    trail.push_back(sensor->second);
  } else {
    trail.push_back(AddPlace(PathPlace::Sensor(path.sensor)));
    sensor_ids_.emplace(path.sensor, trail.back());
  }
  for (const std::optional<IpAddress>& hop : hops) {
    if (!hop) {
      trail.push_back(kSilence);
      continue;
    }
    latest.resize(std::max(latest.size(), trail.size() + 1), kSilence);
    PlaceId& guess = latest[trail.size()];
    if (guess != kSilence && places_[guess].address == *hop) {
      trail.push_back(guess);
      continue;
    }
    const auto [found, added] =
        address_ids_.try_emplace(*hop, static_cast<PlaceId>(places_.size()));
    if (added) {
      AddPlace(PathPlace::Address(*hop));
    }
    guess = found->second;
    trail.push_back(guess);
  }
  while (trail.back() == kSilence) {
    trail.pop_back();
  }
  return trail;
}

template <typename See>
void PathGraph::ForEachEdge(const Trail& trail, See&& see) {
  ++walk_;
  for (auto step = NextStep(trail, 0); step; step = NextStep(trail, step->to)) {
    const EdgeId edge = EdgeBetween(trail[step->from], trail[step->to]);
    if (edge_met_[edge] != walk_) {
      edge_met_[edge] = walk_;
      see(edge, *step);
    }
  }
}

void PathGraph::AddHealthy(const Trail& trail, bool reached, bool passing) {
  if (trail.empty()) {
    return;
  }
  const auto add = [&](EdgeId id) {
    edges_[id].healthy = true;
    edges_[id].passing += passing ? 1 : 0;
  };
  ForEachEdge(trail, [&](EdgeId id, const Step& step) {
    add(id);
    forwards_[trail[step.from]] = true;
    const size_t length = step.to - step.from;
    if (length == 1) {
      edges_[id].direct = true;
    } else {
      healthy_gaps_.insert({trail[step.from], trail[step.to], length});
      longest_gap_ = std::max(longest_gap_, length);
    }
  });
  if (!reached) {
    add(EdgeBetween(trail.back(), kSilence));
  }
}

void PathGraph::FillSilence() {
  std::vector<Trail*> healthy;
  std::vector<Trail*> failing;
  for (Path& path : passing_) {
    healthy.push_back(&path.now);
    healthy.push_back(&path.before);
  }
  for (Path& path : failing_) {
    healthy.push_back(&path.before);
    failing.push_back(&path.now);
  }
  std::erase_if(healthy, [](const Trail* trail) { return trail->empty(); });
  std::erase_if(failing, [](const Trail* trail) { return trail->empty(); });
  collector::FillSilence(healthy, healthy, places_.size());
  healthy.insert(healthy.end(), failing.begin(), failing.end());
  collector::FillSilence(failing, healthy, places_.size());
  for (Trail* trail : failing) {
    TurnBack(*trail);
  }
}

void PathGraph::MatchSilence() {
  SpanFinder finder(places_.size());
  for (const Path& path : failing_) {
    if (path.now.empty()) {
      continue;
    }
    ForEachEdge(path.now, [&](EdgeId id, const Step& step) {
      if (step.to - step.from == 1) {
        edges_[id].direct = true;
      } else if (!edges_[id].healthy) {
        finder.Want({path.now[step.from], path.now[step.to], step.to - step.from});
      }
    });
  }
  if (finder.empty()) {
    return;
  }
  const auto match = [&](const Trail& trail) {
    finder.Find(trail, [this](const Span& span, size_t) { matched_gaps_.insert(span); });
  };
  for (const Path& path : passing_) {
    match(path.now);
    match(path.before);
  }
  for (const Path& path : failing_) {
    match(path.before);
  }
}

std::optional<size_t> PathGraph::OverSilence(const Trail& trail, const Step& step) const {
  if (matched_gaps_.contains({trail[step.from], trail[step.to], step.to - step.from})) {
    return step.to;
  }
  for (size_t to = step.to; to < trail.size() && to - step.from <= longest_gap_; ++to) {
    if (healthy_gaps_.contains({trail[step.from], trail[to], to - step.from})) {
      return to;
    }
  }
  return std::nullopt;
}

std::optional<size_t> PathGraph::CircleStart(const Trail& trail) {
  ++walk_;
  place_met_[trail.front()] = walk_;
  place_at_[trail.front()] = 0;
  std::optional<size_t> start;
  for (auto step = NextStep(trail, 0); step; step = NextStep(trail, step->to)) {
    const PlaceId to = trail[step->to];
    if (place_met_[to] != walk_) {
      place_met_[to] = walk_;
      place_at_[to] = step->to;
      start.reset();
    } else if (!start) {
      start = place_at_[to];
    }
  }
  return start;
}

void PathGraph::Accuse(Path& path) {
  const Trail& trail = path.now;
  if (trail.empty()) {
    return;
  }
  size_t from = trail.size();  // from where on every edge is accused
  for (auto step = NextStep(trail, 0); step;) {
    size_t next = step->to;
    if (!edges_[EdgeBetween(trail[step->from], trail[step->to])].healthy) {
      const std::optional<size_t> over = OverSilence(trail, *step);
      if (!over) {
        from = step->from;
        break;
      }
      next = *over;
    }
    step = NextStep(trail, next);
  }
  const std::optional<size_t> circle = CircleStart(trail);
  from = std::min(from, circle.value_or(from));
  ForEachEdge(trail, [&](EdgeId id, const Step& step) {
    if (step.from >= from) {
      path.accused.push_back(id);
    }
  });
  if (!path.observed->reached && !circle) {
    path.accused.push_back(EdgeBetween(trail.back(), kSilence));
  }
}

}  // namespace parallax::collector
