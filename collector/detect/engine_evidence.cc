// What a round of probes to a target says: of each sensor, which is believed once the evidence is
// enough; and of the target, which is accused, cleared or looked at again.
#include <algorithm>
#include <iterator>

#include "collector/detect/engine.h"

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

}  // namespace

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
  if (!Uses(Part::kLearntLoss)) {
    return kLeastLoss;
  }
  double loss = vantages_.At(sensor).Loss();
  for (const auto& [id, trouble] : loss_troubles_) {
    if (id == sensor || trouble.losing.contains(vantages_.Name(sensor))) {
      loss = std::max(loss, std::min(trouble.worst, kMostLoss));
    }
  }
  return loss;
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

}  // namespace parallax::collector
