// The collector's mind: what sensors say goes in, probe orders and rows to remember come out.
//
//   attempts -> targets earned, triggers -> rounds -> reports -> ballots -> cells -> verdict
//                                              ^                                        |
//                                              +-- rechecks <-- incidents <-------------+
//
// Rounds come, in order of urgency, from: triggers (half-open attempts, missed probes, verdicts
// that need a second look), members of incidents, new targets, and the trickle that keeps baselines
// warm. All of them share one token bucket (max_rounds_per_second).
//
// Pure: no clock, thread, socket or SQL. One thread owns it.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "collector/detect/cut_off.h"
#include "collector/detect/flow_look.h"
#include "collector/detect/incident_book.h"
#include "collector/detect/judge.h"
#include "collector/detect/localise/localiser.h"
#include "collector/detect/loss_look.h"
#include "collector/detect/model.h"
#include "collector/detect/part.h"
#include "collector/detect/path_book.h"
#include "collector/detect/suspect.h"
#include "collector/detect/vantage.h"
#include "collector/schedule/round_book.h"
#include "collector/schedule/target_table.h"
#include "collector/store/ops.h"
#include "common/records.h"
#include "common/time.h"

namespace parallax::collector {

struct EngineOptions {
  TargetOptions targets;
  IncidentOptions incidents;
  Duration baseline_interval = std::chrono::minutes(5);
  uint16_t probe_tcp_port = 443;
  double max_rounds_per_second = 20;
  size_t max_vantages_per_round = 8;
  Duration lost_after = std::chrono::seconds(10);
  Parts without;  // for measurements only: what is left out
};

struct SensorOrders {
  SensorName sensor;
  std::vector<Order> orders;
};

// What the world must do now.
struct Actions {
  std::vector<SensorOrders> orders;
  std::vector<StoreOp> store;
  std::vector<std::string> notes;  // for the log
};

class Engine {
 public:
  // `first_round` must be higher than any round of an earlier life (wall-clock nanoseconds do).
  Engine(EngineOptions options, const SavedState& saved, uint64_t first_round, Moment now);

  void OnConnected(const SensorName& name, const std::string& group,
                   const std::optional<IpAddress>& address, const SensorHello& hello, Moment now);
  void OnHealth(const SensorName& name, const SensorHealth& health, Moment now);
  // The stream ended; `goodbye`: the sensor said that it stops.
  void OnDisconnected(const SensorName& name, bool goodbye, Moment now);
  void OnBatch(IngestedBatch batch, Moment now);
  // These sensors, and no others, are not asked to probe until another call; others may be unknown.
  void SetDrained(const std::set<SensorName>& names);

  // To be called every 100 ms or so.
  void Tick(Moment now);

  Actions Take();

  const TargetTable& targets() const { return targets_; }
  const VantageBook& vantages() const { return vantages_; }

 private:
  bool Uses(Part part) const { return !options_.without.Has(part); }
  void Restore(const SavedState& saved, Moment now);
  // Looks at one in `part` of the targets.
  void Forget(Moment now, size_t part);
  void OnAttempt(VantageId sensor, const Attempt& attempt, Moment now);
  static void NoteArrival(Target& target, VantageId sensor, MonoTime began);
  void OnServerReport(VantageId sensor, const ServerReport& report, Moment now);
  // Floods, by the server that they are aimed at.
  struct Flood {
    Moment since;
    MonoTime told{};
    std::optional<MonoTime> mixed;  // another incident told of it, last
    unsigned reports = 0;
    std::set<SensorName> sensors;
    ServerReport report;  // the last that said so
  };
  void NoteFlood(VantageId sensor, const ServerReport& report, Moment now);
  void WatchFloods(Moment now);
  static Condition ConditionOf(const IpAddress& server, const Flood& flood);
  // Of servers that it tells of no more: they do not draw too many attempts any longer.
  void ForgetAggregates(VantageId sensor, Moment now);
  using Due = std::pair<MonoTime, IpAddress>;
  using DueQueue = std::priority_queue<Due, std::vector<Due>, std::greater<>>;
  // Comparisons that wait: those whose time has not come, and the others, first come first served.
  // An entry counts if its target still waits for one at that time (Target::Wanted).
  struct Queue {
    using Entry = std::tuple<MonoTime, uint64_t, IpAddress>;  // when, and of these in which order
    std::priority_queue<Entry, std::vector<Entry>, std::greater<>> later;
    std::deque<IpAddress> due;
    uint64_t added = 0;
    void Add(MonoTime when, const IpAddress& target) { later.emplace(when, ++added, target); }
  };
  // Whom a round is for, in order of urgency. See engine_schedule.cc for what each may take.
  enum class Claim : uint8_t { kWatch, kUrgent, kPatient, kTrickle };
  double MostAtOnce() const;
  void RefillTokens(Duration passed);
  bool MayStart(Claim claim, size_t rounds = 1) const;
  void Charge(Claim claim);
  // How far round to ask: a few vantages tell whether there is anything to find, all of them how
  // far it reaches.
  enum class Width : uint8_t { kFew, kAll };
  // A comparison round, as seen necessary at `since`, not to start before `not_before`.
  void Want(Queue& queue, Target& target, MonoTime since, MonoTime not_before,
            const std::vector<VantageId>& must, Width width);
  // A connection of the target that began then completed there.
  void BelieveCompletion(Target& target, VantageId sensor, MonoTime began, Moment now);
  // No probe gets out of there: what it missed says nothing.
  void Discredit(VantageId sensor, Family family, Moment now);
  // After a cell that was down is not any more, for another reason than an answer.
  void TakeBack(Target& target, VantageId sensor, Moment now);
  void Trigger(Target& target, VantageId accuser, Moment now);
  void StartRounds(Moment now);
  void StartQueued(Claim claim, Moment now);
  // Another one of its group, if there is one to ask that is not among them.
  void AddNeighbour(std::vector<VantageId>& sensors, VantageId of, Family family, Moment now);
  void AddNeighbours(std::vector<VantageId>& sensors, Family family, Moment now);
  void StartCompare(Target& target, const Target::Wanted& wanted, Claim claim, Moment now);
  void StartRechecks(Moment now);
  void StartTrickle(Moment now);
  void Start(RoundKind kind, const IpAddress& target, std::vector<VantageId> asked, size_t tries,
             Moment now, std::optional<VantageId> about = {});
  // Whose silence at this target means something, by ProbeMethod.
  std::array<bool, 2> Telling(VantageId sensor, const Target& target, MonoTime now) const;
  // By which methods to ask, by ProbeMethod.
  std::array<bool, 2> WorthAsking(RoundKind kind, VantageId sensor, const Target& target,
                                  MonoTime now) const;
  std::array<bool, 2> TellingOfHost(VantageId sensor, VantageId host, Family family,
                                    MonoTime now) const;

  void Finish(const Round& round, Moment now);
  // It may be asked by another round from now on.
  static void Release(Target& target, const Round& round);
  void FinishTarget(const Round& round, Moment now);
  void ConcludeTrickle(Target& target, const Opinion& opinion, const Round& round, Moment now);
  void ConcludeRecheck(Target& target, const Opinion& opinion, const Round& round, Moment now);
  void ConcludeCompare(Target& target, const Opinion& opinion, const Round& round, Moment now);
  void FinishHost(const Round& round, Moment now);
  // Healthy targets to prove a way out by, of those reached last: those that answer both methods
  // first, then those heard of last. `by`: reached from there.
  enum class Controlled : uint8_t { kHealthy, kReached };  // or, where much is lost, not down
  std::vector<Target*> Controls(std::optional<VantageId> by, size_t most,
                                Controlled which = Controlled::kHealthy);
  void NoteDown(const Target& target, const Opinion& opinion, const Round& round, Moment now);
  void NoteWilling(const Round& round, Target& target, Moment now);
  std::vector<Ballot> Read(const Round& round, Target& target, Moment now);
  // `tries`: so many, at the least, would have to get lost for a round to miss a target that is
  // reached.
  void Believe(Target& target, const std::vector<Ballot>& ballots, size_t tries, Moment now);
  void BelieveAnswer(Target& target, const Ballot& ballot, Cell& cell, Moment now);
  // Of packets on good paths from there; where looks show that packets get lost, on those.
  double LossOf(VantageId sensor) const;
  // Does a sensor, present or not, hold that it cannot reach it?
  bool IsAccused(const Target& target, Moment now) const;
  void Accuse(Target& target, const Opinion& opinion, MonoTime began, Moment now);
  // Soon: a look at everybody, to see how far a trouble reaches; `must` is heard on each.
  void WantSweep(const std::vector<VantageId>& must);
  void Sweep(Moment now);

  // Which way packets take, and what that says about incidents.
  void OnPath(VantageId sensor, const PathReport& report, Moment now);
  void Investigate(Moment now);
  void ExplainWays(const std::vector<IncidentView>& views, Moment now);
  // By which flow a way is traced: one whose silence means something.
  ProbeTry TracedBy(VantageId sensor, const Target& target, MonoTime now) const;
  bool Trace(VantageId sensor, const Target& target, Moment now, Duration not_within);
  void TraceInPeace(const Target& target, VantageId sensor, Moment now);
  void TraceSome(VantageId sensor, const std::vector<const Target*>& targets, size_t most,
                 MonoTime since, std::map<VantageId, size_t>& traced, Moment now);
  // The targets of the incident's members, by the sensors that fail. Those that nobody reaches come
  // first: whether they are gone, or victims, only the ways to them tell.
  std::map<VantageId, std::vector<const Target*>> FailingBySensor(const IncidentView& view);
  std::vector<const Target*> PassingFrom(VantageId sensor, Moment now);
  void TraceSplit(const IncidentView& view, std::map<VantageId, size_t>& traced, Moment now);
  void TraceDown(const IncidentView& view, std::map<VantageId, size_t>& traced, Moment now);
  bool Settles(const IncidentView& view) const;
  // Where failing ways to it were seen to end of late.
  IncidentBook::WayEnds EndsOf(const IpAddress& target) const;
  std::vector<ObservedPath> PathsOf(const IncidentView& view) const;
  // Do an incident's hosts fail as a whole, by flow, or by packet? If by flow: for whom else?
  struct FlowCheck {
    std::vector<FlowLook> victims;    // from a sensor that fails
    std::vector<FlowLook> elsewhere;  // from others to the same hosts
    std::set<VantageId> losing;       // of these others
  };
  void CheckFlows(const std::vector<IncidentView>& views, Moment now);
  void LookAtVictims(const IncidentView& view, FlowCheck& check, Moment now);
  void LookFromElsewhere(const IncidentView& view, FlowCheck& check,
                         const std::set<VantageId>& suffering, Moment now);
  static bool LosesFlows(const FlowCheck& check);
  std::set<VantageId> AccusersIn(const IncidentView& view) const;
  ProbeTry FlowTryOf(VantageId sensor, const Target& target, Moment now) const;
  void AskFlows(FlowLook& look, Moment now);
  void FinishFlows(const Round& round);
  void ExplainSplit(uint64_t serial, const std::vector<FlowLook>& looks);
  void JudgeDirection(const std::vector<IncidentView>& views, Moment now);
  void JudgeExtent(const std::vector<IncidentView>& views, Moment now);
  std::array<double, 2> ActiveHosts(Moment now);  // that answer, by family; estimated

  // Hosts that answer nobody: the ways to them, from several sensors at once.
  struct WayLook {
    MonoTime began{};
    std::set<VantageId> asked;
    std::map<VantageId, PathHops> ways;
    bool reached = false;  // it answers after all
  };
  bool LookAtWays(Target& target, const std::vector<VantageId>& must, Moment now);
  void NoteWay(const SeenPath& path);
  void ConcludeWays(Moment now);
  void JudgeWays(Target& target, const WayLook& look, Moment now);
  void LookAgainAtWays(Moment now);
  static bool IsStuck(const Target& target, VantageId sensor, Moment now);
  bool EndsTooSoon(const Target& target, VantageId sensor, const IpAddress& end,
                   const IpAddress& place, const WayLook& look, Moment now);
  // Is it the campus's own?
  bool IsInside(const IpAddress& address) const;

  // Who offers itself as a gateway.
  struct OfferKey {
    AnnouncementKind kind = AnnouncementKind::kRip;
    IpAddress speaker;
    IpAddress gateway;
    auto operator<=>(const OfferKey&) const = default;
  };
  struct Offer {
    Announcement announcement;  // the latest
    WallTime first_heard;
    MonoTime heard{};
    VantageId told_by = 0;                 // first
    std::map<SensorName, std::string> by;  // sensors that hear it, with their groups
  };
  void OnAnnouncement(VantageId sensor, const Announcement& announcement, Moment now);
  bool IsExpected(const Announcement& announcement) const;
  bool IsGateway(const IpAddress& address) const;
  bool HasRoomForOffer(VantageId sensor) const;
  void ForgetOffers(MonoTime now);
  std::set<std::string> LinksOfGateways() const;
  bool HearsIt(const IpAddress& router, const Offer& offer) const;
  void AddWitness(const IncidentView& view, Explanation& said, Moment now);

  // Sensors that reach nothing while another one beside them does.
  struct Accuser {
    size_t failing = 0;  // targets that it does not reach
    size_t beside = 0;   // of these, reached by others of its group:
    std::set<SensorName> neighbours;
  };
  std::map<VantageId, Accuser> Accusers(const std::vector<IncidentView>& views) const;
  void WatchOutcasts(const std::vector<IncidentView>& views, Moment now);

  // A vantage that loses more than is usual, and what is done about it.
  struct LossTrouble {
    Moment began;
    bool by_connections = false;  // it was they alone that raised the alarm
    MonoTime next{};              // look
    std::set<uint64_t> open;      // rounds of the look under way
    LossLook look;                // under way
    LossLook total;  // of all looks but the first, which was made because something was lost
    Vantage::GatewayCounts gateways;  // a little before the look began
    unsigned looks = 0;
    unsigned batch = 0;  // of the look under way
    uint64_t half_open_before = 0;
    LossLook calm;     // looks since one that lost as before
    double share = 0;  // lost, when it was told first
    SensorName about;  // whose trouble people were told of
    Verdict verdict = Verdict::kUnknown;
    std::set<SensorName> losing;  // as told
    double worst = 0;          // lost on ways that lose any: of these, or by the first look from it
    std::set<VantageId> more;  // others that have lost some since it was told
    bool over = false;
  };
  void WatchLoss(const std::vector<IncidentView>& views, Moment now);
  LossTrouble* ToldLoss(VantageId but);
  void LookAtLoss(VantageId id, LossTrouble& trouble, Moment now);
  void FinishLoss(const Round& round, Moment now);
  void ConcludeLoss(VantageId id, LossTrouble& trouble, Moment now);
  bool LosesAtGateway(VantageId id, const Vantage::GatewayCounts& since, Moment now) const;
  bool LosesOnItsLink(VantageId id, const LossTrouble& trouble, Moment now) const;
  void TellLoss(VantageId id, LossTrouble& trouble, Moment now);
  bool IsUndecided(VantageId id, const LossTrouble& trouble) const;
  bool IsShared(const LossTrouble& trouble, const std::string& but) const;
  void DescribeLossyPath(LossTrouble& trouble, Condition& condition) const;
  std::optional<Suspect> LossyEdgeOf(const LossTrouble& trouble) const;

  void WatchPolicy(const std::vector<IncidentView>& views, Moment now);
  void CountTries(const std::vector<Ballot>& ballots, Family family);
  void TryFiltered(VantageId id, Family family, ProbeMethod method, Moment now);
  // `lost`: the share of tries that bring nothing, filter or not.
  void NotePolicy(VantageId id, Family family, ProbeMethod method, double lost,
                  std::map<std::string, Condition>& found, Moment now);

  void WatchSensors(Moment now);
  // Are there rounds to look after this sensor?
  bool MayWatch(VantageId id, size_t rounds = 1);
  void SetSensorState(VantageId id, SensorState state, const std::string& problem, Moment now);
  void WatchGateway(VantageId id, Moment now);
  void CheckHost(VantageId id, Moment now);
  void WantControls(Moment now);
  void AskControls(VantageId id, size_t most, Moment now);
  void FinishControl(const Round& round, Moment now);
  void Isolate(VantageId id, const std::string& evidence, Moment now);
  void NoLongerCutOff(const SensorName& sensor, Moment now);
  void TellCutOff(const CutOff::Trouble& trouble, Moment now);
  void NoteClock(Vantage& v, WallTime said, WallTime heard);
  void SaveSensor(VantageId id, Moment now);
  void SaveTarget(Target& target);
  std::vector<Order>& OrdersTo(VantageId sensor);
  void ApplyDrained(VantageId id);
  std::vector<SensorName> Names(const std::vector<VantageId>& ids) const;
  std::vector<VantageId> Ids(const std::vector<SensorName>& names) const;

  EngineOptions options_;
  VantageBook vantages_;
  TargetTable targets_;
  LatelyReached reached_;  // from anywhere
  RoundBook rounds_;
  IncidentBook incidents_;
  PathBook paths_;
  bool paths_changed_ = false;
  std::deque<uint64_t> to_explain_;  // incidents, since they did
  std::map<IpAddress, Flood> floods_;
  std::map<IpAddress, WayLook> way_looks_;
  std::map<IpAddress, MonoTime> ways_wanted_;  // and not before when
  std::map<OfferKey, Offer> offers_;
  std::map<VantageId, LossTrouble> loss_troubles_;
  std::set<SensorName> drained_;
  std::map<SensorName, std::pair<SensorName, MonoTime>> lossy_about_;  // and told when
  std::set<std::string> policies_;                                     // that hold
  MonoTime next_policy_watch_{};
  double peace_traces_ = 0;  // that may be made now
  std::optional<MonoTime> investigated_at_;
  std::map<uint64_t, FlowCheck> flow_checks_;  // by incident
  // Hosts that a sensor reaches, to be traced beside those it does not; found anew now and then.
  struct Passing {
    MonoTime found{};
    std::vector<IpAddress> targets;
  };
  std::map<VantageId, Passing> passing_;

  Queue urgent_;
  Queue patient_;
  DueQueue trickle_;
  // The hosts of sensors that are silent: what the others found, and when to ask again.
  struct Silent {
    MonoTime since{};
    MonoTime ask_at{};
    unsigned missed_rounds = 0;
  };
  std::unordered_map<VantageId, Silent> silent_;
  std::optional<VantageId> watch_first_;
  CutOff cut_off_;

  double tokens_ = 0;               // rounds that may begin now
  std::array<double, 3> shares_{};  // of these, what each claim may take with those before it
  bool recheck_turn_ = false;       // who gets a lone token
  std::optional<MonoTime> last_tick_;
  MonoTime next_forget_{};
  std::optional<MonoTime> swept_at_;
  Duration sweep_gap_{};
  std::set<VantageId> swept_for_;  // who has accused since nothing failed
  bool sweep_wanted_ = false;
  size_t active_bucket_ = 0;
  size_t sweep_bucket_ = 0;  // how far it has come; 0: none is under way
  std::vector<Due> sweep_worth_;
  std::set<VantageId> sweep_must_;
  uint64_t turn_ = 0;
  uint64_t wants_dropped_ = 0;
  Actions actions_;
};

}  // namespace parallax::collector
