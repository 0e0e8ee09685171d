// Incidents: anomalies with one cause, with a life of their own.
//
//            a second, separate round agrees,          >= 80 % of the members
//            and open_after has passed                 recovered
//   candidate ------------------------------> open ----------------------> monitoring
//       |                                      ^  <------------------------    |
//       | nothing confirms it                  |   members fail again          | none fails for
//       v                                      |                               | close_after
//    (dropped)                                 +------------- closed <---------+
//                                             the same group fails within kReopenWithin,
//                                             and the evidence holds as it must for a candidate
//
// One cause, one incident, even with two thousand targets. Which causes are one? Sensors of one
// group share their router, so what they accuse belongs together, even if that router picks other
// victims for each of them. Different groups are taken for different causes until their victims are
// the same: two faults that each hit half of the world share a third of all victims by chance; one
// fault above both groups makes them fail for the same ones. Incidents that share more than half
// are merged. Candidates are not told to anybody; every later change is, once, through Take().
//
// Pure; owned by the engine's thread. Members and closed incidents are capped.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "collector/detect/model.h"
#include "common/time.h"

namespace parallax::collector {

struct IncidentOptions {
  Duration open_after = std::chrono::seconds(10);
  Duration close_after = std::chrono::seconds(60);
};

// A look that an incident wants taken at one of its members.
struct Recheck {
  IpAddress target;
  std::vector<SensorName> failing;
  std::vector<SensorName> reaching;
};

class IncidentBook {
 public:
  IncidentBook(IncidentOptions options, uint64_t last_number)
      : options_(options), last_number_(last_number) {}

  // Where a sensor stands. Sensors of which nothing is said are a group of their own.
  void SetGroup(const SensorName& sensor, const std::string& group);

  // A live incident of an earlier life: same number, same start. `failing` says, by target, which
  // sensors the cells still believe unable to reach it.
  void Restore(const IncidentRecord& record,
               const std::map<IpAddress, std::vector<SensorName>>& failing, Moment now);

  // A round that began at `began` found `target` failing from some sensors and answering others.
  void Split(const IpAddress& target, const std::vector<SensorName>& failing,
             const std::vector<SensorName>& reaching, MonoTime began, Moment now);
  // A round found that nobody reaches `target`.
  void Down(const IpAddress& target, const std::vector<SensorName>& failing, MonoTime began,
            Moment now);
  // What `sensor` holds against others is about itself. What is confirmed and open stays: the
  // evidence was good when it was given.
  void Discredit(const SensorName& sensor);
  // `sensor` has been away for so long that nobody can say whether its accusations still hold.
  void Forget(const SensorName& sensor, Moment now);
  // Everybody who was asked reaches it, or it is no longer a target.
  void Cleared(const IpAddress& target, Moment now);
  // Evidence about the vantage itself.
  void Isolated(const SensorName& sensor, const std::string& evidence, Moment since, Moment now);
  void SensorBack(const SensorName& sensor, Moment now);
  // An attempt of `client` at `sensor` stayed half-open: it reached us, our answer did not arrive.
  void HalfOpen(const IpAddress& client, const SensorName& sensor, bool syn_repeated);

  void Tick(Moment now);

  // Members that are due for another look, `most` at the most; each is then not due for a while.
  std::vector<Recheck> TakeRechecks(MonoTime now, size_t most);
  // Changes since the last call, in order.
  std::vector<IncidentChange> Take();

  // Is it a member, still failing, of a live incident with this verdict?
  bool IsFailing(const IpAddress& target, Verdict verdict) const;

 private:
  static constexpr Duration kReopenWithin = std::chrono::minutes(30);
  static constexpr Duration kFirstRecheck = std::chrono::seconds(5);
  static constexpr Duration kMemberRecheck = std::chrono::seconds(10);
  // The last look before an incident opens may have begun this much before open_after has passed:
  // it takes that long to be answered.
  static constexpr Duration kLook = std::chrono::seconds(2);
  static constexpr size_t kMostIncidents = 1'000;
  // Counters live on in the evidence, so that a restart goes on counting.
  static constexpr const char* kHalfOpen = "half_open_attempts";
  static constexpr const char* kHalfOpenRepeated = "half_open_with_repeated_syn";

  struct Member {
    std::set<SensorName> failing;
    std::set<SensorName> reaching;
    bool failing_now = true;
    bool confirmed = false;  // by a second, separate round
    MonoTime first_round{};
    MonoTime last_round{};  // that found it failing
    MonoTime next_recheck{};
    Duration gap{};
  };
  struct Incident {
    IncidentRecord record;
    std::map<IpAddress, Member> members;
    std::set<std::string> groups;  // of the accusers
    MonoTime started{};
    bool reopening = false;               // closed, and a candidate again
    std::optional<MonoTime> quiet_since;  // nothing has failed since
    MonoTime closed{};
    MonoTime told{};
    bool dirty = false;
    bool isolated_now = false;
    uint64_t half_open = 0;
    uint64_t half_open_repeated = 0;
    uint64_t half_open_told = 0;
    uint64_t members_dropped = 0;
  };

  std::string GroupOf(const SensorName& sensor) const;
  bool IsTentative(const Incident& incident) const {
    return incident.record.state == IncidentState::kCandidate || incident.reopening;
  }
  bool IsLive(const Incident& incident) const {
    return incident.record.state != IncidentState::kClosed || incident.reopening;
  }
  // The index of the incident that takes this in, made if need be; nullopt if the book is full.
  std::optional<size_t> FindOrCreate(Verdict verdict, const std::string& group, MonoTime began,
                                     Moment now);
  Incident& Create(Verdict verdict, MonoTime started, Moment now);
  void AddRound(Incident& incident, const IpAddress& target, const std::set<SensorName>& failing,
                const std::set<SensorName>& reaching, MonoTime began, Moment now);
  void Recover(Incident& incident, Member& member, MonoTime now);
  bool HoldsLongEnough(const Incident& incident, Moment now) const;
  void DropStale(Moment now);
  void MergeSame(Moment now);
  static bool SameVictims(const Incident& a, const Incident& b);
  void Absorb(Incident& into, Incident& from, Moment now);
  Duration FirstRecheck(const Incident& incident) const;
  void Advance(Incident& incident, Moment now);
  void Refresh(Incident& incident);
  void Tell(Incident& incident, const char* change, Moment now);

  IncidentOptions options_;
  std::map<SensorName, std::string> groups_;
  MonoTime merged_at_{};
  uint64_t last_number_;
  std::vector<Incident> incidents_;  // live ones and the lately closed
  std::vector<IncidentChange> changes_;
};

}  // namespace parallax::collector
