// Reports in, conclusions out. What attempts give rise to: engine_attempts.cc; which rounds start
// when: engine_schedule.cc; what is concluded from them: engine_evidence.cc; what becomes of silent
// sensors: engine_sensors.cc.
#include "collector/detect/engine.h"

#include <fmt/format.h>

#include <utility>

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

constexpr size_t kTriesThatCount = 2;  // of a comparison, where one method is known, at the least
constexpr Duration kForgetEvery = 1s;
// What a sensor tells so long afterwards, because it was cut off, says nothing of how things are.
constexpr Duration kStale = 5min;
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

void Engine::SetDrained(const std::set<SensorName>& names) {
  drained_ = names;
  for (VantageId id = 0; id < vantages_.size(); ++id) {
    ApplyDrained(id);
  }
}

void Engine::ApplyDrained(VantageId id) {
  Vantage& v = vantages_.At(id);
  const bool drained = drained_.contains(v.record.name);
  if (drained && !v.drained) {
    rounds_.Withdraw(id);  // what it still answers is nobody's evidence
  }
  v.drained = drained;
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
      if (std::visit([](const auto& r) { return r.age; }, record) > kStale) {
        continue;  // what a spool kept is stored, and is no news
      }
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

void Engine::NoteClock(Vantage& v, WallTime said, WallTime heard) {
  v.clock.Note(said, heard);
  v.record.clock_offset = v.clock.Offset();
  if (v.clock.BecameWrong()) {
    const Duration offset = *v.record.clock_offset;
    actions_.notes.push_back(
        fmt::format("sensor {}: its clock is {} {} (its times are stored as it tells them; "
                    "detection does not use them)",
                    v.record.name, FormatAge(offset < Duration{} ? -offset : offset),
                    offset < Duration{} ? "behind" : "ahead"));
  }
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
