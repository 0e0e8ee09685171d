// Rounds in progress: the same target asked from several sensors at the same time. Composes the
// orders and gathers the reports; what they mean is somebody else's business (detect/judge).
//
// Pure; owned by the engine's thread. Rounds never outlive their deadline.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "collector/detect/vantage.h"
#include "common/records.h"
#include "common/time.h"

namespace parallax::collector {

enum class RoundKind : uint8_t {
  kCompare,  // every chosen vantage, misses asked again by the sensor before it reports
  kRecheck,  // a member of an incident: those who failed, and one who did not
  kTrickle,  // peace: one vantage, one probe
  kHost,     // the host of a sensor that fell silent, asked by the others
  kFlows,    // a member of an incident: several flows from one sensor
  kLoss,     // a healthy target, again and again: how much is lost on the way
  kControl,  // a target that answered before, asked by a sensor whose gateway does not answer
};

struct Round {
  uint64_t id = 0;
  RoundKind kind = RoundKind::kCompare;
  IpAddress target;
  MonoTime began{};
  MonoTime deadline{};
  std::vector<VantageId> asked;
  std::map<VantageId, ProbeReport> reports;
  std::optional<VantageId> about;  // kHost: whose host it is

  bool Complete() const { return reports.size() == asked.size(); }
};

class RoundBook {
 public:
  // Round ids count up from `first_id`; a late report of an earlier life matches nothing.
  explicit RoundBook(uint64_t first_id) : next_id_(first_id) {}

  // Opens a round of `tries` tries and returns the order that goes to each of `asked`, without the
  // tries themselves: which methods to use depends on the vantage (ComposeTries).
  // REQUIRES: `asked` is not empty, tries >= 1.
  ProbeOrder Open(RoundKind kind, const IpAddress& target, std::vector<VantageId> asked,
                  size_t tries, MonoTime now, std::optional<VantageId> about = std::nullopt);

  // Some of its vantages begin so much later.
  void Extend(uint64_t id, Duration by);

  // Takes a report; false if no open round asked that sensor for it, or it has answered already.
  bool Accept(VantageId from, const ProbeReport& report);

  // Sensors that went away are not waited for.
  void Withdraw(VantageId id);

  // Rounds that are complete or past their deadline, oldest first; they are out of the book.
  std::vector<Round> TakeFinished(MonoTime now);

  size_t open() const { return rounds_.size(); }

 private:
  uint64_t next_id_;
  std::map<uint64_t, Round> rounds_;
};

// `count` tries from one vantage at one target. The method whose silence means something there (or
// both by turns) comes more often, so that a vantage that cannot reach it gathers enough misses in
// one round to be believed. Of two equals the one that `tcp_first` says goes first.
std::vector<ProbeTry> ComposeTries(bool icmp_telling, bool tcp_telling, uint16_t tcp_port,
                                   size_t count, bool tcp_first = false);

}  // namespace parallax::collector
