#include "sensor/probe/trace/multipath.h"

#include <algorithm>
#include <cmath>

namespace parallax::sensor {
namespace {

// Probes to a flow that a hop does not answer, if it answers others.
constexpr uint32_t kMostAsks = 2;
// Where packets are spread one by one over two nodes, so many repeats all meet the node of before
// with a probability of 1/64. The same for a change.
constexpr uint32_t kRepeats = 6;
constexpr uint32_t kMostRepeatsOfFlow = 3;
constexpr uint32_t kMostAsksOfDiffering = 20;
constexpr uint32_t kMostChanges = 2;

// The error that each of `parts` may make, if all together may make 1 - `confidence`.
double ShareOfError(double confidence, size_t parts) {
  const double c = std::clamp(confidence, 0.5, 1 - 1e-6);
  return 1 - std::pow(c, 1.0 / static_cast<double>(std::max<size_t>(parts, 1)));
}

bool IsConclusive(HopWord word) { return word != HopWord::kNone && word != HopWord::kPassing; }

size_t HopsToAsk(const Path& traced) { return std::max<size_t>(traced.ForwardingHops(), 1); }

}  // namespace

Multipath::Multipath(const Tracer& traced, const MultipathOptions& options)
    : PathSearch(traced),
      multipath_(options),
      traced_(traced.path()),
      points_(ShareOfError(options.confidence, HopsToAsk(traced_))),
      hops_(size_t{options_.max_ttl} + 1),
      ends_(std::max<size_t>(options.most_flows, 1), kNoTtl) {
  for (Hop& hop : hops_) {
    hop.cells.resize(ends_.size());
  }
  const size_t forwarding = traced_.ForwardingHops();
  last_ = forwarding == 0 ? options_.first_ttl : traced_.hops[forwarding - 1].ttl;
  if (traced_.end != TraceEnd::kReached || traced_.hops.empty() ||
      traced_.hops.back().nodes.empty()) {
    last_ = std::min<unsigned>(last_ + 1, options_.max_ttl);
  }
  for (uint32_t i = 0; i < samples().size(); ++i) {
    Count(i);
  }
  for (unsigned ttl = options_.first_ttl; ttl <= options_.max_ttl; ++ttl) {
    SurveyHop(ttl);
  }
  ExtendIfItGoesOn();
}

// Puts a sample where it belongs.
void Multipath::Count(uint32_t sample) {
  const PathSample& s = samples()[sample];
  const size_t flow = static_cast<uint16_t>(s.flow - attempt_.flow);
  if (s.full || s.former || s.ttl > options_.max_ttl || flow >= ends_.size()) {
    return;
  }
  Cell& cell = hops_[s.ttl].cells[flow];
  if (std::find(cell.samples.begin(), cell.samples.end(), sample) == cell.samples.end()) {
    cell.samples.push_back(sample);
  }
  SurveyCell(cell);
  if (IsConclusive(cell.word)) {
    ends_[flow] = std::min<unsigned>(ends_[flow], s.ttl);
  }
}

void Multipath::OnChange(uint32_t sample, MonoTime) {
  Count(sample);
  const PathSample& s = samples()[sample];
  if (!s.full && s.ttl <= options_.max_ttl) {
    SurveyHop(s.ttl);
    ExtendIfItGoesOn();
  }
}

void Multipath::SurveyCell(Cell& cell) const {
  Cell fresh;
  fresh.samples = std::move(cell.samples);
  for (const uint32_t number : fresh.samples) {
    const PathSample& sample = samples()[number];
    if (sample.state == PathSample::State::kUnsent) {
      continue;
    }
    ++fresh.asked;
    fresh.last_sent = sample.sent;
    fresh.waiting += sample.waiting() ? 1 : 0;
    const HopWord word = WordOf(sample);
    if (word == HopWord::kNone) {
      continue;
    }
    if (fresh.answered++ == 0) {
      fresh.word = word;
      fresh.node = sample.from;
      continue;
    }
    const bool same = fresh.word == word && fresh.node == sample.from;
    fresh.returned = fresh.returned || (same && fresh.differs);
    fresh.differs = fresh.differs || !same;
    fresh.since_differing += fresh.differs ? 1 : 0;
  }
  cell = std::move(fresh);
}

void Multipath::SurveyHop(unsigned ttl) {
  Hop& hop = hops_[ttl];
  std::set<IpAddress> nodes;
  hop.answers = hop.per_packet = hop.has_target = false;
  hop.repeats = hop.counted = hop.open = 0;
  for (const Cell& cell : hop.cells) {
    hop.answers = hop.answers || cell.answered > 0;
    hop.has_target = hop.has_target || cell.word == HopWord::kTarget;
    // A change that is followed by another is no better than balancing.
    hop.per_packet =
        hop.per_packet || cell.returned ||
        (cell.differs && (changes_ >= kMostChanges || cell.asked >= kMostAsksOfDiffering));
    hop.repeats += cell.answered > 1 ? cell.answered - 1 : 0;
    for (const uint32_t number : cell.samples) {
      if (WordOf(samples()[number]) != HopWord::kNone) {
        nodes.insert(samples()[number].from);
      }
    }
  }
  hop.nodes.assign(nodes.begin(), nodes.end());
  for (const Cell& cell : hop.cells) {
    const uint32_t most = hop.answers ? kMostAsks : 1;
    const bool counted = cell.answered > 0 || (cell.waiting == 0 && cell.asked >= most);
    hop.counted += counted ? 1 : 0;
    hop.open += cell.asked > 0 && !counted ? 1 : 0;
  }
}

void Multipath::ExtendIfItGoesOn() {
  while (last_ < options_.max_ttl) {
    const bool goes_on =
        std::any_of(hops_[last_].cells.begin(), hops_[last_].cells.end(), [this](const Cell& cell) {
          const auto earlier = [&](const Hop& hop) {
            return &hop < &hops_[last_] &&
                   std::binary_search(hop.nodes.begin(), hop.nodes.end(), cell.node);
          };
          return cell.word == HopWord::kPassing &&
                 (cell.node == target_ || std::none_of(hops_.begin(), hops_.end(), earlier));
        });
    if (!goes_on) {
      return;
    }
    ++last_;
  }
}

bool Multipath::SomethingWaits() const {
  return std::any_of(hops_.begin(), hops_.end(), [](const Hop& hop) {
    return std::any_of(hop.cells.begin(), hop.cells.end(),
                       [](const Cell& cell) { return cell.waiting > 0; });
  });
}

std::optional<PathSearch::Wish> Multipath::Choose(MonoTime now) {
  while (!done()) {
    WishPicker picker(now);
    OfferNewFlows(picker);
    OfferUnanswered(picker);
    if (picker.best() || SomethingWaits()) {
      return picker.best();
    }
    if (SomeFlowChanged()) {
      StartOver();
      continue;
    }
    OfferMissingEdges(picker);
    if (!picker.best()) {
      OfferNodeByNode(picker);
    }
    if (!picker.best()) {
      OfferRepeats(picker);
    }
    finished_ = !picker.best();
    return picker.best();
  }
  return std::nullopt;
}

void Multipath::Offer(WishPicker& picker, unsigned ttl, size_t flow, WishPicker::Key key) const {
  const Hop& hop = hops_[ttl];
  const Cell& cell = hop.cells[flow];
  std::optional<IpAddress> router;
  if (cell.answered > 0) {
    router = cell.node;
  } else if (hop.has_target) {
    router = target_;
  }
  Wish wish;
  wish.ttl = static_cast<uint8_t>(ttl);
  wish.flow = static_cast<uint16_t>(attempt_.flow + flow);
  wish.at = BudgetAt(wish.ttl, router, picker.now());
  if (cell.asked > 0 && cell.answered == 0) {
    wish.at = std::max(wish.at, cell.last_sent + AskAgainAfter());
  }
  picker.Offer(wish, key);
}

std::optional<size_t> Multipath::FreshFlow(unsigned ttl) const {
  const std::vector<Cell>& cells = hops_[ttl].cells;
  for (size_t flow = 0; flow < cells.size(); ++flow) {
    if (cells[flow].asked == 0 && !EndsBefore(flow, ttl)) {
      return flow;
    }
  }
  return std::nullopt;
}

void Multipath::OfferNewFlows(WishPicker& picker) {
  for (unsigned ttl = options_.first_ttl; ttl <= last_; ++ttl) {
    const Hop& hop = hops_[ttl];
    const uint32_t wanted = points_.After(static_cast<uint32_t>(hop.nodes.size()));
    if (hop.counted + hop.open >= wanted) {
      continue;
    }
    if (const auto flow = FreshFlow(ttl)) {
      Offer(picker, ttl, *flow, {static_cast<uint32_t>(*flow), ttl});
    }
  }
}

void Multipath::OfferUnanswered(WishPicker& picker) const {
  for (unsigned ttl = options_.first_ttl; ttl <= last_; ++ttl) {
    const Hop& hop = hops_[ttl];
    for (size_t flow = 0; hop.answers && flow < hop.cells.size(); ++flow) {
      const Cell& cell = hop.cells[flow];
      if (cell.asked > 0 && cell.asked < kMostAsks && cell.answered == 0 && cell.waiting == 0) {
        Offer(picker, ttl, flow, {static_cast<uint32_t>(flow), ttl});
      }
    }
  }
}

bool Multipath::CanHaveEdges(unsigned ttl) const {
  return hops_[ttl].answers && hops_[ttl + 1].answers && !hops_[ttl].per_packet &&
         !hops_[ttl + 1].per_packet;
}

std::optional<size_t> Multipath::FlowOf(unsigned ttl, const IpAddress& node, unsigned other) const {
  const std::vector<Cell>& cells = hops_[ttl].cells;
  for (size_t flow = 0; flow < cells.size(); ++flow) {
    if (cells[flow].answered > 0 && cells[flow].node == node &&
        hops_[other].cells[flow].asked == 0 && !EndsBefore(flow, other)) {
      return flow;
    }
  }
  return std::nullopt;
}

std::set<IpAddress> Multipath::Neighbours(unsigned ttl, const IpAddress& node,
                                          unsigned other) const {
  std::set<IpAddress> found;
  for (size_t flow = 0; flow < hops_[ttl].cells.size(); ++flow) {
    const Cell& here = hops_[ttl].cells[flow];
    const Cell& there = hops_[other].cells[flow];
    if (here.answered > 0 && here.node == node && there.answered > 0) {
      found.insert(there.node);
    }
  }
  return found;
}

void Multipath::OfferMissingEdges(WishPicker& picker) const {
  for (unsigned ttl = options_.first_ttl; ttl < last_; ++ttl) {
    if (!CanHaveEdges(ttl)) {
      continue;
    }
    const auto offer = [&](unsigned from, unsigned to) {
      for (const IpAddress& node : hops_[from].nodes) {
        if (!Neighbours(from, node, to).empty()) {
          continue;
        }
        if (const auto flow = FlowOf(from, node, to)) {
          Offer(picker, to, *flow, {static_cast<uint32_t>(*flow), to});
        }
      }
    };
    offer(ttl, ttl + 1);
    offer(ttl + 1, ttl);
  }
}

bool Multipath::IsUneven(unsigned ttl) const {
  if (hops_[ttl].nodes.size() < 2 || hops_[ttl + 1].nodes.size() < 2) {
    return false;
  }
  size_t fewest_out = SIZE_MAX;
  size_t most_out = 0;
  for (const IpAddress& node : hops_[ttl].nodes) {
    if (const size_t out = Neighbours(ttl, node, ttl + 1).size(); out > 0) {
      fewest_out = std::min(fewest_out, out);
      most_out = std::max(most_out, out);
    }
  }
  if (most_out < 2) {
    return false;
  }
  return fewest_out != most_out ||
         std::any_of(
             hops_[ttl + 1].nodes.begin(), hops_[ttl + 1].nodes.end(),
             [&](const IpAddress& node) { return Neighbours(ttl + 1, node, ttl).size() > 1; });
}

StoppingPoints& Multipath::NodePoints(size_t nodes) {
  const double share = points_.epsilon() / static_cast<double>(std::max<size_t>(nodes, 1));
  return node_points_.try_emplace(nodes, share).first->second;
}

void Multipath::OfferNodeByNode(WishPicker& picker) {
  bool uneven = false;  // and so is what follows, until all ways meet again
  for (unsigned ttl = options_.first_ttl; ttl < last_; ++ttl) {
    const Hop& hop = hops_[ttl];
    uneven = hop.nodes.size() > 1 && (uneven || IsUneven(ttl));
    if (!uneven || !CanHaveEdges(ttl)) {
      continue;
    }
    for (const IpAddress& node : hop.nodes) {
      uint32_t seen = 0;
      bool ends = false;
      for (size_t flow = 0; flow < hop.cells.size(); ++flow) {
        if (hop.cells[flow].answered > 0 && hop.cells[flow].node == node) {
          seen += hops_[ttl + 1].cells[flow].asked > 0 ? 1 : 0;
          ends = ends || IsConclusive(hop.cells[flow].word);
        }
      }
      const auto next = static_cast<uint32_t>(Neighbours(ttl, node, ttl + 1).size());
      if (ends || seen >= NodePoints(hop.nodes.size()).After(next)) {
        continue;
      }
      if (const auto flow = FlowOf(ttl, node, ttl + 1)) {
        Offer(picker, ttl + 1, *flow, {static_cast<uint32_t>(*flow), ttl});
      } else if (const auto fresh = FreshFlow(ttl)) {
        Offer(picker, ttl, *fresh, {static_cast<uint32_t>(*fresh), ttl});
      }
    }
  }
}

void Multipath::OfferRepeats(WishPicker& picker) const {
  for (unsigned ttl = options_.first_ttl; ttl <= last_; ++ttl) {
    const Hop& hop = hops_[ttl];
    if (hop.nodes.size() < 2 || hop.per_packet) {
      continue;
    }
    bool differing = false;
    for (size_t flow = 0; flow < hop.cells.size(); ++flow) {
      const Cell& cell = hop.cells[flow];
      if (cell.differs && cell.since_differing < kRepeats) {
        Offer(picker, ttl, flow, {0, ttl});
        differing = true;
      }
    }
    for (size_t flow = 0; !differing && hop.repeats < kRepeats && flow < hop.cells.size(); ++flow) {
      const Cell& cell = hop.cells[flow];
      if (cell.answered > 0 && cell.asked <= kMostRepeatsOfFlow) {
        Offer(picker, ttl, flow, {cell.asked, static_cast<uint32_t>(flow)});
      }
    }
  }
}

bool Multipath::SomeFlowChanged() const {
  return changes_ < kMostChanges && std::any_of(hops_.begin(), hops_.end(), [](const Hop& hop) {
           return !hop.per_packet &&
                  std::any_of(hop.cells.begin(), hop.cells.end(), [](const Cell& cell) {
                    return cell.differs && cell.since_differing >= kRepeats;
                  });
         });
}

void Multipath::StartOver() {
  ++changes_;
  for (PathSample& sample : mutable_samples()) {
    sample.former = true;
  }
  for (Hop& hop : hops_) {
    const size_t flows = hop.cells.size();
    hop = {};
    hop.cells.resize(flows);
  }
  std::fill(ends_.begin(), ends_.end(), kNoTtl);
}

}  // namespace parallax::sensor
