#include "collector/detect/judge.h"

#include <algorithm>

namespace parallax::collector {
namespace {

// So many at once, and it is no limit that a round of few would notice.
constexpr unsigned kManyEchoes = 3;

bool IsEcho(const ProbeTryResult& result) {
  return result.attempt.method == ProbeMethod::kIcmpEcho;
}

unsigned At(const Echoes& echoes, size_t second) {
  return second < echoes.size() ? echoes[second] : 0;
}

}  // namespace

Echoes EchoesOf(const Round& round) {
  Echoes echoes;
  for (const auto& [sensor, report] : round.reports) {
    for (size_t i = 0; i < report.tries.size(); ++i) {
      if (IsEcho(report.tries[i]) && report.tries[i].state == ProbeState::kAnswered) {
        echoes.resize(std::max(echoes.size(), i + 1));
        ++echoes[i];
      }
    }
  }
  return echoes;
}

std::optional<uint8_t> EchoesAtOnce(const Round& round, const Echoes& echoes) {
  std::optional<unsigned> least;
  for (const auto& [sensor, report] : round.reports) {
    const bool answered = !report.tries.empty() && IsEcho(report.tries.back()) &&
                          report.tries.back().state == ProbeState::kAnswered;
    for (size_t i = 0; answered && i < report.tries.size(); ++i) {
      const ProbeTryResult& result = report.tries[i];
      if (IsEcho(result) && result.state == ProbeState::kSilent && At(echoes, i) > 0) {
        least = std::min(least.value_or(At(echoes, i)), At(echoes, i));
      }
    }
  }
  if (least) {
    return static_cast<uint8_t>(std::min<unsigned>(*least, Target::kUnlimited - 1));
  }
  const bool many =
      !echoes.empty() && *std::max_element(echoes.begin(), echoes.end()) >= kManyEchoes;
  return many ? std::optional(Target::kUnlimited) : std::nullopt;
}

Ballot ReadReport(VantageId sensor, const ProbeReport& report, const std::array<bool, 2>& telling,
                  bool reached_before, const Echoes& echoes, uint8_t at_once) {
  Ballot ballot;
  ballot.sensor = sensor;
  size_t unsent = 0;
  for (size_t i = 0; i < report.tries.size(); ++i) {
    const ProbeTryResult& result = report.tries[i];
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
        if (IsEcho(result) && At(echoes, i) >= at_once) {
          break;
        }
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
    const Cell* cell = target.FindCell(ballot.sensor);
    if (ballot.answered) {
      opinion.reaching.push_back(ballot.sensor);
      opinion.undecided |=
          cell != nullptr && cell->down();  // it was down a moment ago: look once more
    } else if (ballot.misses > 0) {
      if (cell != nullptr && cell->accuses()) {
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
