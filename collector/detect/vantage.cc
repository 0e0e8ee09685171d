#include "collector/detect/vantage.h"

#include <algorithm>
#include <map>
#include <set>

#include "collector/detect/cell.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

// A method that brought no answer from any target for this long proves nothing by silence.
constexpr Duration kMethodMemory = 10min;
// Attempts that got into trouble this lately say that there may be a fault to look for.
constexpr Duration kTroubleLately = 60s;
// Connections that complete while no probe gets through: a server zone that lets nothing out but
// replies. A router that loses some flows and not others lets some probes through as well.
constexpr unsigned kUnprobedToFilter = 8;
constexpr unsigned kContradictionsToFilter = 2;
// Three missed heartbeats: what such a sensor would say now is not known.
constexpr Duration kFresh = 7s;
// A sensor without a route for a family is not asked again at once.
constexpr Duration kNoWayFor = 30s;
// Weight of old rounds in the loss estimate: 0.998^346 = 1/2.
constexpr double kLossDecay = 0.998;
constexpr unsigned kMostInARow = 2;
// Of those who are asked, one in so many is of another group, if all others are of one.
constexpr size_t kOthersPart = 4;
// A sensor's own addresses are never targets; more than this many are not remembered, so that a
// lying sensor cannot hide the world.
constexpr size_t kMostOwnAddresses = 32;

}  // namespace

double Vantage::Loss() const {
  // What it has come to lately counts at once, or a link that begins to lose makes false witnesses.
  const double lately = std::max(loss_watch[0].recent(), loss_watch[1].recent());
  return std::clamp(std::max((1 + good_path_misses) / (20 + good_path_tries), lately), kLeastLoss,
                    kMostLoss);
}

Reach Vantage::GatewayReach(Family family) const {
  Reach reach = Reach::kUnknown;
  for (const GatewayHealth& gateway : record.health.gateways) {
    if (gateway.address.family() != family) {
      continue;
    }
    if (gateway.reach == Reach::kUp) {
      return Reach::kUp;
    }
    if (gateway.reach == Reach::kDown) {
      reach = Reach::kDown;
    }
  }
  return reach;
}

Vantage::GatewayCounts Vantage::CountGateways(MonoTime now) const {
  GatewayCounts counts{now, 0, 0};
  for (const GatewayHealth& gateway : record.health.gateways) {
    counts.asked += gateway.asked;
    counts.answered += gateway.answered;
  }
  return counts;
}

bool Vantage::AllGatewaysDown() const {
  const auto& gateways = record.health.gateways;
  return std::any_of(gateways.begin(), gateways.end(),
                     [](const GatewayHealth& g) { return g.reach == Reach::kDown; }) &&
         std::none_of(gateways.begin(), gateways.end(),
                      [](const GatewayHealth& g) { return g.reach == Reach::kUp; });
}

bool Vantage::GatewayContradicted(MonoTime now) const {
  return gateway_down_since && answered_at && *answered_at > *gateway_down_since &&
         now - *answered_at < kAnsweredLately;
}

void VantageBook::Restore(const SensorRecord& record) {
  const auto id = static_cast<VantageId>(vantages_.size());
  if (!by_name_.emplace(record.name, id).second) {
    return;
  }
  Vantage vantage;
  vantage.record = record;
  vantage.record.health.gateways.clear();  // as of then, not of now
  vantages_.push_back(std::move(vantage));
  RememberAddresses(record);
}

VantageId VantageBook::Connect(const SensorName& name, const std::string& group,
                               const std::optional<IpAddress>& address, const SensorHello& hello,
                               Moment now) {
  const auto [it, is_new] = by_name_.emplace(name, static_cast<VantageId>(vantages_.size()));
  if (is_new) {
    vantages_.emplace_back();
    vantages_.back().record.name = name;
    vantages_.back().record.first_seen = now.wall;
  }
  Vantage& v = vantages_[it->second];
  v.record.group = group;
  v.record.version = hello.version;
  v.record.address = address;
  v.record.addresses = hello.addresses;
  v.record.local_networks = hello.local_networks;
  v.record.last_seen = now.wall;
  v.record.state = SensorState::kConnected;
  v.record.health = {};  // no vote before it has said how it is
  v.gateway_down_since.reset();
  v.connected = true;
  v.forgotten = false;
  v.last_heard = now.mono;
  v.state_since = now.mono;
  RememberAddresses(v.record);
  return it->second;
}

void VantageBook::Disconnect(VantageId id, SensorState state, Moment now) {
  Vantage& v = vantages_[id];
  v.connected = false;
  v.record.state = state;
  v.state_since = now.mono;
  v.gateway_down_since.reset();
}

void VantageBook::Heard(VantageId id, const SensorHealth& health, Moment now) {
  Vantage& v = vantages_[id];
  v.record.health = health;
  v.record.last_seen = now.wall;
  v.last_heard = now.mono;
  if (!v.AllGatewaysDown()) {
    v.gateway_down_since.reset();
  } else if (!v.gateway_down_since) {
    v.gateway_down_since = now.mono;
  }
  if (!health.probing) {
    v.record.problem = health.probing_problem.empty() ? "does not probe" : health.probing_problem;
  } else if (v.gateway_down_since) {
    v.record.problem = "its gateway does not answer";
  } else {
    v.record.problem.clear();
  }
}

std::optional<VantageId> VantageBook::Find(const SensorName& name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? std::nullopt : std::optional(it->second);
}

bool VantageBook::Eligible(VantageId id, Family family, MonoTime now) const {
  const Vantage& v = vantages_[id];
  return v.connected && !v.drained && now - v.last_heard < kFresh &&
         v.record.state == SensorState::kConnected && v.record.health.probing && !v.degraded &&
         (v.GatewayReach(family) != Reach::kDown || v.GatewayContradicted(now) ||
          !Uses(Part::kGatewayVote)) &&
         now >= v.no_way_until[FamilyIndex(family)];
}

bool VantageBook::MethodFiltered(VantageId id, ProbeMethod method, Family family) const {
  return Uses(Part::kMethodFilters) &&
         vantages_[id].methods[FamilyIndex(family)][MethodIndex(method)].contradicted >=
             kContradictionsToFilter;
}

bool VantageBook::MethodWorks(VantageId id, ProbeMethod method, Family family, MonoTime now) const {
  const Vantage& v = vantages_[id];
  const Vantage::Method& m = v.methods[FamilyIndex(family)][MethodIndex(method)];
  if (MethodFiltered(id, method, family)) {
    return false;
  }
  if ((m.answered_at && now - *m.answered_at < kMethodMemory) || !Uses(Part::kVantageMethods)) {
    return true;
  }
  // The gateway answers echo requests: sockets, NIC and the first hop are sound, so that silence
  // further out means something even in a cold start with nothing reachable.
  // But without a target that ever answered, a zone that lets nothing out but replies looks the
  // same; then its connections must be in trouble too.
  return Uses(Part::kGatewayProof) && method == ProbeMethod::kIcmpEcho &&
         v.GatewayReach(family) == Reach::kUp && v.troubled_at &&
         now - *v.troubled_at < kTroubleLately;
}

void VantageBook::NoteAnswer(VantageId id, Family family, ProbeMethod method, unsigned lost,
                             MonoTime now) {
  Vantage& v = vantages_[id];
  Vantage::Method& m = v.methods[FamilyIndex(family)][MethodIndex(method)];
  v.answered_at = now;
  m.answered_at = now;
  m.contradicted = 0;
  v.unprobed[FamilyIndex(family)] = {};
  // More in a row are no losses but an outage.
  v.loss_watch[FamilyIndex(family)].Note(lost <= kMostInARow ? lost : 0, now);
  v.good_path_tries = v.good_path_tries * kLossDecay + lost + 1;
  v.good_path_misses = v.good_path_misses * kLossDecay + lost;
}

void VantageBook::NoteContradiction(VantageId id, const IpAddress& target, ProbeMethod silent) {
  Vantage::Method& m = vantages_[id].methods[FamilyIndex(target.family())][MethodIndex(silent)];
  if (m.contradicted == 0 || m.contradicted_by != target) {
    ++m.contradicted;
    m.contradicted_by = target;
  }
}

void VantageBook::NoteNoWay(VantageId id, const IpAddress& target, MonoTime now) {
  Vantage& v = vantages_[id];
  // One target may have a blackhole route of its own there; two have not.
  if (v.no_way_to != target && v.no_way_to.family() == target.family()) {
    v.no_way_until[FamilyIndex(target.family())] = now + kNoWayFor;
  }
  v.no_way_to = target;
}

bool VantageBook::NoteUnprobed(VantageId id, const IpAddress& target) {
  Vantage& v = vantages_[id];
  Vantage::Unprobed& unprobed = v.unprobed[FamilyIndex(target.family())];
  if (unprobed.hosts > 0 && unprobed.last == target) {
    return false;
  }
  unprobed.last = target;
  return ++unprobed.hosts == kUnprobedToFilter;
}

void VantageBook::NoProbeGetsOut(VantageId id, Family family) {
  for (Vantage::Method& method : vantages_[id].methods[FamilyIndex(family)]) {
    method.contradicted = kContradictionsToFilter;
  }
}

std::vector<VantageId> VantageBook::Choose(Family family, MonoTime now, size_t most,
                                           const std::vector<VantageId>& must,
                                           uint64_t turn) const {
  std::map<std::string, std::vector<VantageId>> groups;
  for (VantageId id = 0; id < vantages_.size(); ++id) {
    if (Eligible(id, family, now)) {
      groups[vantages_[id].record.group].push_back(id);
    }
  }
  const size_t room = groups.size() > 1 ? std::max<size_t>(most / kOthersPart, 1) : 0;
  std::vector<VantageId> chosen;
  const auto take = [&](VantageId id) {
    const auto of_its_group = [&](VantageId other) {
      return vantages_[other].record.group == vantages_[id].record.group;
    };
    const bool no_room = chosen.size() + room >= most && !chosen.empty() &&
                         std::all_of(chosen.begin(), chosen.end(), of_its_group);
    if (chosen.size() < most && !no_room && Eligible(id, family, now) &&
        std::find(chosen.begin(), chosen.end(), id) == chosen.end()) {
      chosen.push_back(id);
    }
  };
  for (const VantageId id : must) {
    take(id);
  }
  std::vector<const std::vector<VantageId>*> order;
  for (const auto& [name, members] : groups) {
    order.push_back(&members);
  }
  for (size_t depth = 0; chosen.size() < most; ++depth) {
    bool any = false;
    for (size_t g = 0; g < order.size(); ++g) {
      const auto& members = *order[(g + turn) % order.size()];
      if (depth < members.size()) {
        any = true;
        // Not `turn` alone: with as many members as groups it would pair each group with one
        // member.
        take(members[(depth + turn / order.size()) % members.size()]);
      }
    }
    if (!any) {
      break;
    }
  }
  return chosen;
}

bool VantageBook::SpanGroups(const std::vector<VantageId>& ids, MonoTime now) const {
  std::set<std::string> theirs;
  for (const VantageId id : ids) {
    theirs.insert(vantages_[id].record.group);
  }
  return theirs.size() > 1 ||
         std::none_of(vantages_.begin(), vantages_.end(), [&](const Vantage& v) {
           return v.connected && now - v.last_heard < kFresh && !theirs.contains(v.record.group);
         });
}

bool VantageBook::IsSensorAddress(const IpAddress& address) const {
  return sensor_addresses_.contains(address);
}

void VantageBook::RememberAddresses(const SensorRecord& record) {
  const VantageId id = by_name_.at(record.name);
  std::erase_if(sensor_addresses_, [id](const auto& entry) { return entry.second == id; });
  if (record.address) {
    sensor_addresses_.emplace(*record.address, id);
  }
  for (size_t i = 0; i < record.addresses.size() && i < kMostOwnAddresses; ++i) {
    sensor_addresses_.emplace(record.addresses[i], id);
  }
}

}  // namespace parallax::collector
