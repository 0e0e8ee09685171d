// Which rounds start now: rechecks of incident members first (half of the budget at the most), then
// triggers, then new targets, then the trickle.
#include <algorithm>
#include <utility>

#include "collector/detect/engine.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

constexpr size_t kMostWanted = 20'000;      // per queue
constexpr size_t kCompareTries = 4;
constexpr size_t kRecheckTries = 2;
constexpr size_t kMostFailingAsked = 4;
constexpr Duration kSweepEvery = 60s;
constexpr Duration kSweepActive = 10min;    // targets heard of within this are worth a look
constexpr Duration kSweepFresh = 20s;       // unless they were compared within this
constexpr size_t kMostSwept = 512;

}  // namespace

void Engine::Want(Target& target, MonoTime not_before, std::vector<VantageId> must, bool urgent) {
  bool& flag = urgent ? target.wanted_urgently : target.wanted_patiently;
  if (flag) {
    return;
  }
  auto& queue = urgent ? urgent_ : patient_;
  if (queue.size() >= kMostWanted) {
    ++wants_dropped_;
    return;
  }
  flag = true;
  queue.push_back({target.record.address, not_before, std::move(must)});
}

void Engine::StartRounds(Moment now) {
  StartRechecks(now);
  StartQueued(urgent_, &Target::wanted_urgently, now);
  StartQueued(patient_, &Target::wanted_patiently, now);
  StartTrickle(now);
}

void Engine::StartQueued(std::deque<Wanted>& queue, bool Target::*flag, Moment now) {
  for (size_t left = queue.size(); left > 0 && tokens_ >= 1; --left) {
    Wanted wanted = std::move(queue.front());
    queue.pop_front();
    Target* target = targets_.Find(wanted.target);
    if (target == nullptr) {
      continue;
    }
    if (wanted.not_before > now.mono || target->open_round != 0) {
      queue.push_back(std::move(wanted));
      continue;
    }
    target->*flag = false;
    if (StartCompare(wanted, now)) {
      TakeToken();
    }
  }
}

bool Engine::StartCompare(const Wanted& wanted, Moment now) {
  std::vector<VantageId> asked =
      vantages_.Choose(wanted.target.family(), now.mono, options_.max_vantages_per_round,
                       wanted.must, ++turn_);
  if (asked.empty()) {
    return false;  // the trickle comes back to it
  }
  Target& target = *targets_.Find(wanted.target);
  target.compared_at = now.mono;
  Start(RoundKind::kCompare, wanted.target, std::move(asked),
        ComposeTries(target.Answers(ProbeMethod::kIcmpEcho), target.Answers(ProbeMethod::kTcpSyn),
                     options_.probe_tcp_port, kCompareTries),
        now);
  return true;
}

void Engine::StartRechecks(Moment now) {
  const auto most = static_cast<size_t>(tokens_ / 2);
  for (const Recheck& recheck : incidents_.TakeRechecks(now.mono, most)) {
    Target* target = targets_.Find(recheck.target);
    if (target == nullptr) {
      incidents_.Cleared(recheck.target, now);
      continue;
    }
    if (target->open_round != 0) {
      continue;
    }
    const Family family = recheck.target.family();
    std::vector<VantageId> asked = Ids(recheck.failing);
    std::erase_if(asked,
                  [&](VantageId id) { return !vantages_.Eligible(id, family, now.mono); });
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
    TakeToken();
    Start(RoundKind::kRecheck, recheck.target, std::move(asked),
          ComposeTries(target->Answers(ProbeMethod::kIcmpEcho),
                       target->Answers(ProbeMethod::kTcpSyn), options_.probe_tcp_port,
                       kRecheckTries),
          now);
  }
}

void Engine::StartTrickle(Moment now) {
  while (!trickle_.empty() && trickle_.top().first <= now.mono && tokens_ >= 1) {
    const auto [when, address] = trickle_.top();
    trickle_.pop();
    Target* target = targets_.Find(address);
    if (target == nullptr || target->next_check != when) {
      continue;
    }
    // Three quarters to five quarters of the interval, so that targets do not march in step.
    const Duration quarter = options_.baseline_interval / 4;
    target->next_check = now.mono + quarter * 3 + quarter * 2 * static_cast<int64_t>(turn_ % 64) / 64;
    trickle_.emplace(*target->next_check, address);
    if (target->open_round != 0 || incidents_.IsFailing(address, Verdict::kRouteAnomaly)) {
      continue;
    }
    std::vector<VantageId> asked = vantages_.Choose(address.family(), now.mono, 1, {}, ++turn_);
    if (asked.empty()) {
      continue;
    }
    TakeToken();
    const bool icmp = target->Answers(ProbeMethod::kIcmpEcho);
    const bool tcp = target->Answers(ProbeMethod::kTcpSyn);
    Start(RoundKind::kTrickle, address, std::move(asked),
          ComposeTries(icmp, tcp, options_.probe_tcp_port, icmp || tcp ? 1 : 2), now);
  }
}

void Engine::Start(RoundKind kind, const IpAddress& address, std::vector<VantageId> asked,
                   std::vector<ProbeTry> tries, Moment now, std::optional<VantageId> about) {
  auto [id, order] = rounds_.Open(kind, address, asked, std::move(tries), now.mono, about);
  if (Target* target = targets_.Find(address); target != nullptr && kind != RoundKind::kHost) {
    target->open_round = id;
  }
  for (const VantageId sensor : asked) {
    const SensorName& name = vantages_.Name(sensor);
    const auto it = std::find_if(actions_.orders.begin(), actions_.orders.end(),
                                 [&](const SensorOrders& o) { return o.sensor == name; });
    SensorOrders& to = it != actions_.orders.end() ? *it : actions_.orders.emplace_back();
    to.sensor = name;
    to.orders.push_back(order);
  }
}

void Engine::Sweep(Moment now) {
  if (swept_at_ != MonoTime{} && now.mono - swept_at_ < kSweepEvery) {
    return;
  }
  swept_at_ = now.mono;
  // Where there is one there are more: find out how far it reaches while it is fresh.
  size_t swept = 0;
  for (auto& [address, target] : targets_.all()) {
    if (swept >= kMostSwept) {
      break;
    }
    if (now.wall - target.record.last_seen < kSweepActive &&
        (!target.compared_at || now.mono - *target.compared_at > kSweepFresh)) {
      Want(target, now.mono, {}, false);
      ++swept;
    }
  }
}

}  // namespace parallax::collector
