// What attempts give rise to: targets, triggers, and evidence about a sensor's probes.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "collector/detect/engine.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

constexpr Duration kFirstTriggerGap = 8s;
constexpr Duration kLongestTriggerGap = 15min;
constexpr int kTriggersAreOdd = 4;  // gaps without a trigger after which it is no habit
// A completed attempt that is told later than this speaks of the past.
constexpr Duration kFreshAttempt = 10s;
constexpr Duration kAround = 2min;
constexpr Duration kSaveSeenEvery = 60s;
constexpr uint32_t kArrivalsRemembered = 64;

}  // namespace

void Engine::OnAttempt(VantageId sensor, const Attempt& attempt, Moment now) {
  const IpAddress& client = attempt.client.address;
  if (vantages_.IsSensorAddress(client)) {
    return;
  }
  const bool troubled = attempt.outcome == AttemptOutcome::kHalfOpen ||
                        attempt.outcome == AttemptOutcome::kUnanswered;
  if (troubled && attempt.syns >= 2) {
    vantages_.At(sensor).troubled_at = now.mono;
  }
  Target* target = targets_.Find(client);
  if (target == nullptr) {
    const auto earned = TargetTable::Earned(attempt);
    if (!earned || !targets_.Allowed(client) || !vantages_.At(sensor).earnings.TakeOne(now.mono) ||
        (target = targets_.Earn(client, *earned, now)) == nullptr) {
      return;
    }
    SaveTarget(*target);
    target->trickles = Scatter(++turn_);
    // Hosts come in crowds; their baselines should not.
    target->next_check =
        now.mono + options_.baseline_interval / 4 +
        options_.baseline_interval / 64 * static_cast<int64_t>(target->trickles % 64);
    trickle_.emplace(*target->next_check, client);
    if (!troubled) {
      Want(patient_, *target, now.mono, now.mono, {}, Width::kFew);
    }
  }
  target->record.last_seen = now.wall;
  target->MakeRoomFor(sensor);
  if (attempt.outcome == AttemptOutcome::kPending) {
    NoteArrival(*target, sensor, now.mono - attempt.age);
  }
  if (now.wall - target->saved_seen > kSaveSeenEvery) {
    SaveTarget(*target);
  }
  const bool stuck = attempt.outcome == AttemptOutcome::kHalfOpen;
  if (attempt.sampling == 1 && (stuck || attempt.outcome == AttemptOutcome::kCompleted) &&
      target->record.verdict == Verdict::kHealthy) {
    vantages_.At(sensor).connection_watch[FamilyIndex(client.family())].Note(stuck ? 1 : 0,
                                                                             now.mono);
  }
  if (stuck) {
    ++vantages_.At(sensor).half_open;
    const bool repeated = attempt.syns >= 2;
    if (incidents_.IsFailing(client, Verdict::kRouteAnomaly)) {
      incidents_.HalfOpen(client, vantages_.Name(sensor), repeated);
    } else {
      target->half_open[sensor] = {now.mono, repeated};  // in case it becomes one
    }
  }
  if (troubled) {
    target->arrivals[sensor].stuck = now.mono;
    Trigger(*target, sensor, now);
    target->completed.erase(sensor);
  } else if (attempt.outcome == AttemptOutcome::kCompleted && attempt.sampling == 1 &&
             attempt.age < kFreshAttempt) {  // of many alike in a flood, it may be forged
    target->arrivals[sensor].completed = true;
    target->arrivals[sensor].stuck.reset();
    if (Uses(Part::kCompletions) &&
        incidents_.Completed(client, vantages_.Name(sensor), now.mono - attempt.age)) {
      Discredit(sensor, client.family(), now);
    }
    BelieveCompletion(*target, sensor, now.mono - attempt.age, now);
  }
}

void Engine::NoteArrival(Target& target, VantageId sensor, MonoTime began) {
  Target::Arrivals& arrivals = target.arrivals[sensor];
  if (arrivals.count == 0) {
    arrivals.first = began;
  }
  arrivals.last = std::max(arrivals.last, began);
  if (++arrivals.count >= kArrivalsRemembered) {
    // Halved, the rate stays what it is.
    arrivals.first += (began - arrivals.first) / 2;
    arrivals.count /= 2;
  }
}

void Engine::BelieveCompletion(Target& target, VantageId sensor, MonoTime began, Moment now) {
  const auto [last, is_first] = target.completed.try_emplace(sensor, began);
  const MonoTime before = std::exchange(last->second, began);
  const auto it = target.cells.find(sensor);
  if (!Uses(Part::kCompletions) || it == target.cells.end() || !it->second.missing() ||
      !target.asked_at || began <= *target.asked_at) {
    return;
  }
  // Connections before and after rounds that missed it, and no trouble between: both ways work for
  // this very host, and what stops our probes is a filter. Once may be that the way is open again.
  const bool around = !is_first && before < *target.asked_at && began - before < kAround;
  if (around && it->second.CompletedAround() &&
      vantages_.NoteUnprobed(sensor, target.record.address)) {
    Discredit(sensor, target.record.address.family(), now);
  } else if (!target.Answers() && it->second.down()) {
    // For a host that answers no probe, a router's "unreachable" may have been all there was to
    // believe, and only its own connections can say that this is over.
    it->second.Completed();
    if (!it->second.down()) {
      TakeBack(target, sensor, now);
    }
  }
}

void Engine::Discredit(VantageId sensor, Family family, Moment now) {
  actions_.notes.push_back(
      fmt::format("sensor {}: connections complete there, but no {} probe gets out: filtered",
                  vantages_.Name(sensor), family == Family::kV4 ? "IPv4" : "IPv6"));
  vantages_.NoProbeGetsOut(sensor, family);
  for (auto& [address, target] : targets_.all()) {
    const auto it = target.cells.find(sensor);
    if (address.family() == family && it != target.cells.end() && it->second.missing()) {
      it->second = Cell();
      it->second.Prohibited();
      TakeBack(target, sensor, now);
    }
  }
}

void Engine::TakeBack(Target& target, VantageId sensor, Moment now) {
  const Cell& cell = target.cells.find(sensor)->second;  // it is there: it was down
  actions_.store.emplace_back(CellRecord{vantages_.Name(sensor), target.record.address,
                                         cell.state(), now.wall, cell.rtt()});
  if (std::none_of(target.cells.begin(), target.cells.end(),
                   [](const auto& entry) { return entry.second.down(); })) {
    if (target.record.verdict != Verdict::kHealthy) {
      target.record.verdict = Verdict::kUnknown;
    }
    incidents_.Cleared(target.record.address, now);
    SaveTarget(target);
  }
}

void Engine::Trigger(Target& target, VantageId accuser, Moment now) {
  if (!Uses(Part::kTriggers) || target.urgent.queued ||
      incidents_.IsFailing(target.record.address, Verdict::kRouteAnomaly)) {
    return;  // looked at anyhow
  }
  const Duration gap = std::max<Duration>(target.trigger_gap, kFirstTriggerGap);
  const bool habit = target.triggered_at && now.mono - *target.triggered_at < gap * kTriggersAreOdd;
  target.trigger_gap = habit ? std::min<Duration>(gap * 2, kLongestTriggerGap) : kFirstTriggerGap;
  target.triggered_at = now.mono;
  const MonoTime due =
      target.compared_at ? std::max(now.mono, *target.compared_at + gap) : now.mono;
  if (!target.Answers() && target.compared_at) {
    ways_wanted_.emplace(target.record.address, due);
  }
  Want(urgent_, target, now.mono, due, {accuser}, Width::kFew);
}

}  // namespace parallax::collector
