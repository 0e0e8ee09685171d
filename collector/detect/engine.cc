// Reports in, conclusions out. What attempts give rise to: engine_attempts.cc; which rounds start
// when: engine_schedule.cc; what becomes of silent sensors: engine_sensors.cc.
#include "collector/detect/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

constexpr Duration kUnsureLooks[] = {10s, 60s, 10min};
constexpr Duration kHalfOpenMemory = 60s;
constexpr Duration kSecondLook = 2s;
constexpr Duration kLately = 60s;
// A host that had not been heard of for longer than this when it fell silent has just left.
constexpr Duration kRecentlyActive = 15min;
constexpr size_t kFewVantages = 4;
constexpr size_t kTriesThatCount = 2;  // of a comparison, where one method is known, at the least
constexpr Duration kForgetEvery = 1s;
constexpr size_t kForgetParts = 60;  // all of them in a minute

}  // namespace

Engine::Engine(EngineOptions options, const SavedState& saved, uint64_t first_round, Moment now)
    : options_(std::move(options)),
      vantages_(options_.without),
      targets_(options_.targets),
      rounds_(first_round),
      incidents_(options_.incidents, saved.last_incident, options_.without),
      paths_(first_round) {
  Restore(saved, now);
  Forget(now, 1);  // the deny list may have changed
}

void Engine::Restore(const SavedState& saved, Moment now) {
  for (const SensorRecord& sensor : saved.sensors) {
    vantages_.Restore(sensor);
    incidents_.SetGroup(sensor.name, sensor.group);
    vantages_.At(*vantages_.Find(sensor.name)).last_heard = now.mono;  // gets its time to come back
  }
  // Old baselines come round again soon, spread over one interval.
  size_t i = 0;
  for (const TargetRecord& record : saved.targets) {
    Target& target = targets_.Restore(record);
    target.saved_seen = record.last_seen;
    if (target.Answers()) {
      reached_.Restore(record.address);
    }
    target.trickles = Scatter(++turn_);
    target.next_check = now.mono + options_.baseline_interval * static_cast<int64_t>(++i) /
                                       static_cast<int64_t>(saved.targets.size());
    trickle_.emplace(*target.next_check, record.address);
  }
  std::map<IpAddress, std::vector<SensorName>> failing;
  for (const CellRecord& cell : saved.cells) {
    const auto sensor = vantages_.Find(cell.sensor);
    Target* target = targets_.Find(cell.target);
    if (sensor && target != nullptr) {
      const Cell& restored = target->CellOf(*sensor) = Cell(cell.state, cell.rtt);
      if (restored.reached()) {
        vantages_.At(*sensor).reached.Restore(cell.target);
      }
      if (cell.state == CellState::kDown) {
        failing[cell.target].push_back(cell.sensor);
      }
    }
  }
  for (const PathRecord& path : saved.paths) {
    if (const auto sensor = vantages_.Find(path.sensor)) {
      paths_.Restore(*sensor, path, now);
    }
  }
  for (const IncidentRecord& incident : saved.live_incidents) {
    incidents_.Restore(incident, failing, now);
    const auto about = incident.evidence.find(kAbout);
    if (incident.verdict == Verdict::kSensorIsolated && about != incident.evidence.end()) {
      const auto sensor = vantages_.Find(about->second);
      cut_off_.Restore(about->second, sensor ? vantages_.At(*sensor).record.group : "",
                       incident.failing_sensors, {MonoTime{}, incident.started_at});
    }
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
      } else if (const auto* server = std::get_if<ServerReport>(&record)) {
        OnServerReport(*sensor, *server, now);
      } else if (const auto* path = std::get_if<PathReport>(&record)) {
        OnPath(*sensor, *path, now);
      } else if (const auto* announcement = std::get_if<Announcement>(&record)) {
        OnAnnouncement(*sensor, *announcement, now);
      }
    }
  }
  actions_.store.emplace_back(std::move(batch));
}

void Engine::Tick(Moment now) {
  RefillTokens(last_tick_ ? now.mono - *last_tick_ : Duration::max());
  last_tick_ = now.mono;
  for (const Round& round : rounds_.TakeFinished(now.mono)) {
    Finish(round, now);
  }
  if (now.mono >= next_forget_) {
    Forget(now, kForgetParts);
  }
  WatchSensors(now);
  Investigate(now);
  incidents_.Tick(now);
  StartRounds(now);
}

void Engine::Forget(Moment now, size_t part) {
  next_forget_ = now.mono + kForgetEvery;
  ForgetOffers(now.mono);
  const auto is_sensor = [this](const IpAddress& a) { return vantages_.IsSensorAddress(a); };
  for (const IpAddress& address : targets_.Forget(is_sensor, now, part)) {
    incidents_.Cleared(address, now);
    paths_.Forget(address);
    actions_.store.emplace_back(TargetForgotten{address});
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
  switch (round.kind) {
    case RoundKind::kHost:
      return FinishHost(round, now);
    case RoundKind::kControl:
      return FinishControl(round, now);
    case RoundKind::kFlows:
      return FinishFlows(round);
    case RoundKind::kLoss:
      return FinishLoss(round, now);
    case RoundKind::kTrickle:
    case RoundKind::kRecheck:
    case RoundKind::kCompare:
      return FinishTarget(round, now);
  }
}

void Engine::Release(Target& target, const Round& round) {
  if (target.open_round == round.id) {
    target.open_round = 0;
  }
}

void Engine::FinishTarget(const Round& round, Moment now) {
  Target* target = targets_.Find(round.target);
  if (target == nullptr) {
    return;
  }
  Release(*target, round);
  const std::vector<Ballot> ballots = Read(round, *target, now);
  if (ballots.empty()) {
    return;  // nobody reported: silence of sensors says nothing about the target
  }
  Believe(*target, ballots, round.kind == RoundKind::kCompare ? kTriesThatCount : 1, now);
  Opinion opinion = Judge(ballots, *target);
  if (opinion.verdict == Verdict::kTargetDown && Uses(Part::kSpanGroups) &&
      !vantages_.SpanGroups(opinion.failing, now.mono)) {
    opinion.verdict = Verdict::kUnknown;  // one department cannot tell its router from the host
  }
  const Verdict before = target->record.verdict;
  target->record.checked_at = now.wall;
  target->asked_at = round.began;
  if (round.kind == RoundKind::kTrickle) {
    ConcludeTrickle(*target, opinion, round, now);
  } else if (round.kind == RoundKind::kRecheck) {
    ConcludeRecheck(*target, opinion, round, now);
  } else {
    ConcludeCompare(*target, opinion, round, now);
  }
  if (round.kind != RoundKind::kTrickle || target->record.verdict != before) {
    SaveTarget(*target);
  }
}

// An answer to anybody makes the others' silence mean something.
void Engine::NoteWilling(const Round& round, Target& target, Moment now) {
  for (const auto& [sensor, report] : round.reports) {
    for (const ProbeTryResult& result : report.tries) {
      if (result.state == ProbeState::kAnswered && result.attempt.method != ProbeMethod::kUdp) {
        target.AnsweredAt(result.attempt.method) = now.wall;
        target.NoteAnswered(sensor);
      }
    }
  }
}

std::vector<Ballot> Engine::Read(const Round& round, Target& target, Moment now) {
  NoteWilling(round, target, now);
  const Echoes echoes = EchoesOf(round);
  if (Uses(Part::kEchoLimits)) {
    target.echoes_at_once = EchoesAtOnce(round, echoes).value_or(target.echoes_at_once);
  }
  std::vector<Ballot> ballots;
  for (const auto& [sensor, report] : round.reports) {
    if (!vantages_.Eligible(sensor, round.target.family(), now.mono)) {
      continue;  // its gateway went down meanwhile: the evidence is about itself
    }
    const auto cell = target.cells.find(sensor);
    const auto arrivals = target.arrivals.find(sensor);
    const bool reached = Uses(Part::kProhibited) &&
                         ((cell != target.cells.end() && cell->second.reached()) ||
                          (arrivals != target.arrivals.end() && arrivals->second.completed));
    const Ballot ballot = ReadReport(sensor, report, Telling(sensor, target, now.mono), reached,
                                     echoes, target.echoes_at_once);
    if (ballot.unsent) {
      vantages_.NoteNoWay(sensor, round.target, now.mono);
      continue;
    }
    ballots.push_back(ballot);
  }
  return ballots;
}

std::array<bool, 2> Engine::Telling(VantageId sensor, const Target& target, MonoTime now) const {
  const auto cell = target.cells.find(sensor);
  // One sensor's word for a host's willingness would make all others miss what was never there.
  const bool lone_word = Uses(Part::kSecondWitness) && target.witnesses.size() == 1 &&
                         vantages_.size() >= kFewVantages;
  const bool reached = cell != target.cells.end() && cell->second.reached();
  const auto willing = [&](ProbeMethod method) {
    return (target.Answers(method) && (reached || !lone_word)) || !Uses(Part::kTargetMethods);
  };
  const auto telling = [&](ProbeMethod method) {
    return willing(method) &&
           vantages_.MethodWorks(sensor, method, target.record.address.family(), now) &&
           (cell == target.cells.end() || !cell->second.filtered(method));
  };
  return {telling(ProbeMethod::kIcmpEcho), telling(ProbeMethod::kTcpSyn)};
}

void Engine::Believe(Target& target, const std::vector<Ballot>& ballots, size_t tries, Moment now) {
  for (const Ballot& ballot : ballots) {
    Cell& cell = target.CellOf(ballot.sensor);
    const CellState before = cell.state();
    const double loss = LossOf(ballot.sensor);
    GroupEvidence& together =
        vantages_.At(ballot.sensor).together[FamilyIndex(target.record.address.family())];
    if (ballot.answered || ballot.misses > 0) {
      together.Note(ballot.answered ? tries : ballot.misses, !ballot.answered, loss, now.mono);
    }
    if (ballot.answered) {
      BelieveAnswer(target, ballot, cell, now);
    } else if (ballot.misses > 0) {
      const bool no_loss = Uses(Part::kGroupEvidence) && together.Fails();
      cell.Missed(ballot.misses, MissWeight(no_loss ? kLeastLoss : loss));
    } else if (ballot.prohibited) {
      cell.Prohibited();
    }
    if (cell.state() != before) {
      actions_.store.emplace_back(CellRecord{vantages_.Name(ballot.sensor), target.record.address,
                                             cell.state(), now.wall, cell.rtt()});
    }
  }
}

void Engine::BelieveAnswer(Target& target, const Ballot& ballot, Cell& cell, Moment now) {
  const IpAddress& address = target.record.address;
  const unsigned lost = cell.Answered(ballot.answered_by, ballot.misses, ballot.rtt);
  vantages_.At(ballot.sensor).reached.Note(address);
  reached_.Note(address);
  // What a filter near the sensor swallows is not lost on the way.
  const ProbeMethod other = OtherMethod(ballot.answered_by);
  const bool filter = ballot.silent[static_cast<size_t>(other)] &&
                      vantages_.MethodFiltered(ballot.sensor, other, address.family());
  vantages_.NoteAnswer(ballot.sensor, address.family(), ballot.answered_by, filter ? 0 : lost,
                       now.mono);
  for (const ProbeMethod method : {ProbeMethod::kIcmpEcho, ProbeMethod::kTcpSyn}) {
    if (method != ballot.answered_by && ballot.silent[static_cast<size_t>(method)] &&
        target.Answers(method)) {
      if (Uses(Part::kTargetFilters)) {
        cell.Contradicted(method);
      }
      // It has answered that way lately: it has not begun to ignore everybody. Else it is asked.
      if (now.wall - target.AnsweredAt(method) < kLately) {
        vantages_.NoteContradiction(ballot.sensor, address, method);
      } else if (!vantages_.MethodFiltered(ballot.sensor, method, address.family())) {
        Want(urgent_, target, now.mono, now.mono, {ballot.sensor}, Width::kFew);
      }
    }
  }
}

void Engine::ConcludeTrickle(Target& target, const Opinion& opinion, const Round& round,
                             Moment now) {
  if (opinion.verdict == Verdict::kHealthy && target.record.verdict == Verdict::kUnknown) {
    target.record.verdict = Verdict::kHealthy;
  }
  const bool back = !opinion.reaching.empty() && target.record.verdict != Verdict::kHealthy;
  if (back || opinion.undecided || !opinion.failing.empty()) {
    Want(urgent_, target, now.mono, now.mono, round.asked, Width::kFew);
  }
}

void Engine::ConcludeRecheck(Target& target, const Opinion& opinion, const Round& round,
                             Moment now) {
  if (opinion.verdict == Verdict::kRouteAnomaly && !opinion.undecided) {
    target.record.verdict = opinion.verdict;
    Accuse(target, opinion, round.began, now);
  } else if (opinion.verdict == Verdict::kTargetDown &&
             target.record.verdict == Verdict::kTargetDown) {
    NoteDown(target, opinion, round, now);
  } else if (!opinion.unsure || opinion.undecided || !opinion.failing.empty()) {
    // Not as it was: ask everybody. (Silence that cannot be read changes nothing.)
    Want(urgent_, target, now.mono, now.mono, round.asked, Width::kAll);
  }
}

void Engine::ConcludeCompare(Target& target, const Opinion& opinion, const Round& round,
                             Moment now) {
  const Verdict before = target.record.verdict;
  if (opinion.verdict != Verdict::kUnknown) {
    target.record.verdict = opinion.verdict;
  }
  switch (opinion.verdict) {
    case Verdict::kRouteAnomaly:
      Accuse(target, opinion, round.began, now);
      if (before != opinion.verdict) {
        WantSweep(opinion.failing);
      }
      break;
    case Verdict::kTargetDown:
      target.trigger_gap = {};
      // Known for gone, it is no news that it still is.
      if ((before != opinion.verdict && now.wall - target.record.last_seen < kRecentlyActive) ||
          incidents_.IsFailing(round.target, Verdict::kTargetDown) ||
          incidents_.IsFailing(round.target, Verdict::kRouteAnomaly)) {
        NoteDown(target, opinion, round, now);
        if (before != opinion.verdict) {
          WantSweep({});
        }
      }
      break;
    case Verdict::kHealthy:
      if (IsAccused(target, now)) {
        target.record.verdict = before;  // who cannot reach it was not heard, or could not be read
      } else {
        incidents_.Cleared(round.target, now);
      }
      if (opinion.unsure && target.unsure_looks < std::size(kUnsureLooks)) {
        const Duration gap = kUnsureLooks[target.unsure_looks++];
        // Perhaps the method is proven from there by then. Not for ever: a filter stays a filter.
        Want(patient_, target, now.mono + gap, now.mono + gap, round.asked, Width::kFew);
      }
      break;
    default:
      break;
  }
  if (!target.Answers() && !target.half_open.empty()) {
    ways_wanted_.emplace(target.record.address, now.mono);
  }
  if (opinion.undecided) {
    std::vector<VantageId> must = opinion.failing;
    must.insert(must.end(), round.asked.begin(), round.asked.end());
    Want(urgent_, target, now.mono, now.mono + kSecondLook, must, Width::kAll);
  }
}

void Engine::NoteDown(const Target& target, const Opinion& opinion, const Round& round,
                      Moment now) {
  const WallTime probed =
      std::max(target.AnsweredAt(ProbeMethod::kIcmpEcho), target.AnsweredAt(ProbeMethod::kTcpSyn));
  MonoTime answered = now.mono - (now.wall - probed);
  for (const auto& [sensor, began] : target.completed) {
    answered = std::max(answered, began);
  }
  incidents_.Down(round.target, Names(opinion.failing), EndsOf(round.target),
                  std::min(answered, round.began), round.began, now);
}

double Engine::LossOf(VantageId sensor) const {
  return Uses(Part::kLearntLoss) ? vantages_.At(sensor).Loss() : kLeastLoss;
}

bool Engine::IsAccused(const Target& target, Moment now) const {
  return Uses(Part::kAccusersAbsent) &&
         incidents_.IsFailing(target.record.address, Verdict::kRouteAnomaly) &&
         std::any_of(target.cells.begin(), target.cells.end(), [&](const auto& entry) {
           return entry.second.down() &&
                  now.mono - vantages_.At(entry.first).last_heard < kAccusationLife;
         });
}

void Engine::Accuse(Target& target, const Opinion& opinion, MonoTime began, Moment now) {
  target.trigger_gap = {};
  // One answer does not yet acquit who was failing.
  std::vector<VantageId> reaching = opinion.reaching;
  std::erase_if(reaching, [&](VantageId id) { return target.DownFrom(id); });
  incidents_.Split(target.record.address, Names(opinion.failing), Names(reaching), began, now);
  for (const auto& [sensor, half_open] : target.half_open) {
    if (now.mono - half_open.at < kHalfOpenMemory) {
      incidents_.HalfOpen(target.record.address, vantages_.Name(sensor), half_open.syn_repeated);
    }
  }
  target.half_open.clear();
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
