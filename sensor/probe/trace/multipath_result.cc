// What a Multipath found, as a Path.
#include <algorithm>

#include "sensor/probe/trace/multipath.h"

namespace parallax::sensor {

double Multipath::Confidence() const {
  double confidence = 1;
  bool uneven = false;
  for (unsigned ttl = options_.first_ttl; ttl <= last_; ++ttl) {
    const Hop& hop = hops_[ttl];
    if (!hop.answers) {
      continue;
    }
    const auto sure = [](size_t nodes, uint32_t flows) {
      const auto most = static_cast<size_t>(StoppingPoints::kMostNodes);
      return 1 - MissProbability(static_cast<uint32_t>(std::min(nodes, most)) + 1, flows);
    };
    // How sure it is that this hop is complete: all in all, or node by node of the hop before.
    const bool only_target = hop.nodes.size() == 1 && hop.nodes[0] == target_;
    if (!uneven && !only_target) {
      confidence *= sure(hop.nodes.size(), hop.counted + (hop.per_packet ? hop.repeats : 0));
    }
    uneven = ttl < last_ && hop.nodes.size() > 1 && (uneven || IsUneven(ttl)) && CanHaveEdges(ttl);
    for (size_t i = 0; uneven && i < hop.nodes.size(); ++i) {
      uint32_t flows = 0;
      for (size_t flow = 0; flow < hop.cells.size(); ++flow) {
        flows += hop.cells[flow].answered > 0 && hop.cells[flow].node == hop.nodes[i] &&
                         hops_[ttl + 1].cells[flow].asked > 0
                     ? 1
                     : 0;
      }
      const std::set<IpAddress> next = Neighbours(ttl, hop.nodes[i], ttl + 1);
      if (hop.nodes[i] != target_ && next != std::set<IpAddress>{target_}) {
        confidence *= sure(std::max<size_t>(next.size(), 1), flows);
      }
    }
  }
  return confidence;
}

void Multipath::AddEdges(Path& path) const {
  std::set<PathEdge> edges;
  for (unsigned ttl = options_.first_ttl; ttl < last_; ++ttl) {
    const Hop& hop = hops_[ttl];
    const Hop& next = hops_[ttl + 1];
    const auto here = static_cast<uint8_t>(ttl);
    if (CanHaveEdges(ttl)) {
      for (size_t flow = 0; flow < hop.cells.size(); ++flow) {
        const Cell& from = hop.cells[flow];
        const Cell& to = next.cells[flow];
        if (from.word == HopWord::kPassing && to.answered > 0) {
          edges.insert({here, from.node, to.node});
        }
      }
    } else if (hop.nodes.size() == 1 || next.nodes.size() == 1) {
      // Balanced one by one: flows tell nothing, but there is only one possibility.
      for (const IpAddress& from : hop.nodes) {
        for (const IpAddress& to : next.nodes) {
          edges.insert({here, from, to});
        }
      }
    }
  }
  path.edges.assign(edges.begin(), edges.end());
}

void Multipath::SetEnd(Path& path) const {
  for (unsigned ttl = options_.first_ttl; ttl <= last_; ++ttl) {
    if (hops_[ttl].has_target) {
      path.end = TraceEnd::kReached;
      return;
    }
  }
  for (unsigned ttl = options_.first_ttl; ttl <= last_; ++ttl) {
    for (const PathSample& sample : samples()) {
      const HopWord word = WordOf(sample);
      if (sample.ttl == ttl && !sample.full &&
          (word == HopWord::kUnreachable || word == HopWord::kProhibited)) {
        path.end = word == HopWord::kProhibited ? TraceEnd::kProhibited : TraceEnd::kUnreachable;
        path.reporter = PathReporter{sample.from, sample.icmp_type, sample.icmp_code, sample.ttl};
        return;
      }
    }
  }
  // Nothing new: as the trace ended, unless what it ended with is gone with the route it took.
  const bool gone = changes_ > 0 && traced_.end == TraceEnd::kReached;
  path.end = gone ? TraceEnd::kSilent : traced_.end;
  path.reporter = traced_.reporter;
}

// How far the flow that gets farthest gets. Where the target is silent, the silence belongs to it.
unsigned Multipath::LastHop(bool target_answers) const {
  unsigned last = options_.first_ttl;
  for (size_t flow = 0; flow < ends_.size(); ++flow) {
    unsigned end = 0;
    for (unsigned ttl = options_.first_ttl; ttl <= last_; ++ttl) {
      const Cell& cell = hops_[ttl].cells[flow];
      end = cell.answered > 0 || (cell.asked > 0 && !target_answers) ? ttl : end;
    }
    last = std::max(last, std::min(end, ends_[flow]));
  }
  // Where a router says no to all, it says so at any TTL from its own on.
  while (last > options_.first_ttl && OnlyRepeatsErrors(last)) {
    --last;
  }
  return last;
}

bool Multipath::OnlyRepeatsErrors(unsigned ttl) const {
  const auto is_error = [](const Cell& cell) {
    return cell.word == HopWord::kUnreachable || cell.word == HopWord::kProhibited;
  };
  const auto repeats = [&](const Cell& cell) {
    return is_error(cell) && std::any_of(hops_[ttl - 1].cells.begin(), hops_[ttl - 1].cells.end(),
                                         [&](const Cell& before) {
                                           return is_error(before) && before.node == cell.node;
                                         });
  };
  return hops_[ttl].answers &&
         std::all_of(hops_[ttl].cells.begin(), hops_[ttl].cells.end(),
                     [&](const Cell& cell) { return cell.answered == 0 || repeats(cell); });
}

Path Multipath::path() const {
  Path path = Head();
  path.changed = traced_.changed || changes_ > 0;
  unsigned target_ttl = kNoTtl;
  for (unsigned ttl = last_; ttl >= options_.first_ttl; --ttl) {
    target_ttl = hops_[ttl].has_target ? ttl : target_ttl;
  }
  const unsigned last = LastHop(target_ttl != kNoTtl);
  size_t flows = 0;
  for (unsigned ttl = options_.first_ttl; ttl <= last; ++ttl) {
    const Hop& known = hops_[ttl];
    PathHop hop = HopOf(static_cast<uint8_t>(ttl));
    hop.per_packet = known.per_packet && known.nodes.size() > 1;
    bool partly = false;
    for (size_t flow = 0; flow < known.cells.size(); ++flow) {
      const Cell& cell = known.cells[flow];
      flows = cell.asked > 0 ? std::max(flows, flow + 1) : flows;
      partly = partly || (cell.answered > 0 && cell.answered + cell.waiting < cell.asked);
    }
    if (!hop.per_packet) {
      for (PathNode& node : hop.nodes) {
        node.sent = 0;
        for (const Cell& cell : known.cells) {
          node.sent += cell.answered > 0 && cell.node == node.address ? cell.asked : 0;
        }
        node.sent = std::max(node.sent, node.received);
      }
    }
    if (!known.answers && hop.sent >= 2) {
      hop.state = HopState::kSilent;
    } else if (partly && ttl < last && !known.has_target) {
      hop.state = HopState::kRateLimited;
    }
    path.hops.push_back(std::move(hop));
  }
  path.flows = static_cast<uint16_t>(flows);
  for (const PathSample& sample : samples()) {
    const HopWord word = WordOf(sample);
    const bool due = sample.full || sample.ttl >= target_ttl;
    if (!due || sample.former || sample.waiting() || word == HopWord::kPassing ||
        sample.state == PathSample::State::kUnsent) {
      continue;
    }
    ++path.target_sent;
    if (word == HopWord::kTarget) {
      ++path.target_received;
      path.target_rtt.Add(sample.rtt);
    }
  }
  AddEdges(path);
  if (finished_ && !stopped()) {
    path.confidence = Confidence();
    SetEnd(path);
  }
  return path;
}

}  // namespace parallax::sensor
