// Filters that came up: a method that used to bring answers from a vantage brings none, while
// another one gets through. One condition for each group of sensors; from time to time the method
// is tried again, to see whether it is over.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "collector/detect/engine.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

constexpr Duration kWatchEvery = 1s;
// Tried again soon at first: an outage of a second or two looks like a filter to those who asked by
// one method in it and by the other after it.
constexpr Duration kTrySoon = 3s;
constexpr unsigned kTriesSoon = 10;
constexpr Duration kTryAgain = 60s;
constexpr size_t kTries = 2;
constexpr double kLossy = 0.1;
// While some flows of a sensor are led astray, so is the one of this method to a host, or that of
// the other, as often as not.
constexpr double kAstray = 0.5;
constexpr size_t kControlsAsked = 64;
constexpr Duration kElsewhereLately = 10min;

}  // namespace

void Engine::WatchPolicy(const std::vector<IncidentView>& views, Moment now) {
  if (now.mono < next_policy_watch_ || !Uses(Part::kPolicies)) {
    return;
  }
  next_policy_watch_ = now.mono + kWatchEvery;
  std::map<std::string, Condition> found;
  std::map<std::string, Condition> untold;
  // What most departments see is no filter near one of them: it is the hosts that have changed.
  std::set<std::string> groups;
  std::map<ProbeMethod, std::set<std::string>> silent;
  for (VantageId id = 0; id < vantages_.size(); ++id) {
    const Vantage& v = vantages_.At(id);
    if (!v.connected) {
      continue;
    }
    groups.insert(v.record.group);
    for (const ProbeMethod method : {ProbeMethod::kIcmpEcho, ProbeMethod::kTcpSyn}) {
      if (vantages_.MethodFiltered(id, method, Family::kV4) ||
          vantages_.MethodFiltered(id, method, Family::kV6)) {
        silent[method].insert(v.record.group);
      }
    }
  }
  std::set<VantageId> astray;
  for (const IncidentView& view : views) {
    if (view.open && view.basis == Verdict::kRouteAnomaly) {
      astray.merge(AccusersIn(view));
    }
  }
  for (VantageId id = 0; id < vantages_.size(); ++id) {
    const double lost = astray.contains(id) ? kAstray : LossOf(id);
    for (const Family family : {Family::kV4, Family::kV6}) {
      for (const ProbeMethod method : {ProbeMethod::kIcmpEcho, ProbeMethod::kTcpSyn}) {
        const bool most = silent[method].size() > 1 && 2 * silent[method].size() >= groups.size();
        NotePolicy(id, family, method, lost, most ? untold : found, now);
      }
    }
  }
  for (const std::string& about : policies_) {
    if (!found.contains(about)) {
      incidents_.Over(Verdict::kPolicy, about);
    }
  }
  policies_.clear();
  for (auto& [about, condition] : found) {
    policies_.insert(about);
    incidents_.Holds(condition, now);
  }
}

// Hosts may have stopped to answer: the silence of one counts if somebody elsewhere is answered,
// who is asked together with this one. So is a neighbour, which may be behind the same filter and
// not know.
void Engine::TryFiltered(VantageId id, Family family, ProbeMethod method, Moment now) {
  std::vector<const Target*> fit;
  for (const Target* target : Controls(id, kControlsAsked)) {
    if (target->record.address.family() == family &&
        now.wall - target->AnsweredAt(method) < kElsewhereLately) {
      fit.push_back(target);
    }
  }
  if (!fit.empty()) {
    std::vector<VantageId> asked = {id};
    AddNeighbour(asked, id, family, now);
    asked = vantages_.Choose(family, now.mono, 3, asked, ++turn_);
    Start(RoundKind::kControl, fit[turn_ % fit.size()]->record.address, std::move(asked), kTries,
          now);
  }
}

void Engine::CountTries(const std::vector<Ballot>& ballots, Family family) {
  for (const ProbeMethod method : {ProbeMethod::kIcmpEcho, ProbeMethod::kTcpSyn}) {
    const auto answered = [method](const Ballot& ballot) {
      return ballot.answered && ballot.answered_by == method;
    };
    std::set<std::string> groups;  // that were answered
    for (const Ballot& ballot : ballots) {
      if (answered(ballot)) {
        groups.insert(vantages_.At(ballot.sensor).record.group);
      }
    }
    for (const Ballot& ballot : ballots) {
      Vantage& v = vantages_.At(ballot.sensor);
      Vantage::Method& m = v.methods[FamilyIndex(family)][MethodIndex(method)];
      const bool silent = !answered(ballot) && ballot.silent[static_cast<size_t>(method)];
      if (silent && m.filtered_since && groups.size() > groups.count(v.record.group)) {
        ++m.tries;
      }
    }
  }
}

void Engine::NotePolicy(VantageId id, Family family, ProbeMethod method, double lost,
                        std::map<std::string, Condition>& found, Moment now) {
  Vantage& v = vantages_.At(id);
  Vantage::Method& m = v.methods[FamilyIndex(family)][MethodIndex(method)];
  const Vantage::Method& twin = v.methods[1 - FamilyIndex(family)][MethodIndex(method)];
  const bool filtered = vantages_.MethodFiltered(id, method, family);
  // A filter seldom stops but one family: the other is asked until it is heard again, or is known
  // for filtered as well.
  const bool doubtful = twin.filtered_since && m.answered_at < twin.filtered_since->mono;
  // Filtered ever since it connected is nothing new; and if no probe gets out, that is for others
  // to judge.
  const bool watched = v.connected && !v.degraded && !loss_troubles_.contains(id) &&
                       (filtered || doubtful) && m.answered_at &&
                       vantages_.MethodWorks(id, OtherMethod(method), family, now.mono);
  if (!watched || !filtered) {
    m.filtered_since.reset();
    m.tries = 0;
  }
  if (!watched) {
    m.asked = 0;
    return;
  }
  const bool believed = m.tries * MissWeight(lost) >= DownThreshold();
  // Where packets get lost, two hosts in a row are soon silent to a method.
  const Duration soon = lost > kLossy ? 3 * kTrySoon : kTrySoon;
  if (filtered && !m.filtered_since) {
    m.filtered_since = now;
    m.next_try = now.mono + soon;
    m.asked = 0;
  } else if (now.mono >= m.next_try && tokens_ >= 1) {
    m.next_try = now.mono + (!believed && m.asked++ < kTriesSoon ? soon : kTryAgain);
    TryFiltered(id, family, method, now);
  }
  if (!believed) {
    return;  // they may have been lost
  }
  const std::string about = fmt::format(
      "{} {}", v.record.group.empty() ? v.record.name : v.record.group, ToString(method));
  const std::string word = family == Family::kV4 ? "ipv4" : "ipv6";
  const auto [it, is_new] = found.try_emplace(about);
  Condition& condition = it->second;
  if (is_new) {
    condition.verdict = Verdict::kPolicy;
    condition.about = about;
    condition.since = *m.filtered_since;
    condition.family = word;
    condition.evidence = {{"filtered_method", std::string(ToString(method))}};
  }
  if (condition.family != word) {
    condition.family = "both";
  }
  condition.failing.push_back(v.record.name);
  std::sort(condition.failing.begin(), condition.failing.end());
  condition.failing.erase(std::unique(condition.failing.begin(), condition.failing.end()),
                          condition.failing.end());
}

}  // namespace parallax::collector
