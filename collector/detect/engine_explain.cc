// What else can be said about an incident: whether whole hosts, flows or single packets fail, which
// way fails, and whether it is the border.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "collector/detect/engine.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

constexpr size_t kFlowChecks = 3;   // hosts of an incident whose flows are looked at
constexpr size_t kFlowRounds = 3;   // times that each flow is asked
constexpr uint16_t kFirstFlow = 1;  // 0 is what all other probes use
constexpr uint16_t kFlows = 8;      // a split in two is seen with 99.2 %
constexpr Duration kFlowSpacing = 250ms;
constexpr size_t kMostFlowLooks = 64;
// At this rate of arrivals, none is no chance: e^-9.2 = 1e-4.
constexpr double kExpectedToMiss = 9.2;
constexpr double kFewHeard = 0.1;
constexpr uint32_t kFewestArrivals = 3;
constexpr double kBorderShare = 0.3;
constexpr double kNearlyAll = 0.9;
constexpr size_t kBorderPrefixes = 5;
constexpr size_t kBorderTargets = 10;
// In the evening every third one goes home within an hour; at this rate it is no news. What happens
// more seldom than the other by chance is.
constexpr double kLeaveInAnHour = 0.4;
constexpr double kLeaveByChance = 1e-4;
constexpr Duration kActive = 15min;
constexpr size_t kCountedAtATime = 5'000;

// Hosts that may have gone silent at one moment: the most between whose last answers and first
// silence there is one. `within`: how long that was for them, on average.
struct Together {
  size_t hosts = 0;
  Duration within{};
};
Together GoneTogether(const std::vector<IncidentView::Member>& members) {
  Together best;
  for (const IncidentView::Member& moment : members) {
    Together now;
    for (const IncidentView::Member& member : members) {
      if (member.answered <= moment.answered && moment.answered <= member.since) {
        ++now.hosts;
        now.within += member.since - member.answered;
      }
    }
    if (now.hosts > best.hosts) {
      best = {now.hosts, now.within / static_cast<int64_t>(now.hosts)};
    }
  }
  return best;
}

Prefix NetworkOf(const IpAddress& address) { return Prefix(address, address.is_v4() ? 24 : 48); }

}  // namespace

void Engine::CheckFlows(const std::vector<IncidentView>& views, Moment now) {
  std::set<uint64_t> live;
  for (const IncidentView& view : views) {
    live.insert(view.serial);
    if (!Uses(Part::kFlows) || view.basis != Verdict::kRouteAnomaly ||
        (view.failing < 2 && !view.open) ||
        (flow_looks_.size() >= kMostFlowLooks && !flow_looks_.contains(view.serial))) {
      continue;
    }
    std::vector<FlowLook>& looks = flow_looks_[view.serial];
    for (const IncidentView::Member& member : view.members) {
      if (looks.size() >= kFlowChecks) {
        break;
      }
      const auto ids = Ids(member.failing);
      const bool has = std::any_of(looks.begin(), looks.end(), [&](const FlowLook& look) {
        return look.target == member.target;
      });
      if (!has && !ids.empty()) {
        const VantageId sensor = ids[looks.size() % ids.size()];
        if (const Target* target = targets_.Find(member.target)) {
          // Routers hash ports where there are some; of an echo request many look at the addresses
          // alone, and all its flows take one way.
          const bool tcp =
              target->Answers(ProbeMethod::kTcpSyn) &&
              vantages_.MethodWorks(sensor, ProbeMethod::kTcpSyn, member.target.family(), now.mono);
          const ProbeTry attempt = tcp ? ProbeTry{ProbeMethod::kTcpSyn, options_.probe_tcp_port, 0}
                                       : TracedBy(sensor, *target, now.mono);
          looks.push_back({member.target, sensor, attempt, 0, 0, 0, 0, 0, {}});
        }
      }
    }
    for (FlowLook& look : looks) {
      if (look.round == 0 && look.done < kFlowRounds) {
        AskFlows(look, now);
      }
    }
  }
  std::erase_if(flow_looks_, [&](const auto& entry) { return !live.contains(entry.first); });
}

void Engine::AskFlows(FlowLook& look, Moment now) {
  if (tokens_ < 1 || !vantages_.Eligible(look.sensor, look.target.family(), now.mono)) {
    return;
  }
  tokens_ -= 1;
  ProbeOrder order = rounds_.Open(RoundKind::kFlows, look.target, {look.sensor}, kFlows, now.mono);
  order.every = true;
  order.spacing = kFlowSpacing;
  ProbeTry attempt = look.attempt;
  for (uint16_t i = 0; i < kFlows; ++i) {
    // Another order each time, so that what comes and goes does not look bound to a flow.
    attempt.flow = static_cast<uint16_t>(kFirstFlow + (i * 3 + look.done) % kFlows);
    order.tries.push_back(attempt);
  }
  look.round = order.id;
  OrdersTo(look.sensor).emplace_back(std::move(order));
}

void Engine::FinishFlows(const Round& round) {
  for (auto& [serial, looks] : flow_looks_) {
    const auto look = std::find_if(looks.begin(), looks.end(),
                                   [&](const FlowLook& l) { return l.round == round.id; });
    if (look == looks.end()) {
      continue;
    }
    look->round = 0;
    ++look->done;
    std::vector<bool> answers;
    for (const auto& [sensor, report] : round.reports) {
      for (const ProbeTryResult& result : report.tries) {
        if (result.state == ProbeState::kNotSent || result.state == ProbeState::kRefused ||
            result.attempt.flow < kFirstFlow || result.attempt.flow >= kFirstFlow + kFlows) {
          continue;
        }
        FlowTally& tally = look->flows[result.attempt.flow];
        tally.flow = result.attempt.flow;
        ++tally.sent;
        answers.push_back(result.state == ProbeState::kAnswered);
        if (answers.back()) {
          ++tally.answered;
        }
      }
    }
    size_t changes = 0;
    for (size_t i = 1; i < answers.size(); ++i) {
      changes += answers[i] != answers[i - 1] ? 1 : 0;
    }
    if (!answers.empty() && changes <= 1) {
      ++(changes == 1 ? look->torn : answers.front() ? look->all : look->none);
    }
    ExplainSplit(serial, looks);
    return;
  }
}

void Engine::ExplainSplit(uint64_t serial, const std::vector<FlowLook>& looks) {
  std::map<FlowPattern, size_t> patterns;
  double share = 0;
  double loss = 0;
  for (const FlowLook& look : looks) {
    // What comes or goes meanwhile does so for all flows at once.
    const bool scattered = look.all + look.none + look.torn < look.done;
    const bool came_or_went = (look.all > 0 && look.none > 0) || (look.torn > 0 && !scattered);
    if (look.done < kFlowRounds || came_or_went) {
      continue;
    }
    std::vector<FlowTally> tallies;
    for (const auto& [flow, tally] : look.flows) {
      tallies.push_back(tally);
    }
    const FlowVerdict verdict = JudgeFlows(tallies);
    ++patterns[verdict.pattern];
    share += verdict.pattern == FlowPattern::kPerFlow ? verdict.share.value : 0;
    loss += verdict.pattern == FlowPattern::kPerPacket ? verdict.loss.value : 0;
  }
  const size_t per_flow = patterns[FlowPattern::kPerFlow];
  const size_t per_packet = patterns[FlowPattern::kPerPacket];
  const size_t all_down = patterns[FlowPattern::kAllDown];
  if (per_flow + per_packet + all_down == 0) {
    return;
  }
  Explanation said;
  if (per_flow > 0 && per_flow >= per_packet) {
    said.split = "per_flow";
    said.evidence["bad_flows"] =
        fmt::format("{:.0f} %", 100 * share / static_cast<double>(per_flow));
  } else if (per_packet > all_down) {
    said.split = "per_packet";
    said.evidence["loss"] = fmt::format("{:.0f} %", 100 * loss / static_cast<double>(per_packet));
    said.verdict = per_packet > 1 ? Verdict::kLossyPath : Verdict::kUnknown;
  } else {
    said.split = "per_destination";
  }
  said.evidence["flows"] =
      fmt::format("{} hosts asked over {} flows: {} lose all, {} some flows, {} single packets",
                  per_flow + per_packet + all_down, kFlows, all_down, per_flow, per_packet);
  incidents_.Explain(serial, said);
}

void Engine::JudgeDirection(const std::vector<IncidentView>& views, Moment now) {
  for (const IncidentView& view : views) {
    if (view.basis != Verdict::kRouteAnomaly || !Uses(Part::kArrivals)) {
      continue;
    }
    double expected = 0;  // connections from those that fail, had they gone on as before
    double heard = 0;
    for (const IncidentView::Member& member : view.members) {
      const Target* target = targets_.Find(member.target);
      if (target == nullptr) {
        continue;
      }
      for (const VantageId id : Ids(member.failing)) {
        const auto it = target->arrivals.find(id);
        if (it == target->arrivals.end()) {
          continue;
        }
        const Target::Arrivals& a = it->second;
        const double seen = ToSeconds(a.last - a.first);
        const double due = seen <= 0 || a.count < kFewestArrivals
                               ? 0
                               : (a.count - 1) / seen * ToSeconds(now.mono - view.started);
        expected += due;
        heard += due > 0 && a.last > view.started ? due : 0;
      }
    }
    if (expected >= kExpectedToMiss && heard < kFewHeard * expected) {
      incidents_.Explain(
          view.serial,
          {.verdict = Verdict::kUnknown,
           .suspect = {},
           .split = {},
           .direction = "inbound",
           .evidence = {{"arrivals", fmt::format("{:.0f} connections were due from them since, {} "
                                                 "came: they do not reach us",
                                                 expected, heard > 0 ? "few" : "none")}}});
    }
  }
}

// Of many targets a part is counted, another one each time: they lie about in no order.
double Engine::ActiveHosts(Moment now) {
  size_t seen = 0;
  size_t active = 0;
  const size_t all = targets_.all().size();
  targets_.Walk(active_bucket_, all / kCountedAtATime + 1, [&](const Target& target) {
    ++seen;
    active += target.Answers() && now.wall - target.record.last_seen < kActive ? 1 : 0;
  });
  return static_cast<double>(active) * static_cast<double>(all) /
         static_cast<double>(std::max<size_t>(seen, 1));
}

void Engine::JudgeExtent(const std::vector<IncidentView>& views, Moment now) {
  for (const IncidentView& view : views) {
    // Of one that is open, all that may still be found out is that it is the border.
    const bool told =
        view.verdict == Verdict::kBorderOutage || (view.open && view.failing < kBorderTargets);
    if (view.basis != Verdict::kTargetDown || told || view.members.empty()) {
      continue;
    }
    std::set<Prefix> prefixes;
    for (const IncidentView::Member& member : view.members) {
      prefixes.insert(NetworkOf(member.target));
    }
    const Together gone = GoneTogether(view.members);
    const double scale =
        static_cast<double>(view.failing) / static_cast<double>(view.members.size());
    const double together = static_cast<double>(gone.hosts) * scale;
    const double active = std::max(ActiveHosts(now), together);
    const double share = together / active;
    // Hosts that leave one by one are no outage.
    const double leave = kLeaveInAnHour * active * ToSeconds(gone.within) / ToSeconds(1h);
    Explanation said;
    said.together = PoissonTail(static_cast<size_t>(together), leave) < kLeaveByChance;
    if (Uses(Part::kBorder) && view.failing >= kBorderTargets &&
        (share >= kNearlyAll || (share >= kBorderShare && prefixes.size() > kBorderPrefixes))) {
      said.verdict = Verdict::kBorderOutage;
      said.evidence["extent"] =
          fmt::format("{:.0f} % of {:.0f} active hosts, in {} networks, went silent at once",
                      100 * share, active, prefixes.size());
    }
    incidents_.Explain(view.serial, said);
  }
}

}  // namespace parallax::collector
