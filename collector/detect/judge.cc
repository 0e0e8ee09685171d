#include "collector/detect/judge.h"

namespace parallax::collector {

Ballot ReadReport(VantageId sensor, const ProbeReport& report, const std::array<bool, 2>& telling,
                  bool reached_before) {
  Ballot ballot;
  ballot.sensor = sensor;
  size_t unsent = 0;
  for (const ProbeTryResult& result : report.tries) {
    const auto method = static_cast<size_t>(result.attempt.method);
    if (method >= telling.size()) {
      continue;  // a way of asking that no round uses
    }
    switch (result.state) {
      case ProbeState::kAnswered:
        ballot.answered = true;
        ballot.rtt = result.rtt;
        ballot.answered_by = result.attempt.method;
        break;
      case ProbeState::kSilent:
        ballot.silent[method] = true;
        ballot.misses += telling[method] ? 1 : 0;
        break;
      case ProbeState::kUnreachable:
      case ProbeState::kTimeExceeded:
        ++ballot.misses;
        break;
      case ProbeState::kProhibited:
        ballot.prohibited = true;
        ballot.silent[method] = true;
        ballot.misses += telling[method] && reached_before ? 1 : 0;
        break;
      case ProbeState::kNotSent:
        ++unsent;
        break;
      case ProbeState::kRefused:
        break;
    }
  }
  ballot.unsent = unsent > 0 && unsent == report.tries.size();
  return ballot;
}

Opinion Judge(const std::vector<Ballot>& ballots, const Target& target) {
  Opinion opinion;
  for (const Ballot& ballot : ballots) {
    const auto it = target.cells.find(ballot.sensor);
    const bool down = it != target.cells.end() && it->second.down();
    if (ballot.answered) {
      opinion.reaching.push_back(ballot.sensor);
      opinion.undecided |= down;  // it was down a moment ago: look once more
    } else if (ballot.misses > 0) {
      if (down) {
        opinion.failing.push_back(ballot.sensor);
      } else {
        opinion.undecided = true;
      }
    } else if (ballot.silent[0] || ballot.silent[1]) {
      opinion.unsure = true;
    }
  }
  if (!opinion.failing.empty() && !opinion.reaching.empty()) {
    opinion.verdict = Verdict::kRouteAnomaly;
  } else if (opinion.undecided) {
    opinion.verdict = Verdict::kUnknown;
  } else if (!opinion.reaching.empty()) {
    opinion.verdict = Verdict::kHealthy;
  } else if (opinion.failing.size() >= 2 && target.Answers()) {
    // Who never answered anybody cannot fall silent; routers may say "unreachable" all the same.
    opinion.verdict = Verdict::kTargetDown;
  }
  return opinion;
}

}  // namespace parallax::collector
