#include "sensor/probe/trace/trace_client.h"

#include <algorithm>

#include "sensor/probe/trace/tracer.h"

namespace parallax::sensor {
namespace {

constexpr Duration kWaitForLedger = std::chrono::milliseconds(10);

}  // namespace

TraceClient::TraceClient(ProbeGate& gate, size_t most_at_once)
    : gate_(gate), most_at_once_(std::max<size_t>(most_at_once, 1)) {}

TraceClient::~TraceClient() = default;

void TraceClient::Add(const TraceOrder& order) {
  queued_.push_back(order);
  // ICMP has no ports: whatever an order says there must not make another flow.
  if (order.attempt.method == ProbeMethod::kIcmpEcho) {
    queued_.back().attempt.port = 0;
  }
}

void TraceClient::TakeResults(std::vector<TraceResult>& results) {
  results.clear();
  results.swap(results_);
}

std::unique_ptr<PathSearch> TraceClient::MakeSearch(const TraceOrder& order) {
  if (order.past) {
    return std::make_unique<TransitWitness>(order.target, order.attempt, order.options, *order.past,
                                            limiter_);
  }
  return std::make_unique<Tracer>(order.target, order.attempt, order.options, limiter_);
}

bool TraceClient::GoOn(Running& running) {
  const auto* tracer = dynamic_cast<const Tracer*>(running.search.get());
  if (tracer == nullptr || !running.order.multipath || !tracer->traced()) {
    return false;
  }
  running.search = std::make_unique<Multipath>(*tracer, *running.order.multipath);
  return true;
}

void TraceClient::StartNext(const Moment& now) {
  const uint64_t serial = next_serial_++;
  Running& running = running_[serial];
  running.order = std::move(queued_.front());
  queued_.pop_front();
  running.search = MakeSearch(running.order);
  running.started = now;
  SetReady(serial, running, false);
}

void TraceClient::SetReady(uint64_t serial, Running& running, bool front) {
  if (running.ready) {
    return;
  }
  wakes_.erase({running.wake, serial});
  running.ready = true;
  front ? ready_.push_front(serial) : ready_.push_back(serial);
}

void TraceClient::SleepUntil(uint64_t serial, Running& running, MonoTime at) {
  running.wake = at;
  wakes_.emplace(at, serial);
}

void TraceClient::Advance(const Moment& now, size_t most, std::vector<ProbeSend>& sends) {
  const size_t enough = sends.size() + most;
  while (true) {
    while (running_.size() < most_at_once_ && !queued_.empty()) {
      StartNext(now);
    }
    while (!wakes_.empty() && wakes_.begin()->first <= now.mono) {
      const uint64_t serial = wakes_.begin()->second;
      SetReady(serial, running_.at(serial), false);
    }
    if (ready_.empty() || sends.size() >= enough || blocked_until_ > now.mono) {
      return;
    }
    const uint64_t serial = ready_.front();
    ready_.pop_front();
    running_.at(serial).ready = false;
    if (Serve(serial, now, sends) == Turn::kNoMore) {
      return;
    }
  }
}

TraceClient::Turn TraceClient::Serve(uint64_t serial, const Moment& now,
                                     std::vector<ProbeSend>& sends) {
  Running& running = running_.at(serial);
  PathSearch& search = *running.search;
  for (const uint64_t id : search.Expire(now.mono)) {
    gate_.ledger().Close(id, now.mono);
  }
  const auto wish = search.Next(now.mono);
  const auto expiry = search.NextExpiry();
  if (search.done() || (!wish && !expiry)) {
    if (GoOn(running)) {
      SetReady(serial, running, false);
    } else {
      Finish(serial, now);
    }
    return Turn::kGoOn;
  }
  const auto sleep = [&](MonoTime at) {
    SleepUntil(serial, running, expiry ? std::min(at, *expiry) : at);
  };
  if (!wish || wish->at > now.mono) {
    sleep(wish ? wish->at : *expiry);
    return Turn::kGoOn;
  }
  ProbeRequest request;
  request.target = search.target();
  request.attempt = search.attempt();
  request.attempt.flow = wish->flow;
  request.ttl = wish->ttl;
  request.owner = {ProbeOwner::Kind::kTrace, static_cast<uint32_t>(search.samples().size()),
                   serial};
  const GateAnswer answer = gate_.Ask(request, now.mono, sends);
  switch (answer.word) {
    case GateWord::kSent:
      search.OnSent(*wish, answer.probe_id, now.mono);
      SetReady(serial, running, false);
      return Turn::kGoOn;
    case GateWord::kRefused:
      search.Stop(TraceEnd::kRefused, Describe(answer.refusal));
      Finish(serial, now);
      return Turn::kGoOn;
    case GateWord::kFull:
      blocked_until_ = now.mono + kWaitForLedger;
      SetReady(serial, running, true);
      return Turn::kNoMore;
    case GateWord::kLater:
      break;
  }
  if (answer.limit == PaceLimit::kAll) {
    SetReady(serial, running, true);
    return Turn::kNoMore;
  }
  sleep(answer.at);
  return Turn::kGoOn;
}

void TraceClient::OnAnswer(const ProbeMatch& match, const Answer& answer, const Moment& now) {
  if (answer.kind != AnswerKind::kRedirect) {
    gate_.ledger().Close(match.probe_id, now.mono);
  }
  const auto it = running_.find(match.owner.serial);
  if (it == running_.end()) {
    return;
  }
  it->second.search->OnAnswer(match.owner.index, match, answer, now.mono);
  SetReady(it->first, it->second, false);
}

void TraceClient::OnSendError(const ProbeOwner& owner, int error, const Moment& now) {
  const auto it = running_.find(owner.serial);
  if (it == running_.end() || owner.index >= it->second.search->samples().size()) {
    return;
  }
  PathSearch& search = *it->second.search;
  gate_.ledger().Close(search.samples()[owner.index].probe_id, now.mono);
  search.OnSendError(owner.index, SaysUnreachable(error), DescribeSendError(error), now.mono);
  SetReady(it->first, it->second, false);
}

void TraceClient::Finish(uint64_t serial, const Moment& now) {
  const auto it = running_.find(serial);
  Running& running = it->second;
  for (const uint64_t id : running.search->WaitingIds()) {
    gate_.ledger().Close(id, now.mono);
  }
  TraceResult result;
  result.order_id = running.order.id;
  result.path = running.search->path();
  if (const auto* witness = dynamic_cast<const TransitWitness*>(running.search.get())) {
    result.transit = witness->result();
  }
  result.started_at = running.started.wall;
  result.took = now.mono - running.started.mono;
  results_.push_back(std::move(result));
  wakes_.erase({running.wake, serial});
  running_.erase(it);
}

std::vector<TraceSnapshot> TraceClient::Unfinished() const {
  std::vector<std::pair<uint64_t, const Running*>> in_order;
  for (const auto& [serial, running] : running_) {
    in_order.emplace_back(serial, &running);
  }
  std::sort(in_order.begin(), in_order.end());
  std::vector<TraceSnapshot> snapshots;
  for (const auto& [serial, running] : in_order) {
    snapshots.push_back({running->order.id, running->search->path()});
  }
  return snapshots;
}

std::optional<MonoTime> TraceClient::NextDeadline() const {
  std::optional<MonoTime> next;
  const bool can_start = !queued_.empty() && running_.size() < most_at_once_;
  if (!ready_.empty() || can_start) {
    next = std::max(gate_.NextForAll(), blocked_until_);
  }
  if (!wakes_.empty()) {
    next = next ? std::min(*next, wakes_.begin()->first) : wakes_.begin()->first;
  }
  return next;
}

}  // namespace parallax::sensor
