// A sweep with its world, for tests: virtual time, hosts and routers that answer as they are told,
// and a driver that sleeps exactly as long as the sweep lets it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "sensor/probe/sweep.h"
#include "tests/unit/sensor/probe/test_probes.h"

namespace parallax::sensor::test {

// What becomes of one probe.
struct Fate {
  struct Reply {
    Duration after{};
    Answer answer;
  };
  std::vector<Reply> replies;
  int send_error = 0;
};

inline Fate Answered(const Probe& probe, Duration after) {
  return {.replies = {{after, AnswerTo(probe)}}, .send_error = 0};
}

inline Fate RouterError(const Probe& probe, const char* router, ErrorMeaning meaning) {
  return {.replies = {{10ms, ErrorTo(probe, Ip(router), meaning)}}, .send_error = 0};
}

// The nth probe (from 0) fares as `nth` says.
inline std::function<Fate(const Probe&)> Nth(std::function<Fate(size_t, const Probe&)> nth) {
  return [nth = std::move(nth), count = size_t{0}](const Probe& probe) mutable {
    return nth(count++, probe);
  };
}

struct SweepWorldOptions {
  Policy policy = OpenPolicy(1e6, 1e6, 1e6);
  size_t ledger_capacity = size_t{1} << 18;
  size_t batch = 64;      // as ProbeLoop asks for
  Duration sleep_late{};  // every sleep takes so much longer
};

inline TargetList Targets(std::initializer_list<const char*> prefixes) {
  TargetList targets;
  for (const char* text : prefixes) {
    EXPECT_TRUE(targets.Add(*Prefix::Parse(text)));
  }
  targets.Close();
  return targets;
}

class SweepWorld {
 public:
  using Options = SweepWorldOptions;

  SweepWorld(TargetList list, const SweepOptions& sweep_options, Options given = {})
      : options(std::move(given)),
        targets(std::move(list)),
        ledger(tagger, options.ledger_capacity),
        gate(ledger, options.policy),
        sweep(gate, targets, sweep_options, {11, 12}) {}

  // Until all is done and nothing is in flight any more, or for `longest`.
  void Run(Duration longest = 10h) {
    const MonoTime end = now.mono + longest;
    size_t idle_in_a_row = 0;
    while (now.mono <= end) {
      const bool busy = Turn();
      most_in_flight = std::max(most_in_flight, ledger.in_flight());
      if (testing::Test::HasFatalFailure()) {
        return;
      }
      std::optional<MonoTime> next = sweep.NextDeadline();
      if (!arriving.empty()) {
        next = next ? std::min(*next, arriving.begin()->first) : arriving.begin()->first;
      }
      if (!next) {
        return;
      }
      if (*next > now.mono) {
        idle_in_a_row = 0;
        if (*next > end) {
          now = now + (end - now.mono);
          return;
        }
        now = now + (*next - now.mono + options.sleep_late);
        continue;
      }
      // To be called again at once there must have been something to do. Fresh targets are put
      // aside a thousand at a time while their prefixes may not be asked.
      idle_in_a_row = busy ? 0 : idle_in_a_row + 1;
      ASSERT_LT(idle_in_a_row, 100u) << "the sweep asks to be called and does nothing";
    }
  }

  const SweepResult& ResultOf(const char* target) {
    const auto it = by_target.find(Ip(target));
    EXPECT_NE(it, by_target.end()) << target;
    return it == by_target.end() ? none : results[it->second];
  }
  // When probes to the target were sent, since the beginning.
  std::vector<Duration> TimesOf(const char* target) const {
    std::vector<Duration> found;
    for (size_t i = 0; i < sends.size(); ++i) {
      if (sends[i].target == Ip(target)) {
        found.push_back(times[i] - start);
      }
    }
    return found;
  }

  Options options;
  const ProbeTagger tagger{{1, 2}, {3, 4}, {61440, 65535}};
  TargetList targets;
  ProbeLedger ledger;
  ProbeGate gate;
  Sweep sweep;
  const MonoTime start{1000s};
  Moment now{start, WallTime{1'700'000'000s}};
  std::function<Fate(const Probe&)> world = [](const Probe&) { return Fate(); };
  std::multimap<MonoTime, Answer> arriving;

  std::vector<Probe> sends;  // without those that the kernel refused
  std::vector<MonoTime> times;
  std::vector<SweepResult> results;
  std::vector<MonoTime> result_times;
  std::map<IpAddress, size_t> by_target;
  size_t turns = 0;
  size_t most_in_flight = 0;
  const SweepResult none;

 private:
  // As ProbeLoop has it. False: nothing was sent, reported or received.
  bool Turn() {
    ++turns;
    bool busy = false;
    while (!arriving.empty() && arriving.begin()->first <= now.mono) {
      const auto [at, answer] = *arriving.begin();
      arriving.erase(arriving.begin());
      busy = true;
      if (const auto match = ledger.OnAnswer(answer, at)) {
        EXPECT_EQ(match->owner.kind, ProbeOwner::Kind::kSweep);
        sweep.OnAnswer(*match, answer, now);
      }
    }
    std::vector<ProbeSend> out;
    sweep.Advance(now, options.batch, out);
    EXPECT_LE(out.size(), options.batch);
    for (const ProbeSend& send : out) {
      busy = true;
      const Fate fate = world(send.probe);
      if (fate.send_error != 0) {
        sweep.OnSendError(send.owner, fate.send_error, now);
        continue;
      }
      sends.push_back(send.probe);
      times.push_back(now.mono);
      for (const Fate::Reply& reply : fate.replies) {
        arriving.emplace(now.mono + reply.after, reply.answer);
      }
    }
    std::vector<SweepResult> fresh;
    sweep.TakeResults(fresh);
    for (SweepResult& result : fresh) {
      busy = true;
      EXPECT_TRUE(by_target.emplace(result.target, results.size()).second)
          << result.target.ToString() << " is reported twice";
      results.push_back(std::move(result));
      result_times.push_back(now.mono);
    }
    return busy;
  }
};

}  // namespace parallax::sensor::test
