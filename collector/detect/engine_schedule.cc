// Which rounds start now: rechecks of incident members first (half of the budget at the most), then
// triggers, then new targets, then the trickle. Who comes later has a share of its own, so that it
// goes on, slowly, however long a trouble lasts.
#include <algorithm>
#include <utility>

#include "collector/detect/engine.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

constexpr size_t kMostWanted = 20'000;  // per queue
// By Claim: of all rounds, those about sensors themselves; these and what is urgent; and what is
// patient, too. The trickle may take of all.
constexpr std::array<double, 3> kShares = {0.4, 0.9, 0.95};
// The trickle leaves so many, if there may be so many at once: a look at loss begins all of its
// rounds together, and where there are many targets there is no end to the trickle.
constexpr double kReserve = 18;
constexpr double kReservePart = 0.95;
constexpr Duration kBusy = 100ms;
constexpr size_t kCompareTries = 4;
constexpr size_t kRecheckTries = 2;
constexpr size_t kMostFailingAsked = 4;
constexpr size_t kFew = 3;
constexpr int kSilentPatience = 3;
constexpr uint8_t kLessons = 2;
constexpr uint64_t kJitterStep = 37;  // odd: visits all 64 steps
constexpr Duration kSweepGap = 20s;
constexpr Duration kLongestSweepGap = 5min;  // in a trouble that lasts: doubles
constexpr Duration kSweepActive = 10min;     // targets heard of within this are worth a look
constexpr Duration kSweepFresh = 20s;        // unless they were compared within this
constexpr size_t kMostSwept = 512;
constexpr size_t kSweptAtATime = 5'000;

}  // namespace

void Engine::Want(Queue& queue, Target& target, MonoTime since, MonoTime not_before,
                  const std::vector<VantageId>& must, Width width) {
  Target::Wanted& wanted = &queue == &urgent_ ? target.urgent : target.patient;
  if (wanted.queued) {
    wanted.since = std::max(wanted.since, since);
    if (not_before < wanted.not_before) {
      wanted.not_before = not_before;
      queue.Add(not_before, target.record.address);
    }
    wanted.must.insert(wanted.must.begin(), must.begin(), must.end());
    wanted.must.resize(std::min(wanted.must.size(), 2 * options_.max_vantages_per_round));
    wanted.wide |= width == Width::kAll;
    return;
  }
  if (queue.later.size() + queue.due.size() >= kMostWanted) {
    ++wants_dropped_;
    return;
  }
  wanted = {true, since, not_before, must, width == Width::kAll};
  queue.Add(not_before, target.record.address);
}

// A second's worth, and one at least.
double Engine::MostAtOnce() const { return std::max(options_.max_rounds_per_second, 1.0); }

void Engine::RefillTokens(Duration passed) {
  const double depth = MostAtOnce();
  const double fresh = std::min(depth, ToSeconds(passed) * options_.max_rounds_per_second);
  tokens_ = std::min(depth, tokens_ + fresh);
  for (size_t i = 0; i < shares_.size(); ++i) {
    shares_[i] = std::min(depth, shares_[i] + fresh * kShares[i]);
  }
}

bool Engine::MayStart(Claim claim, size_t rounds) const {
  const auto wanted = static_cast<double>(rounds);
  const auto i = static_cast<size_t>(claim);
  const double reserve = std::clamp(kReservePart * MostAtOnce() - 1, 0.0, kReserve);
  return (i >= shares_.size() || shares_[i] >= wanted) &&
         tokens_ >= wanted + (claim == Claim::kTrickle ? reserve : 0);
}

void Engine::Charge(Claim claim) {
  for (auto i = static_cast<size_t>(claim); i < shares_.size(); ++i) {
    shares_[i] -= 1;
  }
}

void Engine::StartRounds(Moment now) {
  Sweep(now);
  StartRechecks(now);
  StartQueued(Claim::kUrgent, now);
  StartQueued(Claim::kPatient, now);
  StartTrickle(now);
}

void Engine::StartQueued(Claim claim, Moment now) {
  Queue& queue = claim == Claim::kUrgent ? urgent_ : patient_;
  const auto wanted_of = [&](Target& target) -> Target::Wanted& {
    return claim == Claim::kUrgent ? target.urgent : target.patient;
  };
  while (!queue.later.empty() && std::get<MonoTime>(queue.later.top()) <= now.mono) {
    const auto [when, order, address] = queue.later.top();
    queue.later.pop();
    Target* target = targets_.Find(address);
    if (target != nullptr && wanted_of(*target).queued && wanted_of(*target).not_before == when) {
      queue.due.push_back(address);
    }
  }
  while (!queue.due.empty() && MayStart(claim)) {
    const IpAddress address = queue.due.front();
    queue.due.pop_front();
    Target* target = targets_.Find(address);
    if (target == nullptr || !wanted_of(*target).queued ||
        wanted_of(*target).not_before > now.mono) {
      continue;
    }
    Target::Wanted& wanted = wanted_of(*target);
    if (target->open_round != 0) {
      wanted.not_before = now.mono + kBusy;
      queue.Add(wanted.not_before, address);
      continue;
    }
    const Target::Wanted due = std::exchange(wanted, {});
    if (target->compared_at && *target->compared_at > due.since) {
      continue;  // done meanwhile
    }
    StartCompare(*target, due, claim, now);
  }
}

void Engine::AddNeighbour(std::vector<VantageId>& sensors, VantageId of, Family family,
                          Moment now) {
  for (VantageId id = 0; id < vantages_.size(); ++id) {
    if (vantages_.At(id).record.group == vantages_.At(of).record.group &&
        vantages_.Eligible(id, family, now.mono) &&
        std::find(sensors.begin(), sensors.end(), id) == sensors.end()) {
      sensors.push_back(id);
      return;
    }
  }
}

// Beside each that could not reach it another one of its group: it tells the router from the host.
void Engine::AddNeighbours(std::vector<VantageId>& sensors, Family family, Moment now) {
  const size_t accusers = std::min(sensors.size(), options_.max_vantages_per_round / 2);
  sensors.resize(accusers);
  for (size_t i = 0; i < accusers; ++i) {
    AddNeighbour(sensors, sensors[i], family, now);
  }
}

void Engine::StartCompare(Target& target, const Target::Wanted& wanted, Claim claim, Moment now) {
  const IpAddress& address = target.record.address;
  // Who could not reach it must be heard, or the others would acquit in its absence.
  std::vector<VantageId> first;
  for (const auto& [sensor, cell] : target.cells) {
    if (cell.down()) {
      first.push_back(sensor);
    }
  }
  std::sort(first.begin(), first.end());
  first.resize(std::min(first.size(), options_.max_vantages_per_round / 2));
  const bool wide = wanted.wide || !first.empty();
  first.insert(first.end(), wanted.must.begin(), wanted.must.end());
  if (wide && Uses(Part::kNeighbours)) {
    AddNeighbours(first, address.family(), now);
  }
  const size_t most =
      wide ? options_.max_vantages_per_round : std::min(kFew, options_.max_vantages_per_round);
  std::vector<VantageId> asked = vantages_.Choose(address.family(), now.mono, most, first, ++turn_);
  if (!asked.empty()) {  // else the trickle comes back to it
    target.compared_at = now.mono;
    Charge(claim);
    Start(RoundKind::kCompare, address, std::move(asked), kCompareTries, now);
  }
}

void Engine::StartRechecks(Moment now) {
  // Half of what there is; a lone token goes to the rechecks and to the others by turns.
  const bool any = MayStart(Claim::kUrgent);
  const double there = std::min(tokens_, shares_[static_cast<size_t>(Claim::kUrgent)]);
  const size_t half = any ? static_cast<size_t>(there / 2) : 0;
  const size_t most = half == 0 && any && recheck_turn_ ? 1 : half;
  recheck_turn_ = any ? !recheck_turn_ : recheck_turn_;
  for (const Recheck& recheck : incidents_.TakeRechecks(now.mono, most)) {
    Target* target = targets_.Find(recheck.target);
    if (target == nullptr) {
      incidents_.Cleared(recheck.target, now);
      continue;
    }
    if (target->open_round != 0) {
      continue;
    }
    if (!target->Answers()) {
      ways_wanted_.emplace(recheck.target, now.mono);
      continue;
    }
    const Family family = recheck.target.family();
    std::vector<VantageId> asked = Ids(recheck.failing);
    std::erase_if(asked, [&](VantageId id) { return !vantages_.Eligible(id, family, now.mono); });
    if (asked.empty()) {
      continue;  // those who accuse are not there to ask
    }
    asked.resize(std::min(asked.size(), kMostFailingAsked));
    std::vector<VantageId> reaching = Ids(recheck.reaching);
    std::erase_if(reaching,
                  [&](VantageId id) { return !vantages_.Eligible(id, family, now.mono); });
    if (!reaching.empty()) {
      asked.push_back(reaching[++turn_ % reaching.size()]);
    }
    Charge(Claim::kUrgent);
    Start(RoundKind::kRecheck, recheck.target, std::move(asked), kRecheckTries, now);
  }
}

void Engine::StartTrickle(Moment now) {
  while (!trickle_.empty() && trickle_.top().first <= now.mono && MayStart(Claim::kTrickle)) {
    const auto [when, address] = trickle_.top();
    trickle_.pop();
    Target* target = targets_.Find(address);
    if (target == nullptr || target->next_check != when) {
      continue;
    }
    const bool willing = target->Answers();
    // Three quarters to five quarters of the interval, so that targets do not march in step. Who
    // never answered is asked in both ways, and more seldom.
    const Duration interval = options_.baseline_interval * (willing ? 1 : kSilentPatience);
    target->next_check = now.mono + interval / 4 * 3 +
                         interval / 2 * static_cast<int64_t>(++turn_ * kJitterStep % 64) / 64;
    ++target->trickles;
    trickle_.emplace(*target->next_check, address);
    if (target->open_round != 0 || incidents_.IsFailing(address, Verdict::kRouteAnomaly)) {
      continue;
    }
    std::vector<VantageId> asked =
        vantages_.Choose(address.family(), now.mono, 1, {}, target->trickles);
    if (!asked.empty()) {
      TraceInPeace(*target, asked.front(), now);
      Start(RoundKind::kTrickle, address, std::move(asked), willing ? 1 : 2, now);
    }
  }
}

void Engine::Start(RoundKind kind, const IpAddress& address, std::vector<VantageId> asked,
                   size_t tries, Moment now, std::optional<VantageId> about) {
  std::erase_if(asked, [&](VantageId id) { return vantages_.At(id).drained; });
  if (asked.empty()) {
    return;
  }
  tokens_ -= 1;
  ProbeOrder order = rounds_.Open(kind, address, asked, tries, now.mono, about);
  Target* target = about ? nullptr : targets_.Find(address);  // else it is there: callers looked
  if (target != nullptr && kind != RoundKind::kControl) {
    target->open_round = order.id;
  }
  // Every other vantage of a target's first comparisons tries the method that nobody has an answer
  // by yet: a vantage near which the known method is filtered will need the other one.
  const bool learns = kind == RoundKind::kCompare && Uses(Part::kLessons);
  const bool lesson =
      learns && target->lessons < kLessons &&
      target->Answers(ProbeMethod::kIcmpEcho) != target->Answers(ProbeMethod::kTcpSyn);
  const bool first_lesson = learns && !target->Answers();
  if (lesson) {
    ++target->lessons;
  }
  for (size_t i = 0; i < asked.size(); ++i) {
    const VantageId sensor = asked[i];
    const bool learner = i % 2 == 1 && (lesson || first_lesson);
    const std::array<bool, 2> telling =
        learner ? std::array<bool, 2>{}
        : about ? TellingOfHost(sensor, *about, address.family(), now.mono)
                : WorthAsking(kind, sensor, *target, now.mono);
    // The trickle takes the other method first each time, and for each sensor with every circle
    // over them, so that both stay proven from everywhere.
    const bool tcp_first =
        (learner && !target->Answers(ProbeMethod::kTcpSyn)) ||
        (kind == RoundKind::kTrickle &&
         (target->trickles + target->trickles / vantages_.size()) % 2 == 1) ||
        (kind == RoundKind::kControl &&
         vantages_.MethodFiltered(asked.front(), ProbeMethod::kTcpSyn, address.family()));
    order.tries = ComposeTries(telling[0], telling[1], options_.probe_tcp_port, tries, tcp_first);
    OrdersTo(sensor).emplace_back(order);
  }
}

std::vector<Order>& Engine::OrdersTo(VantageId sensor) {
  const SensorName& name = vantages_.Name(sensor);
  const auto it = std::find_if(actions_.orders.begin(), actions_.orders.end(),
                               [&](const SensorOrders& o) { return o.sensor == name; });
  SensorOrders& to = it != actions_.orders.end() ? *it : actions_.orders.emplace_back();
  to.sensor = name;
  return to.orders;
}

std::array<bool, 2> Engine::WorthAsking(RoundKind kind, VantageId sensor, const Target& target,
                                        MonoTime now) const {
  const Family family = target.record.address.family();
  const auto cell = target.cells.find(sensor);
  const auto worth = [&](ProbeMethod method) {
    switch (kind) {
      case RoundKind::kControl:
        return false;  // after any answer: both ways are as good
      case RoundKind::kTrickle:
        // What may bring an answer, proven or not: that is how it becomes proven.
        return target.Answers(method) && !vantages_.MethodFiltered(sensor, method, family) &&
               (cell == target.cells.end() || !cell->second.filtered(method));
      default:
        // Whether a new target answers will be known when the round is over.
        return target.Answers() ? Telling(sensor, target, now)[static_cast<size_t>(method)]
                                : vantages_.MethodWorks(sensor, method, family, now);
    }
  };
  return {worth(ProbeMethod::kIcmpEcho), worth(ProbeMethod::kTcpSyn)};
}

void Engine::WantSweep(const std::vector<VantageId>& must) {
  sweep_wanted_ = Uses(Part::kSweeps);
  sweep_must_.insert(must.begin(), must.end());
  // Whoever has not accused anybody in this trouble may speak of another one.
  for (const VantageId id : must) {
    if (swept_for_.insert(id).second) {
      sweep_gap_ = std::min(sweep_gap_, kSweepGap);
    }
  }
}

void Engine::Sweep(Moment now) {
  if (sweep_bucket_ == 0) {
    if (!sweep_wanted_ || (swept_at_ && now.mono - *swept_at_ < sweep_gap_)) {
      return;
    }
    const bool goes_on = swept_at_ && now.mono - *swept_at_ < 2 * sweep_gap_;
    sweep_gap_ = goes_on ? std::min<Duration>(2 * sweep_gap_, kLongestSweepGap) : kSweepGap;
    swept_at_ = now.mono;
    sweep_wanted_ = false;
  }
  // Where there is one there are more: find out how far it reaches while it is fresh. Those that
  // were not looked at for the longest time come first. Of many, some at a time.
  const size_t part = targets_.all().size() / kSweptAtATime + 1;
  targets_.Walk(sweep_bucket_, part, [&](const Target& target) {
    const MonoTime compared = target.compared_at.value_or(MonoTime{});
    if (now.wall - target.record.last_seen < kSweepActive &&
        (!target.compared_at || now.mono - compared > kSweepFresh)) {
      sweep_worth_.emplace_back(compared, target.record.address);
    }
  });
  const size_t most = std::min(sweep_worth_.size(), kMostSwept);
  std::partial_sort(sweep_worth_.begin(), sweep_worth_.begin() + static_cast<std::ptrdiff_t>(most),
                    sweep_worth_.end());
  sweep_worth_.resize(most);
  if (sweep_bucket_ != 0) {
    return;
  }
  const std::set<VantageId> accusers = std::exchange(sweep_must_, {});
  const std::vector<VantageId> must(accusers.begin(), accusers.end());
  for (const auto& [compared, address] : std::exchange(sweep_worth_, {})) {
    if (Target* target = targets_.Find(address)) {
      Want(patient_, *target, now.mono, now.mono, must, Width::kAll);
    }
  }
}

}  // namespace parallax::collector
