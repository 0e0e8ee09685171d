// The addresses worth probing. A target is earned: by an attempt that completed, or by a SYN that was
// repeated as a real TCP repeats it. A lone SYN may be spoofed, and must not make us probe its
// victim. Bounded: a full table takes no more, and counts what it refused, until old targets
// are forgotten.
//
// Pure; owned by the engine's thread.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "collector/detect/cell.h"
#include "collector/detect/model.h"
#include "collector/detect/vantage.h"
#include "common/time.h"

namespace parallax::collector {

struct TargetOptions {
  PrefixSet local_networks;  // of the campus: never targets
  PrefixSet deny;            // never probed
  Duration forget_after = std::chrono::hours(24);
  size_t capacity = 100'000;
};

struct Target {
  TargetRecord record;
  std::unordered_map<VantageId, Cell> cells;
  uint64_t open_round = 0;             // 0: none
  std::optional<MonoTime> compared_at;  // when the last comparison round began
  std::optional<MonoTime> next_check;   // when the trickle comes by again
  Duration trigger_gap{};  // grows while triggers lead to healthy rounds, so that one odd client
                           // cannot keep the fleet busy
  bool wanted_urgently = false;  // waits in the engine's queues
  bool wanted_patiently = false;
  WallTime saved_seen{};  // last_seen as the store has it
  // Half-open attempts of this host, by the sensor that saw them: an arriving SYN proves the way in.
  std::unordered_map<VantageId, MonoTime> half_open;

  bool Answers(ProbeMethod method) const {
    return (method == ProbeMethod::kIcmpEcho ? record.icmp_answered : record.tcp_answered) !=
           WallTime{};
  }
};

class TargetTable {
 public:
  explicit TargetTable(TargetOptions options) : options_(std::move(options)) {}

  void Restore(const TargetRecord& record) { targets_[record.address].record = record; }

  // May this address be probed at all?
  bool Allowed(const IpAddress& address) const;
  // What an attempt earns its client; nullopt if nothing.
  static std::optional<EarnedBy> Earned(const Attempt& attempt);

  // The target, made if need be; nullptr if it is not allowed or the table is full.
  Target* Earn(const IpAddress& address, EarnedBy earned_by, Moment now);
  Target* Find(const IpAddress& address);
  const Target* Find(const IpAddress& address) const;

  // Drops targets unseen for forget_after and those that are no longer allowed; returns them.
  // Looks at every target: call it once a minute, not on every tick.
  std::vector<IpAddress> Forget(Moment now);

  std::unordered_map<IpAddress, Target>& all() { return targets_; }
  const std::unordered_map<IpAddress, Target>& all() const { return targets_; }
  uint64_t refused() const { return refused_; }

 private:
  TargetOptions options_;
  std::unordered_map<IpAddress, Target> targets_;
  uint64_t refused_ = 0;
};

}  // namespace parallax::collector
