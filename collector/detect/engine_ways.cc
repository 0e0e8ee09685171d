// Hosts that answer nobody. Most clients of a campus are of that kind: behind a translator or a
// firewall that drops what they did not ask for. Their silence says nothing, but the ways to them
// do: traces from several sensors end at the same place, the last router before the host that
// answers. A sensor whose trace ends inside the campus, and does not come by that place, cannot
// reach it. Looked at on a trigger only, and again while it is a member of an incident.
#include <algorithm>

#include "collector/detect/engine.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

constexpr size_t kVantages = 4;
constexpr size_t kMostLooks = 24;  // at a time
constexpr Duration kPatience = 12s;
constexpr Duration kSecondLook = 1s;
// A trace asks silent hops twice.
constexpr unsigned kMissesPerLook = 2;
constexpr size_t kFewestThatAgree = 2;
constexpr size_t kWaysToKnow = 3;
constexpr size_t kFewestStuck = 3;
constexpr Duration kStuckLately = 90s;

std::optional<IpAddress> EndOf(const PathHops& hops) {
  for (auto hop = hops.rbegin(); hop != hops.rend(); ++hop) {
    if (!hop->empty()) {
      return hop->front();
    }
  }
  return std::nullopt;
}

bool ComesBy(const PathHops& hops, const IpAddress& place) {
  return std::any_of(hops.begin(), hops.end(), [&](const auto& routers) {
    return std::find(routers.begin(), routers.end(), place) != routers.end();
  });
}

// Where two or more ways end; of several such places, where most do.
std::optional<IpAddress> WhereMostEnd(const std::map<VantageId, PathHops>& ways) {
  std::map<IpAddress, size_t> votes;
  for (const auto& [sensor, hops] : ways) {
    if (const auto end = EndOf(hops)) {
      ++votes[*end];
    }
  }
  std::optional<IpAddress> best;
  for (const auto& [place, count] : votes) {
    if (count >= kFewestThatAgree && (!best || count > votes.at(*best))) {
      best = place;
    }
  }
  return best;
}

}  // namespace

bool Engine::LookAtWays(Target& target, const std::vector<VantageId>& must, Moment now) {
  const IpAddress& address = target.record.address;
  if (way_looks_.size() >= kMostLooks || way_looks_.contains(address)) {
    return false;
  }
  const std::vector<VantageId> asked =
      vantages_.Choose(address.family(), now.mono, kVantages, must, ++turn_);
  if (asked.size() <= kFewestThatAgree) {
    return false;  // two cannot outvote a third
  }
  WayLook look;
  look.began = now.mono;
  for (const VantageId sensor : asked) {
    if (const auto order =
            paths_.Ask(sensor, address, {ProbeMethod::kIcmpEcho, 0, 0}, now.mono, 0s)) {
      OrdersTo(sensor).emplace_back(*order);
      look.asked.insert(sensor);
    }
  }
  if (!look.asked.empty()) {
    way_looks_.emplace(address, std::move(look));
  }
  return true;
}

void Engine::NoteWay(const SeenPath& path) {
  const auto it = way_looks_.find(path.target);
  if (it != way_looks_.end() && it->second.asked.contains(path.sensor)) {
    it->second.ways[path.sensor] = path.hops;
    it->second.reached |= path.reached;
  }
}

void Engine::ConcludeWays(Moment now) {
  std::vector<std::pair<IpAddress, WayLook>> finished;
  for (auto it = way_looks_.begin(); it != way_looks_.end();) {
    const bool complete = it->second.ways.size() == it->second.asked.size();
    if (complete || now.mono - it->second.began > kPatience) {
      finished.emplace_back(it->first, std::move(it->second));
      it = way_looks_.erase(it);
    } else {
      ++it;
    }
  }
  for (const auto& [address, look] : finished) {
    if (Target* target = targets_.Find(address); target != nullptr && !look.reached) {
      JudgeWays(*target, look, now);
    }
  }
}

void Engine::JudgeWays(Target& target, const WayLook& look, Moment now) {
  const auto place = WhereMostEnd(look.ways);
  if (!place || (IsInside(*place) && !paths_.IsExit(*place))) {
    return;
  }
  Opinion opinion;
  for (const auto& [sensor, hops] : look.ways) {
    if (!vantages_.Eligible(sensor, target.record.address.family(), now.mono)) {
      continue;
    }
    Cell& cell = target.CellOf(sensor);
    const CellState before = cell.state();
    const auto end = EndOf(hops);
    if (ComesBy(hops, *place)) {
      cell.Led();
      opinion.reaching.push_back(sensor);
      opinion.undecided |= cell.down();
    } else if (end && (cell.down() || IsStuck(target, sensor, now)) &&
               EndsTooSoon(target, sensor, *end, *place, look, now)) {
      cell.Missed(kMissesPerLook, MissWeight(LossOf(sensor)));
      if (cell.down()) {
        opinion.failing.push_back(sensor);
      } else {
        opinion.undecided = true;
      }
    }
    if (cell.state() != before) {
      actions_.store.emplace_back(CellRecord{vantages_.Name(sensor), target.record.address,
                                             cell.state(), now.wall, cell.rtt()});
    }
  }
  if (!opinion.failing.empty() && !opinion.reaching.empty()) {
    const bool news = target.record.verdict != Verdict::kRouteAnomaly;
    target.record.verdict = Verdict::kRouteAnomaly;
    Accuse(target, opinion, look.began, now);
    if (news) {
      WantSweep(opinion.failing);
    }
  } else if (!opinion.undecided && !opinion.reaching.empty()) {
    target.record.verdict = Verdict::kHealthy;
    incidents_.Cleared(target.record.address, now);
  }
  target.record.checked_at = now.wall;
  SaveTarget(target);
  if (opinion.undecided) {
    ways_wanted_.emplace(target.record.address, now.mono + kSecondLook);
  }
}

// It ends inside, where ways go on; or off all ways that are known. Where others' packets go on, it
// is only the answers from there that are missing; where others' ways end that are in no trouble,
// or those to hosts that answer, the place says nothing. And a router beyond may keep silent, and
// the connection be in trouble by chance: not so with several hosts at once.
bool Engine::EndsTooSoon(const Target& target, VantageId sensor, const IpAddress& end,
                         const IpAddress& place, const WayLook& look, Moment now) {
  Vantage& v = vantages_.At(sensor);
  if (!IsInside(end) || paths_.IsExit(end) ||
      (!paths_.IsPassed(end) && v.ways_known < kWaysToKnow)) {
    return false;
  }
  for (const auto& [other, hops] : look.ways) {
    if (other != sensor && ComesBy(hops, end) &&
        (ComesBy(hops, place) || !IsStuck(target, other, now))) {
      return false;
    }
  }
  v.ended_soon[target.record.address] = now.mono;
  std::erase_if(v.ended_soon,
                [&](const auto& entry) { return now.mono - entry.second > kStuckLately; });
  return v.ended_soon.size() >= kFewestStuck;
}

// Its connections there come to nothing, too: routers may keep silent for reasons of their own.
bool Engine::IsStuck(const Target& target, VantageId sensor, Moment now) {
  const auto it = target.arrivals.find(sensor);
  return it != target.arrivals.end() && it->second.stuck &&
         now.mono - *it->second.stuck < kStuckLately;
}

void Engine::LookAgainAtWays(Moment now) {
  if (!Uses(Part::kWays)) {
    ways_wanted_.clear();
  }
  for (auto it = ways_wanted_.begin(); it != ways_wanted_.end();) {
    Target* target = targets_.Find(it->first);
    if (target != nullptr && now.mono < it->second) {
      ++it;
      continue;
    }
    std::vector<VantageId> must;
    if (target != nullptr) {
      for (const auto& [sensor, cell] : target->cells) {
        if (cell.missing() || cell.down()) {
          must.push_back(sensor);
        }
      }
      std::sort(must.begin(), must.end());
      for (const auto& [sensor, half_open] : target->half_open) {
        must.insert(must.begin(), sensor);
      }
      must.resize(std::min(must.size(), kVantages / 2));
    }
    if (target == nullptr || LookAtWays(*target, must, now)) {
      it = ways_wanted_.erase(it);
    } else {
      ++it;
    }
  }
}

bool Engine::IsInside(const IpAddress& address) const {
  static const PrefixSet kPrivate({*Prefix::Parse("10.0.0.0/8"), *Prefix::Parse("172.16.0.0/12"),
                                   *Prefix::Parse("192.168.0.0/16"),
                                   *Prefix::Parse("100.64.0.0/10"), *Prefix::Parse("fc00::/7"),
                                   *Prefix::Parse("fe80::/10")});
  if (kPrivate.Contains(address) || options_.targets.local_networks.Contains(address)) {
    return true;
  }
  for (VantageId id = 0; id < vantages_.size(); ++id) {
    const auto& local = vantages_.At(id).record.local_networks;
    if (std::any_of(local.begin(), local.end(),
                    [&](const Prefix& prefix) { return prefix.Contains(address); })) {
      return true;
    }
  }
  return false;
}

}  // namespace parallax::collector
