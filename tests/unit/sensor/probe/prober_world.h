// A prober with its world, for tests: virtual time, and the probes and reports that came out.
#pragma once

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "sensor/probe/prober.h"
#include "tests/unit/sensor/probe/test_probes.h"

namespace parallax::sensor::test {

struct World {
  explicit World(Policy policy = OpenPolicy(), size_t max_orders = 100)
      : ledger(tagger, max_orders * kMaxTries + 100),
        gate(ledger, policy),
        prober(gate, max_orders) {}

  void Accept(ProbeOrder order) {
    prober.Accept(std::move(order), now);
    Drain();
  }
  void Advance() {
    prober.Advance(now, SIZE_MAX / 2, out);
    Drain();
  }
  // Moves time on, stopping wherever the prober asked to be called.
  void RunFor(Duration time) {
    const Moment end = now + time;
    while (true) {
      Advance();
      const auto next = prober.NextDeadline();
      if (!next || *next > end.mono) {
        break;
      }
      ASSERT_GT(*next, now.mono) << "the prober does not make progress";
      now = now + (*next - now.mono);
    }
    now = end;
    Advance();
  }
  bool Answer(const sensor::Answer& answer) {
    const auto match = ledger.OnAnswer(answer, now.mono);
    if (match) {
      prober.OnAnswer(*match, answer, now);
      Drain();
    }
    return match.has_value();
  }
  bool Error(const Probe& probe, const char* from, ErrorMeaning meaning) {
    return Answer(ErrorTo(probe, Ip(from), meaning));
  }
  void SendError(const ProbeOwner& owner, int error) {
    prober.OnSendError(owner, error, now);
    Drain();
  }
  void Drain() {
    for (const ProbeSend& send : out) {
      sends.push_back(send);
      times.push_back(now.mono);
    }
    out.clear();
    for (ProbeReport& report : prober.TakeReports()) {
      reports.push_back(std::move(report));
    }
  }

  const ProbeTagger tagger{{1, 2}, {3, 4}, {61440, 65535}};
  ProbeLedger ledger;
  ProbeGate gate;
  Prober prober;
  Moment now{MonoTime{1000s}, WallTime{1'700'000'000s}};
  std::vector<ProbeSend> out;
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
