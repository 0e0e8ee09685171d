#include "sensor/probe/sweep.h"

#include <algorithm>

namespace parallax::sensor {
namespace {

// Without `count`: asked at 0, 0.5 and 1.5 s. Copies sent together share their fate.
constexpr uint32_t kTries = 3;
constexpr Duration kSecondTryAfter = std::chrono::milliseconds(500);
constexpr Duration kThirdTryAfter = std::chrono::milliseconds(1000);
// Targets that wait for their /24's turn are begun ahead of it, but no more than these.
constexpr size_t kMostParked = size_t{1} << 16;
// The gate is asked so often in one go, sent or not: then answers get their turn.
constexpr size_t kMostAsked = 1024;
constexpr Duration kPauseIfFull = std::chrono::milliseconds(10);

}  // namespace

std::string_view ToString(SweepState state) {
  static constexpr std::array<std::string_view, kSweepStates> kNames = {
      "up",         "lossy",    "partial", "down", "unreachable", "time_exceeded",
      "prohibited", "not_sent", "refused"};
  return kNames[static_cast<size_t>(state)];
}

Sweep::Sweep(ProbeGate& gate, const TargetList& targets, const SweepOptions& options,
             const HashKey& key)
    : gate_(gate), targets_(targets), options_(options), order_(targets.size(), key) {
  progress_.targets = targets.size();
}

Sweep::~Sweep() = default;

void Sweep::FinishAsked() {
  for (Index index = 0; index < items_.size(); ++index) {
    Item& item = items_[index];
    if (item.generation % 2 == 1 && item.tries > 0) {
      item.result.sent -= item.waiting;
      Finish(index);
    }
  }
}

void Sweep::TakeResults(std::vector<SweepResult>& results) {
  results.clear();
  results.swap(results_);
}

bool Sweep::HasFresh() const {
  const size_t unfinished = items_.size() - free_items_.size();
  return begun_ < progress_.targets && parked_count_ < kMostParked &&
         unfinished < options_.most_in_flight + parked_count_;
}

Sweep::Index Sweep::BeginNext() {
  if (free_items_.empty()) {
    free_items_.push_back(static_cast<Index>(items_.size()));
    items_.emplace_back();
  }
  const Index index = free_items_.back();
  free_items_.pop_back();
  Item& item = items_[index];
  ++item.generation;
  const uint64_t number = order_.At(begun_++);
  item.result.target = targets_.At(number);
  if (options_.flows > 1) {
    item.check = std::make_unique<FlowCheck>(options_.flows, number, options_.count);
  }
  return index;
}

Sweep::Index Sweep::PopDue(MonoTime now) {
  const auto take = [this](const Ticket& ticket) { return IsVoid(ticket) ? kNone : ticket.item; };
  while (!ready_.empty()) {
    const Ticket ticket = ready_.front();
    ready_.pop_front();
    if (take(ticket) != kNone) {
      return ticket.item;
    }
  }
  while (!parked_wakes_.empty() && parked_wakes_.top().first <= now) {
    const IpAddress prefix = parked_wakes_.top().second;
    parked_wakes_.pop();
    Parked& parked = parked_.at(prefix);
    parked.armed = false;
    const Ticket ticket = parked.waiting.front();
    parked.waiting.pop_front();
    --parked_count_;
    if (take(ticket) != kNone) {
      parked_asking_ = prefix;
      return ticket.item;
    }
    Arm(prefix, now);
  }
  while (!wakes_.empty() && wakes_.top().at <= now) {
    const Ticket ticket = wakes_.top().ticket;
    wakes_.pop();
    if (take(ticket) != kNone) {
      return ticket.item;
    }
  }
  return HasFresh() ? BeginNext() : kNone;
}

void Sweep::Advance(const Moment& now, size_t most, std::vector<ProbeSend>& sends) {
  Expire(now.mono);
  const size_t enough = sends.size() + most;
  bool go_on = paused_until_ <= now.mono;
  for (size_t asked = 0; go_on && asked < kMostAsked && sends.size() < enough && HasRoom() &&
                         gate_.NextForAll() <= now.mono;
       ++asked) {
    const Index index = PopDue(now.mono);
    if (index == kNone) {
      return;
    }
    items_[index].queued = false;
    go_on = Ask(index, now.mono, sends);
    if (parked_asking_) {
      Arm(*std::exchange(parked_asking_, std::nullopt), now.mono);
    }
  }
}

bool Sweep::WantsMore(const Item& item) const {
  const SweepResult& result = item.result;
  return options_.count > 0 ? item.tries < options_.count
                            : item.tries < kTries && result.received == 0;
}

std::optional<uint16_t> Sweep::ChooseFlow(Item& item, MonoTime now) const {
  if (!item.check) {
    return WantsMore(item) ? std::optional(uint16_t{0}) : std::nullopt;
  }
  if (!item.chosen) {
    item.chosen = item.check->Next(now);
  }
  return item.chosen;
}

bool Sweep::Ask(Index index, MonoTime now, std::vector<ProbeSend>& sends) {
  Item& item = items_[index];
  const auto flow = ChooseFlow(item, now);
  if (!flow) {
    Continue(index, now);
    return true;
  }
  const Index flight =
      free_flights_.empty() ? static_cast<Index>(flights_.size()) : free_flights_.back();
  const GateAnswer answer = gate_.Ask(
      {.target = item.result.target,
       .attempt = {options_.method, options_.port, *flow},
       .owner = {ProbeOwner::Kind::kSweep, index, uint64_t{item.generation} << 32 | flight}},
      now, sends);
  switch (answer.word) {
    case GateWord::kSent:
      Depart(index, *flow, flight, answer.probe_id, now);
      Continue(index, now);
      return true;
    case GateWord::kRefused:
      item.result.error = {};
      item.result.error.state = ProbeState::kRefused;
      item.result.error.refusal = answer.refusal;
      Finish(index);
      return true;
    case GateWord::kFull:
      paused_until_ = now + kPauseIfFull;
      item.queued = true;
      ready_.push_front(TicketOf(index));
      return false;
    case GateWord::kLater:
      break;
  }
  switch (answer.limit) {
    case PaceLimit::kAll:
      item.queued = true;
      ready_.push_front(TicketOf(index));
      return false;
    case PaceLimit::kPrefix:
      Park(index, answer.at);
      return true;
    case PaceLimit::kTarget:
      Wake(index, answer.at);
      return true;
  }
  return false;
}

void Sweep::Depart(Index index, uint16_t flow, Index flight, uint64_t probe_id, MonoTime now) {
  if (flight == flights_.size()) {
    flights_.emplace_back();
  } else {
    free_flights_.pop_back();
  }
  Item& item = items_[index];
  flights_[flight] = {probe_id, now + options_.timeout, index, last_, kNone, item.generation, flow};
  (last_ == kNone ? first_ : flights_[last_].later) = flight;
  last_ = flight;
  item.chosen.reset();
  ++item.tries;
  ++item.waiting;
  ++item.result.sent;
  ++progress_.sent;
  item.next = now + (options_.count > 0 ? options_.interval
                     : item.tries == 1  ? kSecondTryAfter
                                        : kThirdTryAfter);
}

void Sweep::Continue(Index index, MonoTime now) {
  Item& item = items_[index];
  if (item.check) {
    if (item.check->done() && item.waiting == 0) {
      Finish(index);
    } else if (const auto next = item.check->NextTime(); !item.queued && (item.chosen || next)) {
      Wake(index, item.chosen ? now : *next);
    }
    return;
  }
  if (WantsMore(item)) {
    if (!item.queued) {
      Wake(index, item.next);
    }
  } else if (item.waiting == 0 || (options_.count == 0 && item.result.received > 0)) {
    Finish(index);
  }
}

void Sweep::Wake(Index index, MonoTime at) {
  items_[index].queued = true;
  wakes_.push({at, TicketOf(index)});
}

void Sweep::Park(Index index, MonoTime at) {
  Item& item = items_[index];
  item.queued = true;
  const IpAddress prefix = PacedPrefix(item.result.target);
  Parked& parked = parked_[prefix];
  if (parked_asking_ == prefix) {
    parked.waiting.push_front(TicketOf(index));
  } else {
    parked.waiting.push_back(TicketOf(index));
  }
  ++parked_count_;
  Arm(prefix, at);
}

void Sweep::Arm(const IpAddress& prefix, MonoTime at) {
  const auto parked = parked_.find(prefix);
  if (parked == parked_.end() || parked->second.armed) {
    return;
  }
  if (parked->second.waiting.empty()) {
    parked_.erase(parked);
    return;
  }
  parked->second.armed = true;
  parked_wakes_.emplace(at, prefix);
}

Sweep::Item* Sweep::EndFlight(Index index, MonoTime now) {
  Flight& flight = flights_[index];
  gate_.ledger().Close(flight.probe_id, now);
  (flight.earlier == kNone ? first_ : flights_[flight.earlier].later) = flight.later;
  (flight.later == kNone ? last_ : flights_[flight.later].earlier) = flight.earlier;
  flight.probe_id = 0;
  free_flights_.push_back(index);
  paused_until_ = MonoTime::min();
  Item& item = items_[flight.item];
  if (item.generation != flight.generation) {
    return nullptr;
  }
  --item.waiting;
  return &item;
}

void Sweep::Expire(MonoTime now) {
  while (first_ != kNone && flights_[first_].deadline <= now) {
    const Flight flight = flights_[first_];
    if (Item* item = EndFlight(first_, now); item != nullptr) {
      if (item->check) {
        item->check->OnLost(flight.flow, now);
      }
      Continue(flight.item, now);
    }
  }
}

void Sweep::OnAnswer(const ProbeMatch& match, const Answer& answer, const Moment& now) {
  const Index index = match.owner.index;
  Item* item = index < items_.size() ? &items_[index] : nullptr;
  if (item == nullptr || item->generation != match.owner.serial >> 32) {
    item = nullptr;  // to a target that is finished
  }
  if (answer.kind == AnswerKind::kRedirect) {
    if (item != nullptr) {
      item->result.redirect = std::make_unique<Redirect>(Redirect{answer.source, answer.gateway});
    }
    return;
  }
  const auto at = static_cast<Index>(match.owner.serial & UINT32_MAX);
  const bool in_flight = at < flights_.size() && flights_[at].probe_id == match.probe_id;
  const uint16_t flow = in_flight ? flights_[at].flow : uint16_t{0};
  if (in_flight) {
    EndFlight(at, now.mono);
  }
  if (item == nullptr) {
    return;
  }
  // Whatever the target itself says, it is there to say it.
  SweepResult& result = item->result;
  const bool from_target = answer.kind != AnswerKind::kError || answer.source == answer.target;
  const bool not_sent = !from_target && answer.from_this_host();
  if (!from_target) {
    result.error = {};
    result.error.state = not_sent ? ProbeState::kNotSent : sensor::StateOf(answer.meaning);
    result.error.router = answer.source;
    result.error.icmp_type = answer.icmp_type;
    result.error.icmp_code = answer.icmp_code;
  }
  // A router's word may have ended the probe before; of a flow that counts.
  const bool in_time = match.rtt <= options_.timeout && (in_flight || !item->check);
  if (from_target && in_time) {
    result.rtt_min = result.received == 0 ? match.rtt : std::min(result.rtt_min, match.rtt);
    result.rtt_max = std::max(result.rtt_max, match.rtt);
    result.rtt_sum += match.rtt;
    ++result.received;
    result.by_error |= answer.kind == AnswerKind::kError;
    ++progress_.received;
  } else if (from_target) {
    ++result.late;
  }
  if (in_flight && not_sent) {
    --result.sent;  // it has not left this host
    --progress_.sent;
  }
  if (in_flight && item->check) {
    not_sent                ? item->check->OnNotSent(flow, now.mono)
    : from_target&& in_time ? item->check->OnAnswer(flow, now.mono)
                            : item->check->OnLost(flow, now.mono);
  }
  Continue(index, now.mono);
}

void Sweep::OnSendError(const ProbeOwner& owner, int error, const Moment& now) {
  const auto at = static_cast<Index>(owner.serial & UINT32_MAX);
  const uint16_t flow = flights_[at].flow;
  --progress_.sent;
  Item* item = EndFlight(at, now.mono);
  if (item == nullptr) {
    return;
  }
  --item->result.sent;
  item->result.error = {};
  item->result.error.state = ProbeState::kNotSent;
  item->result.error.send_error = error;
  if (item->check) {
    item->check->OnNotSent(flow, now.mono);
  }
  Continue(owner.index, now.mono);
}

SweepState Sweep::StateOf(const SweepResult& result) const {
  if (result.received > 0) {
    const auto pattern = result.flows ? result.flows->pattern : FlowPattern::kAllUp;
    if (pattern == FlowPattern::kPerFlow) {
      return SweepState::kPartial;
    }
    const bool lost = result.received < result.sent && !result.by_error &&
                      (options_.count > 0 || pattern != FlowPattern::kAllUp);
    return lost ? SweepState::kLossy : SweepState::kUp;
  }
  switch (result.error.state) {
    case ProbeState::kUnreachable:
      return SweepState::kUnreachable;
    case ProbeState::kTimeExceeded:
      return SweepState::kTimeExceeded;
    case ProbeState::kProhibited:
      return SweepState::kProhibited;
    case ProbeState::kNotSent:
      return SweepState::kNotSent;
    case ProbeState::kRefused:
      return SweepState::kRefused;
    case ProbeState::kSilent:
    case ProbeState::kAnswered:
      break;
  }
  return SweepState::kDown;
}

void Sweep::Finish(Index index) {
  Item& item = items_[index];
  if (item.check) {
    item.result.flows = std::make_unique<FlowVerdict>(item.check->Verdict());
    FlowPattern& pattern = item.result.flows->pattern;
    if (item.result.by_error && pattern == FlowPattern::kPerPacket) {
      pattern = FlowPattern::kUnclear;  // what is missing may be the host's limit on its errors
    }
  }
  item.result.state = StateOf(item.result);
  if (item.result.state == SweepState::kNotSent || item.result.state == SweepState::kRefused) {
    item.result.flows.reset();  // nothing was asked
  }
  ++progress_.finished;
  progress_.up +=
      item.result.state == SweepState::kUp || item.result.state == SweepState::kLossy ? 1 : 0;
  results_.push_back(std::move(item.result));
  const uint32_t generation = item.generation + 1;
  item = {};
  item.generation = generation;
  free_items_.push_back(index);
}

std::optional<MonoTime> Sweep::NextDeadline() const {
  std::optional<MonoTime> next;
  const auto consider = [&next](MonoTime at) { next = next ? std::min(*next, at) : at; };
  if (first_ != kNone) {
    consider(flights_[first_].deadline);
  }
  if (!HasRoom()) {
    return next;
  }
  const MonoTime token = std::max(gate_.NextForAll(), paused_until_);
  if (!ready_.empty() || HasFresh()) {
    consider(token);
  }
  if (!wakes_.empty()) {
    consider(std::max(token, wakes_.top().at));
  }
  if (!parked_wakes_.empty()) {
    consider(std::max(token, parked_wakes_.top().first));
  }
  return next;
}

}  // namespace parallax::sensor
