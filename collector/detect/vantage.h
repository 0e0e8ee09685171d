// The sensors as places to look from: who is connected, whose vote counts, and how much a miss from
// there weighs. A vote is judged on evidence about the sensor itself (its gateway, its sockets, its
// losses on good paths) and on whether the method works from there for other targets; never on how
// many targets it fails to reach, because half of the world failing is what a split looks like.
//
// Pure; owned by the engine's thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "collector/detect/clock_watch.h"
#include "collector/detect/group_evidence.h"
#include "collector/detect/lately_reached.h"
#include "collector/detect/loss_watch.h"
#include "collector/detect/model.h"
#include "collector/detect/part.h"
#include "common/allowance.h"
#include "common/time.h"

namespace parallax::collector {

// Answers from targets contradict a gateway that does not answer for this long.
inline constexpr Duration kAnsweredLately = std::chrono::seconds(10);

// What a sensor held against a target stands while it is away, but not for ever.
inline constexpr Duration kAccusationLife = std::chrono::hours(1);

// Index of a sensor in the VantageBook; stable for the life of the process.
using VantageId = uint32_t;

// New targets by the word of one sensor: so many at once, and then so many a second.
inline constexpr double kMostEarnings = 500;
inline constexpr double kEarningsPerSecond = 2;

struct Vantage {
  SensorRecord record;
  bool connected = false;
  MonoTime last_heard{};
  MonoTime state_since{};
  ClockWatch clock;
  bool forgotten = false;  // what it held against others, for it has been away too long
  MonoTime saved_at{};     // last time the record went to the store

  // How each method has fared from here, over all targets of one family.
  struct Method {
    std::optional<MonoTime> answered_at;
    // Different targets in a row that were silent to this method and answered another in the same
    // round: the mark of a filter near the sensor. Any answer takes it back to zero.
    unsigned contradicted = 0;
    IpAddress contradicted_by;  // the last of them
    // It used to bring answers, and is filtered now.
    std::optional<Moment> filtered_since;
    MonoTime next_try{};
    unsigned asked = 0;  // so often since then
    unsigned tries = 0;  // that brought it nothing, and others an answer
  };
  std::array<std::array<Method, 2>, 2> methods;  // by family (FamilyIndex) and ProbeMethod
  std::optional<MonoTime> answered_at;           // any target, by any method
  LatelyReached reached;                         // from here
  // Its own kernel had no way out for this family: not asked again before.
  std::array<MonoTime, 2> no_way_until{};

  // Targets it may still make us take up; refilled slowly. A flood of forged SYNs under SYN cookies
  // looks like completed connections, and a lying sensor may say anything.
  Allowance earnings{kEarningsPerSecond, kMostEarnings};

  // Hosts whose connections completed here though no probe of ours reached them, one after the
  // other, since any probe was answered.
  struct Unprobed {
    unsigned hosts = 0;
    IpAddress last;
  };
  std::array<Unprobed, 2> unprobed;
  IpAddress no_way_to;  // the target that the last refusal of its kernel was about

  size_t ways_known = 0;  // traced in peace, since the start
  // Ways to hosts that answer nobody, in trouble of late, that ended before they should: see
  // engine_ways.cc.
  std::map<IpAddress, MonoTime> ended_soon;

  // Servers there that draw too many attempts to follow each, and when it last said so.
  std::map<IpAddress, MonoTime> aggregates;

  uint64_t half_open = 0;               // attempts there that stayed so
  std::optional<MonoTime> troubled_at;  // last attempt there that stayed half-open or unanswered

  // Losses on paths that work: misses before an answer within one round. Decaying sums.
  double good_path_tries = 0;
  double good_path_misses = 0;

  std::array<GroupEvidence, 2> together;  // by family

  // Does it lose more than it used to, by family; see engine_loss.cc.
  std::array<LossWatch, 2> loss_watch;  // of probes
  // Of connections with hosts that are well: there are many, and some fail for reasons of their
  // own.
  std::array<LossWatch, 2> connection_watch{LossWatch(LossWatch::kThree),
                                            LossWatch(LossWatch::kThree)};
  // Echo requests to its gateways so far, and what was answered: lately, and a little earlier.
  struct GatewayCounts {
    MonoTime at{};
    uint64_t asked = 0;
    uint64_t answered = 0;
  };
  GatewayCounts gateways_lately;
  GatewayCounts gateways_earlier;
  GatewayCounts CountGateways(MonoTime now) const;
  // After a false alarm; each kind of its own, for one is no reason to doubt the other.
  struct LossPause {
    MonoTime until{};
    Duration length{};
  };
  LossPause loss_pause;
  LossPause connection_pause;
  bool degraded = false;  // on its own link: what it says is set aside

  bool drained = false;  // an operator's word: it keeps its link and is not asked to probe
  bool outcast = false;  // isolated for reaching nothing while others beside it do
  std::optional<MonoTime> gateway_down_since;
  MonoTime next_control{};

  // Does the sensor's own host answer the others? Learnt in peace, for the day it falls silent.
  std::array<bool, 2> host_answers{};  // by ProbeMethod
  MonoTime next_host_check{};
  Duration host_check_gap{};  // the last one, while it is not known to answer anybody

  // Share of probes lost on good paths from here, within the limits of cell.h.
  double Loss() const;
  // Reachability of the default gateways of `family`: down only if there are some and none is up.
  Reach GatewayReach(Family family) const;
  bool AllGatewaysDown() const;
  // Its gateway does not answer, and yet targets do: the gateway lives, only its echo is filtered.
  bool GatewayContradicted(MonoTime now) const;
};

// Of the two methods that rounds use.
inline size_t MethodIndex(ProbeMethod method) { return method == ProbeMethod::kIcmpEcho ? 0 : 1; }
inline ProbeMethod OtherMethod(ProbeMethod method) {
  return method == ProbeMethod::kIcmpEcho ? ProbeMethod::kTcpSyn : ProbeMethod::kIcmpEcho;
}
inline size_t FamilyIndex(Family family) { return family == Family::kV4 ? 0 : 1; }

class VantageBook {
 public:
  VantageBook() = default;
  explicit VantageBook(Parts without) : without_(without) {}

  void Restore(const SensorRecord& record);
  // The sensor of that name, made if it is new.
  VantageId Connect(const SensorName& name, const std::string& group,
                    const std::optional<IpAddress>& address, const SensorHello& hello, Moment now);
  void Disconnect(VantageId id, SensorState state, Moment now);
  void Heard(VantageId id, const SensorHealth& health, Moment now);

  std::optional<VantageId> Find(const SensorName& name) const;
  Vantage& At(VantageId id) { return vantages_[id]; }
  const Vantage& At(VantageId id) const { return vantages_[id]; }
  const SensorName& Name(VantageId id) const { return vantages_[id].record.name; }
  size_t size() const { return vantages_.size(); }

  // Can it be asked, and does what it says about `family` count?
  bool Eligible(VantageId id, Family family, MonoTime now) const;
  // Is `method` stopped by something near the sensor?
  bool MethodFiltered(VantageId id, ProbeMethod method, Family family) const;
  // Does silence to `method` from there mean anything?
  bool MethodWorks(VantageId id, ProbeMethod method, Family family, MonoTime now) const;

  // An answer over a good path; `lost` probes before it were not answered.
  void NoteAnswer(VantageId id, Family family, ProbeMethod method, unsigned lost, MonoTime now);
  // `target` was silent to this method and answered another one.
  void NoteContradiction(VantageId id, const IpAddress& target, ProbeMethod silent);
  // The sensor's kernel would not send: no route for this family, no interface.
  void NoteNoWay(VantageId id, const IpAddress& target, MonoTime now);

  // Up to `most` eligible vantages, groups taken in turn so that every group is heard before any is
  // heard twice; `must` first, but if these are all of one group, somebody of another one in the
  // place of the last of them. `turn` rotates the choice.
  std::vector<VantageId> Choose(Family family, MonoTime now, size_t most,
                                const std::vector<VantageId>& must, uint64_t turn) const;

  // Connections of `target` completed at the sensor around a round in which our probes missed it.
  // True if it is now plain that something near the sensor stops all probes of that family.
  bool NoteUnprobed(VantageId id, const IpAddress& target);
  // Both methods are taken to be filtered.
  void NoProbeGetsOut(VantageId id, Family family);

  // Are these of more than one group, or is there but one group to ask?
  bool SpanGroups(const std::vector<VantageId>& ids, MonoTime now) const;

  // Is this address that of a sensor's own host?
  bool IsSensorAddress(const IpAddress& address) const;

 private:
  bool Uses(Part part) const { return !without_.Has(part); }
  void RememberAddresses(const SensorRecord& record);

  Parts without_;
  std::vector<Vantage> vantages_;
  std::unordered_map<SensorName, VantageId> by_name_;
  std::unordered_map<IpAddress, VantageId> sensor_addresses_;
};

}  // namespace parallax::collector
