// The engine's separable ideas, by name. Each can be left out, to measure what it is worth: what
// costs nothing when it is missing is to be deleted. In production none is left out.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string_view>

namespace parallax::collector {

enum class Part : uint8_t {
  // When to ask, and whom.
  kTriggers,  // attempts in trouble call for a comparison
  kSweeps,
  kNeighbours,      // beside each accuser another one of its group
  kLessons,         // every other vantage tries the method that nobody has an answer by yet
  kAccusersAbsent,  // a target whose accusers were not heard stays accused
  // When silence means something.
  kTargetMethods,         // the target answers that method to somebody
  kSecondWitness,         // one sensor's word for that is not enough
  kVantageMethods,        // the method brought an answer to that vantage lately
  kGatewayProof,          // or the gateway answers echo requests
  kMethodFilters,         // a method that is filtered near the sensor
  kTargetFilters,         // or between it and one target
  kProhibited,            // "prohibited" is a miss where the target was reached before
  kEchoLimits,            // hosts and routers that answer so many at once
  kCompletions,           // connections that complete contradict probes that are missed
  kGatewayVote,           // no vote without a gateway
  kGatewayContradiction,  // unless targets answer from beyond it
  kDiscredit,             // what such a sensor said a moment ago is taken back
  // What it is evidence of.
  kLearntLoss,
  kGroupEvidence,
  kSpanGroups,  // one department cannot tell its router from the host
  kWays,        // to hosts that answer nobody
  // What becomes an incident.
  kSecondRound,
  kGoneTogether,
  kLoneWitness,  // one or two hosts, against the word of one sensor alone
  kMerging,      // as a whole; then by why two are one:
  kSameVictims,
  kSamePlace,
  kBeganTogether,
  kOneRouter,
  kMergeWait,     // what is about to open waits until it is known whether it is another one
  kVictimsByWay,  // a host that nobody reaches, because all ways to it lead by the suspect
  kReopening,
  kFlaps,
  kLoopsSettle,
  kRecovery,  // of the last few that recover nothing is learnt
  // What else is said of it.
  kPathsOfPeace,
  kAnnouncements,
  kFlows,
  kFlowsElsewhere,  // whose flows fail, too, though the probes get through
  kArrivals,        // connections that were due say that the way in fails
  // Other troubles.
  kBorder,
  kLossAlarm,
  kConnectionLoss,  // so do connections that stay half-open
  kGatewayLoss,
  kPolicies,
  kFloods,
  kMixed,
  kOutcasts,
  kHostChecks,  // whether others reach the host of a sensor that is unheard
  kCutOff,
};

std::span<const Part> AllParts();
std::string_view ToString(Part part);
std::optional<Part> ParsePart(std::string_view text);

class Parts {
 public:
  Parts() = default;
  Parts(std::initializer_list<Part> parts) {
    for (const Part part : parts) {
      Add(part);
    }
  }
  void Add(Part part) { bits_ |= Bit(part); }
  bool Has(Part part) const { return (bits_ & Bit(part)) != 0; }
  bool operator==(const Parts&) const = default;

 private:
  static uint64_t Bit(Part part) { return uint64_t{1} << static_cast<unsigned>(part); }

  uint64_t bits_ = 0;
};

}  // namespace parallax::collector
