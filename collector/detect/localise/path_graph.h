// The logical edges of all observed paths, and which of them each failing path accuses: steps 1 to
// 3 of localiser.h. Places and edges become small numbers here, given in an order that does not
// depend on that of the input.
//
// REQUIRES: the observed paths must remain live while the graph is. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "collector/detect/localise/localiser.h"
#include "collector/detect/localise/trail.h"

namespace parallax::collector {

using EdgeId = uint32_t;

class PathGraph {
 public:
  struct Edge {
    PlaceId from = kSilence;
    PlaceId to = kSilence;
    size_t passing = 0;    // paths that pass now
    bool healthy = false;  // on one of these, or on one remembered from peace
    bool direct = false;   // seen once without silent hops in it
  };
  struct Path {
    const ObservedPath* observed = nullptr;
    Trail now;     // empty: not traced
    Trail before;  // empty: not known
    // Failing paths only: the edges it accuses, in path order, each once.
    std::vector<EdgeId> accused;
  };

  explicit PathGraph(std::span<const ObservedPath> paths);

  const std::vector<Edge>& edges() const { return edges_; }
  const std::vector<Path>& failing() const { return failing_; }
  const std::vector<Path>& passing() const { return passing_; }
  PathPlace Place(PlaceId id) const;
  // Does it pass packets on, on a healthy path?
  bool Forwards(PlaceId id) const { return forwards_[id]; }

 private:
  PlaceId AddPlace(PathPlace place);
  EdgeId EdgeBetween(PlaceId from, PlaceId to);
  void GrowEdgeSlots();
  // `latest`: by TTL, the last place that was found there; it may well be the next one, too.
  Trail MakeTrail(const ObservedPath& path, const std::vector<std::optional<IpAddress>>& hops,
                  Trail& latest);
  // Silent hops of healthy paths are what healthy paths show there, those of failing ones what any
  // path does.
  void FillSilence();
  void AddHealthy(const Trail& trail, bool reached, bool passing);
  // Calls `see` for each edge of the trail, in order, each once.
  template <typename See>
  void ForEachEdge(const Trail& trail, See&& see);
  // Finds the silent hops left on failing paths that fit some healthy way.
  void MatchSilence();
  void Accuse(Path& path);
  // Where the healthy way goes on if the step is one over, or into, silent hops of a healthy path.
  std::optional<size_t> OverSilence(const Trail& trail, const Step& step) const;
  // The index from which on the trail repeats itself until its end, if it does.
  std::optional<size_t> CircleStart(const Trail& trail);

  std::vector<PathPlace> places_;  // by PlaceId
  std::unordered_map<SensorName, PlaceId> sensor_ids_;
  std::unordered_map<IpAddress, PlaceId> address_ids_;
  std::vector<bool> forwards_;      // by PlaceId
  std::vector<Edge> edges_;         // by EdgeId
  std::vector<EdgeId> edge_slots_;  // open addressing by the edge's ends, kNoEdge where free
  std::vector<Path> failing_;
  std::vector<Path> passing_;
  // Healthy ways over silent hops, and those silent hops of failing paths that fit a healthy way.
  Spans healthy_gaps_;
  Spans matched_gaps_;
  size_t longest_gap_ = 0;
  // The walk that last met an edge, by EdgeId, and a place, by PlaceId; and where it met the place.
  size_t walk_ = 0;
  std::vector<size_t> edge_met_;
  std::vector<size_t> place_met_;
  std::vector<size_t> place_at_;
};

}  // namespace parallax::collector
