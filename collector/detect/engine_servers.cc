// What sensors say of servers that draw too many attempts, or whose attempts stay half-open: a SYN
// flood is a condition of its own, told apart from routes that fail, and `mixed` if both are there.
#include <fmt/format.h>

#include "collector/detect/engine.h"
#include "common/flood_signs.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

// Behind a lost stream wait those of long ago.
constexpr Duration kFreshReport = 30s;
// A sensor tells of such a server so often.
constexpr Duration kReportEvery = 10s;
constexpr Duration kReportsMissed = 60s;
constexpr Duration kFloodReportsMissed = 25s;
constexpr size_t kMostAggregates = 256;  // per sensor; of more nothing is noted
constexpr size_t kMostFloods = 256;
constexpr unsigned kReportsToBelieve = 2;
// The end of a flood that an incident of routes told of needs no telling once these are well again.
constexpr Duration kMixedFor = 60s;

std::string Followed(uint32_t sampling) {
  return sampling > 1 ? fmt::format("1 attempt in {} is followed", sampling)
                      : std::string("every attempt is followed");
}

std::string Percent(const std::optional<double>& share) {
  return share ? fmt::format("{:.0f} %", *share * 100) : "?";
}

}  // namespace

void Engine::OnServerReport(VantageId sensor, const ServerReport& report, Moment now) {
  if (report.age > kFreshReport) {
    return;
  }
  auto& aggregates = vantages_.At(sensor).aggregates;
  const auto known = aggregates.find(report.server);
  if (known != aggregates.end() && report.aggregate) {
    known->second = now.mono;
  } else if (known != aggregates.end()) {
    aggregates.erase(known);
    actions_.notes.push_back(fmt::format("sensor {}: server {} is down to {:.1f} SYN/s: {}",
                                         vantages_.Name(sensor), report.server.ToString(),
                                         report.syn_rate, Followed(report.sampling)));
  } else if (report.aggregate && aggregates.size() < kMostAggregates) {
    aggregates.emplace(report.server, now.mono);
    actions_.notes.push_back(fmt::format(
        "sensor {}: server {} draws {:.1f} SYN/s, usually {:.1f}: {}", vantages_.Name(sensor),
        report.server.ToString(), report.syn_rate, report.usual_rate, Followed(report.sampling)));
  }
  NoteFlood(sensor, report, now);
}

void Engine::ForgetAggregates(VantageId sensor, Moment now) {
  Vantage& v = vantages_.At(sensor);
  // While it was away it could not tell.
  const MonoTime told_until = now.mono - kReportsMissed;
  if (v.state_since > told_until) {
    return;
  }
  std::erase_if(v.aggregates, [&](const auto& entry) {
    const auto& [server, told] = entry;
    if (told > told_until) {
      return false;
    }
    actions_.notes.push_back(fmt::format("sensor {}: server {} is told of no more: {}",
                                         v.record.name, server.ToString(), Followed(1)));
    return true;
  });
}

void Engine::NoteFlood(VantageId sensor, const ServerReport& report, Moment now) {
  // Real clients that try again and again draw more SYNs than is usual, too: that is no flood.
  const bool flood =
      Uses(Part::kFloods) && ReadTrouble(report) == ServerTrouble::kFlood && !HasEbbed(report);
  auto it = floods_.find(report.server);
  if (!flood) {
    return;  // it ends by reports that are missed: one odd minute within a flood is no end
  }
  if (it == floods_.end()) {
    if (floods_.size() >= kMostFloods) {
      return;
    }
    it = floods_.emplace(report.server, Flood{}).first;
    it->second.since = now + -std::min<Duration>(report.window, kReportEvery);
  }
  Flood& state = it->second;
  ++state.reports;
  state.told = now.mono;
  state.sensors.insert(vantages_.Name(sensor));
  state.report = report;
}

void Engine::WatchFloods(Moment now) {
  for (auto it = floods_.begin(); it != floods_.end();) {
    auto& [server, flood] = *it;
    if (now.mono - flood.told > kFloodReportsMissed) {
      incidents_.Over(Verdict::kSynFlood, server.ToString());
      it = floods_.erase(it);
      continue;
    }
    if (flood.reports >= kReportsToBelieve) {
      const Condition condition = ConditionOf(server, flood);
      if (incidents_.MixFlood(condition, now)) {
        flood.mixed = now.mono;
      } else if (!flood.mixed || now.mono - *flood.mixed > kMixedFor) {
        incidents_.Holds(condition, now);
      }
    }
    ++it;
  }
}

Condition Engine::ConditionOf(const IpAddress& server, const Flood& flood) {
  const ServerReport& r = flood.report;
  Condition condition;
  condition.verdict = Verdict::kSynFlood;
  condition.about = server.ToString();
  condition.since = flood.since;
  condition.failing = {flood.sensors.begin(), flood.sensors.end()};
  condition.targets = {server};
  condition.family = server.is_v4() ? "ipv4" : "ipv6";
  condition.evidence = {
      {"syn_rate", fmt::format("{:.0f} SYN/s, usually {:.1f}", r.syn_rate, r.usual_rate)},
      {"sources", fmt::format("about {} in {:.0f} s", r.sources, ToSeconds(r.window))},
      {"half_open", std::to_string(r.half_open)},
      {"syn_repeated", Percent(r.half_open_repeated)},
      {"known_clients", Percent(r.half_open_known)},
  };
  if (r.syn_cookies_sent) {
    condition.evidence["syn_cookies_sent"] = std::to_string(*r.syn_cookies_sent);
  }
  if (r.listen_overflows) {
    condition.evidence["listen_overflows"] = std::to_string(*r.listen_overflows);
  }
  return condition;
}

}  // namespace parallax::collector
