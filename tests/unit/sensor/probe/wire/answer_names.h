// What answers are called in golden files and by the programs that tests run.
#pragma once

#include <string_view>

#include "sensor/probe/wire/answer.h"

namespace parallax::sensor::test {

inline std::string_view Name(AnswerKind kind) {
  switch (kind) {
    case AnswerKind::kEchoReply:
      return "echo_reply";
    case AnswerKind::kSynAck:
      return "syn_ack";
    case AnswerKind::kReset:
      return "reset";
    case AnswerKind::kAck:
      return "ack";
    case AnswerKind::kUdpReply:
      return "udp_reply";
    case AnswerKind::kError:
      return "error";
    case AnswerKind::kRedirect:
      return "redirect";
  }
  return "?";
}

inline std::string_view Name(ErrorMeaning meaning) {
  switch (meaning) {
    case ErrorMeaning::kUnreachable:
      return "unreachable";
    case ErrorMeaning::kTimeExceeded:
      return "time_exceeded";
    case ErrorMeaning::kProhibited:
      return "prohibited";
  }
  return "?";
}

}  // namespace parallax::sensor::test
