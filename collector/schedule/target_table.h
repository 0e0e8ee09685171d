// The addresses worth probing. A target is earned: by an attempt that completed (and was not
// sampled: see Earned), or by a SYN that was repeated as a real TCP repeats it. A lone SYN may be
// spoofed, and must not make us probe its victim. Bounded: a full table takes no more, and counts
// what it refused, until old targets are forgotten.
//
// Of each target no more is kept than of its last kMostPlaces vantages: there may be a thousand.
//
// Pure; owned by the engine's thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "collector/detect/cell.h"
#include "collector/detect/model.h"
#include "collector/detect/vantage.h"
#include "common/flat_map.h"
#include "common/time.h"

namespace parallax::collector {

struct TargetOptions {
  PrefixSet local_networks;  // of the campus: never targets
  PrefixSet deny;            // never probed
  Duration forget_after = std::chrono::hours(24);
  size_t capacity = 100'000;
};

// Fibonacci hashing: consecutive numbers land far apart. For where a target's trickle starts.
inline uint64_t Scatter(uint64_t n) { return n * 0x9E3779B97F4A7C15 >> 40; }

struct Target {
  TargetRecord record;
  FlatMap<VantageId, Cell> cells;
  // The cell of that vantage, made if need be. If there are many, one that says nothing but "up"
  // makes room for it.
  Cell& CellOf(VantageId sensor);
  uint64_t open_round = 0;              // 0: none
  std::optional<MonoTime> compared_at;  // when the last comparison round began
  std::optional<MonoTime> asked_at;     // when the last round of any kind that is over began
  std::optional<MonoTime> next_check;   // when the trickle comes by again
  // Grows with every trigger that comes soon after the last one, so that one odd client cannot keep
  // the fleet busy; forgotten when trouble is found.
  Duration trigger_gap{};
  std::optional<MonoTime> triggered_at;
  uint64_t trickles = 0;     // visits of the trickle; starts anywhere, so that targets differ
  uint8_t unsure_looks = 0;  // taken because somebody's silence could not be read
  // It, or something before it, answers no more echo requests than that in a second, as far as is
  // known: some vantages were answered only when they asked again, and others meanwhile.
  uint8_t echoes_at_once = kUnlimited;
  static constexpr uint8_t kUnlimited = UINT8_MAX;
  uint8_t lessons = 0;  // comparisons in which an unproven method was tried first
  // A comparison round that waits in one of the engine's queues.
  struct Wanted {
    bool queued = false;
    MonoTime since{};
    MonoTime not_before{};
    std::vector<VantageId> must;
    bool wide = false;  // from as many vantages as a round may have
  };
  Wanted urgent;
  Wanted patient;
  WallTime saved_seen{};  // last_seen as the store has it
  // The last half-open attempt of this host, by the sensor that saw it: an arriving SYN proves the
  // way in.
  struct HalfOpen {
    MonoTime at{};
    bool syn_repeated = false;
  };
  std::map<VantageId, HalfOpen> half_open;

  std::map<VantageId, MonoTime> completed;  // when the last connection began that completed there,
                                            // unless there was trouble since

  // Connections that it began, by the sensor that saw them.
  struct Arrivals {
    MonoTime first{};
    MonoTime last{};
    uint32_t count = 0;             // from `first` to `last`
    bool completed = false;         // one of them did: packets from there have reached it
    std::optional<MonoTime> stuck;  // the last one stayed half-open or unanswered, then
  };
  std::map<VantageId, Arrivals> arrivals;
  // In these three maps, for an entry of that sensor: in the place of the oldest, if there are
  // kMostPlaces.
  void MakeRoomFor(VantageId sensor);

  // The first two vantages that had an answer: enough to know that it was no lie.
  std::set<VantageId> witnesses;
  void NoteAnswered(VantageId by) {
    if (witnesses.size() < 2) {
      witnesses.insert(by);
    }
  }

  // Is it believed out of reach from there?
  bool DownFrom(VantageId sensor) const {
    const Cell* cell = FindCell(sensor);
    return cell != nullptr && cell->down();
  }
  const Cell* FindCell(VantageId sensor) const {  // nullptr: it was never asked
    const auto cell = cells.find(sensor);
    return cell == cells.end() ? nullptr : &cell->second;
  }

  // When anybody had an answer by that method last; epoch 0 if never.
  WallTime& AnsweredAt(ProbeMethod method) {
    return method == ProbeMethod::kIcmpEcho ? record.icmp_answered : record.tcp_answered;
  }
  WallTime AnsweredAt(ProbeMethod method) const {
    return method == ProbeMethod::kIcmpEcho ? record.icmp_answered : record.tcp_answered;
  }
  bool Answers(ProbeMethod method) const { return AnsweredAt(method) != WallTime{}; }
  bool Answers() const { return Answers(ProbeMethod::kIcmpEcho) || Answers(ProbeMethod::kTcpSyn); }
};

class TargetTable {
 public:
  explicit TargetTable(TargetOptions options) : options_(std::move(options)) {}

  Target& Restore(const TargetRecord& record) {
    Target& target = targets_[record.address];
    target.record = record;
    return target;
  }

  // May this address be probed at all?
  bool Allowed(const IpAddress& address) const;
  // What an attempt earns its client; nullopt if nothing.
  static std::optional<EarnedBy> Earned(const Attempt& attempt);

  // The target, made if need be; nullptr if it is not allowed or the table is full.
  Target* Earn(const IpAddress& address, EarnedBy earned_by, Moment now);
  Target* Find(const IpAddress& address);
  const Target* Find(const IpAddress& address) const;

  // Drops targets unseen for forget_after, those that are no longer allowed and those that
  // `never` names; returns them. If the table is nearly full, makes room. Looks at one in `part` of
  // them at a time, the next ones each time, so that no call takes long.
  std::vector<IpAddress> Forget(const std::function<bool(const IpAddress&)>& never, Moment now,
                                size_t part = 1);

  // Shows the next of all targets to `visit`, about one in `part` of them. `bucket` says where they
  // are, and 0 that it has been round. A table that grew meanwhile begins somewhere else.
  template <typename Visit>
  void Walk(size_t& bucket, size_t part, Visit&& visit) {
    const size_t buckets = targets_.bucket_count();
    const size_t end = std::min(buckets, bucket + buckets / std::max<size_t>(part, 1) + 1);
    for (bucket = std::min(bucket, end); bucket < end; ++bucket) {
      for (auto it = targets_.begin(bucket); it != targets_.end(bucket); ++it) {
        visit(it->second);
      }
    }
    bucket = end >= buckets ? 0 : end;
  }

  std::unordered_map<IpAddress, Target>& all() { return targets_; }
  const std::unordered_map<IpAddress, Target>& all() const { return targets_; }
  uint64_t refused() const { return refused_; }

 private:
  // Drops a fiftieth of these: those unheard for the longest.
  void EvictOldest(std::vector<std::pair<WallTime, IpAddress>> idle, std::vector<IpAddress>& gone);

  TargetOptions options_;
  std::unordered_map<IpAddress, Target> targets_;
  uint64_t refused_ = 0;
  size_t next_bucket_ = 0;  // to be looked at by Forget
};

}  // namespace parallax::collector
