#include "collector/detect/flow_look.h"

namespace parallax::collector {

std::vector<ProbeTry> FlowLook::Ask(uint64_t round) {
  round_ = round;
  std::vector<ProbeTry> tries(kFlows, attempt_);
  for (uint16_t i = 0; i < kFlows; ++i) {
    // Another order each time, so that what comes and goes does not look bound to a flow.
    tries[i].flow = static_cast<uint16_t>(kFirstFlow + (i * 3 + rounds_) % kFlows);
  }
  return tries;
}

void FlowLook::Take(const std::map<VantageId, ProbeReport>& reports) {
  round_ = 0;
  ++rounds_;
  std::vector<bool> answers;
  for (const auto& [sensor, report] : reports) {
    for (const ProbeTryResult& result : report.tries) {
      if (result.state == ProbeState::kNotSent || result.state == ProbeState::kRefused ||
          result.attempt.flow < kFirstFlow || result.attempt.flow >= kFirstFlow + kFlows) {
        continue;
      }
      FlowTally& tally = flows_[result.attempt.flow];
      tally.flow = result.attempt.flow;
      ++tally.sent;
      answers.push_back(result.state == ProbeState::kAnswered);
      if (answers.back()) {
        ++tally.answered;
      }
    }
  }
  size_t changes = 0;
  for (size_t i = 1; i < answers.size(); ++i) {
    changes += answers[i] != answers[i - 1] ? 1 : 0;
  }
  if (!answers.empty() && changes <= 1) {
    ++(changes == 1 ? torn_ : answers.front() ? all_ : none_);
  }
  if (IsDone()) {
    Conclude();
  }
}

void FlowLook::Conclude() {
  const bool scattered = all_ + none_ + torn_ < rounds_;
  const bool came_or_went = (all_ > 0 && none_ > 0) || (torn_ > 0 && !scattered);
  if (came_or_went) {
    return;
  }
  std::vector<FlowTally> tallies;
  for (const auto& [flow, tally] : flows_) {
    tallies.push_back(tally);
  }
  verdict_ = JudgeFlows(tallies);
}

}  // namespace parallax::collector
