// A prober with its world, for tests: virtual time, and the probes and reports that came out.
#pragma once

#include <gtest/gtest.h>

#include <string_view>
#include <utility>
#include <vector>

#include "sensor/probe/prober.h"
#include "tests/unit/sensor/probe/test_answers.h"

namespace parallax::sensor::test {

using namespace std::chrono_literals;

inline constexpr ProbeTry kEcho{ProbeMethod::kIcmpEcho, 0};
inline constexpr ProbeTry kHttps{ProbeMethod::kTcpSyn, 443};

inline Policy OpenPolicy() {
  Policy policy;
  policy.packets_per_second = 1000;
  policy.per_target_per_second = 1000;
  policy.per_prefix_per_second = 1000;
  policy.allow = PrefixSet({*Prefix::Parse("0.0.0.0/0"), *Prefix::Parse("::/0"),
                            *Prefix::Parse("198.51.100.0/24"), *Prefix::Parse("2001:db8::/32")});
  return policy;
}

inline Answer AnswerTo(const Probe& probe, AnswerKind kind) {
  Answer answer;
  answer.kind = kind;
  answer.source = answer.target = probe.target;
  answer.attempt = probe.attempt;
  answer.flow_port = probe.flow_port;
  answer.sequence = probe.sequence;
  if (probe.attempt.method == ProbeMethod::kIcmpEcho) {
    answer.echo = EchoTag{probe.id, probe.tag};
  }
  return answer;
}

struct World {
  explicit World(Policy given = OpenPolicy(), size_t max_orders = 100)
      : policy(std::move(given)),
        ledger(tagger, max_orders * kMaxTries + 100),
        pacer(policy.packets_per_second, policy.per_target_per_second),
        prober(policy, ledger, pacer, max_orders) {}

  void Accept(ProbeOrder order) {
    prober.Accept(std::move(order), now, out);
    Drain();
  }
  // Moves time on, stopping wherever the prober asked to be called.
  void RunFor(Duration time) {
    const Moment end = now + time;
    while (true) {
      prober.Advance(now, out);
      Drain();
      const auto next = prober.NextDeadline();
      if (!next || *next > end.mono) {
        break;
      }
      ASSERT_GT(*next, now.mono) << "the prober does not make progress";
      now = now + (*next - now.mono);
    }
    now = end;
    prober.Advance(now, out);
    Drain();
  }
  bool Answer(const sensor::Answer& answer) {
    const auto match = ledger.OnAnswer(answer, now.mono);
    if (match) {
      prober.OnAnswer(*match, answer, now, out);
      Drain();
    }
    return match.has_value();
  }
  bool Error(const Probe& probe, const char* from, ErrorMeaning meaning, bool own = false) {
    sensor::Answer answer = AnswerTo(probe, AnswerKind::kError);
    answer.source = Ip(from);
    answer.icmp_type = 3;
    answer.icmp_code = 1;
    answer.meaning = meaning;
    answer.from_this_host = own;
    answer.echo.reset();
    return Answer(answer);
  }
  void Drain() {
    for (ProbeSend& send : out.sends) {
      sends.push_back(send);
      times.push_back(now.mono);
    }
    for (ProbeReport& report : out.reports) {
      reports.push_back(std::move(report));
    }
    out = {};
  }

  const ProbeTagger tagger{{1, 2}, {3, 4}, {61440, 65535}};
  Policy policy;
  ProbeLedger ledger;
  Pacer pacer;
  Prober prober;
  Moment now{MonoTime{1000s}, WallTime{1'700'000'000s}};
  ProbeActions out;
  std::vector<ProbeSend> sends;
  std::vector<MonoTime> times;
  std::vector<ProbeReport> reports;
};

inline ProbeOrder Order(std::vector<ProbeTry> tries = {kEcho, kHttps, kEcho}) {
  ProbeOrder order;
  order.id = 42;
  order.target = Ip("198.51.100.7");
  order.tries = std::move(tries);
  order.spacing = 500ms;
  order.timeout = 1s;
  return order;
}

inline std::vector<ProbeState> States(const ProbeReport& report) {
  std::vector<ProbeState> states;
  for (const ProbeTryResult& t : report.tries) {
    states.push_back(t.state);
  }
  return states;
}

}  // namespace parallax::sensor::test
