// What else can be said about an incident: which way fails, and whether it is the border. (Whether
// whole hosts fail, flows or single packets: engine_flows.cc.)
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "collector/detect/engine.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

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
std::array<double, 2> Engine::ActiveHosts(Moment now) {
  size_t seen = 0;
  std::array<double, 2> active{};
  const size_t all = targets_.all().size();
  targets_.Walk(active_bucket_, all / kCountedAtATime + 1, [&](const Target& target) {
    ++seen;
    active[FamilyIndex(target.record.address.family())] +=
        target.Answers() && now.wall - target.record.last_seen < kActive ? 1 : 0;
  });
  const double scale = static_cast<double>(all) / static_cast<double>(std::max<size_t>(seen, 1));
  return {active[0] * scale, active[1] * scale};
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
    std::array<std::vector<IncidentView::Member>, 2> families;
    for (const IncidentView::Member& member : view.members) {
      prefixes.insert(NetworkOf(member.target));
      families[FamilyIndex(member.target.family())].push_back(member);
    }
    const double scale =
        static_cast<double>(view.failing) / static_cast<double>(view.members.size());
    const auto together = [&](const Together& gone) {
      return static_cast<double>(gone.hosts) * scale;
    };
    // Hosts that leave one by one are no outage.
    const auto is_chance = [&](const Together& gone, double active) {
      const double leave = kLeaveInAnHour * active * ToSeconds(gone.within) / ToSeconds(1h);
      return PoissonTail(static_cast<size_t>(together(gone)), leave) >= kLeaveByChance;
    };
    const std::array<double, 2> by_family = ActiveHosts(now);
    const Together gone = GoneTogether(view.members);
    const double active = std::max(by_family[0] + by_family[1], together(gone));
    Explanation said;
    said.together = !is_chance(gone, active);
    for (size_t family = 0; family < families.size() && !*said.together; ++family) {
      // Their routers may be others; and where few are of that family, they leave more seldom.
      const Together of_it = GoneTogether(families[family]);
      said.together = !is_chance(of_it, std::max(by_family[family], together(of_it)));
    }
    const double share = together(gone) / active;
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
