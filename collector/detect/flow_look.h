// One look at whether a host fails as a whole, by flow, or by single packets: a few flows from one
// sensor to it, each asked a few times. Pure: reports in, a verdict out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "collector/detect/vantage.h"
#include "common/flow_verdict.h"
#include "common/records.h"

namespace parallax::collector {

class FlowLook {
 public:
  static constexpr uint16_t kFlows = 8;  // a split in two is seen with 99.2 %

  // `attempt`: one and the same in all rounds, but for the flow. `brief`: if all flows get through
  // once, that will do.
  FlowLook(const IpAddress& target, VantageId sensor, const ProbeTry& attempt, bool brief)
      : target_(target), sensor_(sensor), attempt_(attempt), brief_(brief) {}

  const IpAddress& target() const { return target_; }
  VantageId sensor() const { return sensor_; }
  // The round under way; 0: none.
  uint64_t round() const { return round_; }
  bool IsDone() const { return rounds_ >= kRounds || (brief_ && all_ > 0 && all_ == rounds_); }

  // What to ask in the next round, which gets this number.
  std::vector<ProbeTry> Ask(uint64_t round);
  // The round is over; a sensor that has not reported has said nothing.
  void Take(const std::map<VantageId, ProbeReport>& reports);

  // nullopt until it is done, and if things came or went meanwhile, for all flows at once.
  const std::optional<FlowVerdict>& Verdict() const { return verdict_; }

 private:
  void Conclude();

  static constexpr size_t kRounds = 3;
  static constexpr uint16_t kFirstFlow = 1;  // 0 is what all other probes use

  IpAddress target_;
  VantageId sensor_;
  ProbeTry attempt_;
  bool brief_;
  uint64_t round_ = 0;
  size_t rounds_ = 0;
  // Of these: answered as a whole, silent as a whole, and changing once from one to the other.
  size_t all_ = 0;
  size_t none_ = 0;
  size_t torn_ = 0;
  std::map<uint16_t, FlowTally> flows_;
  std::optional<FlowVerdict> verdict_;
};

}  // namespace parallax::collector
