// Finds all the ways that flows take to a target: the nodes of every hop and the edges between
// them, with a stated confidence (MDA-lite: Vermeulen et al., 2018; MDA: Augustin et al., 2007).
// Goes on from a finished trace of one flow. Pure; owned by the probe thread.
//
// All hops are asked over the same flows, so that the answers of one flow at two neighbouring hops
// are an edge. What is asked next, in order of precedence:
//
//   flows    new ones at every hop, until its stopping point (stopping_points.h). That a hop's
//   nodes
//            are equally likely is taken for granted, until edges show that it is not so:
//   nodes    where hops are meshed (edges both fan out and in), or some nodes fan out more than
//            others, each node has to reach a stopping point of its own for its successors
//   edges    a flow of a node that has no predecessor or no successor yet
//   repeats  flows of hops that branch, once more: another answer than before means that packets
//   are
//            balanced one by one, or that the route changed: then all starts over
//
// The confidence is for the whole path: each of its hops has a share of the error allowed. A flow
// that is not answered at a hop that answers others is asked again, once and spaced.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "sensor/probe/trace/stopping_points.h"
#include "sensor/probe/trace/tracer.h"

namespace parallax::sensor {

struct MultipathOptions {
  uint16_t most_flows = 64;  // asked at any hop
  double confidence = 0.95;  // that all nodes of all hops are found
  bool operator==(const MultipathOptions&) const = default;
};

class Multipath : public PathSearch {
 public:
  // REQUIRES: traced.traced(). The trace's probes count, under the numbers that they have.
  Multipath(const Tracer& traced, const MultipathOptions& options);

  bool done() const override { return finished_ || stopped(); }
  Path path() const override;

 protected:
  std::optional<Wish> Choose(MonoTime now) override;
  void OnChange(uint32_t sample, MonoTime now) override;

 private:
  static constexpr unsigned kNoTtl = 256;

  // What one flow did at one TTL.
  struct Cell {
    std::vector<uint32_t> samples;  // in the order of sending
    uint32_t asked = 0;
    uint32_t waiting = 0;
    uint32_t answered = 0;
    HopWord word = HopWord::kNone;  // of the first answer, like `node`
    IpAddress node;
    MonoTime last_sent = MonoTime::min();
    bool differs = false;          // a later answer came from another node,
    bool returned = false;         // and then one from the first again
    uint32_t since_differing = 0;  // answers, from the first that differs on
  };
  struct Hop {
    std::vector<Cell> cells;       // by number of flow, from 0 on
    std::vector<IpAddress> nodes;  // sorted
    uint32_t counted = 0;          // flows that were answered, or asked as often as is useful
    uint32_t open = 0;             // flows asked, and not counted yet
    uint32_t repeats = 0;          // answers of flows that were answered before
    bool answers = false;
    bool per_packet = false;
    bool has_target = false;
  };

  void Count(uint32_t sample);
  void SurveyCell(Cell& cell) const;
  void SurveyHop(unsigned ttl);
  void ExtendIfItGoesOn();
  bool EndsBefore(size_t flow, unsigned ttl) const { return ends_[flow] < ttl; }
  bool SomethingWaits() const;

  void Offer(WishPicker& picker, unsigned ttl, size_t flow, WishPicker::Key key) const;
  void OfferNewFlows(WishPicker& picker);
  void OfferUnanswered(WishPicker& picker) const;
  void OfferMissingEdges(WishPicker& picker) const;
  void OfferNodeByNode(WishPicker& picker);
  void OfferRepeats(WishPicker& picker) const;
  // A flow that goes through `node` at `ttl` and was not asked at `other` yet.
  std::optional<size_t> FlowOf(unsigned ttl, const IpAddress& node, unsigned other) const;
  std::optional<size_t> FreshFlow(unsigned ttl) const;

  // What flows of `node` at `ttl` met at the hop `other`, one further or one before.
  std::set<IpAddress> Neighbours(unsigned ttl, const IpAddress& node, unsigned other) const;
  // From `ttl` to the next hop edges show that not all nodes are equally likely.
  bool IsUneven(unsigned ttl) const;
  bool CanHaveEdges(unsigned ttl) const;
  StoppingPoints& NodePoints(size_t nodes);
  bool SomeFlowChanged() const;
  void StartOver();
  unsigned LastHop(bool target_answers) const;
  bool OnlyRepeatsErrors(unsigned ttl) const;
  double Confidence() const;
  void AddEdges(Path& path) const;
  void SetEnd(Path& path) const;

  const MultipathOptions multipath_;
  const Path traced_;
  StoppingPoints points_;                         // of a hop
  std::map<size_t, StoppingPoints> node_points_;  // of a node of a hop with so many
  unsigned last_ = 0;                             // TTL asked
  std::vector<Hop> hops_;                         // by TTL
  std::vector<unsigned> ends_;  // by flow: the TTL at which its end answered; kNoTtl: none yet
  uint32_t changes_ = 0;
  bool finished_ = false;
};

}  // namespace parallax::sensor
