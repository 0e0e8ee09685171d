// One target behind a path of a test's making, probed by a FlowCheck in virtual time.
#pragma once

#include <map>
#include <vector>

#include "sensor/probe/flows/flow_check.h"

namespace parallax::sensor::test {

// SplitMix64 (Steele, Lea and Flood, 2014).
class Chance {
 public:
  explicit Chance(uint64_t seed) : state_(seed * 0xd1342543de82ef95) {}
  uint64_t Next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }
  double Share() { return static_cast<double>(Next() >> 11) * 0x1p-53; }
  bool Is(double probability) { return Share() < probability; }

 private:
  uint64_t state_;
};

struct FlowTimes {
  Duration gap = std::chrono::milliseconds(20);  // between probes
  Duration rtt = std::chrono::milliseconds(10);
  Duration timeout = std::chrono::seconds(1);
};

struct FlowRun {
  FlowVerdict verdict;
  size_t sent = 0;
  Duration took{};
  bool done = false;
};

inline constexpr MonoTime kFlowStart{std::chrono::hours(100)};

// `lost(flow, at)` decides on each probe; `at` counts from the start.
template <typename Lost>
FlowRun RunFlows(FlowCheck& check, Lost lost, const FlowTimes& times = {}) {
  struct Outcome {
    uint16_t flow;
    bool answered;
  };
  std::multimap<MonoTime, Outcome> coming;
  MonoTime now = kFlowStart;
  MonoTime free_at = now;
  const MonoTime give_up = now + std::chrono::hours(1);
  while (!check.done() && now < give_up) {
    if (now >= free_at) {
      if (const auto flow = check.Next(now)) {
        const bool answered = !lost(*flow, now - kFlowStart);
        coming.emplace(now + (answered ? times.rtt : times.timeout), Outcome{*flow, answered});
        free_at = now + times.gap;
        continue;
      }
    }
    MonoTime next = give_up;
    if (const auto at = check.NextTime()) {
      next = std::max(*at, free_at);
    }
    if (!coming.empty() && coming.begin()->first <= next) {
      now = coming.begin()->first;
      const Outcome outcome = coming.begin()->second;
      coming.erase(coming.begin());
      outcome.answered ? check.OnAnswer(outcome.flow, now) : check.OnLost(outcome.flow, now);
    } else {
      now = next;
    }
  }
  return {check.Verdict(), check.sent(), now - kFlowStart, check.done()};
}

// Routers hash flows to `branches` of equal share; branch 0 loses `bad`, the others `good`.
class Branches {
 public:
  Branches(uint64_t seed, size_t branches, double bad, double good)
      : chance_(seed + 1), salt_(seed), branches_(branches), bad_(bad), good_(good) {}
  size_t BranchOf(uint16_t flow) const {
    return Chance(salt_ * 65536 + flow + 12345).Next() % branches_;
  }
  bool operator()(uint16_t flow, Duration) {
    return chance_.Is(BranchOf(flow) == 0 ? bad_ : good_);
  }

 private:
  Chance chance_;
  uint64_t salt_;
  size_t branches_;
  double bad_;
  double good_;
};

}  // namespace parallax::sensor::test
