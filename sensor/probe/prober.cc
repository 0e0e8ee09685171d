#include "sensor/probe/prober.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace parallax::sensor {
namespace {

// Empty: the order is well formed.
std::string FaultOf(const ProbeOrder& order) {
  const auto in_range = [](Duration d) { return d >= Duration::zero() && d <= kLongestOrderTime; };
  if (order.tries.empty() || order.tries.size() > kMaxTries) {
    return fmt::format("the order names {} tries, not 1 to {}", order.tries.size(), kMaxTries);
  }
  if (!in_range(order.start_after) || !in_range(order.spacing) || !in_range(order.timeout) ||
      order.timeout == Duration::zero()) {
    return fmt::format("the order's times are not between 0 and {}",
                       FormatDuration(kLongestOrderTime));
  }
  return {};
}

}  // namespace

ProbeReport RefusedReport(const ProbeOrder& order, std::string reason, const Moment& now) {
  ProbeReport report;
  report.order_id = order.id;
  report.target = order.target;
  report.started_at = now.wall;
  ProbeTryResult result;
  result.attempt = order.tries.empty() ? ProbeTry{} : order.tries.front();
  result.state = ProbeState::kRefused;
  result.detail = std::move(reason);
  report.tries.push_back(std::move(result));
  return report;
}

Prober::Prober(ProbeGate& gate, size_t max_orders) : gate_(gate), max_orders_(max_orders) {}

void Prober::Accept(ProbeOrder order, const Moment& now) {
  std::string fault = FaultOf(order);
  if (fault.empty() && orders_.size() >= max_orders_) {
    fault = fmt::format("{} orders are in flight already", orders_.size());
  }
  if (!fault.empty()) {
    reports_.push_back(RefusedReport(order, std::move(fault), now));
    return;
  }
  // ICMP has no ports: whatever an order says there must not make another flow.
  for (ProbeTry& t : order.tries) {
    t.port = t.method == ProbeMethod::kIcmpEcho ? uint16_t{0} : t.port;
  }
  const uint64_t serial = next_serial_++;
  const MonoTime start = now.mono + order.start_after;
  Order& slot = orders_[serial];
  slot.order = std::move(order);
  SetWake(serial, slot, start);
}

void Prober::SetWake(uint64_t serial, Order& order, MonoTime at) {
  wakes_.erase({order.wake, serial});
  order.wake = at;
  wakes_.emplace(at, serial);
}

void Prober::Advance(const Moment& now, size_t most, std::vector<ProbeSend>& sends) {
  const size_t enough = sends.size() + most;
  while (sends.size() < enough) {
    while (!wakes_.empty() && wakes_.begin()->first <= now.mono) {
      const uint64_t serial = wakes_.begin()->second;
      wakes_.erase(wakes_.begin());
      Order& order = orders_.at(serial);
      if (order.tries.size() < order.order.tries.size()) {
        order.queued = true;
        ready_.push_back(serial);
      } else {
        Continue(serial, order, now);
      }
    }
    if (ready_.empty() || !ServeFirstReady(now, sends)) {
      return;
    }
  }
}

GateAnswer Prober::AskForTry(uint64_t serial, const Order& order, const Moment& now,
                             std::vector<ProbeSend>& sends) {
  const size_t index = order.tries.size();
  return gate_.Ask({.target = order.order.target,
                    .attempt = order.order.tries[index],
                    .owner = {ProbeOwner::Kind::kOrder, static_cast<uint32_t>(index), serial}},
                   now.mono, sends);
}

bool Prober::ServeFirstReady(const Moment& now, std::vector<ProbeSend>& sends) {
  const uint64_t serial = ready_.front();
  const auto it = orders_.find(serial);
  if (it == orders_.end()) {
    ready_.pop_front();
    return true;
  }
  Order& order = it->second;
  GateAnswer answer = AskForTry(serial, order, now, sends);
  if (answer.word == GateWord::kLater && answer.limit == PaceLimit::kAll) {
    return false;
  }
  ready_.pop_front();
  order.queued = false;
  if (answer.word == GateWord::kLater) {
    SetWake(serial, order, answer.at);
    return true;
  }
  if (order.tries.empty()) {
    order.started = now;
  }
  // Of a refused try nothing was sent, so there is nothing to space out from: what follows and
  // would be refused as well is refused at once.
  const auto made = [&] { return order.tries.size(); };
  while (answer.word == GateWord::kRefused) {
    AddEndedTry(order, order.order.tries[made()], ProbeState::kRefused,
                std::string(Describe(answer.refusal)));
    if (made() == order.order.tries.size() ||
        gate_.Judge(order.order.target, order.order.tries[made()], false) == Refusal::kNone) {
      Continue(serial, order, now);
      return true;
    }
    answer = AskForTry(serial, order, now, sends);
  }
  const ProbeTry attempt = order.order.tries[made()];
  if (answer.word == GateWord::kFull) {
    AddEndedTry(order, attempt, ProbeState::kRefused, "too many probes are in flight");
  } else {
    Try sent;
    sent.probe_id = answer.probe_id;
    sent.deadline = now.mono + order.order.timeout;
    sent.result.attempt = attempt;
    order.tries.push_back(std::move(sent));
  }
  Continue(serial, order, now);
  return true;
}

void Prober::AddEndedTry(Order& order, const ProbeTry& attempt, ProbeState state,
                         std::string detail) {
  Try made;
  made.ended = true;
  made.result.attempt = attempt;
  made.result.state = state;
  made.result.detail = std::move(detail);
  order.tries.push_back(std::move(made));
}

void Prober::Continue(uint64_t serial, Order& order, const Moment& now) {
  if (order.queued) {
    return;
  }
  if (order.tries.size() < order.order.tries.size()) {
    if (!wakes_.contains({order.wake, serial})) {
      SetWake(serial, order, now.mono + order.order.spacing);
    }
    return;
  }
  MonoTime end = now.mono;
  for (const Try& t : order.tries) {
    if (!t.ended) {
      end = std::max(end, t.deadline);
    }
  }
  if (end > now.mono) {
    SetWake(serial, order, end);
  } else {
    Finish(serial, order, std::nullopt, now);
  }
}

void Prober::OnAnswer(const ProbeMatch& match, const Answer& answer, const Moment& now) {
  const auto it = orders_.find(match.owner.serial);
  if (it == orders_.end() || match.owner.index >= it->second.tries.size()) {
    return;
  }
  Order& order = it->second;
  Try& made = order.tries[match.owner.index];
  if (answer.kind == AnswerKind::kRedirect) {
    made.result.redirect = Redirect{answer.source, answer.gateway};
    return;
  }
  made.ended = true;
  made.result.reporter = answer.source;
  if (answer.kind == AnswerKind::kError) {
    made.result.icmp_type = answer.icmp_type;
    made.result.icmp_code = answer.icmp_code;
  }
  // Whatever the target itself says, it is there to say it.
  if (answer.kind != AnswerKind::kError || answer.source == answer.target) {
    made.result.state = ProbeState::kAnswered;
    made.result.rtt = match.rtt;
    if (order.order.every) {
      Continue(it->first, order, now);
    } else {
      Finish(it->first, order, match.owner.index, now);
    }
    return;
  }
  if (answer.from_this_host()) {
    made.result.state = ProbeState::kNotSent;
    made.result.detail = "this host's own kernel: the next hop does not answer";
  } else {
    made.result.state = StateOf(answer.meaning);
  }
  Continue(it->first, order, now);
}

void Prober::OnSendError(const ProbeOwner& owner, int error, const Moment& now) {
  const auto it = orders_.find(owner.serial);
  if (it == orders_.end() || owner.index >= it->second.tries.size()) {
    return;
  }
  Try& made = it->second.tries[owner.index];
  made.ended = true;
  made.result.state = ProbeState::kNotSent;
  made.result.detail = DescribeSendError(error);
  Continue(it->first, it->second, now);
}

void Prober::Finish(uint64_t serial, Order& order, std::optional<size_t> answered,
                    const Moment& now) {
  ProbeReport report;
  report.order_id = order.order.id;
  report.target = order.order.target;
  report.started_at = order.started.wall;
  report.age = now.mono - order.started.mono;
  for (size_t i = 0; i < order.tries.size(); ++i) {
    Try& made = order.tries[i];
    if (made.probe_id != 0) {
      gate_.ledger().Close(made.probe_id, now.mono);
    }
    const bool waiting = !made.ended && made.deadline > now.mono;
    if (i != answered && !waiting) {
      report.tries.push_back(std::move(made.result));
    }
  }
  if (answered) {
    report.tries.push_back(std::move(order.tries[*answered].result));
  }
  reports_.push_back(std::move(report));
  wakes_.erase({order.wake, serial});
  orders_.erase(serial);
}

std::optional<MonoTime> Prober::NextDeadline() const {
  std::optional<MonoTime> next;
  if (!wakes_.empty()) {
    next = wakes_.begin()->first;
  }
  if (!ready_.empty()) {
    next = next ? std::min(*next, gate_.NextForAll()) : gate_.NextForAll();
  }
  return next;
}

}  // namespace parallax::sensor
