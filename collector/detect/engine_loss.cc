// Loss well above what is usual. A vantage's alarm (loss_watch.h, or its gateway answers now and
// then) leads to a look from there; if it loses indeed, to a second one from others as well, which
// tells whether it is the sensor's own link (sensor_degraded) or a path that others share
// (lossy_path). Where its gateway alone tells, no second look is needed. While it lasts it is
// looked at again. What is told of it: engine_loss_told.cc.
#include <algorithm>
#include <utility>

#include "collector/detect/engine.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

constexpr size_t kTargets = 10;
constexpr size_t kTargetsAgain = 9;   // of all vantages together, while it lasts
constexpr size_t kTargetsOfAll = 18;  // and before
constexpr size_t kCandidates = 64;    // of which these are chosen
constexpr size_t kTries = 8;
constexpr size_t kVantages = 3;
constexpr unsigned kBatches = 2;  // of the second look, and of all later ones
constexpr Duration kSpacing = 1200ms;
constexpr Duration kLookAgain = 30s;    // while it lasts
constexpr Duration kLeastPause = 5min;  // after a false alarm; doubles
constexpr Duration kLongestPause = 2h;
constexpr Duration kPauseAfterLoss = 30s;  // that was real: it may come back
constexpr unsigned kLooksToTell = 4;  // after which it is told, whoever else is or is not concerned
constexpr unsigned kLooksInTotal = 20;
constexpr size_t kMostTroubles = 32;  // vantages at a time
constexpr Duration kTraceFirst = 3s;  // a trace takes some of the answers that a host has to give
// Of some ten echo requests to a gateway, which is one hop away, hardly one is ever lost.
constexpr Duration kGatewayWindow = 10s;
constexpr uint64_t kFewestLostAtGateway = 3;

bool IsAlarmed(const std::array<LossWatch, 2>& watch) {
  return watch[0].alarm() || watch[1].alarm();
}

void ResetAlarms(Vantage& v) {
  for (auto* watches : {&v.loss_watch, &v.connection_watch}) {
    for (LossWatch& watch : *watches) {
      watch.Reset();
    }
  }
}

}  // namespace

void Engine::WatchLoss(const std::vector<IncidentView>& views, Moment now) {
  // Where routes fail, some of what goes round them is lost, too.
  std::set<VantageId> accusers;
  for (const IncidentView& view : views) {
    if (view.open) {  // where much is lost there is always a candidate
      accusers.merge(AccusersIn(view));
    }
  }
  for (VantageId id = 0; id < vantages_.size(); ++id) {
    Vantage& v = vantages_.At(id);
    if (now.mono - v.gateways_lately.at >= kGatewayWindow) {
      v.gateways_earlier = std::exchange(v.gateways_lately, v.CountGateways(now.mono));
    }
    const bool probes =
        now.mono >= v.loss_pause.until && ((Uses(Part::kLossAlarm) && IsAlarmed(v.loss_watch)) ||
                                           LosesAtGateway(id, v.gateways_earlier, now));
    const bool connections = now.mono >= v.connection_pause.until && Uses(Part::kConnectionLoss) &&
                             IsAlarmed(v.connection_watch);
    if (accusers.contains(id)) {
      ResetAlarms(v);
      const auto trouble = loss_troubles_.find(id);
      if (trouble != loss_troubles_.end() && trouble->second.verdict == Verdict::kUnknown) {
        loss_troubles_.erase(trouble);
      }
      continue;
    }
    if (!(probes || connections) || loss_troubles_.contains(id) ||
        loss_troubles_.size() >= kMostTroubles || !vantages_.Eligible(id, Family::kV4, now.mono)) {
      continue;
    }
    if (LossTrouble* known = ToldLoss(id)) {
      known->more.insert(id);  // whether it is concerned, too, the next looks will tell
    } else {
      LossTrouble trouble;
      trouble.began = now;
      trouble.by_connections = !probes;
      trouble.half_open_before = v.half_open;
      loss_troubles_.emplace(id, std::move(trouble));
    }
    ResetAlarms(v);
  }
  for (auto& [id, trouble] : loss_troubles_) {
    if (trouble.open.empty() && now.mono >= trouble.next && !trouble.over) {
      LookAtLoss(id, trouble, now);
    }
  }
  std::erase_if(loss_troubles_, [](const auto& entry) { return entry.second.over; });
}

// Packets get lost somewhere, and people know: two such links at once are rare, and many sensors
// that share one are not.
Engine::LossTrouble* Engine::ToldLoss(VantageId but) {
  for (auto& [id, trouble] : loss_troubles_) {
    if (id != but && trouble.verdict == Verdict::kLossyPath && !trouble.over) {
      return &trouble;
    }
  }
  return nullptr;
}

void Engine::LookAtLoss(VantageId id, LossTrouble& trouble, Moment now) {
  std::vector<Target*> targets = Controls(id, kCandidates, Controlled::kReached);
  const auto tells = [&](VantageId sensor, const Target* target) {
    const auto telling = Telling(sensor, *target, now.mono);
    return telling[0] || telling[1];
  };
  std::erase_if(targets, [&](const Target* target) { return !tells(id, target); });
  const size_t wanted = trouble.looks == 0   ? kTargets
                        : trouble.looks == 1 ? kTargetsOfAll
                                             : kTargetsAgain;
  if (trouble.looks > 1) {
    // Half of them lost some: does it last? The others, where can be, are new: how far does it
    // reach?
    enum Rank : uint8_t { kLost, kNew, kClean };
    const auto rank = [&](const Target* target) {
      const auto it = trouble.total.pairs().find({id, target->record.address});
      return it == trouble.total.pairs().end() ? kNew : it->second.lost > 0 ? kLost : kClean;
    };
    std::ranges::stable_sort(targets, {}, rank);
    const auto others =
        std::ranges::find_if(targets, [&](const Target* target) { return rank(target) != kLost; });
    const auto half = std::min<std::ptrdiff_t>(others - targets.begin(), (wanted + 1) / 2);
    std::rotate(targets.begin() + half, others, targets.end());
  }
  targets.resize(std::min(targets.size(), wanted));
  if (targets.size() < 2 || tokens_ < static_cast<double>(targets.size())) {
    trouble.over = targets.size() < 2;
    return;
  }
  std::vector<VantageId> asked = {id};
  if (trouble.looks > 0) {
    // One of its own group first: it tells the link from the sensor. Then whoever lost some, too.
    if (trouble.more.empty() || trouble.looks % 2 == 0) {
      AddNeighbour(asked, id, Family::kV4, now);
    }
    if (!trouble.more.empty()) {
      asked.push_back(*std::next(trouble.more.begin(),
                                 static_cast<std::ptrdiff_t>(++turn_ % trouble.more.size())));
    }
    asked = vantages_.Choose(targets.front()->record.address.family(), now.mono, kVantages, asked,
                             ++turn_);
    if (std::find(asked.begin(), asked.end(), id) == asked.end()) {
      asked.push_back(id);  // it has no vote, and is asked all the same
    }
  }
  if (trouble.batch == 0) {
    trouble.look = LossLook();
    trouble.gateways = vantages_.At(id).gateways_earlier;
  }
  std::vector<std::pair<VantageId, Target*>> pairs;
  Duration start_after{};
  for (size_t i = 0; i < targets.size(); ++i) {
    Target* target = targets[i];
    // By one vantage each: asked by several at once, hosts that limit their answers look lossy.
    const VantageId sensor = asked[i % asked.size()];
    if (!tells(sensor, target) || target->open_round != 0) {
      continue;
    }
    pairs.emplace_back(sensor, target);
    // Not while it is counted what comes back.
    if (trouble.looks > 0 && Trace(sensor, *target, now, 1h)) {
      start_after = kTraceFirst;
    }
  }
  for (const auto& [sensor, target] : pairs) {
    ProbeOrder order =
        rounds_.Open(RoundKind::kLoss, target->record.address, {sensor}, kTries, now.mono);
    tokens_ -= 1;
    target->open_round = order.id;
    order.every = true;
    order.start_after = start_after;
    order.spacing = kSpacing;
    rounds_.Extend(order.id, start_after + kSpacing * static_cast<int64_t>(kTries) / 4);
    trouble.open.insert(order.id);
    // Many hosts and routers answer only so many echo requests a second.
    const ProbeTry attempt = Telling(sensor, *target, now.mono)[1]
                                 ? ProbeTry{ProbeMethod::kTcpSyn, options_.probe_tcp_port, 0}
                                 : TracedBy(sensor, *target, now.mono);
    order.tries.assign(kTries, attempt);
    OrdersTo(sensor).emplace_back(order);
  }
}

void Engine::FinishLoss(const Round& round, Moment now) {
  if (Target* target = targets_.Find(round.target)) {
    Release(*target, round);
  }
  for (auto& [id, trouble] : loss_troubles_) {
    if (trouble.open.erase(round.id) == 0) {
      continue;
    }
    for (const auto& [sensor, report] : round.reports) {
      trouble.look.Add(sensor, report, trouble.batch * kTries);
      if (trouble.looks > 0) {
        const size_t first = (trouble.looks * kBatches + trouble.batch) * kTries;
        trouble.total.Add(sensor, report, first);
        trouble.calm.Add(sensor, report, first);
      }
    }
    if (!trouble.open.empty()) {
      return;
    }
    if (trouble.looks == 1 && ++trouble.batch < kBatches) {
      trouble.next = now.mono;
    } else {
      trouble.batch = 0;
      ConcludeLoss(id, trouble, now);
    }
    return;
  }
}

void Engine::ConcludeLoss(VantageId id, LossTrouble& trouble, Moment now) {
  Vantage& v = vantages_.At(id);
  bool loses = trouble.look.Loses(id);
  if (trouble.looks == 0 && !loses) {  // a burst, and it is over
    const std::vector<IncidentView> views = incidents_.Views();
    trouble.over = true;
    if (std::any_of(views.begin(), views.end(), [&](const IncidentView& view) {
          return view.basis == Verdict::kRouteAnomaly && AccusersIn(view).contains(id);
        })) {
      return;  // what was lost had its reason, and the alarm was not false
    }
    Vantage::LossPause& pause = trouble.by_connections ? v.connection_pause : v.loss_pause;
    pause.length = std::clamp<Duration>(2 * pause.length, kLeastPause, kLongestPause);
    pause.until = now.mono + pause.length;
    return;
  }
  if (++trouble.looks == 1) {
    trouble.worst = trouble.look.OfHit(id).share();
    if (!LosesAtGateway(id, trouble.gateways, now)) {
      trouble.next = now.mono;
      return;
    }
    ++trouble.looks;  // no other needs to be asked
  }
  trouble.next = now.mono + kLookAgain;
  const double share = trouble.look.Of(id).share();
  if (trouble.verdict == Verdict::kUnknown && trouble.looks > 1) {
    loses = trouble.total.Loses(id) || (trouble.total.Of(id).sent == 0 && loses);
    trouble.share = share;
    trouble.calm = LossLook();
    if (loses && trouble.looks < kLooksToTell && IsUndecided(id, trouble)) {
      trouble.next = now.mono;
      return;
    }
  } else {  // few were asked: what it was is over only if next to nothing is lost
    loses = share > trouble.share / 2;
    if (loses) {
      trouble.calm = LossLook();
    } else {
      trouble.next = now.mono;  // it may be over
    }
  }
  if (trouble.looks % kLooksInTotal == 0) {
    trouble.total = trouble.look;  // what was, long ago, need not be so now
  }
  const bool told = trouble.verdict != Verdict::kUnknown;
  if (told ? trouble.calm.Spares(id, trouble.share / 2) : !loses) {
    if (told) {
      incidents_.Over(trouble.verdict, trouble.about);
    }
    v.degraded = false;
    v.loss_pause = v.connection_pause = {.until = now.mono + (told ? kPauseAfterLoss : kLeastPause),
                                         .length = {}};
    trouble.over = true;
  } else if (loses) {
    TellLoss(id, trouble, now);
  }
}

bool Engine::LosesAtGateway(VantageId id, const Vantage::GatewayCounts& since, Moment now) const {
  const auto counts = [&](VantageId sensor, const Vantage::GatewayCounts& before) {
    const Vantage::GatewayCounts after = vantages_.At(sensor).CountGateways(now.mono);
    // A sensor that has begun anew counts from nothing again.
    return before.at != MonoTime{} && after.answered > before.answered &&
           after.asked - before.asked >= after.answered - before.answered + kFewestLostAtGateway;
  };
  if (!Uses(Part::kGatewayLoss) || !counts(id, since)) {
    return false;
  }
  // If its neighbours lose as much there, it is no link of its own.
  for (VantageId other = 0; other < vantages_.size(); ++other) {
    if (other != id && vantages_.At(other).record.group == vantages_.At(id).record.group &&
        counts(other, vantages_.At(other).gateways_earlier)) {
      return false;
    }
  }
  return true;
}

bool Engine::LosesOnItsLink(VantageId id, const LossTrouble& trouble, Moment now) const {
  const std::string& group = vantages_.At(id).record.group;
  for (const VantageId other : trouble.total.sensors()) {
    if (other != id && vantages_.At(other).record.group == group) {
      return !trouble.total.Loses(other) && trouble.total.IsEven(id) &&
             trouble.total.Spares(other, trouble.total.Of(id).share());
    }
  }
  // Alone in its place: does it lose what its own gateway should answer?
  return LosesAtGateway(id, trouble.gateways, now);
}

// Does one of its own group lose as much? Too little was asked yet to say.
bool Engine::IsUndecided(VantageId id, const LossTrouble& trouble) const {
  const std::vector<VantageId> sensors = trouble.total.sensors();
  return std::any_of(sensors.begin(), sensors.end(), [&](VantageId other) {
    return other != id && vantages_.At(other).record.group == vantages_.At(id).record.group &&
           !trouble.total.Loses(other) &&
           !trouble.total.Spares(other, trouble.total.Of(id).share());
  });
}

}  // namespace parallax::collector
