#include "sensor/probe/trace/tracer.h"

#include <algorithm>

namespace parallax::sensor {
namespace {

// A hop that answers with one address six times more, after it has changed, is one that packets
// are spread over by chance with a probability of 1/64 at most.
constexpr uint32_t kProofOfChange = 6;
// A route that changes more often than that is as good as balanced.
constexpr uint32_t kMostChanges = 3;
// How long the first hops wait for the target to tell the distance, before more are asked.
constexpr Duration kWaitForTarget = std::chrono::milliseconds(100);

int Weight(HopWord word) {
  switch (word) {
    case HopWord::kNone:
      return 0;
    case HopWord::kUnreachable:
    case HopWord::kProhibited:
      return 1;
    case HopWord::kTarget:
      return 2;
    case HopWord::kPassing:
      return 3;
  }
  return 0;
}

bool IsConclusive(HopWord word) { return word != HopWord::kNone && word != HopWord::kPassing; }

}  // namespace

Tracer::Tracer(const IpAddress& target, const ProbeTry& attempt, const TraceOptions& options,
               HopLimiter& limiter)
    : PathSearch(target, attempt, options, limiter) {
  Survey();
}

void Tracer::OnChange(uint32_t, MonoTime) {
  Survey();
  if (contradiction_from_ && phase_ == Phase::kTracing && !per_packet_) {
    phase_ = Phase::kAskingAgain;
    change_from_ = *contradiction_from_;
    Survey();
  }
}

void Tracer::Survey() {
  hops_.assign(size_t{options_.max_ttl} + 1, Hop{});
  target_ttl_ = error_ttl_ = highest_answered_ = 0;
  for (size_t i = 0; i < samples().size(); ++i) {
    const PathSample& sample = samples()[i];
    if (sample.state == PathSample::State::kUnsent || sample.former) {
      continue;
    }
    Hop& hop = hops_[sample.full ? 0 : sample.ttl];
    const uint32_t since = i >= change_from_ ? 1 : 0;
    ++hop.asked;
    hop.asked_since += since;
    hop.waiting += sample.waiting() ? 1 : 0;
    hop.last_sent = sample.sent;
    const HopWord word = WordOf(sample);
    if (word == HopWord::kNone) {
      continue;
    }
    ++hop.answered;
    hop.answered_since += since;
    longest_rtt_ = std::max(longest_rtt_, sample.rtt);
    if (Weight(word) >= Weight(hop.word)) {
      hop.word = word;
      hop.from = sample.from;
      hop.reply_ttl = sample.reply_ttl;
    }
  }
  for (unsigned ttl = options_.max_ttl; ttl > 0; --ttl) {
    const HopWord word = hops_[ttl].word;
    const auto here = static_cast<uint8_t>(ttl);
    if (word == HopWord::kTarget) {
      target_ttl_ = here;
    } else if (IsConclusive(word)) {
      error_ttl_ = here;
    }
    if (word != HopWord::kNone && highest_answered_ == 0) {
      highest_answered_ = here;
    }
  }
  FindContradictions();
  FindRepeats();
}

void Tracer::FindContradictions() {
  contradiction_from_.reset();
  lowest_contradiction_ = 0;
  const auto found = [this](uint8_t ttl, size_t from) {
    contradiction_from_ = std::min(contradiction_from_.value_or(from), from);
    lowest_contradiction_ = lowest_contradiction_ == 0 ? ttl : std::min(lowest_contradiction_, ttl);
    hops_[ttl].contradicts = true;
  };
  const std::vector<PathSample>& all = samples();
  constexpr size_t kNone = SIZE_MAX;
  std::vector<size_t> first(hops_.size(), kNone);
  size_t nearest_end = kNone;
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].full || !all[i].answered()) {
      continue;
    }
    size_t& earlier = first[all[i].ttl];
    if (earlier == kNone) {
      earlier = i;
    } else if (IdentityOf(all[earlier]) != IdentityOf(all[i])) {
      found(all[i].ttl, i);
    }
    if (IsConclusive(WordOf(all[i])) &&
        (nearest_end == kNone || all[i].ttl < all[nearest_end].ttl)) {
      nearest_end = i;
    }
  }
  // Where packets end they do not go on.
  for (size_t i = 0; i < all.size() && nearest_end != kNone; ++i) {
    if (!all[i].full && WordOf(all[i]) == HopWord::kPassing && all[i].ttl > all[nearest_end].ttl) {
      found(all[nearest_end].ttl, std::max(nearest_end, i));
    }
  }
}

void Tracer::FindRepeats() {
  loop_.reset();
  behind_nat_.assign(hops_.size(), false);
  for (unsigned second = 3; second <= highest_answered_; ++second) {
    const Hop& b = hops_[second];
    if (b.word != HopWord::kPassing || b.from == target_) {
      continue;
    }
    for (unsigned first = 1; first + 2 <= second; ++first) {
      const Hop& a = hops_[first];
      if (a.word != HopWord::kPassing || a.from != b.from) {
        continue;
      }
      // One router answers from one place. Answers that come from as much further away as their
      // TTLs differ are those of several routers behind one address.
      if (a.reply_ttl != 0 && a.reply_ttl == b.reply_ttl + second - first) {
        behind_nat_[second] = true;
        continue;
      }
      const bool goes_on = second < options_.max_ttl && hops_[second + 1].answered > 0 &&
                           hops_[first + 1].answered > 0 &&
                           hops_[second + 1].from != hops_[first + 1].from;
      if (!goes_on && !loop_) {
        loop_ = Repeat{static_cast<uint8_t>(first), static_cast<uint8_t>(second)};
      }
    }
  }
  if (target_ttl_ != 0 || error_ttl_ != 0 || hops_[0].word == HopWord::kTarget) {
    loop_.reset();
  }
}

unsigned Tracer::LastToAsk() const {
  if (target_ttl_ != 0 || error_ttl_ != 0) {
    const unsigned target = target_ttl_ == 0 ? 256u : target_ttl_;
    const unsigned error = error_ttl_ == 0 ? 256u : error_ttl_;
    return std::min(target, error);
  }
  unsigned last = 0;
  const unsigned beyond =
      std::max<unsigned>(highest_answered_, options_.first_ttl - 1u) + options_.gap_limit;
  const unsigned distance =
      hops_[0].answered > 0 ? DistanceFromTtl(hops_[0].reply_ttl).value_or(0) : 0u;
  if (loop_) {
    last = loop_->second + 1u;
  } else if (distance == 0 || highest_answered_ >= distance) {
    last = beyond;
  } else if (distance > options_.max_ttl || distance < options_.first_ttl ||
             hops_[distance].asked == hops_[distance].waiting) {
    last = std::max<unsigned>(distance, options_.first_ttl);
  } else {
    last = std::max(beyond, distance + options_.gap_limit);
  }
  return std::min<unsigned>(last, options_.max_ttl);
}

Tracer::Want Tracer::WantAt(unsigned ttl) const {
  const Hop& hop = hops_[ttl];
  const uint32_t probes = options_.probes;
  if (phase_ == Phase::kTracing) {
    return {hop.asked, hop.answered > 0 ? probes : std::max(probes, kFewestAsksOfSilent)};
  }
  if (ttl < lowest_contradiction_) {
    return {hop.asked_since, 1};
  }
  if (!hop.contradicts) {
    return {hop.asked_since, hop.answered_since > 0 ? probes : std::max(probes, 2u)};
  }
  const auto contradicting = static_cast<uint32_t>(
      std::count_if(hops_.begin(), hops_.end(), [](const Hop& h) { return h.contradicts; }));
  const uint32_t proof =
      std::max(probes, (kProofOfChange + contradicting - 1) / std::max(contradicting, 1u));
  const uint32_t coming = hop.answered_since + hop.waiting;
  const bool enough = coming >= proof || hop.asked_since >= 2 * proof;
  return {hop.asked_since, enough ? 0 : hop.asked_since + proof - coming};
}

std::optional<PathSearch::Wish> Tracer::WishAt(unsigned ttl, MonoTime now) const {
  const Hop& hop = hops_[ttl];
  const Want want = WantAt(ttl);
  if (want.count >= want.wanted) {
    return std::nullopt;
  }
  const auto here = static_cast<uint8_t>(ttl);
  const bool known = hop.answered > 0;
  MonoTime at = BudgetAt(here, known ? std::optional(hop.from) : std::nullopt, now);
  if (hops_[0].waiting > 0 && hops_[0].asked == 1 && hop.asked == 0 &&
      ttl >= unsigned{options_.first_ttl} + options_.gap_limit) {
    // Hops answer before the target does, but not all that much.
    at = std::max(at, hops_[0].last_sent + std::max(kWaitForTarget, 4 * longest_rtt_));
  }
  if (known && phase_ == Phase::kTracing && at > now + options_.patience) {
    return std::nullopt;
  }
  if (!known && hop.asked > 0) {
    if (hop.waiting > 0) {
      return std::nullopt;
    }
    at = std::max(at, hop.last_sent + AskAgainAfter());
  }
  return Wish{here, false, attempt_.flow, at};
}

std::optional<PathSearch::Wish> Tracer::WishForFull(MonoTime now) const {
  const Hop& full = hops_[0];
  const bool concluded = target_ttl_ != 0 || error_ttl_ != 0 || loop_.has_value();
  const bool wanted = full.asked == 0 || (full.answered == 0 && full.waiting == 0 && !concluded &&
                                          full.asked < kFewestAsksOfSilent);
  if (!wanted) {
    return std::nullopt;
  }
  const bool limited = attempt_.method == ProbeMethod::kUdp;
  MonoTime at = limited ? BudgetAt(kFullTtl, std::nullopt, now) : now;
  if (full.asked > 0) {
    at = std::max(at, full.last_sent + AskAgainAfter());
  }
  return Wish{kFullTtl, true, attempt_.flow, at};
}

std::optional<PathSearch::Wish> Tracer::Choose(MonoTime now) {
  while (!done()) {
    WishPicker picker(now);
    if (const auto wish = WishForFull(now)) {
      picker.Offer(*wish, {hops_[0].asked, 0});
    }
    for (unsigned ttl = options_.first_ttl, last = LastToAsk(); ttl <= last; ++ttl) {
      if (const auto wish = WishAt(ttl, now)) {
        picker.Offer(*wish, {WantAt(ttl).count, ttl});
      }
    }
    if (picker.best() || StillWaiting()) {
      return picker.best();
    }
    if (!Resolve()) {
      finished_ = true;
    }
  }
  return std::nullopt;
}

bool Tracer::StillWaiting() const {
  const unsigned last = LastToAsk();
  for (unsigned ttl = options_.first_ttl; ttl <= last; ++ttl) {
    if (hops_[ttl].waiting > 0) {
      return true;
    }
  }
  return hops_[0].waiting > 0 && target_ttl_ == 0 && error_ttl_ == 0;
}

bool Tracer::Resolve() {
  if (phase_ == Phase::kTracing) {
    return false;
  }
  if (SomeIdentityReturns() || changes_ >= kMostChanges) {
    per_packet_ = true;
  } else {
    // Routers may change one after the other: only what was sent since the last change counts.
    const size_t last_change = LastChange();
    ++changes_;
    if (last_change > change_from_) {
      change_from_ = last_change;
      Survey();
      return true;
    }
    std::vector<PathSample>& all = mutable_samples();
    for (size_t i = 0; i < change_from_; ++i) {
      all[i].former = all[i].former || all[i].full || all[i].ttl >= lowest_contradiction_;
      changed_ = true;
    }
  }
  phase_ = Phase::kTracing;
  change_from_ = 0;
  Survey();
  return true;
}

// An answer that went away came back.
bool Tracer::SomeIdentityReturns() const {
  std::vector<std::vector<Identity>> seen(hops_.size());
  for (const PathSample& sample : samples()) {
    if (sample.full || !sample.answered()) {
      continue;
    }
    std::vector<Identity>& runs = seen[sample.ttl];
    const Identity identity = IdentityOf(sample);
    if (!runs.empty() && runs.back() == identity) {
      continue;
    }
    if (std::find(runs.begin(), runs.end(), identity) != runs.end()) {
      return true;
    }
    runs.push_back(identity);
  }
  return false;
}

// The last sample whose answer is another than that of the sample before it with the same TTL.
size_t Tracer::LastChange() const {
  size_t last = change_from_;
  std::vector<std::optional<Identity>> before(hops_.size());
  for (size_t i = 0; i < samples().size(); ++i) {
    const PathSample& sample = samples()[i];
    if (sample.full || !sample.answered()) {
      continue;
    }
    std::optional<Identity>& previous = before[sample.ttl];
    if (previous && *previous != IdentityOf(sample)) {
      last = std::max(last, i);
    }
    previous = IdentityOf(sample);
  }
  return last;
}

}  // namespace parallax::sensor
