// The ways that packets take, as traces showed them: the atlas remembers, for each sensor and
// target, the last way that worked; of the last minutes every trace is kept, those that failed
// included, for the localiser to compare. Bounded: of the traces the oldest go first, of the atlas
// those of a few that were seen longest ago, of the next few each time.
//
// Pure; owned by the engine's thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "collector/detect/model.h"
#include "collector/detect/vantage.h"
#include "common/records.h"
#include "common/time.h"

namespace parallax::collector {

// One trace that came back.
struct SeenPath {
  VantageId sensor = 0;
  IpAddress target;
  ProbeTry attempt;
  MonoTime asked{};
  MonoTime seen{};
  bool failing = false;  // as it was believed then: the flow does not get through
  bool reached = false;
  bool changed = false;
  TraceEnd end = TraceEnd::kUnfinished;
  PathHops hops;
};

class PathBook {
 public:
  // Traces count up from `first_id`; what an earlier life asked for matches nothing.
  explicit PathBook(uint64_t first_id) : next_id_(first_id) {}

  void Restore(VantageId sensor, const PathRecord& record, Moment now);

  // The order for a trace of that flow; nullopt while one is under way, or was seen less than
  // `not_within` ago. `down`: it is believed not to get through.
  std::optional<PathOrder> Ask(VantageId sensor, const IpAddress& target, const ProbeTry& attempt,
                               MonoTime now, Duration not_within, bool down = false);
  // What came of one; nullptr if nobody asked for it. `down`: likewise, by now; it may have come
  // back meanwhile. Good until the next call.
  const SeenPath* Accept(VantageId sensor, const PathReport& report, bool down, MonoTime now);
  // A way that works: to be stored, if it is another one than before or that is long ago.
  std::optional<PathRecord> Remember(const SeenPath& path, const SensorName& name, Moment now);
  void Forget(const IpAddress& target);
  void Tick(MonoTime now);

  // The way from there to the target as it was in peace; nullptr if it is not known.
  const PathHops* Before(VantageId sensor, const IpAddress& target) const;
  // Is its way from there being traced, or was it within this time, whatever the flow?
  bool IsKnown(VantageId sensor, const IpAddress& target, MonoTime now, Duration within) const;
  // Is this the last place known of a way to some host that answers?
  bool IsExit(const IpAddress& place) const { return exits_.contains(place); }
  // Is it one that such a way goes on from, to another one?
  bool IsPassed(const IpAddress& place) const { return passed_.contains(place); }
  // The routers that such ways were seen to go on to from there.
  std::set<IpAddress> Next(const IpAddress& place) const;
  const std::deque<SeenPath>& recent() const { return recent_; }
  size_t waiting() const { return asked_.size(); }

 private:
  static constexpr Duration kRecent = std::chrono::minutes(15);
  static constexpr Duration kGiveUp = std::chrono::seconds(60);
  static constexpr Duration kStoreAgain = std::chrono::hours(6);
  static constexpr size_t kMostRecent = 4'096;
  static constexpr size_t kMostWaiting = 4'096;
  static constexpr size_t kMostRemembered = 100'000;
  static constexpr size_t kMostRouters = 20'000;
  static constexpr size_t kMostNext = 16;
  static constexpr size_t kComparedToMakeRoom = 64;

  struct Key {
    IpAddress target;
    VantageId sensor = 0;
    auto operator<=>(const Key&) const = default;
  };
  struct Asked {
    Key key;
    ProbeTry attempt;
    MonoTime at{};
    bool down = false;
  };
  void NoteRouters(const PathHops& hops);
  void MakeRoom();  // in a full atlas
  void DropOldest();
  struct Known {
    PathHops hops;
    MonoTime seen{};
    MonoTime stored{};
  };

  uint64_t next_id_;
  std::map<uint64_t, Asked> asked_;  // by id
  std::map<Key, Known> atlas_;
  Key hand_;                           // where to look for room next
  std::deque<SeenPath> recent_;        // oldest first
  std::map<Key, MonoTime> last_seen_;  // of these
  std::set<IpAddress> exits_;
  std::map<IpAddress, std::set<IpAddress>> passed_;  // see Next
};

}  // namespace parallax::collector
