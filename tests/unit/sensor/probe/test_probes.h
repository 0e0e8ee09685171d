// Probes and what answers them as the decision code sees it, without packets: for tests.
#pragma once

#include <algorithm>
#include <chrono>

#include "sensor/probe/policy/policy.h"
#include "sensor/probe/wire/answer.h"
#include "sensor/probe/wire/packet.h"
#include "tests/unit/sensor/probe/test_answers.h"

namespace parallax::sensor::test {

using namespace std::chrono_literals;

inline constexpr ProbeTry kEcho{ProbeMethod::kIcmpEcho, 0};
inline constexpr ProbeTry kHttps{ProbeMethod::kTcpSyn, 443};
inline constexpr ProbeTry kUdpTrace{ProbeMethod::kUdp, 33434};

inline IpAddress V4(uint32_t value) {
  return IpAddress::V4(
      std::array<uint8_t, 4>{static_cast<uint8_t>(value >> 24), static_cast<uint8_t>(value >> 16),
                             static_cast<uint8_t>(value >> 8), static_cast<uint8_t>(value)});
}

// Allows whatever can be probed at all, as fast as the rates say.
inline Policy OpenPolicy(double all = 1000, double per_prefix = 1000, double per_target = 1000) {
  Policy policy;
  policy.packets_per_second = all;
  policy.per_prefix_per_second = per_prefix;
  policy.per_target_per_second = per_target;
  std::vector<Prefix> allowed;
  for (const char* text : {"0.0.0.0/0", "::/0", "10.0.0.0/8", "192.0.2.0/24", "198.51.100.0/24",
                           "203.0.113.0/24", "2001:db8::/32"}) {
    allowed.push_back(*Prefix::Parse(text));
  }
  policy.allow = PrefixSet(std::move(allowed));
  return policy;
}

inline Answer AnswerTo(const Probe& probe, AnswerKind kind) {
  Answer answer;
  answer.kind = kind;
  answer.source = answer.target = probe.target;
  answer.method = probe.attempt.method;
  answer.port = probe.attempt.port;
  answer.flow_port = probe.flow_port;
  answer.sequence = kind == AnswerKind::kUdpReply ? 0 : probe.sequence;
  if (kind == AnswerKind::kEchoReply) {
    answer.tag = PayloadTag{probe.id, probe.tag};
  }
  return answer;
}

// The answer of a live host with a service at the port.
inline Answer AnswerTo(const Probe& probe) {
  switch (probe.attempt.method) {
    case ProbeMethod::kTcpSyn:
      return AnswerTo(probe, AnswerKind::kSynAck);
    case ProbeMethod::kUdp:
      return AnswerTo(probe, AnswerKind::kUdpReply);
    case ProbeMethod::kIcmpEcho:
      break;
  }
  return AnswerTo(probe, AnswerKind::kEchoReply);
}

// An ICMP error about the probe with 8 quoted transport bytes, or with the payload's tag as well.
inline Answer ErrorTo(const Probe& probe, const IpAddress& router, ErrorMeaning meaning,
                      bool quotes_tag = false) {
  Answer answer = AnswerTo(probe, AnswerKind::kError);
  answer.source = router;
  answer.icmp_type = meaning == ErrorMeaning::kTimeExceeded ? 11 : 3;
  answer.icmp_code = meaning == ErrorMeaning::kTimeExceeded ? 0
                     : meaning == ErrorMeaning::kProhibited ? 13
                                                            : 1;
  answer.meaning = meaning;
  answer.quoted_source = Ip(probe.target.is_v4() ? "192.0.2.10" : "2001:db8::10");
  answer.quoted_ttl = 1;
  if (probe.target.is_v4()) {
    answer.quoted_ip_id = static_cast<uint16_t>(probe.sequence);
  }
  switch (probe.attempt.method) {
    case ProbeMethod::kIcmpEcho:
      answer.quoted_checksum = probe.flow_checksum;
      break;
    case ProbeMethod::kUdp:
      answer.quoted_checksum = static_cast<uint16_t>(probe.sequence);
      break;
    case ProbeMethod::kTcpSyn:
      break;
  }
  if (quotes_tag && probe.attempt.method != ProbeMethod::kTcpSyn) {
    answer.tag = PayloadTag{probe.id, probe.tag};
  }
  return answer;
}

inline Answer RedirectTo(const Probe& probe, const IpAddress& router, const IpAddress& gateway) {
  Answer answer = ErrorTo(probe, router, ErrorMeaning::kUnreachable);
  answer.kind = AnswerKind::kRedirect;
  answer.icmp_type = 5;
  answer.gateway = gateway;
  return answer;
}

// The most of `times`, which ascend, within any [t, t + 1 s).
inline size_t MostInASecond(const std::vector<MonoTime>& times) {
  size_t most = 0;
  size_t first = 0;
  for (size_t last = 0; last < times.size(); ++last) {
    while (times[last] - times[first] >= 1s) {
      ++first;
    }
    most = std::max(most, last - first + 1);
  }
  return most;
}

}  // namespace parallax::sensor::test
