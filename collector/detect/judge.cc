#include "collector/detect/judge.h"

namespace parallax::collector {

Ballot ReadReport(VantageId sensor, const ProbeReport& report,
                  const std::array<bool, 2>& target_answers,
                  const std::array<bool, 2>& method_works) {
  Ballot ballot;
  ballot.sensor = sensor;
  for (const ProbeTryResult& result : report.tries) {
    const size_t method = result.attempt.method == ProbeMethod::kIcmpEcho ? 0 : 1;
    switch (result.state) {
      case ProbeState::kAnswered:
        ballot.answered = true;
        ballot.rtt = result.rtt;
        ballot.answered_by = result.attempt.method;
        break;
      case ProbeState::kSilent:
        (method == 0 ? ballot.icmp_silent : ballot.tcp_silent) = true;
        if (target_answers[method] && method_works[method]) {
          ++ballot.misses;
        }
        break;
      case ProbeState::kUnreachable:
        ++ballot.misses;
        break;
      case ProbeState::kProhibited:
        ballot.prohibited = true;
        break;
      case ProbeState::kNotSent:
      case ProbeState::kRefused:
        break;
    }
  }
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
    } else if (ballot.icmp_silent || ballot.tcp_silent) {
      opinion.unsure = true;
    }
  }
  if (!opinion.failing.empty() && !opinion.reaching.empty()) {
    opinion.verdict = Verdict::kRouteAnomaly;
  } else if (opinion.undecided) {
    opinion.verdict = Verdict::kUnknown;
  } else if (!opinion.reaching.empty()) {
    opinion.verdict = Verdict::kHealthy;
  } else if (opinion.failing.size() >= 2) {
    opinion.verdict = Verdict::kTargetDown;
  }
  return opinion;
}

}  // namespace parallax::collector
