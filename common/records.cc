#include "common/records.h"

namespace parallax {

std::string_view ToString(AttemptOutcome outcome) {
  switch (outcome) {
    case AttemptOutcome::kPending:
      return "pending";
    case AttemptOutcome::kCompleted:
      return "completed";
    case AttemptOutcome::kHalfOpen:
      return "half_open";
    case AttemptOutcome::kUnanswered:
      return "unanswered";
    case AttemptOutcome::kRefused:
      return "refused";
    case AttemptOutcome::kUnknown:
      return "unknown";
  }
  return "unknown";
}

std::string_view ToString(ProbeMethod method) {
  switch (method) {
    case ProbeMethod::kIcmpEcho:
      return "icmp";
    case ProbeMethod::kTcpSyn:
      return "tcp";
    case ProbeMethod::kUdp:
      return "udp";
  }
  return "icmp";
}

std::string_view ToString(ProbeState state) {
  switch (state) {
    case ProbeState::kAnswered:
      return "answered";
    case ProbeState::kSilent:
      return "silent";
    case ProbeState::kUnreachable:
      return "unreachable";
    case ProbeState::kTimeExceeded:
      return "time_exceeded";
    case ProbeState::kProhibited:
      return "prohibited";
    case ProbeState::kNotSent:
      return "not_sent";
    case ProbeState::kRefused:
      return "refused";
  }
  return "silent";
}

}  // namespace parallax
