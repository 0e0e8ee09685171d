#include "common/flow_verdict.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>

namespace parallax {
namespace {

constexpr double kImpossible = -std::numeric_limits<double>::infinity();

constexpr double kPriorAllUp = 0.70;
constexpr double kPriorPerPacket = 0.12;
constexpr double kPriorAllDown = 0.10;
constexpr double kPriorPerFlow = 0.05;
constexpr double kPriorChanging = 0.03;
constexpr double kPriorChangingAgain = 0.3;

// all_up and all_down: one exception in so many probes.
constexpr double kHardly = 1e5;

// Below these a pattern is not named. Calling a branch broken sends somebody to look for it.
constexpr double kLeastPerFlow = 0.97;
constexpr double kLeastOther = 0.9;

struct Weighted {
  double loss;
  double prior;
};
// Likeliest first, so that what cannot compete is recognised early.
constexpr std::array<Weighted, 10> kGoodLoss{{{0.0005, 0.30},
                                              {0.002, 0.15},
                                              {0.006, 0.12},
                                              {0.015, 0.11},
                                              {0.03, 0.09},
                                              {0.06, 0.07},
                                              {0.1, 0.05},
                                              {0.15, 0.04},
                                              {0.2, 0.04},
                                              {0.25, 0.03}}};
constexpr std::array<Weighted, 7> kBadLoss{
    {{0.999, 0.55}, {0.97, 0.12}, {0.9, 0.08}, {0.8, 0.07}, {0.7, 0.06}, {0.6, 0.06}, {0.5, 0.06}}};

// Bad flows lose much more than good ones, or the difference is no matter of good and bad.
constexpr double kLeastRatio = 3;

// Shares are taken at equal steps of asin(sqrt(s)), in which Beta(1/2, 1/2) is flat.
constexpr size_t kShares = 96;
constexpr double kShareStep = std::numbers::pi / 2 / kShares;

double ShareAt(double cell) {
  const double root = std::sin(cell * kShareStep);
  return root * root;
}

struct ShareGrid {
  std::array<double, kShares> share;
  std::array<double, kShares> log_bad;   // log of it
  std::array<double, kShares> log_good;  // log of the rest
};

const ShareGrid& Shares() {
  static const ShareGrid grid = [] {
    ShareGrid made{};
    for (size_t i = 0; i < kShares; ++i) {
      made.share[i] = ShareAt(static_cast<double>(i) + 0.5);
      made.log_bad[i] = std::log(made.share[i]);
      made.log_good[i] = std::log1p(-made.share[i]);
    }
    return made;
  }();
  return grid;
}

// Log probability of one sequence of `lost` losses and `answered` answers, loss being Beta(a, b).
double LogEven(double lost, double answered, double a, double b) {
  return LogBeta(a + lost, b + answered) - LogBeta(a, b);
}

// Flows with the same tally.
struct Group {
  uint32_t key;  // sent << 16 | answered
  double flows;
  double lost;
  double answered;
  double bad = 0;  // chance that one of them is bad, if some are
};

uint32_t KeyOf(const FlowTally& tally) {
  return static_cast<uint32_t>(tally.sent) << 16 | std::min(tally.answered, tally.sent);
}

std::vector<Group> GroupsOf(std::span<const FlowTally> flows) {
  std::vector<uint32_t> keys;
  keys.reserve(flows.size());
  for (const FlowTally& tally : flows) {
    if (tally.sent > 0) {
      keys.push_back(KeyOf(tally));
    }
  }
  std::sort(keys.begin(), keys.end());
  std::vector<Group> groups;
  for (const uint32_t key : keys) {
    if (groups.empty() || groups.back().key != key) {
      const uint32_t answered = key & 0xffff;
      groups.push_back(
          {key, 0, static_cast<double>((key >> 16) - answered), static_cast<double>(answered)});
    }
    ++groups.back().flows;
  }
  return groups;
}

// The flows under one pair of losses, as a function of the share of bad ones.
class Mixture {
 public:
  // Below `least` nothing is worth knowing; false: it cannot get there.
  bool Prepare(std::span<const Group> groups, double good_loss, double bad_loss, double least) {
    base_ = all_good_ = all_bad_ = surely_good_ = surely_bad_ = 0;
    open_.clear();
    for (const Group& group : groups) {
      const double good =
          group.lost * std::log(good_loss) + group.answered * std::log1p(-good_loss);
      const double bad = group.lost * std::log(bad_loss) + group.answered * std::log1p(-bad_loss);
      all_good_ += group.flows * good;
      all_bad_ += group.flows * bad;
      base_ += group.flows * std::max(good, bad);
      if (good - bad > kSure) {
        surely_good_ += group.flows;
      } else if (bad - good > kSure) {
        surely_bad_ += group.flows;
      } else {
        open_.push_back({std::exp(good - std::max(good, bad)), std::exp(bad - std::max(good, bad)),
                         group.flows});
      }
    }
    return base_ > least;
  }

  // Log likelihood with share i of all flows being bad. Concave in i.
  double Log(size_t i) const {
    const ShareGrid& grid = Shares();
    double sum = base_ + surely_good_ * grid.log_good[i] + surely_bad_ * grid.log_bad[i];
    for (const Open& group : open_) {
      sum += group.flows * std::log(group.bad * grid.share[i] + group.good * (1 - grid.share[i]));
    }
    return sum;
  }

  // The same, if at least one flow is bad and one good: less what it takes to be all of one kind.
  double LogOfBoth(size_t i, double log, double flows) const {
    const ShareGrid& grid = Shares();
    const double all_good = all_good_ + flows * grid.log_good[i] - log;
    const double all_bad = all_bad_ + flows * grid.log_bad[i] - log;
    if (std::max(all_good, all_bad) < -kSure) {
      return log;
    }
    const double one_kind = std::exp(all_good) + std::exp(all_bad);
    return one_kind < 1 ? log + std::log1p(-one_kind) : kImpossible;
  }

 private:
  static constexpr double kSure = 40;  // e^-40 changes nothing
  struct Open {
    double good;
    double bad;
    double flows;
  };
  double base_ = 0;  // each flow of the kind that explains it better
  double all_good_ = 0;
  double all_bad_ = 0;
  double surely_good_ = 0;
  double surely_bad_ = 0;
  std::vector<Open> open_;
};

// Log marginal likelihood of per_flow; fills in the share and each group's chance to be bad.
double LogPerFlow(std::span<Group> groups, double flows, Estimate& share) {
  constexpr double kNegligible = 16;
  if (flows < 2) {
    return kImpossible;
  }
  struct Point {
    double good;  // loss
    double bad;
    double most;                         // of the logarithms of the weights
    std::array<double, kShares> weight;  // their logarithms
  };
  std::vector<Point> points;
  points.reserve(kGoodLoss.size() * kBadLoss.size());
  double most = kImpossible;
  Mixture mixture;
  for (const Weighted& good : kGoodLoss) {
    for (const Weighted& bad : kBadLoss) {
      const double prior = std::log(good.prior * bad.prior);
      if (bad.loss < kLeastRatio * good.loss ||
          !mixture.Prepare(groups, good.loss, bad.loss, most - kNegligible - prior)) {
        continue;
      }
      Point& point = points.emplace_back(Point{good.loss, bad.loss, kImpossible, {}});
      point.weight.fill(kImpossible);
      double before = kImpossible;
      for (size_t i = 0; i < kShares; ++i) {
        const double log = mixture.Log(i);
        if (prior + log > most - kNegligible) {
          point.weight[i] = prior + mixture.LogOfBoth(i, log, flows);
          point.most = std::max(point.most, point.weight[i]);
        } else if (log < before) {
          break;
        }
        before = log;
      }
      most = std::max(most, point.most);
    }
  }
  if (most == kImpossible) {
    return kImpossible;
  }

  double total = 0;
  std::array<double, kShares> by_share{};
  for (Group& group : groups) {
    group.bad = 0;
  }
  std::vector<double> ratios;  // chance of good over chance of bad, but for the share
  for (const Point& point : points) {
    if (point.most < most - kNegligible) {
      continue;
    }
    ratios.clear();
    for (const Group& group : groups) {
      ratios.push_back(std::exp(group.lost * std::log(point.good / point.bad) +
                                group.answered * std::log((1 - point.good) / (1 - point.bad))));
    }
    for (size_t i = 0; i < kShares; ++i) {
      if (point.weight[i] < most - kNegligible) {
        continue;
      }
      const double weight = std::exp(point.weight[i] - most);
      const double s = Shares().share[i];
      total += weight;
      by_share[i] += weight;
      for (size_t g = 0; g < groups.size(); ++g) {
        groups[g].bad += weight * s / (s + (1 - s) * ratios[g]);
      }
    }
  }
  for (Group& group : groups) {
    group.bad /= total;
  }
  share = SummariseCells(by_share, ShareAt);

  double of_two_kinds = 0;
  for (size_t i = 0; i < kShares; ++i) {
    of_two_kinds +=
        1 - std::exp(flows * Shares().log_bad[i]) - std::exp(flows * Shares().log_good[i]);
  }
  return most + std::log(total / of_two_kinds);
}

double LogChanging(std::span<const StretchTally> stretches, double sent, double answered) {
  double log_evidence = 0;
  for (const StretchTally& stretch : stretches) {
    const double got = std::min(stretch.answered, stretch.sent);
    log_evidence += LogEven(stretch.sent - got, got, 0.5, 0.5);
    sent -= stretch.sent;
    answered -= got;
  }
  const bool same_probes = sent == 0 && answered == 0;
  return stretches.size() >= 2 && same_probes ? log_evidence : kImpossible;
}

// From log likelihoods to posterior probabilities.
FlowBeliefs Weigh(const FlowBeliefs& log_likelihood, bool changed_before) {
  FlowBeliefs out = log_likelihood;
  out.all_up += std::log(kPriorAllUp);
  out.per_packet += std::log(kPriorPerPacket);
  out.all_down += std::log(kPriorAllDown);
  out.per_flow += std::log(kPriorPerFlow);
  out.changing += std::log(changed_before ? kPriorChangingAgain : kPriorChanging);
  const std::array<double*, 5> all{&out.all_up, &out.per_packet, &out.all_down, &out.per_flow,
                                   &out.changing};
  double most = kImpossible;
  for (const double* each : all) {
    most = std::max(most, *each);
  }
  double sum = 0;
  for (double* each : all) {
    *each = std::exp(*each - most);
    sum += *each;
  }
  for (double* each : all) {
    *each /= sum;
  }
  return out;
}

// Names the pattern and says how sure that is.
void Name(FlowVerdict& verdict) {
  const FlowBeliefs& beliefs = verdict.beliefs;
  verdict.confidence = std::max(
      {beliefs.all_up, beliefs.per_packet, beliefs.all_down, beliefs.per_flow, beliefs.changing});
  verdict.changing = beliefs.changing >= kLeastOther;
  if (beliefs.per_flow >= kLeastPerFlow) {
    verdict.pattern = FlowPattern::kPerFlow;
  } else if (beliefs.all_down >= kLeastOther) {
    verdict.pattern = FlowPattern::kAllDown;
  } else if (beliefs.evenly() >= kLeastOther) {
    verdict.pattern =
        beliefs.all_up >= beliefs.per_packet ? FlowPattern::kAllUp : FlowPattern::kPerPacket;
  }
}

}  // namespace

std::string_view FlowPatternName(FlowPattern pattern) {
  switch (pattern) {
    case FlowPattern::kAllUp:
      return "all_up";
    case FlowPattern::kAllDown:
      return "all_down";
    case FlowPattern::kPerFlow:
      return "per_flow";
    case FlowPattern::kPerPacket:
      return "per_packet";
    case FlowPattern::kUnclear:
      break;
  }
  return "unclear";
}

FlowVerdict JudgeFlows(std::span<const FlowTally> flows, std::span<const StretchTally> stretches,
                       bool changed_before) {
  FlowVerdict verdict;
  std::vector<Group> groups = GroupsOf(flows);
  double asked = 0;  // flows
  double lost = 0;   // probes
  double answered = 0;
  for (const Group& group : groups) {
    asked += group.flows;
    lost += group.flows * group.lost;
    answered += group.flows * group.answered;
  }
  if (asked == 0) {
    return verdict;
  }

  Estimate share;
  FlowBeliefs likelihood;
  likelihood.all_up = LogEven(lost, answered, 1, kHardly);
  likelihood.per_packet = LogEven(lost, answered, 1, 2);
  likelihood.all_down = LogEven(lost, answered, kHardly, 1);
  likelihood.per_flow = LogPerFlow(groups, asked, share);
  likelihood.changing = LogChanging(stretches, lost + answered, answered);
  verdict.beliefs = Weigh(likelihood, changed_before);
  Name(verdict);

  verdict.loss = RateOf(lost, answered);
  switch (verdict.pattern) {
    case FlowPattern::kAllUp:
    case FlowPattern::kPerPacket:
      verdict.share = RateOf(0, asked);
      break;
    case FlowPattern::kAllDown:
      verdict.share = RateOf(asked, 0);
      break;
    case FlowPattern::kUnclear:
      verdict.share = share;
      break;
    case FlowPattern::kPerFlow: {
      verdict.share = share;
      double bad_lost = 0;
      double bad_answered = 0;
      for (const Group& group : groups) {
        bad_lost += group.flows * group.bad * group.lost;
        bad_answered += group.flows * group.bad * group.answered;
      }
      verdict.failing_loss = RateOf(bad_lost, bad_answered);
      verdict.loss = RateOf(lost - bad_lost, answered - bad_answered);
      for (const FlowTally& tally : flows) {
        const auto group =
            std::lower_bound(groups.begin(), groups.end(), KeyOf(tally),
                             [](const Group& g, uint32_t key) { return g.key < key; });
        if (tally.sent > 0 && group->bad > 0.5) {
          verdict.failing.push_back(tally.flow);
        }
      }
      break;
    }
  }
  return verdict;
}

}  // namespace parallax
