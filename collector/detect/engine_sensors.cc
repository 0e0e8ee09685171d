// What becomes of sensors: connected, stopped, lost, isolated. Silence of a sensor is never "down":
// when one falls silent, the others are asked about its host. Only what they find, or what the
// sensor itself says of its gateway, makes it isolated.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <utility>

#include "collector/detect/engine.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

constexpr Duration kSaveSensorEvery = 5s;
constexpr Duration kGatewayDownFor = 4s;  // on top of what the sensor itself waits
constexpr Duration kControlEvery = 3s;    // while its gateway does not answer
constexpr Duration kControlStale = 6s;    // less than what vantage.cc takes for lately
constexpr size_t kControlTries = 2;
constexpr Duration kHostCheckEvery = 5min;   // in peace
constexpr Duration kFirstHostCheckGap = 5s;  // until it answers somebody; doubled each time
constexpr Duration kAskSilentEvery = 6s;
constexpr Duration kAskAgainEvery = 15s;  // once it is known how its host does
constexpr unsigned kMissedRoundsToIsolate = 2;
constexpr unsigned kMissesPerRound = 3;  // all accusers together
constexpr size_t kHostAskers = 3;
constexpr size_t kHostTries = 4;
constexpr size_t kControls = 3;
// A sensor that has had no answer from anywhere for so long, to so many targets, of which so many
// are reached by another one of its group.
constexpr Duration kOutcastFor = 6s;
constexpr size_t kOutcastTargets = 5;
constexpr double kOutcastShare = 0.9;

}  // namespace

void Engine::OnConnected(const SensorName& name, const std::string& group,
                         const std::optional<IpAddress>& address, const SensorHello& hello,
                         Moment now) {
  const VantageId id = vantages_.Connect(name, group, address, hello, now);
  silent_.erase(id);
  ApplyDrained(id);
  incidents_.SetGroup(name, group);
  vantages_.At(id).record.problem.clear();
  vantages_.At(id).outcast = false;
  vantages_.At(id).next_host_check = now.mono;
  vantages_.At(id).host_check_gap = {};
  actions_.notes.push_back(fmt::format("sensor {} ({}) connected from {}", name, group,
                                       address ? address->ToString() : "a local socket"));
  SaveSensor(id, now);
}

void Engine::OnHealth(const SensorName& name, const SensorHealth& health, Moment now) {
  const auto id = vantages_.Find(name);
  if (!id) {
    return;
  }
  Vantage& v = vantages_.At(*id);
  const std::string problem_before = v.record.problem;
  vantages_.Heard(*id, health, now);
  if (health.said_at) {
    NoteClock(v, *health.said_at, now.wall);
  }
  if (!v.connected) {  // given up for lost, and here it is on its old stream
    v.connected = true;
    silent_.erase(*id);
    SetSensorState(*id, SensorState::kConnected, "", now);
  }
  if (v.record.state == SensorState::kIsolated && !v.gateway_down_since && !v.outcast) {
    SetSensorState(*id, SensorState::kConnected, "", now);
  }
  if (v.record.state == SensorState::kConnected && !v.gateway_down_since) {
    NoLongerCutOff(name, now);
  }
  ForgetAggregates(*id, now);
  if (now.mono - v.saved_at >= kSaveSensorEvery || v.record.problem != problem_before) {
    SaveSensor(*id, now);
  }
}

void Engine::OnDisconnected(const SensorName& name, bool goodbye, Moment now) {
  const auto id = vantages_.Find(name);
  if (!id) {
    return;
  }
  rounds_.Withdraw(*id);
  Vantage& v = vantages_.At(*id);
  if (goodbye) {
    vantages_.Disconnect(*id, SensorState::kStopped, now);
    v.record.problem = "stopped";
    actions_.notes.push_back(fmt::format("sensor {} stopped", name));
    SaveSensor(*id, now);
  } else if (v.connected) {
    // It may be back in a second: WatchSensors decides.
    vantages_.Disconnect(*id, v.record.state, now);
    actions_.notes.push_back(fmt::format("sensor {}: stream lost", name));
  }
}

void Engine::WatchSensors(Moment now) {
  // Who could not be looked after for want of rounds comes first the next time.
  const auto many = static_cast<VantageId>(vantages_.size());
  const VantageId first = std::exchange(watch_first_, std::nullopt).value_or(0);
  for (VantageId i = 0; i < many; ++i) {
    const VantageId id = (first + i) % many;
    Vantage& v = vantages_.At(id);
    if (v.record.state == SensorState::kConnected &&
        now.mono - v.last_heard > options_.lost_after) {
      if (v.connected) {
        rounds_.Withdraw(id);
        vantages_.Disconnect(id, SensorState::kConnected, now);
      }
      SetSensorState(id, SensorState::kLost, "unheard", now);
    }
    if (!v.connected && !v.forgotten && now.mono - v.last_heard > kAccusationLife) {
      v.forgotten = true;
      incidents_.Forget(v.record.name, now);
    }
    const bool silent = v.record.state == SensorState::kLost ||
                        (v.record.state == SensorState::kIsolated && !v.connected);
    if (silent) {
      Silent& s = silent_.try_emplace(id, Silent{now.mono, now.mono, 0}).first->second;
      if (now.mono >= s.ask_at && MayWatch(id)) {
        s.ask_at = now.mono + kAskSilentEvery;
        CheckHost(id, now);
      }
    }
    if (v.connected && v.record.state != SensorState::kStopped) {
      WatchGateway(id, now);
    }
  }
}

bool Engine::MayWatch(VantageId id, size_t rounds) {
  const bool may = MayStart(Claim::kWatch, rounds);
  if (!may && !watch_first_) {
    watch_first_ = id;
  }
  return may;
}

void Engine::WatchGateway(VantageId id, Moment now) {
  Vantage& v = vantages_.At(id);
  if (!v.gateway_down_since) {
    if (now.mono >= v.next_host_check && v.record.health.probing && MayWatch(id)) {
      // At first there may be nobody to ask yet, or one whose way there is filtered.
      const bool known = v.host_answers[0] || v.host_answers[1];
      v.host_check_gap =
          known ? kHostCheckEvery
                : std::clamp(2 * v.host_check_gap, kFirstHostCheckGap, kHostCheckEvery);
      v.next_host_check = now.mono + v.host_check_gap;
      CheckHost(id, now);
    }
    return;
  }
  // Is it the gateway, or only its echo? Ask for somebody beyond it, unless the trickle just has.
  const bool contradicted = v.GatewayContradicted(now.mono);
  const size_t controls = contradicted ? 1 : std::min(kControls, static_cast<size_t>(MostAtOnce()));
  if (Uses(Part::kGatewayContradiction) && now.mono >= v.next_control &&
      (!contradicted || now.mono - *v.answered_at > kControlStale) && MayWatch(id, controls)) {
    v.next_control = now.mono + kControlEvery;
    AskControls(id, controls, now);
  }
  if (contradicted || v.record.state != SensorState::kConnected) {
    return;
  }
  // Whom it accused in the seconds before it knew says nothing about the network.
  incidents_.Discredit(v.record.name);
  // Long enough for controls to contradict it, or to do so again after the last one that did.
  const bool did = v.answered_at && *v.answered_at > *v.gateway_down_since;
  if (now.mono - (did ? *v.answered_at + kAnsweredLately : *v.gateway_down_since) >=
      kGatewayDownFor) {
    Isolate(id, "its gateway does not answer it", now);
  }
}

std::map<VantageId, Engine::Accuser> Engine::Accusers(
    const std::vector<IncidentView>& views) const {
  std::map<VantageId, Accuser> accusers;
  for (const IncidentView& view : views) {
    for (const IncidentView::Member& member : view.members) {
      std::map<std::string, std::vector<VantageId>> reaching;  // by group
      for (const VantageId id : Ids(member.reaching)) {
        reaching[vantages_.At(id).record.group].push_back(id);
      }
      for (const VantageId id : Ids(member.failing)) {
        Accuser& accuser = accusers[id];
        ++accuser.failing;
        if (const auto it = reaching.find(vantages_.At(id).record.group); it != reaching.end()) {
          ++accuser.beside;
          for (const VantageId other : it->second) {
            accuser.neighbours.insert(vantages_.Name(other));
          }
        }
      }
    }
  }
  return accusers;
}

// "More than half unreachable" says nothing about a sensor, since that is what a split looks like.
// Reaching nothing at all does, if a sensor beside it, behind the same router, reaches what it does
// not: then it is its own host that is cut off, or it lies.
void Engine::WatchOutcasts(const std::vector<IncidentView>& views, Moment now) {
  if (!Uses(Part::kOutcasts)) {
    return;
  }
  const std::map<VantageId, Accuser> accusers = Accusers(views);
  for (VantageId id = 0; id < vantages_.size(); ++id) {
    Vantage& v = vantages_.At(id);
    if (!v.connected || !v.record.health.probing) {
      continue;
    }
    if (v.outcast) {
      if (v.record.state != SensorState::kIsolated) {
        v.outcast = false;  // a control was answered
      } else if (now.mono >= v.next_control && MayWatch(id)) {
        v.next_control = now.mono + kControlEvery;
        AskControls(id, 1, now);
      }
      continue;
    }
    if (v.record.state != SensorState::kConnected ||
        (v.answered_at && now.mono - *v.answered_at < kOutcastFor)) {
      continue;
    }
    const auto accuser = accusers.find(id);
    if (accuser == accusers.end()) {
      continue;
    }
    const auto& [failing, beside, neighbours] = accuser->second;
    if (failing >= kOutcastTargets &&
        static_cast<double>(beside) >= kOutcastShare * static_cast<double>(failing)) {
      v.outcast = true;
      incidents_.Discredit(v.record.name);
      Isolate(
          id,
          fmt::format("it reaches nothing, while {} beside it does", fmt::join(neighbours, ", ")),
          now);
    }
  }
}

void Engine::AskControls(VantageId id, size_t most, Moment now) {
  for (const Target* target : Controls(id, most)) {
    Charge(Claim::kWatch);
    Start(RoundKind::kControl, target->record.address, {id}, kControlTries, now);
  }
}

void Engine::FinishControl(const Round& round, Moment now) {
  Target* target = targets_.Find(round.target);
  if (target == nullptr) {
    return;
  }
  NoteWilling(round, *target, now);
  std::vector<Ballot> ballots;
  for (const auto& [id, report] : round.reports) {
    ballots.push_back(ReadReport(id, report, {}, false));
  }
  CountTries(ballots, round.target.family());
  for (const Ballot& ballot : ballots) {
    if (!ballot.answered) {
      continue;
    }
    Believe(*target, {ballot}, 1, now);
    Vantage& v = vantages_.At(ballot.sensor);
    if (v.record.state == SensorState::kIsolated && v.connected) {
      SetSensorState(ballot.sensor, SensorState::kConnected, "", now);
      NoLongerCutOff(v.record.name, now);
    }
  }
}

void Engine::CheckHost(VantageId id, Moment now) {
  const Vantage& v = vantages_.At(id);
  if (!Uses(Part::kHostChecks) || !v.record.address || v.record.address->IsNeverRemote()) {
    return;  // on the collector's own host
  }
  const IpAddress& host = *v.record.address;
  const bool silent = silent_.contains(id);
  std::vector<VantageId> asked =
      vantages_.Choose(host.family(), now.mono, kHostAskers + 1, {}, ++turn_);
  std::erase(asked, id);
  asked.resize(std::min(asked.size(), silent ? kHostAskers : 1));
  if (asked.empty()) {
    return;
  }
  Charge(Claim::kWatch);
  Start(RoundKind::kHost, host, std::move(asked), kHostTries, now, id);
  if (silent) {
    WantControls(now);
  }
}

// Who accuses a host must be able to reach something else: perhaps it is the accusers (and the
// collector beside them) who are cut off.
void Engine::WantControls(Moment now) {
  for (Target* target : Controls(std::nullopt, kControls)) {
    Want(urgent_, *target, now.mono, now.mono, {}, Width::kAll);
  }
}

std::vector<Target*> Engine::Controls(std::optional<VantageId> by, size_t most, Controlled which) {
  std::vector<Target*> best;
  const auto willing = [](const Target* t) {
    return t->Answers(ProbeMethod::kIcmpEcho) && t->Answers(ProbeMethod::kTcpSyn);
  };
  const auto before = [&](const Target* a, const Target* b) {
    if (willing(a) != willing(b)) {
      return willing(a);
    }
    return a->record.last_seen != b->record.last_seen ? a->record.last_seen > b->record.last_seen
                                                      : a->record.address < b->record.address;
  };
  for (const IpAddress& address : (by ? vantages_.At(*by).reached : reached_).targets()) {
    Target* target = targets_.Find(address);
    if (target == nullptr) {
      continue;
    }
    const bool fits = which == Controlled::kHealthy ? target->record.verdict == Verdict::kHealthy
                                                    : !(by && target->DownFrom(*by));
    if (fits) {
      best.insert(std::upper_bound(best.begin(), best.end(), target, before), target);
      best.resize(std::min(best.size(), most));
    }
  }
  return best;
}

std::array<bool, 2> Engine::TellingOfHost(VantageId sensor, VantageId host, Family family,
                                          MonoTime now) const {
  const Vantage& v = vantages_.At(host);
  return {v.host_answers[0] && vantages_.MethodWorks(sensor, ProbeMethod::kIcmpEcho, family, now),
          v.host_answers[1] && vantages_.MethodWorks(sensor, ProbeMethod::kTcpSyn, family, now)};
}

void Engine::FinishHost(const Round& round, Moment now) {
  Vantage& host = vantages_.At(*round.about);
  bool answered = false;
  unsigned misses = 0;
  std::vector<SensorName> accusers;
  const auto silent = silent_.find(*round.about);
  for (const auto& [sensor, report] : round.reports) {
    if (!vantages_.Eligible(sensor, round.target.family(), now.mono)) {
      continue;
    }
    // A host of this campus says nothing about the way out: its answer proves no method.
    const Ballot ballot = ReadReport(
        sensor, report, TellingOfHost(sensor, *round.about, round.target.family(), now.mono), true);
    if (ballot.answered) {
      answered = true;
      host.host_answers[static_cast<size_t>(ballot.answered_by)] = true;
    } else if (silent != silent_.end() && ballot.misses >= 2) {
      const auto& proof = vantages_.At(sensor).answered_at;
      if (proof && *proof > silent->second.since) {
        misses += ballot.misses;
        accusers.push_back(vantages_.Name(sensor));
      }
    }
  }
  if (silent == silent_.end()) {
    return;
  }
  if (answered) {
    silent->second.missed_rounds = 0;
    silent->second.ask_at = now.mono + kAskAgainEvery;
    if (host.record.state == SensorState::kIsolated) {
      NoLongerCutOff(host.record.name, now);
    }
    SetSensorState(*round.about, SensorState::kLost, "unheard, but its host answers", now);
  } else if (misses >= kMissesPerRound &&
             ++silent->second.missed_rounds >= kMissedRoundsToIsolate) {
    silent->second.ask_at = now.mono + kAskAgainEvery;
    Isolate(*round.about,
            fmt::format("unheard, and {} of the other sensors cannot reach its host {}",
                        accusers.size(), round.target.ToString()),
            now);
  }
}

void Engine::Isolate(VantageId id, const std::string& evidence, Moment now) {
  Vantage& v = vantages_.At(id);
  const Duration ago = now.mono - v.last_heard > options_.lost_after
                           ? now.mono - v.last_heard
                           : now.mono - v.gateway_down_since.value_or(now.mono);
  SetSensorState(id, SensorState::kIsolated, evidence, now);
  const std::string group = Uses(Part::kCutOff) ? v.record.group : std::string();
  TellCutOff(cut_off_.Add(v.record.name, group, evidence, now + -ago, now), now);
}

void Engine::NoLongerCutOff(const SensorName& sensor, Moment now) {
  if (const auto trouble = cut_off_.Remove(sensor)) {
    if (trouble->sensors.empty()) {
      incidents_.Over(Verdict::kSensorIsolated, trouble->about);
    } else {
      TellCutOff(*trouble, now);
    }
  }
}

void Engine::TellCutOff(const CutOff::Trouble& trouble, Moment now) {
  Condition condition;
  condition.verdict = Verdict::kSensorIsolated;
  condition.about = trouble.about;
  condition.since = trouble.since;
  for (const auto& [sensor, why] : trouble.sensors) {
    condition.failing.push_back(sensor);
    // What another life of the collector knew stands in the incident.
    if (!why.empty()) {
      condition.evidence[kVantage] = why;
    }
  }
  if (trouble.all.size() > 1) {
    condition.evidence[kCutOffTogether] = fmt::format("{}", fmt::join(trouble.all, ", "));
  }
  incidents_.Holds(condition, now);
}

void Engine::SetSensorState(VantageId id, SensorState state, const std::string& problem,
                            Moment now) {
  Vantage& v = vantages_.At(id);
  if (v.record.state == state && v.record.problem == problem) {
    return;
  }
  if (v.record.state != state) {
    v.state_since = now.mono;
    actions_.notes.push_back(fmt::format("sensor {} is {}{}{}", v.record.name, ToString(state),
                                         problem.empty() ? "" : ": ", problem));
  }
  v.record.state = state;
  v.record.problem = problem;
  SaveSensor(id, now);
}

void Engine::SaveSensor(VantageId id, Moment now) {
  Vantage& v = vantages_.At(id);
  v.saved_at = now.mono;
  actions_.store.emplace_back(v.record);
}

}  // namespace parallax::collector
