// Events in, conclusions out. Which rounds start when: engine_schedule.cc; what becomes of silent
// sensors: engine_sensors.cc.
#include "collector/detect/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

constexpr Duration kFirstTriggerGap = 8s;
constexpr Duration kLongestTriggerGap = 15min;
constexpr Duration kSecondLook = 2s;
// A host that had not been heard of for longer than this when it fell silent has just left.
constexpr Duration kRecentlyActive = 15min;
constexpr Duration kSaveSeenEvery = 60s;
constexpr Duration kForgetEvery = 60s;

}  // namespace

Engine::Engine(EngineOptions options, const SavedState& saved, uint64_t first_round, Moment now)
    : options_(std::move(options)),
      targets_(options_.targets),
      rounds_(first_round),
      incidents_(options_.incidents, saved.last_incident),
      next_forget_(now.mono + kForgetEvery) {
  Restore(saved, now);
}

void Engine::Restore(const SavedState& saved, Moment now) {
  for (const SensorRecord& sensor : saved.sensors) {
    vantages_.Restore(sensor);
    vantages_.At(*vantages_.Find(sensor.name)).last_heard = now.mono;  // gets its time to come back
  }
  for (const TargetRecord& target : saved.targets) {
    targets_.Restore(target);
  }
  std::map<IpAddress, std::vector<SensorName>> failing;
  for (const CellRecord& cell : saved.cells) {
    const auto sensor = vantages_.Find(cell.sensor);
    Target* target = targets_.Find(cell.target);
    if (sensor && target != nullptr) {
      target->cells[*sensor] = Cell(cell.state, cell.rtt);
      if (cell.state == CellState::kDown) {
        failing[cell.target].push_back(cell.sensor);
      }
    }
  }
  for (const IncidentRecord& incident : saved.live_incidents) {
    incidents_.Restore(incident, failing, now);
  }
  // Old baselines come round again soon, spread over one interval.
  size_t i = 0;
  for (auto& [address, target] : targets_.all()) {
    target.saved_seen = target.record.last_seen;
    target.next_check = now.mono + options_.baseline_interval * static_cast<int64_t>(++i) /
                                       static_cast<int64_t>(targets_.all().size());
    trickle_.emplace(*target.next_check, address);
  }
}

void Engine::OnBatch(IngestedBatch batch, Moment now) {
  const auto sensor = vantages_.Find(batch.sensor);
  if (sensor) {
    for (const Record& record : batch.records) {
      if (const auto* attempt = std::get_if<Attempt>(&record)) {
        OnAttempt(*sensor, *attempt, now);
      } else if (const auto* report = std::get_if<ProbeReport>(&record)) {
        rounds_.Accept(*sensor, *report);  // a late one is stored, and judges nobody
      }
    }
  }
  actions_.store.emplace_back(std::move(batch));
}

void Engine::OnAttempt(VantageId sensor, const Attempt& attempt, Moment now) {
  const IpAddress& client = attempt.client.address;
  if (vantages_.IsSensorAddress(client)) {
    return;
  }
  const bool troubled = attempt.outcome == AttemptOutcome::kHalfOpen ||
                        attempt.outcome == AttemptOutcome::kUnanswered;
  Target* target = targets_.Find(client);
  if (target == nullptr) {
    const auto earned = TargetTable::Earned(attempt);
    if (!earned || (target = targets_.Earn(client, *earned, now)) == nullptr) {
      return;
    }
    SaveTarget(*target);
    target->next_check = now.mono + options_.baseline_interval;
    trickle_.emplace(*target->next_check, client);
    if (!troubled) {
      Want(*target, now.mono, {}, false);
    }
  }
  target->record.last_seen = now.wall;
  if (now.wall - target->saved_seen > kSaveSeenEvery) {
    SaveTarget(*target);
  }
  if (attempt.outcome == AttemptOutcome::kHalfOpen) {
    incidents_.HalfOpen(client, vantages_.Name(sensor), attempt.syns >= 2);
  }
  if (troubled) {
    Trigger(*target, sensor, now);
  }
}

void Engine::Tick(Moment now) {
  if (last_tick_) {
    tokens_ = std::min(options_.max_rounds_per_second,
                       tokens_ + ToSeconds(now.mono - *last_tick_) * options_.max_rounds_per_second);
  } else {
    tokens_ = options_.max_rounds_per_second;
  }
  last_tick_ = now.mono;
  for (const Round& round : rounds_.TakeFinished(now.mono)) {
    Finish(round, now);
  }
  WatchSensors(now);
  incidents_.Tick(now);
  StartRounds(now);
  if (now.mono >= next_forget_) {
    next_forget_ = now.mono + kForgetEvery;
    for (const IpAddress& address : targets_.Forget(now)) {
      incidents_.Cleared(address, now);
      actions_.store.emplace_back(TargetForgotten{address});
    }
  }
}

Actions Engine::Take() {
  for (IncidentChange& change : incidents_.Take()) {
    if (change.change != "updated") {
      actions_.notes.push_back(fmt::format("{} {} {}: {}", IncidentId(change.incident.number),
                                           ToString(change.incident.verdict), change.change,
                                           change.incident.summary));
    }
    actions_.store.emplace_back(std::move(change));
  }
  return std::exchange(actions_, {});
}

void Engine::Finish(const Round& round, Moment now) {
  if (round.kind == RoundKind::kHost) {
    FinishHost(round, now);
    return;
  }
  Target* target = targets_.Find(round.target);
  if (target == nullptr) {
    return;
  }
  if (target->open_round == round.id) {
    target->open_round = 0;
  }
  const std::vector<Ballot> ballots = Read(round, *target, now);
  if (ballots.empty()) {
    return;  // nobody reported: silence of sensors says nothing about the target
  }
  Believe(*target, ballots, now);
  const Opinion opinion = Judge(ballots, *target);
  const Verdict before = target->record.verdict;
  target->record.checked_at = now.wall;
  switch (round.kind) {
    case RoundKind::kTrickle:
      ConcludeTrickle(*target, opinion, round, now);
      break;
    case RoundKind::kRecheck:
      ConcludeRecheck(*target, opinion, round, now);
      break;
    case RoundKind::kCompare:
    case RoundKind::kHost:
      ConcludeCompare(*target, opinion, round, now);
      break;
  }
  if (round.kind != RoundKind::kTrickle || target->record.verdict != before) {
    SaveTarget(*target);
  }
}

std::vector<Ballot> Engine::Read(const Round& round, Target& target, Moment now) {
  // Willingness first: an answer to anybody makes the others' silence mean something.
  for (const auto& [sensor, report] : round.reports) {
    for (const ProbeTryResult& result : report.tries) {
      if (result.state == ProbeState::kAnswered) {
        (result.attempt.method == ProbeMethod::kIcmpEcho ? target.record.icmp_answered
                                                         : target.record.tcp_answered) = now.wall;
      }
    }
  }
  const std::array<bool, 2> answers = {target.Answers(ProbeMethod::kIcmpEcho),
                                       target.Answers(ProbeMethod::kTcpSyn)};
  const Family family = round.target.family();
  std::vector<Ballot> ballots;
  for (const auto& [sensor, report] : round.reports) {
    if (!vantages_.Eligible(sensor, family, now.mono)) {
      continue;  // its gateway went down meanwhile: the evidence is about itself
    }
    const std::array<bool, 2> works = {
        vantages_.MethodWorks(sensor, ProbeMethod::kIcmpEcho, family, now.mono),
        vantages_.MethodWorks(sensor, ProbeMethod::kTcpSyn, family, now.mono)};
    ballots.push_back(ReadReport(sensor, report, answers, works));
    NoteAnswers(ballots.back(), answers, now);
  }
  return ballots;
}

void Engine::NoteAnswers(const Ballot& ballot, const std::array<bool, 2>& target_answers,
                         Moment now) {
  if (!ballot.answered) {
    return;
  }
  vantages_.NoteAnswer(ballot.sensor, ballot.answered_by, ballot.misses, now.mono);
  if (ballot.answered_by != ProbeMethod::kIcmpEcho && ballot.icmp_silent && target_answers[0]) {
    vantages_.NoteContradiction(ballot.sensor, ProbeMethod::kIcmpEcho);
  }
  if (ballot.answered_by != ProbeMethod::kTcpSyn && ballot.tcp_silent && target_answers[1]) {
    vantages_.NoteContradiction(ballot.sensor, ProbeMethod::kTcpSyn);
  }
}

void Engine::Believe(Target& target, const std::vector<Ballot>& ballots, Moment now) {
  for (const Ballot& ballot : ballots) {
    Cell& cell = target.cells[ballot.sensor];
    const CellState before = cell.state();
    if (ballot.answered) {
      cell.Answered(ballot.misses, ballot.rtt);
    } else if (ballot.misses > 0) {
      cell.Missed(ballot.misses, MissWeight(vantages_.At(ballot.sensor).Loss()));
    } else if (ballot.prohibited) {
      cell.Prohibited();
    }
    if (cell.state() != before) {
      actions_.store.emplace_back(CellRecord{vantages_.Name(ballot.sensor), target.record.address,
                                             cell.state(), now.wall, cell.rtt()});
    }
  }
}

void Engine::ConcludeTrickle(Target& target, const Opinion& opinion, const Round& round,
                             Moment now) {
  if (opinion.verdict == Verdict::kHealthy && target.record.verdict == Verdict::kUnknown) {
    target.record.verdict = Verdict::kHealthy;
  }
  const bool answered = !opinion.reaching.empty();
  const bool healthy = target.record.verdict == Verdict::kHealthy;
  if (answered != healthy || opinion.undecided || !opinion.failing.empty()) {
    Want(target, now.mono, round.asked, true);
  }
}

void Engine::ConcludeRecheck(Target& target, const Opinion& opinion, const Round& round,
                             Moment now) {
  if (opinion.verdict == Verdict::kRouteAnomaly && !opinion.undecided) {
    target.record.verdict = opinion.verdict;
    incidents_.Split(round.target, Names(opinion.failing), Names(opinion.reaching), round.began,
                     now);
  } else if (opinion.verdict == Verdict::kTargetDown &&
             target.record.verdict == Verdict::kTargetDown) {
    incidents_.Down(round.target, Names(opinion.failing), round.began, now);
  } else {
    // Not as it was: ask everybody.
    Want(target, now.mono, round.asked, true);
  }
}

void Engine::ConcludeCompare(Target& target, const Opinion& opinion, const Round& round,
                             Moment now) {
  if (opinion.verdict != Verdict::kUnknown) {
    target.record.verdict = opinion.verdict;
  }
  switch (opinion.verdict) {
    case Verdict::kRouteAnomaly:
      target.trigger_gap = {};
      incidents_.Split(round.target, Names(opinion.failing), Names(opinion.reaching), round.began,
                       now);
      Sweep(now);
      break;
    case Verdict::kTargetDown:
      target.trigger_gap = {};
      if (now.wall - target.record.last_seen < kRecentlyActive ||
          incidents_.IsFailing(round.target, Verdict::kTargetDown) ||
          incidents_.IsFailing(round.target, Verdict::kRouteAnomaly)) {
        incidents_.Down(round.target, Names(opinion.failing), round.began, now);
        Sweep(now);
      }
      break;
    case Verdict::kHealthy:
      incidents_.Cleared(round.target, now);
      target.trigger_gap = std::clamp<Duration>(target.trigger_gap * 2, kFirstTriggerGap,
                                                kLongestTriggerGap);
      if (opinion.unsure) {
        Want(target, now.mono + target.trigger_gap, round.asked, false);
      }
      break;
    default:
      break;
  }
  if (opinion.undecided) {
    std::vector<VantageId> must = opinion.failing;
    must.insert(must.end(), round.asked.begin(), round.asked.end());
    Want(target, now.mono + kSecondLook, std::move(must), true);
  }
}

void Engine::Trigger(Target& target, VantageId accuser, Moment now) {
  if (incidents_.IsFailing(target.record.address, Verdict::kRouteAnomaly)) {
    return;  // looked at anyhow
  }
  const Duration gap = std::max<Duration>(target.trigger_gap, kFirstTriggerGap);
  if (!target.compared_at || now.mono - *target.compared_at >= gap) {
    Want(target, now.mono, {accuser}, true);
  }
}

void Engine::SaveTarget(Target& target) {
  target.saved_seen = target.record.last_seen;
  actions_.store.emplace_back(target.record);
}

std::vector<SensorName> Engine::Names(const std::vector<VantageId>& ids) const {
  std::vector<SensorName> names;
  names.reserve(ids.size());
  for (const VantageId id : ids) {
    names.push_back(vantages_.Name(id));
  }
  return names;
}

std::vector<VantageId> Engine::Ids(const std::vector<SensorName>& names) const {
  std::vector<VantageId> ids;
  for (const SensorName& name : names) {
    if (const auto id = vantages_.Find(name)) {
      ids.push_back(*id);
    }
  }
  return ids;
}

}  // namespace parallax::collector
