// Which ways are traced, and what they say about incidents. In peace a trickle of traces keeps the
// atlas; when hosts fail from some sensors and not from others, ways that fail and ways that work
// are traced at once, while the fault is there to be seen.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "collector/detect/engine.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

constexpr Duration kInvestigateEvery = 500ms;
constexpr size_t kAccusersTraced = 4;   // sensors of an incident that trace
constexpr size_t kFailingTraced = 8;    // by each of them: hosts that fail from there
constexpr size_t kPassingTraced = 4;    // and hosts that do not
constexpr size_t kWitnessesTraced = 4;  // others that trace what fails from there
constexpr size_t kDownTraced = 6;       // hosts that nobody reaches
constexpr size_t kMostPeaceful = 256;   // ways of sensors that accuse nobody, the latest
constexpr size_t kFirstOfFamily = 2;    // of those that fail, before the others
constexpr size_t kTracesPerTurn = 2;    // of one sensor, every kInvestigateEvery
constexpr size_t kManyTraces = 1'000;   // of late
constexpr Duration kTraceAgain = 5min;
constexpr Duration kEarlier = 2min;
constexpr Duration kPassingFound = 10s;
// What a trace costs, and how many probes of that kind a target may see in an hour of peace.
constexpr double kProbesPerTrace = 12;
constexpr double kPeaceProbesPerTargetHour = 2;
constexpr double kMostPeaceTraces = 4;
// So many ways from each sensor are wanted soon.
constexpr size_t kFirstWays = 3;

// Each family has routers of its own: some hosts of each come first.
std::vector<const Target*> SomeOfEachFamily(std::vector<const Target*> targets) {
  std::array<size_t, 2> first{};
  std::stable_partition(targets.begin(), targets.end(), [&](const Target* target) {
    return first[FamilyIndex(target->record.address.family())]++ < kFirstOfFamily;
  });
  return targets;
}

}  // namespace

ProbeTry Engine::TracedBy(VantageId sensor, const Target& target, MonoTime now) const {
  const std::array<bool, 2> telling = Telling(sensor, target, now);
  const bool icmp = telling[0] || (!telling[1] && target.Answers(ProbeMethod::kIcmpEcho));
  return icmp ? ProbeTry{ProbeMethod::kIcmpEcho, 0, 0}
              : ProbeTry{ProbeMethod::kTcpSyn, options_.probe_tcp_port, 0};
}

bool Engine::Trace(VantageId sensor, const Target& target, Moment now, Duration not_within) {
  const IpAddress& address = target.record.address;
  if (!target.Answers() || !vantages_.Eligible(sensor, address.family(), now.mono)) {
    return false;
  }
  const auto order = paths_.Ask(sensor, address, TracedBy(sensor, target, now.mono), now.mono,
                                not_within, target.DownFrom(sensor));
  if (order) {
    OrdersTo(sensor).emplace_back(*order);
  }
  return order.has_value();
}

void Engine::TraceInPeace(const Target& target, VantageId sensor, Moment now) {
  if (target.record.verdict != Verdict::kHealthy) {
    return;
  }
  Vantage& v = vantages_.At(sensor);
  if (v.ways_known < kFirstWays) {
    v.ways_known += Trace(sensor, target, now, kTraceAgain) ? 1 : 0;
  } else if (peace_traces_ >= 1 && Trace(sensor, target, now, 1h)) {
    peace_traces_ -= 1;
  }
}

void Engine::OnPath(VantageId sensor, const PathReport& report, Moment now) {
  const Target* target = targets_.Find(report.target);
  if (target == nullptr) {
    return;
  }
  const SeenPath* path = paths_.Accept(sensor, report, target->DownFrom(sensor), now.mono);
  if (path == nullptr) {
    return;
  }
  NoteWay(*path);
  if (auto record = paths_.Remember(*path, vantages_.Name(sensor), now)) {
    actions_.store.emplace_back(std::move(*record));
  }
  paths_changed_ = true;
}

void Engine::Investigate(Moment now) {
  if (investigated_at_ && now.mono - *investigated_at_ < kInvestigateEvery) {
    return;
  }
  const double seconds = investigated_at_ ? ToSeconds(now.mono - *investigated_at_) : 0;
  investigated_at_ = now.mono;
  peace_traces_ = std::min(kMostPeaceTraces,
                           peace_traces_ + seconds * static_cast<double>(targets_.all().size()) *
                                               kPeaceProbesPerTargetHour / kProbesPerTrace / 3600);
  paths_.Tick(now.mono);
  incidents_.KnowHosts(targets_.all().size());
  const std::vector<IncidentView> views = incidents_.Views();
  if (views.empty()) {
    swept_for_.clear();
  }
  std::map<VantageId, size_t> traced;  // in this turn
  for (const IncidentView& view : views) {
    if (view.basis == Verdict::kRouteAnomaly) {
      TraceSplit(view, traced, now);
    } else {
      TraceDown(view, traced, now);
    }
  }
  ExplainWays(views, now);
  CheckFlows(views, now);
  WatchFloods(now);
  ConcludeWays(now);
  LookAgainAtWays(now);
  WatchOutcasts(views, now);
  WatchLoss(views, now);
  WatchPolicy(views, now);
  JudgeDirection(views, now);
  JudgeExtent(views, now);
}

void Engine::ExplainWays(const std::vector<IncidentView>& views, Moment now) {
  if (std::exchange(paths_changed_, false)) {
    for (const IncidentView& view : views) {
      if (std::find(to_explain_.begin(), to_explain_.end(), view.serial) == to_explain_.end()) {
        to_explain_.push_back(view.serial);
      }
    }
  }
  // Where many ways have to be compared, it takes its time: one incident after the other.
  size_t left = paths_.recent().size() > kManyTraces ? 1 : to_explain_.size();
  while (left > 0 && !to_explain_.empty()) {
    const auto view = std::find_if(views.begin(), views.end(), [&](const IncidentView& v) {
      return v.serial == to_explain_.front();
    });
    to_explain_.pop_front();
    if (view == views.end()) {
      continue;
    }
    --left;
    if (view->basis == Verdict::kRouteAnomaly) {
      Explanation said = ExplainPaths(*view, PathsOf(*view)).value_or(Explanation());
      for (const Suspect& place : said.places) {
        if (const auto router = IpAddress::Parse(place.from)) {
          said.onward.merge(paths_.Next(*router));
        }
      }
      AddWitness(*view, said, now);
      said.settles = Uses(Part::kLoopsSettle) && Settles(*view);
      incidents_.Explain(view->serial, said);
    } else if (const auto said = ExplainPaths(*view, PathsOf(*view))) {
      incidents_.Explain(view->serial, *said);
    }
  }
}

void Engine::TraceSome(VantageId sensor, const std::vector<const Target*>& targets, size_t most,
                       MonoTime since, std::map<VantageId, size_t>& traced, Moment now) {
  // What an earlier trouble showed says nothing about this one.
  const Duration within = std::min<Duration>(kTraceAgain, now.mono - since);
  size_t known = 0;
  for (const Target* target : targets) {
    if (known >= most) {
      break;
    }
    if (paths_.IsKnown(sensor, target->record.address, now.mono, within)) {
      ++known;
    } else if (traced[sensor] < kTracesPerTurn && Trace(sensor, *target, now, within)) {
      ++traced[sensor];
      ++known;
    }
  }
}

std::vector<const Target*> Engine::PassingFrom(VantageId sensor, Moment now) {
  Passing& passing = passing_[sensor];
  if (passing.found == MonoTime{} || now.mono - passing.found > kPassingFound) {
    passing.found = now.mono;
    passing.targets.clear();
    for (const Target* target : Controls(sensor, 2 * kPassingTraced)) {
      passing.targets.push_back(target->record.address);
    }
  }
  std::vector<const Target*> targets;
  for (const IpAddress& address : passing.targets) {
    const Target* target = targets_.Find(address);
    if (target != nullptr && target->record.verdict == Verdict::kHealthy) {
      targets.push_back(target);
    }
  }
  return targets;
}

std::map<VantageId, std::vector<const Target*>> Engine::FailingBySensor(const IncidentView& view) {
  std::map<VantageId, std::vector<const Target*>> failing;
  for (const bool unreached : {true, false}) {
    for (const IncidentView::Member& member : view.members) {
      const Target* target = targets_.Find(member.target);
      if (target == nullptr || member.reaching.empty() != unreached) {
        continue;
      }
      for (const VantageId id : Ids(member.failing)) {
        failing[id].push_back(target);
      }
    }
  }
  return failing;
}

void Engine::TraceSplit(const IncidentView& view, std::map<VantageId, size_t>& traced, Moment now) {
  size_t accusers = 0;
  for (const auto& [sensor, targets] : FailingBySensor(view)) {
    if (accusers++ >= kAccusersTraced) {
      break;
    }
    TraceSome(sensor, SomeOfEachFamily(targets), kFailingTraced, view.started, traced, now);
    TraceSome(sensor, PassingFrom(sensor, now), kPassingTraced, view.started, traced, now);
  }
  std::map<VantageId, std::vector<const Target*>> reaching;
  for (const IncidentView::Member& member : view.members) {
    if (const Target* target = targets_.Find(member.target)) {
      for (const VantageId id : Ids(member.reaching)) {
        reaching[id].push_back(target);
      }
    }
  }
  size_t witnesses = 0;
  for (const auto& [sensor, targets] : reaching) {
    if (witnesses++ >= kWitnessesTraced) {
      break;
    }
    TraceSome(sensor, targets, kPassingTraced, view.started, traced, now);
  }
}

void Engine::TraceDown(const IncidentView& view, std::map<VantageId, size_t>& traced, Moment now) {
  for (const auto& [sensor, targets] : FailingBySensor(view)) {
    TraceSome(sensor, targets, kDownTraced, view.started - kEarlier, traced, now);
  }
}

// Most ways that fail go round, and only by routers that other ways pass on their way out. By a
// stranger they would not settle.
bool Engine::Settles(const IncidentView& view) const {
  size_t failing = 0;
  std::vector<const SeenPath*> loops;
  for (const SeenPath& seen : paths_.recent()) {
    const auto ours = [&] {
      return std::any_of(view.members.begin(), view.members.end(),
                         [&](const auto& member) { return member.target == seen.target; });
    };
    if (seen.failing && seen.seen >= view.started && ours()) {
      ++failing;
      if (seen.end == TraceEnd::kLoop) {
        loops.push_back(&seen);
      }
    }
  }
  if (2 * loops.size() <= failing) {
    return false;
  }
  std::set<IpAddress> known;
  for (const SeenPath& seen : paths_.recent()) {
    const PathHops* before = paths_.Before(seen.sensor, seen.target);
    for (const PathHops* way : {seen.reached ? &seen.hops : nullptr, before}) {
      for (size_t i = 0; way != nullptr && i < way->size(); ++i) {
        known.insert((*way)[i].begin(), (*way)[i].end());
      }
    }
  }
  const auto by_known = [&](const SeenPath* loop) {
    return std::all_of(loop->hops.begin(), loop->hops.end(), [&](const auto& routers) {
      return routers.empty() || known.contains(routers.front());
    });
  };
  return 2 * static_cast<size_t>(std::count_if(loops.begin(), loops.end(), by_known)) > failing;
}

IncidentBook::WayEnds Engine::EndsOf(const IpAddress& target) const {
  IncidentBook::WayEnds ends;
  for (const SeenPath& seen : paths_.recent()) {
    if (seen.target != target || !seen.failing || seen.hops.empty() || !last_tick_ ||
        *last_tick_ - seen.seen > kTraceAgain) {
      continue;
    }
    std::pair<std::string, std::string> end;
    for (const auto& routers : seen.hops) {
      if (!routers.empty()) {
        end = {end.second, routers.front().ToString()};
      }
    }
    ends.push_back(std::move(end));
  }
  return ends;
}

std::vector<ObservedPath> Engine::PathsOf(const IncidentView& view) const {
  std::map<IpAddress, std::set<SensorName>> failing;
  for (const IncidentView::Member& member : view.members) {
    failing[member.target].insert(member.failing.begin(), member.failing.end());
  }
  const std::set<VantageId> accusers = AccusersIn(view);
  // Where there are many targets, peace goes on elsewhere and traces more than anybody needs.
  const auto is_peace = [&](const SeenPath& seen) {
    return seen.reached && seen.seen >= view.started && !accusers.contains(seen.sensor);
  };
  auto peaceful =
      static_cast<size_t>(std::count_if(paths_.recent().begin(), paths_.recent().end(), is_peace));
  std::vector<ObservedPath> paths;
  const auto observed = [&](const SeenPath& seen) -> ObservedPath& {
    ObservedPath& path = paths.emplace_back();
    path.sensor = vantages_.Name(seen.sensor);
    path.group = vantages_.At(seen.sensor).record.group;
    path.target = seen.target;
    return path;
  };
  for (const SeenPath& seen : paths_.recent()) {
    // How it was from there in peace, whomever it led to.
    if (Uses(Part::kPathsOfPeace) && seen.reached && seen.seen < view.started &&
        accusers.contains(seen.sensor)) {
      observed(seen).before = Hops(seen.hops);
      continue;
    }
    // What is down was, a little earlier, a victim of some split.
    const bool earlier = !seen.reached && view.basis == Verdict::kTargetDown;
    if (seen.seen < view.started - (earlier ? kEarlier : 0s)) {
      continue;
    }
    if (is_peace(seen) && peaceful-- > kMostPeaceful) {
      continue;
    }
    const SensorName& name = vantages_.Name(seen.sensor);
    const auto member = failing.find(seen.target);
    const bool ours = member != failing.end() && member->second.contains(name);
    if (!seen.reached && !(ours && seen.failing)) {
      continue;  // it fails for another reason, or nobody knows
    }
    ObservedPath& path = observed(seen);
    path.failing = !seen.reached;
    path.reached = seen.reached;
    path.circles = seen.end == TraceEnd::kLoop;
    path.hops = Hops(seen.hops);
    if (path.hops.empty()) {
      path.hops.emplace_back();  // traced, and not even the first router answers for this host
    }
    const bool compared = path.failing && Uses(Part::kPathsOfPeace);
    if (const PathHops* before = compared ? paths_.Before(seen.sensor, seen.target) : nullptr) {
      path.before = Hops(*before);
    }
  }
  return paths;
}

}  // namespace parallax::collector
