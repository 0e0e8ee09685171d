#include "sensor/probe/trace/transit_witness.h"

#include <algorithm>

namespace parallax::sensor {
namespace {

constexpr uint32_t kMostAsks = 2;
// Silent TTLs past the hop, after which nobody is believed to answer any more.
constexpr unsigned kFarthest = 3;
// TTLs asked beyond the last that answered, to find the hop.
constexpr unsigned kWindow = 4;

bool IsError(HopWord word) { return word == HopWord::kUnreachable || word == HopWord::kProhibited; }

}  // namespace

std::string_view ToString(TransitVerdict verdict) {
  switch (verdict) {
    case TransitVerdict::kUnknown:
      return "unknown";
    case TransitVerdict::kProven:
      return "proven";
    case TransitVerdict::kRefuted:
      return "refuted";
  }
  return "unknown";
}

std::string_view ToString(TransitReason reason) {
  switch (reason) {
    case TransitReason::kSilence:
      return "silence";
    case TransitReason::kHopNotFound:
      return "hop_not_found";
    case TransitReason::kNotAsked:
      return "not_asked";
    case TransitReason::kRouterBeyond:
      return "router_beyond";
    case TransitReason::kTargetAnswered:
      return "target_answered";
    case TransitReason::kUnreachable:
      return "unreachable";
    case TransitReason::kLoop:
      return "loop";
    case TransitReason::kHopIsTarget:
      return "hop_is_target";
  }
  return "unknown";
}

TransitWitness::TransitWitness(const IpAddress& target, const ProbeTry& attempt,
                               const TraceOptions& options, const TransitHop& hop,
                               HopLimiter& limiter)
    : PathSearch(target, attempt, options, limiter), hop_(hop) {
  Survey();
}

bool TransitWitness::IsHop(const Place& place) const {
  return place.word != HopWord::kNone && std::find(hop_.addresses.begin(), hop_.addresses.end(),
                                                   place.from) != hop_.addresses.end();
}

bool TransitWitness::IsBack(const Place& place) const {
  if (IsHop(place)) {
    return true;
  }
  return std::any_of(places_.begin() + 1, places_.begin() + hop_ttl_, [&](const Place& before) {
    return before.word != HopWord::kNone && before.from == place.from;
  });
}

bool TransitWitness::Settled(unsigned ttl) const {
  const Place& place = places_[ttl];
  return Answered(ttl) || (place.asked >= kMostAsks && place.waiting == 0);
}

void TransitWitness::OnChange(uint32_t, MonoTime) { Survey(); }

void TransitWitness::Survey() {
  places_.assign(size_t{options_.max_ttl} + 1, Place{});
  for (const PathSample& sample : samples()) {
    if (sample.state == PathSample::State::kUnsent) {
      continue;
    }
    Place& place = places_[sample.ttl];
    ++place.asked;
    place.waiting += sample.waiting() ? 1 : 0;
    place.last_sent = sample.sent;
    if (const HopWord word = WordOf(sample); word != HopWord::kNone) {
      place.word = word;
      place.from = sample.from;
      place.icmp_type = sample.icmp_type;
      place.icmp_code = sample.icmp_code;
      place.reply_ttl = sample.reply_ttl;
    }
  }
  hop_ttl_ = 0;
  for (unsigned ttl = options_.max_ttl; ttl > 0; --ttl) {
    hop_ttl_ = IsHop(places_[ttl]) ? ttl : hop_ttl_;
  }
  Judge();
}

unsigned TransitWitness::FirstBeyond() const {
  for (unsigned ttl = hop_ttl_ + 1; hop_ttl_ != 0 && ttl <= hop_ttl_ + kFarthest; ++ttl) {
    if (InRange(ttl) && Answered(ttl) && !IsBack(places_[ttl])) {
      return ttl;
    }
  }
  return 0;
}

void TransitWitness::Decide(TransitVerdict verdict, TransitReason reason, unsigned ttl) {
  TransitResult result;
  result.verdict = verdict;
  result.reason = reason;
  result.hop_ttl = static_cast<uint8_t>(hop_ttl_);
  const Place& place = places_[ttl];
  if (place.word != HopWord::kNone) {
    result.witness = place.from;
    result.witness_ttl = static_cast<uint8_t>(ttl);
    result.icmp_type = place.icmp_type;
    result.icmp_code = place.icmp_code;
  }
  verdict_ = result;
}

unsigned TransitWitness::FirstRepeat() const {
  for (unsigned second = 3; second <= options_.max_ttl; ++second) {
    const Place& b = places_[second];
    for (unsigned first = 1; first + 2 <= second; ++first) {
      const Place& a = places_[first];
      const bool same = a.word == HopWord::kPassing && b.word == HopWord::kPassing &&
                        a.from == b.from && a.from != target_;
      // Several routers behind one address are not a loop: each answers from further away. Nor is a
      // router that lies on two ways of unequal length: other routers follow it then.
      const bool goes_on = InRange(second + 1) && Answered(second + 1) && Answered(first + 1) &&
                           places_[second + 1].from != places_[first + 1].from;
      if (same && !goes_on && (a.reply_ttl == 0 || a.reply_ttl != b.reply_ttl + second - first)) {
        return second;
      }
    }
  }
  return 0;
}

void TransitWitness::JudgeWithoutHop() {
  if (const unsigned repeat = FirstRepeat(); repeat != 0) {
    return Decide(TransitVerdict::kRefuted, TransitReason::kLoop, repeat);
  }
  for (unsigned ttl = 1; ttl <= std::min(hop_.hint, options_.max_ttl); ++ttl) {
    if (IsError(places_[ttl].word)) {
      return Decide(TransitVerdict::kRefuted, TransitReason::kUnreachable, ttl);
    }
  }
}

void TransitWitness::Judge() {
  verdict_.reset();
  if (hop_ttl_ == 0) {
    return JudgeWithoutHop();
  }
  const auto end = [&](unsigned ttl, TransitVerdict verdict, TransitReason reason) {
    Decide(verdict, reason, ttl);
  };
  if (places_[hop_ttl_].word == HopWord::kTarget) {
    return end(hop_ttl_, TransitVerdict::kRefuted, TransitReason::kHopIsTarget);
  }
  bool came_back = false;
  unsigned back_at = 0;
  for (unsigned ttl = hop_ttl_; ttl <= options_.max_ttl; ++ttl) {
    const Place& place = places_[ttl];
    if (place.word == HopWord::kTarget) {
      return end(ttl, TransitVerdict::kProven, TransitReason::kTargetAnswered);
    }
    if (IsError(place.word)) {
      const bool beyond = !IsBack(place);
      return end(ttl, beyond ? TransitVerdict::kProven : TransitVerdict::kRefuted,
                 beyond ? TransitReason::kRouterBeyond : TransitReason::kUnreachable);
    }
    // The hop's own second answer may be that of a router before it that forwards what it should
    // drop; a third is not.
    const bool twice_in_a_row = ttl == hop_ttl_ + 1 && IsHop(place);
    if (ttl > hop_ttl_ && place.word == HopWord::kPassing && IsBack(place) && !twice_in_a_row &&
        !came_back) {
      came_back = true;
      back_at = ttl;
    }
  }
  if (came_back) {
    return end(back_at, TransitVerdict::kRefuted, TransitReason::kLoop);
  }
  const unsigned beyond = FirstBeyond();
  if (beyond == 0) {
    return;
  }
  const bool next_known = !InRange(beyond + 1) || Settled(beyond + 1);
  const bool before_known = hop_ttl_ == 1 || Settled(hop_ttl_ - 1);
  if (next_known && before_known) {
    end(beyond, TransitVerdict::kProven, TransitReason::kRouterBeyond);
  }
}

std::vector<unsigned> TransitWitness::WantedToFind() const {
  std::vector<unsigned> wanted;
  const unsigned hint = hop_.hint;
  if (InRange(hint) && !Settled(hint)) {
    for (const unsigned ttl : {hint, hint + 1, hint + 2, hint - 1}) {
      // The neighbours are asked once, on the chance that the hint is right.
      if (InRange(ttl) && (ttl == hint || places_[ttl].asked == 0)) {
        wanted.push_back(ttl);
      }
    }
    return wanted;
  }
  unsigned highest = options_.first_ttl - 1u;
  for (unsigned ttl = 1; ttl <= options_.max_ttl; ++ttl) {
    if (places_[ttl].word == HopWord::kTarget || IsError(places_[ttl].word)) {
      highest = std::min(highest, ttl);
      break;
    }
    highest = Answered(ttl) ? ttl : highest;
  }
  for (unsigned ttl = options_.first_ttl;
       ttl <= std::min<unsigned>(highest + kWindow, options_.max_ttl); ++ttl) {
    if (places_[ttl].word == HopWord::kTarget || IsError(places_[ttl].word)) {
      break;
    }
    wanted.push_back(ttl);
  }
  return wanted;
}

std::vector<unsigned> TransitWitness::Wanted() const {
  if (verdict_) {
    return {};
  }
  if (hop_ttl_ == 0) {
    return WantedToFind();
  }
  std::vector<unsigned> wanted;
  const unsigned beyond = FirstBeyond();
  unsigned last = hop_ttl_ + 2;
  if (beyond != 0) {
    last = beyond + 1;
  } else if (Settled(hop_ttl_ + 1 <= options_.max_ttl ? hop_ttl_ + 1 : hop_ttl_)) {
    last = hop_ttl_ + kFarthest;
  }
  for (unsigned ttl = hop_ttl_ + 1; ttl <= std::min<unsigned>(last, options_.max_ttl); ++ttl) {
    wanted.push_back(ttl);
  }
  if (hop_ttl_ > 1) {
    wanted.push_back(hop_ttl_ - 1);
  }
  return wanted;
}

std::optional<PathSearch::Wish> TransitWitness::Choose(MonoTime now) {
  WishPicker picker(now);
  bool waiting = false;
  uint32_t order = 0;
  for (const unsigned ttl : Wanted()) {
    const Place& place = places_[ttl];
    waiting = waiting || place.waiting > 0;
    if (Settled(ttl) || place.waiting > 0) {
      continue;
    }
    Wish wish;
    wish.ttl = static_cast<uint8_t>(ttl);
    wish.flow = attempt_.flow;
    wish.at = BudgetAt(wish.ttl, std::nullopt, now);
    if (place.asked > 0) {
      wish.at = std::max(wish.at, place.last_sent + AskAgainAfter());
    }
    picker.Offer(wish, {place.asked, order++});
  }
  finished_ = !picker.best() && !waiting;
  return picker.best();
}

TransitResult TransitWitness::result() const {
  TransitResult result;
  if (verdict_) {
    result = *verdict_;
  } else {
    result.reason = stopped()       ? TransitReason::kNotAsked
                    : hop_ttl_ == 0 ? TransitReason::kHopNotFound
                                    : TransitReason::kSilence;
    result.hop_ttl = static_cast<uint8_t>(hop_ttl_);
  }
  for (const Place& place : places_) {
    result.sent += place.asked;
  }
  return result;
}

Path TransitWitness::path() const {
  Path path = Head();
  unsigned first = 0;
  unsigned last = 0;
  for (unsigned ttl = 1; ttl <= options_.max_ttl; ++ttl) {
    first = first == 0 && places_[ttl].asked > 0 ? ttl : first;
    last = places_[ttl].asked > 0 ? ttl : last;
  }
  bool answers = false;
  for (unsigned ttl = first; first != 0 && ttl <= last; ++ttl) {
    const Place& place = places_[ttl];
    path.hops.push_back(HopOf(static_cast<uint8_t>(ttl)));
    if (Settled(ttl) && !Answered(ttl)) {
      path.hops.back().state = HopState::kSilent;
    }
    answers = Answered(ttl);
    if (place.word == HopWord::kTarget) {
      path.target_sent += place.asked - place.waiting;
      path.target_received += path.hops.back().answered;
      path.end = finished_ && !stopped() ? TraceEnd::kReached : path.end;
      last = ttl;
    } else if (IsError(place.word)) {
      path.reporter =
          PathReporter{place.from, place.icmp_type, place.icmp_code, static_cast<uint8_t>(ttl)};
      last = ttl;
    }
  }
  if (finished_ && !stopped() && path.end == TraceEnd::kUnfinished) {
    if (verdict_ && verdict_->reason == TransitReason::kLoop) {
      path.end = TraceEnd::kLoop;
    } else if (path.reporter) {
      path.end = places_[last].word == HopWord::kProhibited ? TraceEnd::kProhibited
                                                            : TraceEnd::kUnreachable;
    } else {
      path.end = answers ? TraceEnd::kMaxTtl : TraceEnd::kSilent;
    }
  }
  return path;
}

}  // namespace parallax::sensor
