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

#include <cstdint>
#include <deque>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "collector/detect/incident_book.h"
#include "collector/detect/judge.h"
#include "collector/detect/model.h"
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
  Duration baseline_interval = std::chrono::minutes(3);
  uint16_t probe_tcp_port = 443;
  double max_rounds_per_second = 20;
  size_t max_vantages_per_round = 8;
  Duration lost_after = std::chrono::seconds(10);
};

struct SensorOrders {
  SensorName sensor;
  std::vector<ProbeOrder> orders;
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

  // To be called every 100 ms or so.
  void Tick(Moment now);

  Actions Take();

  const TargetTable& targets() const { return targets_; }
  const VantageBook& vantages() const { return vantages_; }

 private:
  void Restore(const SavedState& saved, Moment now);
  void OnAttempt(VantageId sensor, const Attempt& attempt, Moment now);
  void OnServerReport(VantageId sensor, const ServerReport& report, Moment now);
  // Of servers that it tells of no more: they do not draw too many attempts any longer.
  void ForgetAggregates(VantageId sensor, Moment now);
  using Queue = std::deque<IpAddress>;
  // A comparison round, as seen necessary at `since`, not to start before `not_before`.
  void Want(Queue& queue, Target& target, MonoTime since, MonoTime not_before,
            const std::vector<VantageId>& must);
  // A connection of the target that began then completed there.
  void BelieveCompletion(Target& target, VantageId sensor, MonoTime began, Moment now);
  // No probe gets out of there: what it missed says nothing.
  void Discredit(VantageId sensor, Family family, Moment now);
  // After a cell that was down is not any more, for another reason than an answer.
  void TakeBack(Target& target, VantageId sensor, Moment now);
  void Trigger(Target& target, VantageId accuser, Moment now);
  void StartRounds(Moment now);
  void StartQueued(Queue& queue, Moment now);
  void StartCompare(Target& target, const std::vector<VantageId>& must, Moment now);
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
  void ConcludeTrickle(Target& target, const Opinion& opinion, const Round& round, Moment now);
  void ConcludeRecheck(Target& target, const Opinion& opinion, const Round& round, Moment now);
  void ConcludeCompare(Target& target, const Opinion& opinion, const Round& round, Moment now);
  void FinishHost(const Round& round, Moment now);
  // Healthy targets to prove a way out by: those that answer both methods first, then those heard
  // of last. `by`: reached from there before.
  std::vector<Target*> Controls(std::optional<VantageId> by);
  std::vector<Ballot> Read(const Round& round, Target& target, Moment now);
  void Believe(Target& target, const std::vector<Ballot>& ballots, Moment now);
  void BelieveAnswer(Target& target, const Ballot& ballot, Cell& cell, Moment now);
  // Does a sensor, present or not, hold that it cannot reach it?
  bool IsAccused(const Target& target, Moment now) const;
  void Accuse(Target& target, const Opinion& opinion, MonoTime began, Moment now);
  // Soon: a look at everybody, to see how far a trouble reaches; `must` is heard on each.
  void WantSweep(const std::vector<VantageId>& must);
  void Sweep(Moment now);

  void WatchSensors(Moment now);
  void SetSensorState(VantageId id, SensorState state, const std::string& problem, Moment now);
  void WatchGateway(VantageId id, Moment now);
  void CheckHost(VantageId id, Moment now);
  void WantControls(Moment now);
  void AskControls(VantageId id, size_t most, Moment now);
  void FinishControl(const Round& round, Moment now);
  void Isolate(VantageId id, const std::string& evidence, Moment now);
  void SaveSensor(VantageId id, Moment now);
  void SaveTarget(Target& target);
  std::vector<SensorName> Names(const std::vector<VantageId>& ids) const;
  std::vector<VantageId> Ids(const std::vector<SensorName>& names) const;

  EngineOptions options_;
  VantageBook vantages_;
  TargetTable targets_;
  RoundBook rounds_;
  IncidentBook incidents_;

  Queue urgent_;
  Queue patient_;
  using Due = std::pair<MonoTime, IpAddress>;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> trickle_;
  // The hosts of sensors that are silent: what the others found, and when to ask again.
  struct Silent {
    MonoTime since{};
    MonoTime ask_at{};
    unsigned missed_rounds = 0;
  };
  std::unordered_map<VantageId, Silent> silent_;

  double tokens_ = 0;
  bool recheck_turn_ = false;  // who gets a lone token
  std::optional<MonoTime> last_tick_;
  MonoTime next_forget_{};
  std::optional<MonoTime> swept_at_;
  bool sweep_wanted_ = false;
  std::set<VantageId> sweep_must_;
  uint64_t turn_ = 0;
  uint64_t wants_dropped_ = 0;
  Actions actions_;
};

}  // namespace parallax::collector
