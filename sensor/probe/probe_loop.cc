#include "sensor/probe/probe_loop.h"

#include <sys/prctl.h>

#include <algorithm>

namespace parallax::sensor {
namespace {

// From so many probes a second on, we wake up when the next but one is due, a millisecond after the
// next at the least: waking up is what costs. The pacer makes up for that, and for late timers.
constexpr double kBrisk = 900;
constexpr Duration kBriskDelay = std::chrono::microseconds(1120);
constexpr Duration kCrowdedSleep = std::chrono::milliseconds(1);
constexpr Duration kLongestWait = std::chrono::seconds(1);
// When the next probe is due so soon, answers are read together with its sending, if the port knows
// when they came in.
constexpr Duration kShortWait = std::chrono::milliseconds(3);

}  // namespace

ProbeLoop::ProbeLoop(ProbePort& port, ProbeGate& gate) : port_(port), gate_(gate) {
  sends_.reserve(kBatch);
}

void ProbeLoop::Add(ProbeOwner::Kind kind, ProbeClient& client) {
  by_kind_[static_cast<size_t>(kind)] = &client;
  clients_.push_back(&client);
}

bool ProbeLoop::Turn() {
  Receive();
  const Moment now = Now();
  delayed_.clear();
  port_.TakeDelayed(delayed_);
  for (const IpAddress& target : delayed_) {
    gate_.CountAgain(target, now.mono);
  }
  const size_t most = std::min(kBatch, port_.room());
  for (ProbeClient* client : clients_) {
    if (sends_.size() < kBatch) {
      client->Advance(now, most - std::min(most, sends_.size()), sends_);
    }
  }
  const bool full = sends_.size() >= kBatch;
  Send();
  return full || more_answers_;
}

void ProbeLoop::Receive() {
  // Whatever is known by now of when probes left, before their answers are looked at.
  port_.Send({}, outcomes_);
  TakeOutcomes();
  const auto handle = [this](const Answer& answer, MonoTime received) {
    const auto match = gate_.ledger().OnAnswer(answer, received);
    ProbeClient* client = match ? by_kind_[static_cast<size_t>(match->owner.kind)] : nullptr;
    if (client != nullptr) {
      client->OnAnswer(*match, answer, Now());
    }
  };
  more_answers_ = port_.Receive(handle);
}

void ProbeLoop::Send() {
  probes_.clear();
  for (const ProbeSend& send : sends_) {
    probes_.push_back(send.probe);
  }
  sends_.clear();
  port_.Send(probes_, outcomes_);
  sent_ += probes_.size();
  TakeOutcomes();
}

void ProbeLoop::TakeOutcomes() {
  for (const SendOutcome& outcome : outcomes_) {
    if (outcome.error == 0) {
      gate_.ledger().SetSent(outcome.probe_id, outcome.left);
      continue;
    }
    --sent_;
    if (const auto owner = gate_.ledger().OwnerOf(outcome.probe_id)) {
      by_kind_[static_cast<size_t>(owner->kind)]->OnSendError(*owner, outcome.error, Now());
    }
  }
  outcomes_.clear();
}

bool ProbeLoop::Wait(int wake_fd, MonoTime until) {
  if (!precise_) {
    precise_ = true;
    prctl(PR_SET_TIMERSLACK, 1);  // by default sleeps are up to 50 us too long
  }
  for (const ProbeClient* client : clients_) {
    until = std::min(until, client->NextDeadline().value_or(until));
  }
  const bool crowded = port_.room() == 0;  // and clients that want to send have to wait
  const Duration least = crowded ? kCrowdedSleep : Duration::zero();
  if (gate_.rate() >= kBrisk) {
    until += kBriskDelay;
  }
  const MonoTime now = Now().mono;
  const Duration wait = std::clamp(std::max(until, now) - now, least, kLongestWait);
  waiting_.assign(1, {wake_fd, POLLIN, 0});  // poll passes over a negative one
  if (wait > kShortWait || !port_.KnowsWhen()) {
    for (const int fd : port_.descriptors()) {
      waiting_.push_back({fd, POLLIN, 0});
    }
  }
  const timespec timeout{.tv_sec = wait.count() / 1'000'000'000,
                         .tv_nsec = wait.count() % 1'000'000'000};
  return ppoll(waiting_.data(), waiting_.size(), &timeout, nullptr) > 0 && waiting_[0].revents != 0;
}

}  // namespace parallax::sensor
