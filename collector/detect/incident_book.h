// Incidents: anomalies with one cause, with a life of their own.
//
//            a second, separate round agrees,          >= 80 % of the members
//            and open_after has passed                 recovered
//   candidate ------------------------------> open ----------------------> monitoring
//       |                                      ^  <------------------------    |
//       | nothing confirms it                  |   members fail again          | none fails for
//       v                                      |                               | close_after
//    (dropped)                                 +------------- closed <---------+
//                                             within kReopenWithin a candidate of the same group is
//                                             about to open that is much the same: it takes over
//                                             the number and the start
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
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "collector/detect/model.h"
#include "collector/detect/part.h"
#include "common/time.h"

namespace parallax::collector {

struct IncidentOptions {
  Duration open_after = std::chrono::seconds(10);
  Duration close_after = std::chrono::seconds(60);
  Duration flap_quiet = std::chrono::minutes(10);
};

// A look that an incident wants taken at one of its members.
struct Recheck {
  IpAddress target;
  std::vector<SensorName> failing;
  std::vector<SensorName> reaching;
};

// A live incident that calls for an explanation.
struct IncidentView {
  struct Member {
    IpAddress target;
    std::vector<SensorName> failing;   // sorted
    std::vector<SensorName> reaching;  // likewise
    MonoTime since{};                  // the first round that found it failing
    MonoTime answered{};               // of hosts that are down: the last time before that
  };
  uint64_t serial = 0;                // names it within this life of the collector
  Verdict basis = Verdict::kUnknown;  // kRouteAnomaly or kTargetDown: what its members are
  Verdict verdict = Verdict::kUnknown;
  bool open = false;  // people have been told
  MonoTime started{};
  std::vector<Member> members;  // that fail now, by address; some of them, if there are many
  size_t failing = 0;           // how many fail now
  size_t confirmed = 0;         // of these, by a second round
};

// A state of affairs that is not the sum of what single targets say: a sensor cut off, a flood.
// `verdict` and `about` name it.
struct Condition {
  Verdict verdict = Verdict::kUnknown;
  std::string about;  // a sensor, a server, a group
  Moment since;
  std::vector<SensorName> failing = {};   // sorted
  std::vector<SensorName> reaching = {};  // likewise
  std::vector<IpAddress> targets = {};    // likewise
  std::string family = "both";
  std::string split = "unknown";
  std::string direction = "unknown";
  std::optional<Suspect> suspect = {};
  std::map<std::string, std::string> evidence = {};
};

// What can be said about an incident beyond who cannot reach whom.
struct Explanation {
  Verdict verdict = Verdict::kUnknown;               // kUnknown: it stays as it is
  std::optional<Suspect> suspect;                    // absent: it stays as it is
  std::vector<Suspect> places = {};                  // likewise: the same for each family
  std::set<IpAddress> onward = {};                   // where ways that work go on to from there
  std::string split;                                 // empty: it stays as it is
  std::string direction;                             // likewise
  std::map<std::string, std::string> evidence = {};  // replaces; an empty text takes away
  // Packets go round between routers that are as they should be: routing does so while it settles.
  bool settles = false;
  // Of hosts that are down: did more go silent at once than leave by themselves? Absent: as before.
  std::optional<bool> together = {};
};

const char* SeverityOf(Verdict verdict);

class IncidentBook {
 public:
  IncidentBook(IncidentOptions options, uint64_t last_number, Parts without = {})
      : options_(options), without_(without), last_number_(last_number) {}

  // Where a sensor stands. Sensors of which nothing is said are a group of their own.
  void SetGroup(const SensorName& sensor, const std::string& group);

  // A live incident of an earlier life: same number, same start. `failing` says, by target, which
  // sensors the cells still believe unable to reach it.
  void Restore(const IncidentRecord& record,
               const std::map<IpAddress, std::vector<SensorName>>& failing, Moment now);

  // A round that began at `began` found `target` failing from some sensors and answering others.
  void Split(const IpAddress& target, const std::vector<SensorName>& failing,
             const std::vector<SensorName>& reaching, MonoTime began, Moment now);
  // A round found that nobody reaches `target`. `ends`: where ways to it were seen to end of late,
  // the last place and the one before it. If that is where routes fail anyhow, it is one victim
  // more; a victim about which no way tells anything yet stays one for kUntraced. `answered`: when
  // it last answered anybody.
  using WayEnds = std::vector<std::pair<std::string, std::string>>;
  void Down(const IpAddress& target, const std::vector<SensorName>& failing, const WayEnds& ends,
            MonoTime answered, MonoTime began, Moment now);
  // What `sensor` holds against others is about itself. What is confirmed and open stays: the
  // evidence was good when it was given.
  void Discredit(const SensorName& sensor);
  // `sensor` has been away for so long that nobody can say whether its accusations still hold.
  void Forget(const SensorName& sensor, Moment now);
  // Everybody who was asked reaches it, or it is no longer a target.
  void Cleared(const IpAddress& target, Moment now);
  // A condition holds, as of now; and no longer. One that nobody speaks of for kConditionLife is
  // over, too (kSensorIsolated is not: a sensor that is cut off may be so for long).
  void Holds(const Condition& condition, Moment now);
  void Over(Verdict verdict, const std::string& about);
  // A flood holds. Where sensors that see it miss hosts or lose packets, too, the incident is of
  // both from then on. True if people have been told of one, and need not hear of the flood
  // elsewhere.
  bool MixFlood(const Condition& flood, Moment now);
  // Some of the sensor's flows to hosts of the live incident `serial` fail as they do for those who
  // accuse, though the one that probes commonly use gets through.
  void LosesFlows(uint64_t serial, const SensorName& sensor);
  // An attempt of `client` at `sensor` stayed half-open: it reached us, our answer did not arrive.
  void HalfOpen(const IpAddress& client, const SensorName& sensor, bool syn_repeated);
  // One that was made at `began` got through both ways. True if so many do, though no probe is
  // said to, that what is held against the way from that sensor cannot be.
  bool Completed(const IpAddress& client, const SensorName& sensor, MonoTime began);

  // So many hosts are known, failing or not.
  void KnowHosts(size_t hosts) { hosts_ = hosts; }

  void Tick(Moment now);

  // Those of the network that are live, candidates included, oldest first.
  std::vector<IncidentView> Views() const;
  void Explain(uint64_t serial, const Explanation& explanation);

  // Members that are due for another look, `most` at the most; each is then not due for a while.
  std::vector<Recheck> TakeRechecks(MonoTime now, size_t most);
  // Changes since the last call, in order.
  std::vector<IncidentChange> Take();

  // Is it a member, still failing, of a live incident made of this verdict?
  bool IsFailing(const IpAddress& target, Verdict basis) const;

 private:
  static constexpr Duration kReopenWithin = std::chrono::minutes(30);
  static constexpr Duration kFirstRecheck = std::chrono::seconds(5);
  static constexpr Duration kMemberRecheck = std::chrono::seconds(10);
  // The last look before an incident opens may have begun this much before open_after has passed:
  // it takes that long to be answered.
  static constexpr Duration kLook = std::chrono::seconds(2);
  static constexpr Duration kLoopsSettle = std::chrono::seconds(30);
  // A host that still answered so long after the first one was silent has left on its own.
  static constexpr Duration kNotTogether = std::chrono::seconds(15);
  static constexpr Duration kUntraced = std::chrono::minutes(1);
  static constexpr Duration kRecovery = std::chrono::minutes(1);
  static constexpr Duration kConditionLife = std::chrono::minutes(5);
  static constexpr size_t kMostIncidents = 1'000;
  // More flips than this in an hour are one state: flapping. It ends when it has been quiet for so
  // many times the longest pause between them, at least kFlapPause and at most flap_quiet.
  static constexpr size_t kMostFlips = 3;
  static constexpr int kPausesToEnd = 3;
  static constexpr Duration kFlapPause = std::chrono::minutes(1);
  // So many outages of several hosts at once within flap_quiet are enough to open an incident at
  // the next one.
  static constexpr size_t kOutagesToFlap = 3;
  static constexpr size_t kHostsToFlap = 2;
  static constexpr size_t kMostOutageGroups = 1'000;
  static constexpr size_t kFewHosts = 2;
  static constexpr size_t kManySensors = 4;
  // Counters live on in the evidence, so that a restart goes on counting.
  static constexpr const char* kHalfOpen = "half_open_attempts";
  static constexpr const char* kHalfOpenRepeated = "half_open_with_repeated_syn";
  static constexpr const char* kCompleted = "completed_attempts";
  // So many connections that complete, and so many for each that stays half-open, refute a route
  // that fails. While nobody has been told, it waits if they are but more.
  static constexpr uint64_t kRefuteMany = 8;
  static constexpr uint64_t kRefuteRatio = 3;

  struct Member {
    std::set<SensorName> failing;
    std::set<SensorName> reaching;
    bool failing_now = true;
    bool confirmed = false;  // by a second, separate round
    MonoTime answered{};     // see IncidentView::Member
    MonoTime first_round{};
    MonoTime last_round{};               // that found it failing
    std::optional<MonoTime> down_since;  // since when nobody reaches it
    MonoTime next_recheck{};
    Duration gap{};
  };
  struct Incident {
    uint64_t serial = 0;
    // What it is made of: kRouteAnomaly and kTargetDown have members, all else is a condition.
    Verdict basis = Verdict::kUnknown;
    IncidentRecord record;
    bool settles = false;
    bool together = false;           // see Explanation
    std::optional<Suspect> suspect;  // or, for hosts that are down, where ways to them end
    // The same for each family.
    std::vector<Suspect> places;
    std::set<IpAddress> onward;  // from these; see Explanation
    std::map<IpAddress, Member> members;
    std::set<std::string> groups;  // of the accusers
    std::set<SensorName> by_flow;  // see LosesFlows
    MonoTime started{};
    std::optional<MonoTime> quiet_since;  // nothing has failed since
    MonoTime opened{};                    // or opened again
    MonoTime closed{};
    MonoTime told{};
    IncidentRecord as_told;  // what Take() gave last
    // Most members that failed at once, and when half of so many still did. What is said of an
    // incident is said while it lasts: of the last few that recover nothing can be learnt.
    size_t peak = 0;
    MonoTime peak_at{};
    bool recovering = false;
    bool dirty = false;
    bool holds_now = false;  // conditions only
    MonoTime held_at{};      // likewise: when that was said last
    bool failing_before = true;
    std::deque<MonoTime> flips{};  // of the last hour: when it failed again
    uint64_t half_open = 0;
    uint64_t half_open_repeated = 0;
    uint64_t half_open_told = 0;
    uint64_t completed = 0;
    uint64_t members_dropped = 0;
  };

  bool Uses(Part part) const { return !without_.Has(part); }
  static bool IsCondition(Verdict basis);
  // The member that `target` is of a live incident of routes, if it is one that fails from there.
  static const Member* MissedFrom(const Incident& incident, const IpAddress& target,
                                  const SensorName& sensor);
  // Does it say that all of the ways fail, whatever the flow?
  static bool NothingPasses(const Incident& incident);
  static bool IsAbout(const Incident& incident, Verdict verdict, const std::string& about);
  static void Describe(Incident& incident, const Condition& condition);
  std::string GroupOf(const SensorName& sensor) const;
  static bool IsTentative(const Incident& incident) {
    return incident.record.state == IncidentState::kCandidate;
  }
  static bool IsLive(const Incident& incident) {
    return incident.record.state != IncidentState::kClosed;
  }
  Incident* Find(uint64_t serial);  // nullptr: there is none
  // The index of the incident that takes this in, made if need be; nullopt if the book is full.
  std::optional<size_t> FindOrCreate(const std::string& group, MonoTime began, Moment now);
  std::optional<size_t> Create(Verdict basis, MonoTime started, Moment now);
  void AddRound(Incident& incident, const IpAddress& target, const std::set<SensorName>& failing,
                const std::set<SensorName>& reaching, MonoTime began, Moment now);
  void Recover(Incident& incident, Member& member, MonoTime now);
  bool HoldsLongEnough(const Incident& incident, Moment now) const;
  void DropStale(Moment now);
  // Who left by himself has left by now.
  void DropLeavers(Incident& incident, Moment now) const;
  std::optional<size_t> FindDown(const IpAddress& target, MonoTime answered) const;
  void MergeSame(Moment now);
  struct Overlap {  // members that fail now
    size_t in_a = 0;
    size_t in_b = 0;
    size_t shared = 0;
  };
  static Overlap OverlapOf(const Incident& a, const Incident& b);
  bool IsAlone(const Incident& incident) const;
  static bool SameVictims(const Incident& a, const Incident& b);
  static bool ShareVictims(const Incident& a, const Incident& b);
  // A closed one that is the same trouble as the candidate.
  Incident* Former(const Incident& candidate);
  bool BeganWithMany(const Incident& a, const Incident& b) const;
  bool SameHostsAgain(const Incident& old, const Incident& candidate) const;
  // Of those that fail now, the share that failed then.
  static double SharedOf(const Incident& old, const Incident& candidate);
  static bool Same(const Suspect& one, const Suspect& other);
  static bool SamePlace(const Incident& a, const Incident& b);
  static bool MayBeOneRouter(const Incident& a, const Incident& b);
  bool SameFlows(const Incident& a, const Incident& b) const;
  static bool LeadsBy(const Incident& incident, const WayEnds& ends);
  bool IsOneCause(const Incident& a, const Incident& b) const;
  bool MayBeOneWithAnother(const Incident& incident, Moment now) const;
  void Absorb(Incident& into, Incident& from, Moment now);
  void CloseInto(const Incident& into, Incident& from, const char* why, Moment now);
  // From now on `into`, which is open, tells of this condition, too.
  void Joins(const Condition& condition, const Incident& into, Moment now);
  // `sensors`: sorted.
  static bool IsSeenBy(const Incident& incident, const std::vector<SensorName>& sensors);
  Duration FirstRecheck(const Incident& incident) const;
  void Advance(Incident& incident, Moment now);
  bool WatchFlaps(Incident& incident, bool failing, Moment now);
  // An outage is over, short enough to open no incident or not: does the group have it again and
  // again?
  void NoteOutage(const Incident& incident, Moment now);
  std::deque<MonoTime> OutagesLately(const Incident& incident, Moment now) const;
  Duration FlapQuiet(const Incident& incident) const;
  static void WatchPeak(Incident& incident, size_t failing, Moment now);
  void Open(Incident& incident, Moment now);
  Duration OpenAfter(const Incident& incident) const;
  bool IsDoubtful(const Incident& incident) const;
  bool ComesAndGoes(const Incident& incident, Moment now) const;
  void Refresh(Incident& incident);
  void Tell(Incident& incident, const char* change, Moment now);

  IncidentOptions options_;
  Parts without_;
  std::map<SensorName, std::string> groups_;
  std::map<std::string, std::deque<MonoTime>> outages_;  // by group: when they were over
  size_t hosts_ = 0;
  MonoTime merged_at_{};
  uint64_t last_number_;
  uint64_t last_serial_ = 0;
  std::vector<Incident> incidents_;  // live ones and the lately closed
  std::vector<IncidentChange> changes_;
};

}  // namespace parallax::collector
