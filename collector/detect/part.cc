#include "collector/detect/part.h"

#include <algorithm>
#include <array>
#include <utility>

namespace parallax::collector {
namespace {

// In the order of the enumeration.
constexpr auto kNames = std::to_array<std::pair<Part, std::string_view>>({
    {Part::kTriggers, "triggers"},
    {Part::kSweeps, "sweeps"},
    {Part::kNeighbours, "neighbours"},
    {Part::kLessons, "lessons"},
    {Part::kAccusersAbsent, "accusers_absent"},
    {Part::kTargetMethods, "target_methods"},
    {Part::kSecondWitness, "second_witness"},
    {Part::kVantageMethods, "vantage_methods"},
    {Part::kGatewayProof, "gateway_proof"},
    {Part::kMethodFilters, "method_filters"},
    {Part::kTargetFilters, "target_filters"},
    {Part::kProhibited, "prohibited"},
    {Part::kEchoLimits, "echo_limits"},
    {Part::kCompletions, "completions"},
    {Part::kGatewayVote, "gateway_vote"},
    {Part::kGatewayContradiction, "gateway_contradiction"},
    {Part::kDiscredit, "discredit"},
    {Part::kLearntLoss, "learnt_loss"},
    {Part::kGroupEvidence, "group_evidence"},
    {Part::kSpanGroups, "span_groups"},
    {Part::kWays, "ways"},
    {Part::kSecondRound, "second_round"},
    {Part::kGoneTogether, "gone_together"},
    {Part::kLoneWitness, "lone_witness"},
    {Part::kMerging, "merging"},
    {Part::kSameVictims, "same_victims"},
    {Part::kSamePlace, "same_place"},
    {Part::kBeganTogether, "began_together"},
    {Part::kOneRouter, "one_router"},
    {Part::kMergeWait, "merge_wait"},
    {Part::kVictimsByWay, "victims_by_way"},
    {Part::kReopening, "reopening"},
    {Part::kFlaps, "flaps"},
    {Part::kLoopsSettle, "loops_settle"},
    {Part::kRecovery, "recovery"},
    {Part::kPathsOfPeace, "paths_of_peace"},
    {Part::kAnnouncements, "announcements"},
    {Part::kFlows, "flows"},
    {Part::kFlowsElsewhere, "flows_elsewhere"},
    {Part::kArrivals, "arrivals"},
    {Part::kBorder, "border"},
    {Part::kLossAlarm, "loss_alarm"},
    {Part::kConnectionLoss, "connection_loss"},
    {Part::kGatewayLoss, "gateway_loss"},
    {Part::kPolicies, "policies"},
    {Part::kFloods, "floods"},
    {Part::kMixed, "mixed"},
    {Part::kOutcasts, "outcasts"},
    {Part::kHostChecks, "host_checks"},
    {Part::kCutOff, "cut_off"},
});
static_assert(kNames.size() <= 64, "Parts is one word");
static_assert([] {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (static_cast<size_t>(kNames[i].first) != i) {
      return false;
    }
  }
  return true;
}());

constexpr auto kAll = [] {
  std::array<Part, kNames.size()> all{};
  std::transform(kNames.begin(), kNames.end(), all.begin(),
                 [](const auto& entry) { return entry.first; });
  return all;
}();

}  // namespace

std::span<const Part> AllParts() { return kAll; }

std::string_view ToString(Part part) { return kNames[static_cast<size_t>(part)].second; }

std::optional<Part> ParsePart(std::string_view text) {
  const auto it = std::find_if(kNames.begin(), kNames.end(),
                               [&](const auto& entry) { return entry.second == text; });
  return it == kNames.end() ? std::nullopt : std::optional(it->first);
}

}  // namespace parallax::collector
