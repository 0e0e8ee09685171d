#include "sensor/probe/flows/flow_check.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace parallax::sensor {
namespace {

using std::chrono::milliseconds;

constexpr size_t kRetriesAtOnce = 16;
constexpr size_t kRetryRounds = 3;  // with as many controls: six probes per failing flow
constexpr size_t kEnoughDown = 64;  // all lost: the rest of round 1 would tell no more
constexpr size_t kOutageControls = 8;
constexpr milliseconds kSpacing{400};
constexpr milliseconds kJitter{250};
// Long enough that all lost or all answered means something, short beside an outage.
constexpr size_t kStretch = 8;
constexpr size_t kMostStretches = 512;

}  // namespace

FlowCheck::FlowCheck(size_t flows, uint64_t seed, size_t count)
    : flows_(std::min(flows, kMaxFlows)),
      random_(seed),
      count_(std::min<size_t>(count, UINT16_MAX)),
      budget_(flows_.size() + 2 * kRetryRounds * std::min(flows_.size(), kRetriesAtOnce)) {
  stretch_length_ = std::max(kStretch, flows_.size() * count_ / kMostStretches + 1);
  if (flows_.empty()) {
    done_ = true;
    return;
  }
  PlanAll();
}

std::optional<uint16_t> FlowCheck::Next(MonoTime now) {
  if (done_ || at_ == round_.size() || now < not_before_) {
    return std::nullopt;
  }
  if (stretches_.empty() || in_stretch_ == stretch_length_) {
    stretches_.emplace_back();
    in_stretch_ = 0;
  }
  ++in_stretch_;
  const uint16_t flow = round_[at_++];
  flows_[flow].in_flight = true;
  flows_[flow].stretch = static_cast<uint16_t>(stretches_.size() - 1);
  ++in_flight_;
  ++asked_;
  ++sent_;
  if (at_ == round_.size()) {
    not_before_ = now + kSpacing;
  }
  return flow;
}

std::optional<MonoTime> FlowCheck::NextTime() const {
  return done_ || at_ == round_.size() ? std::nullopt : std::optional(not_before_);
}

void FlowCheck::OnOutcome(uint16_t flow, MonoTime now, Outcome outcome) {
  if (flow >= flows_.size() || !flows_[flow].in_flight) {
    return;
  }
  State& state = flows_[flow];
  state.in_flight = false;
  --in_flight_;
  if (outcome == Outcome::kNotSent) {
    --sent_;
    ++not_sent_since_;
  } else {
    StretchTally& stretch = stretches_[state.stretch];
    ++state.sent;
    ++stretch.sent;
    if (outcome == Outcome::kAnswered) {
      ++state.answered;
      ++stretch.answered;
      ++answered_;
      ++answered_since_;
    } else {
      ++lost_since_;
    }
  }
  if (count_ == 0 && answered_since_ == 0 && lost_since_ == kEnoughDown && rounds_ == 0) {
    round_.resize(at_);
  }
  if (in_flight_ == 0 && at_ == round_.size()) {
    EndRound();
    // Waits of one length would keep step with what comes and goes.
    not_before_ =
        std::max(not_before_, now) + kJitter * static_cast<int64_t>(Random() % 1024) / 1024;
  }
}

void FlowCheck::EndRound() {
  ++rounds_;
  if (count_ > 0) {
    if (rounds_ == count_) {
      done_ = true;
    } else {
      PlanAll();
    }
    return;
  }
  // This host has no way out: asking again brings nothing.
  if (not_sent_since_ > round_.size() / 2) {
    done_ = true;
    return;
  }
  not_sent_since_ = 0;
  // A few probes more in the same stretch say more than a new one with a few.
  if (in_stretch_ >= stretch_length_ / 2) {
    in_stretch_ = stretch_length_;
  }
  const FlowVerdict verdict = Verdict();
  if (verdict.beliefs.changing >= kSure && !changed_) {
    StartAnew();
  } else if (Sure(verdict) || asked_ >= budget_) {
    done_ = true;
  } else {
    PlanRetries();
  }
}

bool FlowCheck::Sure(const FlowVerdict& verdict) const {
  const FlowBeliefs& beliefs = verdict.beliefs;
  // One round may have met a short outage.
  const bool down = beliefs.all_down >= kSure && rounds_ >= 2;
  return beliefs.evenly() >= kSure || down || beliefs.per_flow >= kSureOfBranch ||
         beliefs.changing >= kSure;
}

void FlowCheck::StartAnew() {
  changed_ = true;
  budget_ = std::max(budget_, asked_) + flows_.size();
  std::fill(flows_.begin(), flows_.end(), State{});
  stretches_.clear();
  rounds_ = answered_since_ = lost_since_ = not_sent_since_ = 0;
  PlanAll();
}

void FlowCheck::PlanAll() {
  round_.resize(flows_.size());
  for (size_t i = 0; i < round_.size(); ++i) {
    round_[i] = static_cast<uint16_t>(i);
  }
  at_ = 0;
  Shuffle();
}

void FlowCheck::PlanRetries() {
  round_.clear();
  at_ = 0;
  if (answered_since_ == 0) {
    Pick(kOutageControls, [](const State& state) { return state.sent > 0; });
  } else {
    // Round 1 was broken off.
    Pick(flows_.size(), [](const State& state) { return state.sent == 0; });
  }
  if (round_.empty()) {
    Pick(kRetriesAtOnce, [](const State& state) { return state.answered == 0; });
    if (round_.size() < kRetriesAtOnce) {
      Pick(kRetriesAtOnce - round_.size(),
           [](const State& state) { return state.answered > 0 && 3 * state.lost() >= state.sent; });
    }
    if (round_.empty()) {
      Pick(kRetriesAtOnce, [](const State& state) { return state.lost() > 0; });
    }
    const size_t controls = round_.empty() ? kRetriesAtOnce : round_.size();
    Pick(controls, [](const State& state) { return state.answered > 0 && state.lost() == 0; });
    Shuffle();
  }
  if (round_.size() > budget_ - asked_) {
    round_.resize(budget_ - asked_);
  }
}

template <typename Wanted>
void FlowCheck::Pick(size_t most, Wanted wanted) {
  struct Candidate {
    uint64_t rank;
    uint16_t flow;
  };
  std::vector<Candidate> candidates;
  for (size_t i = 0; i < flows_.size(); ++i) {
    if (wanted(flows_[i])) {
      candidates.push_back(
          {static_cast<uint64_t>(flows_[i].sent) << 48 | Random() >> 16, static_cast<uint16_t>(i)});
    }
  }
  most = std::min(most, candidates.size());
  std::partial_sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(most),
                    candidates.end(),
                    [](const Candidate& a, const Candidate& b) { return a.rank < b.rank; });
  for (size_t i = 0; i < most; ++i) {
    round_.push_back(candidates[i].flow);
  }
}

void FlowCheck::Shuffle() {
  for (size_t i = round_.size(); i > 1; --i) {
    std::swap(round_[i - 1], round_[Random() % i]);
  }
}

// SplitMix64 (Steele, Lea and Flood, 2014).
uint64_t FlowCheck::Random() {
  uint64_t z = random_ += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

FlowVerdict FlowCheck::Verdict() const {
  std::vector<FlowTally> tallies;
  tallies.reserve(flows_.size());
  for (size_t i = 0; i < flows_.size(); ++i) {
    tallies.push_back({static_cast<uint16_t>(i), flows_[i].sent, flows_[i].answered});
  }
  std::vector<StretchTally> stretches;
  for (const StretchTally& stretch : stretches_) {
    if (stretch.sent > 0) {
      stretches.push_back(stretch);
    }
  }
  FlowVerdict verdict = JudgeFlows(tallies, stretches, changed_);
  verdict.changing = verdict.changing || changed_;
  return verdict;
}

}  // namespace parallax::sensor
