// Whether an incident's hosts fail as a whole, by flow or by packet. All other probes of a sensor
// to a host are one flow (or two, of which one getting through is enough); where a branch in k is
// broken, most sensors are lucky with most hosts. So once some flows are known to fail and others
// not, the other departments are asked over several flows, too.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "collector/detect/engine.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

constexpr size_t kVictims = 3;  // of an incident that are looked at
constexpr size_t kHostsForOthers = 2;
constexpr size_t kMostOthers = 64;     // looks
constexpr std::ptrdiff_t kAtOnce = 5;  // of these at one host: 20 packets a second
constexpr Duration kFlowSpacing = 250ms;
constexpr size_t kMostChecks = 64;

}  // namespace

void Engine::CheckFlows(const std::vector<IncidentView>& views, Moment now) {
  std::set<uint64_t> live;
  std::set<VantageId> suffering;  // flows that fail beside others that do not
  for (const IncidentView& view : views) {
    live.insert(view.serial);
    const auto check = flow_checks_.find(view.serial);
    if (check != flow_checks_.end() && LosesFlows(check->second)) {
      suffering.merge(AccusersIn(view));
      suffering.insert(check->second.losing.begin(), check->second.losing.end());
    }
  }
  for (const IncidentView& view : views) {
    if (!Uses(Part::kFlows) || view.basis != Verdict::kRouteAnomaly ||
        (view.failing < 2 && !view.open) ||
        (flow_checks_.size() >= kMostChecks && !flow_checks_.contains(view.serial))) {
      continue;
    }
    FlowCheck& check = flow_checks_[view.serial];
    LookAtVictims(view, check, now);
    if (Uses(Part::kFlowsElsewhere)) {
      LookFromElsewhere(view, check, suffering, now);
    }
    for (FlowLook& look : check.victims) {
      AskFlows(look, now);
    }
    for (FlowLook& look : check.elsewhere) {
      const auto under_way = std::ranges::count_if(check.elsewhere, [&](const FlowLook& other) {
        return other.round() != 0 && other.target() == look.target();
      });
      if (under_way < kAtOnce) {
        AskFlows(look, now);
      }
    }
  }
  std::erase_if(flow_checks_, [&](const auto& entry) { return !live.contains(entry.first); });
}

bool Engine::LosesFlows(const FlowCheck& check) {
  return std::any_of(check.victims.begin(), check.victims.end(), [](const FlowLook& look) {
    const auto& verdict = look.Verdict();
    return verdict && verdict->pattern == FlowPattern::kPerFlow;
  });
}

std::set<VantageId> Engine::AccusersIn(const IncidentView& view) const {
  std::set<SensorName> names;
  for (const IncidentView::Member& member : view.members) {
    names.insert(member.failing.begin(), member.failing.end());
  }
  const std::vector<VantageId> ids = Ids({names.begin(), names.end()});
  return {ids.begin(), ids.end()};
}

void Engine::LookAtVictims(const IncidentView& view, FlowCheck& check, Moment now) {
  for (const IncidentView::Member& member : view.members) {
    const auto ids = Ids(member.failing);
    const bool has = std::any_of(check.victims.begin(), check.victims.end(),
                                 [&](const FlowLook& l) { return l.target() == member.target; });
    const Target* target = targets_.Find(member.target);
    if (check.victims.size() < kVictims && !has && !ids.empty() && target != nullptr) {
      const VantageId sensor = ids[check.victims.size() % ids.size()];
      check.victims.emplace_back(member.target, sensor, FlowTryOf(sensor, *target, now), false);
    }
  }
}

// If it is by flow: from one sensor of each other department, and from all of those in which one
// loses some. Hosts that fail as a whole, only from where another incident's do not: which router
// on the way hashes what differs from department to department.
void Engine::LookFromElsewhere(const IncidentView& view, FlowCheck& check,
                               const std::set<VantageId>& suffering, Moment now) {
  const bool by_flow = LosesFlows(check);
  if (!by_flow && suffering.empty()) {
    return;
  }
  std::set<VantageId> known = AccusersIn(view);
  known.insert(check.losing.begin(), check.losing.end());
  std::set<std::string> losing;  // departments
  for (const VantageId id : known) {
    losing.insert(vantages_.At(id).record.group);
  }
  size_t hosts = 0;
  for (const FlowLook& victim : check.victims) {
    const auto& verdict = victim.Verdict();
    const Target* target = targets_.Find(victim.target());
    if (!verdict || target == nullptr || hosts >= kHostsForOthers ||
        verdict->pattern != (by_flow ? FlowPattern::kPerFlow : FlowPattern::kAllDown)) {
      continue;
    }
    ++hosts;
    std::set<std::string> asked;  // departments
    std::set<VantageId> done = known;
    for (const FlowLook& look : check.elsewhere) {
      if (look.target() == victim.target()) {
        asked.insert(vantages_.At(look.sensor()).record.group);
        done.insert(look.sensor());
      }
    }
    for (VantageId id = 0; id < vantages_.size(); ++id) {
      const std::string& group = vantages_.At(id).record.group;
      const bool can = !done.contains(id) && check.elsewhere.size() < kMostOthers &&
                       vantages_.Eligible(id, victim.target().family(), now.mono);
      const bool worth =
          by_flow ? losing.contains(group) || !asked.contains(group) : suffering.contains(id);
      if (can && worth) {
        asked.insert(group);
        check.elsewhere.emplace_back(victim.target(), id, FlowTryOf(id, *target, now), true);
      }
    }
  }
}

// Routers hash ports where there are some; of an echo request many look at the addresses alone, and
// all its flows take one way.
ProbeTry Engine::FlowTryOf(VantageId sensor, const Target& target, Moment now) const {
  const Family family = target.record.address.family();
  const bool tcp = target.Answers(ProbeMethod::kTcpSyn) &&
                   vantages_.MethodWorks(sensor, ProbeMethod::kTcpSyn, family, now.mono);
  return tcp ? ProbeTry{ProbeMethod::kTcpSyn, options_.probe_tcp_port, 0}
             : TracedBy(sensor, target, now.mono);
}

void Engine::AskFlows(FlowLook& look, Moment now) {
  if (look.round() != 0 || look.IsDone() || tokens_ < 1 ||
      !vantages_.Eligible(look.sensor(), look.target().family(), now.mono)) {
    return;
  }
  tokens_ -= 1;
  ProbeOrder order =
      rounds_.Open(RoundKind::kFlows, look.target(), {look.sensor()}, FlowLook::kFlows, now.mono);
  order.every = true;
  order.spacing = kFlowSpacing;
  order.tries = look.Ask(order.id);
  OrdersTo(look.sensor()).emplace_back(std::move(order));
}

void Engine::FinishFlows(const Round& round) {
  const auto find = [&](std::vector<FlowLook>& looks) {
    return std::find_if(looks.begin(), looks.end(),
                        [&](const FlowLook& look) { return look.round() == round.id; });
  };
  for (auto& [serial, check] : flow_checks_) {
    if (const auto look = find(check.victims); look != check.victims.end()) {
      look->Take(round.reports);
      return ExplainSplit(serial, check.victims);
    }
    if (const auto look = find(check.elsewhere); look != check.elsewhere.end()) {
      look->Take(round.reports);
      const auto& verdict = look->Verdict();
      if (verdict && verdict->pattern == FlowPattern::kPerFlow) {
        check.losing.insert(look->sensor());
        incidents_.LosesFlows(serial, vantages_.Name(look->sensor()));
      }
      return;
    }
  }
}

void Engine::ExplainSplit(uint64_t serial, const std::vector<FlowLook>& looks) {
  std::map<FlowPattern, size_t> patterns;
  double share = 0;
  double loss = 0;
  for (const FlowLook& look : looks) {
    if (const auto& verdict = look.Verdict()) {
      ++patterns[verdict->pattern];
      share += verdict->pattern == FlowPattern::kPerFlow ? verdict->share.value : 0;
      loss += verdict->pattern == FlowPattern::kPerPacket ? verdict->loss.value : 0;
    }
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
  said.evidence["flows"] = fmt::format(
      "{} hosts asked over {} flows: {} lose all, {} some flows, {} single packets",
      per_flow + per_packet + all_down, FlowLook::kFlows, all_down, per_flow, per_packet);
  incidents_.Explain(serial, said);
}

}  // namespace parallax::collector
