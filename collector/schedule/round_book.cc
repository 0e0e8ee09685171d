#include "collector/schedule/round_book.h"

#include <algorithm>

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

// Copies sent back to back share their fate: loss comes in bursts. A second apart, they do not.
constexpr Duration kSpacing = 1s;
// A try must have timed out before the answer to the next one ends the round, or the report leaves
// it out and the loss (or the filter) is never learnt. A later answer is still taken meanwhile, so
// only a try that has no successor needs to wait longer.
constexpr Duration kTimeout = kSpacing - 50ms;
constexpr Duration kLoneTimeout = 2s;
// What the way to the sensor, its pacing and the way back may take on top.
constexpr Duration kGrace = 3s;

}  // namespace

ProbeOrder RoundBook::Open(RoundKind kind, const IpAddress& target, std::vector<VantageId> asked,
                           size_t tries, MonoTime now, std::optional<VantageId> about) {
  ProbeOrder order;
  order.id = next_id_++;
  order.target = target;
  order.spacing = kSpacing;
  order.timeout = tries == 1 ? kLoneTimeout : kTimeout;

  Round round;
  round.id = order.id;
  round.kind = kind;
  round.target = target;
  round.began = now;
  round.deadline = now + kSpacing * static_cast<int64_t>(tries - 1) + order.timeout + kGrace;
  round.asked = std::move(asked);
  round.about = about;
  rounds_.emplace(order.id, std::move(round));
  return order;
}

void RoundBook::Extend(uint64_t id, Duration by) {
  if (const auto it = rounds_.find(id); it != rounds_.end()) {
    it->second.deadline += by;
  }
}

bool RoundBook::Accept(VantageId from, const ProbeReport& report) {
  const auto it = rounds_.find(report.order_id);
  if (it == rounds_.end() || it->second.target != report.target) {
    return false;
  }
  Round& round = it->second;
  if (std::find(round.asked.begin(), round.asked.end(), from) == round.asked.end()) {
    return false;
  }
  return round.reports.emplace(from, report).second;
}

void RoundBook::Withdraw(VantageId id) {
  for (auto& [number, round] : rounds_) {
    if (!round.reports.contains(id)) {
      std::erase(round.asked, id);
    }
  }
}

std::vector<Round> RoundBook::TakeFinished(MonoTime now) {
  std::vector<Round> finished;
  for (auto it = rounds_.begin(); it != rounds_.end();) {
    if (it->second.Complete() || now >= it->second.deadline) {
      finished.push_back(std::move(it->second));
      it = rounds_.erase(it);
    } else {
      ++it;
    }
  }
  return finished;
}

std::vector<ProbeTry> ComposeTries(bool icmp_telling, bool tcp_telling, uint16_t tcp_port,
                                   size_t count, bool tcp_first) {
  const ProbeTry icmp{ProbeMethod::kIcmpEcho, 0};
  const ProbeTry tcp{ProbeMethod::kTcpSyn, tcp_port};
  const bool one_known = icmp_telling != tcp_telling;
  const ProbeTry first = (one_known ? tcp_telling : tcp_first) ? tcp : icmp;
  const ProbeTry second = first == icmp ? tcp : icmp;
  std::vector<ProbeTry> tries;
  for (size_t i = 0; i < count; ++i) {
    // One telling method: ask by it, with the other one as the last of many. Else by turns.
    const bool other = one_known ? count > 2 && i + 1 == count : i % 2 == 1;
    tries.push_back(other ? second : first);
  }
  return tries;
}

}  // namespace parallax::collector
