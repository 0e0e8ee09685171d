// What is told of loss that looks have found (engine_loss.cc): whose it is, and where packets go.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "collector/detect/engine.h"
#include "collector/detect/localise/lossy_edge.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

constexpr Duration kSameTrouble = 30min;
constexpr double kHalf = 0.5;
constexpr double kDeviations = 2;        // standard ones
constexpr unsigned kFewestForHalf = 32;  // tries: fewer are about one half by chance
constexpr uint64_t kHalfOpenToTell = 3;
constexpr size_t kGroupsToShare = 2;

}  // namespace

void Engine::TellLoss(VantageId id, LossTrouble& trouble, Moment now) {
  Vantage& v = vantages_.At(id);
  // Where the gateway alone told, there was but one look.
  const LossLook& total = trouble.total.sensors().empty() ? trouble.look : trouble.total;
  const double share = total.Of(id).share();
  std::vector<SensorName> losing;
  std::vector<SensorName> clean;
  for (const VantageId sensor : total.sensors()) {
    if (sensor == id || total.Loses(sensor)) {
      losing.push_back(vantages_.Name(sensor));
    } else if (total.Spares(sensor, share)) {
      clean.push_back(vantages_.Name(sensor));
    }
  }
  std::sort(losing.begin(), losing.end());
  std::sort(clean.begin(), clean.end());
  if (trouble.verdict == Verdict::kUnknown) {
    LossTrouble* known = ToldLoss(id);
    const bool degraded = LosesOnItsLink(id, trouble, now) &&
                          (known == nullptr || !IsShared(*known, v.record.group) ||
                           LosesAtGateway(id, trouble.gateways, now));
    if (known != nullptr && !degraded) {
      known->more.insert(id);
      trouble.over = true;  // people have been told that packets get lost
      return;
    }
    trouble.verdict = degraded ? Verdict::kSensorDegraded : Verdict::kLossyPath;
    v.degraded = degraded;
    // It may have been another one of those that lose who was told of before.
    const auto before = lossy_about_.find(v.record.name);
    trouble.about =
        !degraded && before != lossy_about_.end() && now.mono - before->second.second < kSameTrouble
            ? before->second.first
            : v.record.name;
  }
  trouble.losing = {losing.begin(), losing.end()};
  Condition condition;
  condition.verdict = trouble.verdict;
  condition.about = trouble.about;
  condition.since = trouble.began;
  condition.evidence = {{"loss", fmt::format("{:.0f} %", 100 * share)},
                        {"loss_usual", fmt::format("{:.1f} %", 100 * v.loss_watch[0].usual())}};
  if (trouble.verdict == Verdict::kSensorDegraded) {
    condition.failing = {v.record.name};
    trouble.worst = share;
    condition.evidence[kVantage] =
        fmt::format("it loses {:.0f} % of its packets on its own link", 100 * share);
  } else {
    for (const SensorName& name : losing) {
      lossy_about_[name] = {trouble.about, now.mono};
    }
    condition.failing = losing;
    condition.reaching = clean;
    if (v.half_open - trouble.half_open_before >= kHalfOpenToTell) {
      condition.direction = "outbound";  // what arrives is answered, and the answers get lost
    }
    DescribeLossyPath(trouble, condition);
  }
  incidents_.Holds(condition, now);
}

// Do sensors of several other groups lose packets as well? The link between them is of none of
// them.
bool Engine::IsShared(const LossTrouble& trouble, const std::string& but) const {
  std::set<std::string> groups;
  for (const VantageId id : Ids({trouble.losing.begin(), trouble.losing.end()})) {
    groups.insert(vantages_.At(id).record.group);
  }
  groups.erase(but);
  return groups.size() >= kGroupsToShare;
}

void Engine::DescribeLossyPath(LossTrouble& trouble, Condition& condition) const {
  LossTally hit;
  std::set<IpAddress> targets;
  for (const VantageId sensor : Ids({trouble.losing.begin(), trouble.losing.end()})) {
    for (const auto& [target, tally] : trouble.total.Hit(sensor)) {
      hit += tally;
      targets.insert(target);
    }
  }
  // The same flow is answered now and then not: it is the single packet that is lost.
  size_t mixed = 0;
  size_t whole = 0;
  for (const auto& [pair, tally] : trouble.total.pairs()) {
    mixed += tally.lost > 0 && tally.lost < tally.sent ? 1 : 0;
    whole += tally.lost == tally.sent ? 1 : 0;
  }
  condition.split = mixed > whole ? "per_packet" : "unknown";
  condition.targets = {targets.begin(), targets.end()};
  const auto is_v4 = [](const IpAddress& target) { return target.is_v4(); };
  const bool v4 = std::any_of(targets.begin(), targets.end(), is_v4);
  const bool v6 = !std::all_of(targets.begin(), targets.end(), is_v4);
  condition.family = v4 && v6 ? "both" : v6 ? "ipv6" : "ipv4";
  trouble.worst = hit.share();
  condition.evidence["loss_where_any"] = fmt::format("{:.0f} %", 100 * trouble.worst);
  condition.suspect = LossyEdgeOf(trouble);
}

std::optional<Suspect> Engine::LossyEdgeOf(const LossTrouble& trouble) const {
  std::optional<LossyEdge> best;
  for (const Family family : {Family::kV4, Family::kV6}) {
    std::vector<ObservedPath> paths;
    std::vector<LossTally> tallies;
    for (const auto& [pair, tally] : trouble.total.pairs()) {
      const auto& [sensor, target] = pair;
      const PathHops* way = paths_.Before(sensor, target);
      if (way == nullptr || target.family() != family) {
        continue;
      }
      ObservedPath& path = paths.emplace_back();
      path.sensor = vantages_.Name(sensor);
      path.group = vantages_.At(sensor).record.group;
      path.target = target;
      path.reached = true;
      path.hops = Hops(*way);
      tallies.push_back(tally);
    }
    paths = OneRouterPerGroup(std::move(paths));
    std::vector<LossyWay> ways;
    for (size_t i = 0; i < paths.size(); ++i) {
      ways.push_back({std::move(paths[i]), tallies[i].sent, tallies[i].lost});
    }
    // It was looked into whether it is a sensor's own link.
    auto edge = LocaliseLoss(ways, trouble.losing);
    if (edge && (!best || edge->gain > best->gain)) {
      best = std::move(edge);
    }
  }
  if (!best) {
    return std::nullopt;
  }
  Suspect suspect{best->from.ToString(), best->to.ToString(), "likely", {}};
  // A link that loses every other packet is rare, a second way that leads nowhere is not.
  const double share = static_cast<double>(best->lost) / best->sent;
  if (best->sent >= kFewestForHalf &&
      std::abs(share - kHalf) < kDeviations * std::sqrt(kHalf * kHalf / best->sent)) {
    suspect.ambiguity.push_back(suspect.from + " -> " + suspect.to);
    suspect.to = kIntoSilence;
  }
  for (const auto& [from, to] : best->ambiguity) {
    suspect.ambiguity.push_back(from.ToString() + " -> " + to.ToString());
  }
  return suspect;
}

}  // namespace parallax::collector
