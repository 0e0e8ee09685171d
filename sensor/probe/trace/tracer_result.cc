// What a Tracer found, as a Path.
#include <algorithm>

#include "sensor/probe/trace/tracer.h"

namespace parallax::sensor {

unsigned Tracer::ConclusionTtl() const {
  if (target_ttl_ != 0 || error_ttl_ != 0) {
    return LastToAsk();
  }
  return loop_ ? loop_->second : 0u;
}

TraceEnd Tracer::EndOf(Path& path) const {
  const auto report = [&](const PathSample& sample, uint8_t ttl) {
    path.reporter = PathReporter{sample.from, sample.icmp_type, sample.icmp_code, ttl};
  };
  const auto last_word = [&](HopWord a, HopWord b, bool full, uint8_t ttl) {
    const auto it = std::find_if(samples().rbegin(), samples().rend(), [&](const PathSample& s) {
      const HopWord word = WordOf(s);
      return word != HopWord::kNone && (word == a || word == b) && s.full == full &&
             (full || s.ttl == ttl);
    });
    if (it == samples().rend()) {
      return HopWord::kNone;
    }
    report(*it, full ? uint8_t{0} : ttl);
    return WordOf(*it);
  };
  if (target_ttl_ != 0 && (error_ttl_ == 0 || target_ttl_ < error_ttl_)) {
    return TraceEnd::kReached;
  }
  const auto error =
      last_word(HopWord::kUnreachable, HopWord::kProhibited, error_ttl_ == 0, error_ttl_);
  if (error != HopWord::kNone) {
    return error == HopWord::kProhibited ? TraceEnd::kProhibited : TraceEnd::kUnreachable;
  }
  if (loop_) {
    last_word(HopWord::kPassing, HopWord::kPassing, false, loop_->second);
    return TraceEnd::kLoop;
  }
  if (hops_[0].word == HopWord::kTarget) {
    // The target is there; who is in front of it hides.
    return highest_answered_ == options_.max_ttl || LastToAsk() == options_.max_ttl
               ? TraceEnd::kMaxTtl
               : TraceEnd::kReached;
  }
  if (last_word(HopWord::kPassing, HopWord::kPassing, true, 0) != HopWord::kNone) {
    return TraceEnd::kLoop;
  }
  const unsigned beyond =
      std::max<unsigned>(highest_answered_, options_.first_ttl - 1u) + options_.gap_limit;
  return beyond > options_.max_ttl ? TraceEnd::kMaxTtl : TraceEnd::kSilent;
}

Path Tracer::path() const {
  Path path = Head();
  path.changed = changed_;
  const unsigned conclusion = ConclusionTtl();
  unsigned last = conclusion;
  if (conclusion == 0) {
    for (unsigned ttl = options_.first_ttl, end = LastToAsk(); ttl <= end; ++ttl) {
      last = hops_[ttl].asked > 0 ? ttl : last;
    }
  }
  for (unsigned ttl = options_.first_ttl; ttl <= last; ++ttl) {
    PathHop hop = HopOf(static_cast<uint8_t>(ttl));
    const Hop& known = hops_[ttl];
    const bool behind_answers = highest_answered_ > ttl || hops_[0].word == HopWord::kTarget;
    if (hop.answered == 0 && known.asked >= kFewestAsksOfSilent && known.waiting == 0) {
      hop.state = HopState::kSilent;
    } else if (hop.answered > 0 && known.answered + known.waiting < known.asked && behind_answers &&
               known.word != HopWord::kTarget) {
      hop.state = HopState::kRateLimited;
    }
    hop.per_packet = per_packet_ && hop.nodes.size() > 1;
    for (PathNode& node : hop.nodes) {
      node.nat = node.nat || behind_nat_[ttl];
    }
    path.hops.push_back(std::move(hop));
  }
  for (const PathSample& sample : samples()) {
    const bool due = sample.full || (target_ttl_ != 0 && sample.ttl >= target_ttl_);
    if (!due || sample.former || sample.waiting() || sample.state == PathSample::State::kUnsent) {
      continue;
    }
    ++path.target_sent;
    if (WordOf(sample) == HopWord::kTarget) {
      ++path.target_received;
      path.target_rtt.Add(sample.rtt);
    }
  }
  if (finished_ && !stopped()) {
    path.end = EndOf(path);
  }
  return path;
}

}  // namespace parallax::sensor
