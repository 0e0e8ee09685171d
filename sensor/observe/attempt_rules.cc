#include "sensor/observe/attempt_rules.h"

#include <algorithm>
#include <chrono>

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

constexpr Duration kSynRepeatLeast = 900ms;   // first time-out 1 s (RFC 6298), less some jitter
constexpr Duration kCompletedAfter = 1500ms;  // Linux repeats a lost SYN-ACK after 1.0 s
constexpr Duration kSilentAfter = 3500ms;     // two SYNs would have been repeated by then
constexpr Duration kAwaitSyn = 400ms;         // after a repeated SYN-ACK
constexpr Duration kAwaitSynAck = 400ms;      // after a repeated SYN: most round trips are shorter

// How long an entry outlives its last segment.
constexpr Duration kKeepUnanswered = 70s;  // Linux: up to 32.8 s, others 64 s between two SYNs
constexpr Duration kKeepAnswered = 8s;
constexpr Duration kKeepRepeating = 35s;  // up to 32 s between two SYN-ACKs

}  // namespace

Conclusion Conclude(const TrackedAttempt& a) {
  if (a.refused) {
    return {AttemptOutcome::kRefused, "rst"};
  }
  if (a.acknowledged) {
    return {AttemptOutcome::kCompleted, "acknowledged"};
  }
  if (a.syn_ack_repeated) {
    return {AttemptOutcome::kHalfOpen, "syn_ack_repeated"};
  }
  if (a.syn_after_syn_ack) {
    return {AttemptOutcome::kHalfOpen, "syn_repeated_after_syn_ack"};
  }
  if (a.client_reset) {
    return {AttemptOutcome::kUnknown, "client_reset"};
  }
  if (a.client_abort) {
    return {AttemptOutcome::kCompleted, "client_abort"};
  }
  if (a.syn_acks > 0 && a.syns == 0) {
    return {AttemptOutcome::kUnknown, "syn_not_seen", true};
  }
  if (a.syn_acks > 0) {
    return {AttemptOutcome::kCompleted, "syn_ack_not_repeated", true};
  }
  if (a.syn_repeated) {
    return {AttemptOutcome::kUnanswered, "syn_repeated", true};
  }
  return {AttemptOutcome::kUnknown, "syn_once", true};
}

bool IsSettled(const TrackedAttempt& a) {
  return a.refused || a.acknowledged || a.syn_after_syn_ack || a.client_reset || a.client_abort;
}

MonoTime ConcludeAt(const TrackedAttempt& a) {
  if (a.syn_ack_repeated) {
    return a.last_syn_ack + kAwaitSyn;
  }
  if (a.syn_acks > 0) {
    return a.first_syn_ack + kCompletedAfter;
  }
  if (a.syn_repeated && a.last_syn - a.first_seen >= kSynRepeatLeast) {
    return std::min(a.due, a.last_syn + kAwaitSynAck);  // of the first such SYN
  }
  return a.first_seen + kSilentAfter;
}

Duration KeepFor(const TrackedAttempt& a) {
  if (!a.answered()) {
    return kKeepUnanswered;
  }
  return a.syn_ack_repeated || a.syn_after_syn_ack ? kKeepRepeating : kKeepAnswered;
}

}  // namespace parallax::sensor
