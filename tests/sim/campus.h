// A small campus in virtual time: sensors, remote hosts and their connection attempts around one
// real Engine. What is real is the engine; everything that it hears is made here as the daemons
// would make it: attempts reported twice, probe orders carried out as sensor/probe/prober.h says,
// health every two seconds, streams that break and come back with their spool.
//
// Pure: one thread, no clock; the same seed gives the same run. Single-threaded by nature.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "collector/detect/engine.h"
#include "tests/sim/memory_store.h"

namespace parallax::sim {

using collector::SensorName;

// A sensor, its host and what lies around it. Faults are switched on and off by writing here.
struct Place {
  std::string name;
  std::string group;
  IpAddress address;   // of its host
  bool local = false;  // on the collector's own host: connects from loopback
  bool has_v6 = true;
  bool host_up = true;
  bool process_up = true;
  bool uplink_up = true;      // its link to the rest of the campus, and with it stream and probes
  bool gateway_up = true;     // its way out; the stream has another one
  bool stream_up = true;      // its stream alone
  bool drops_probes = false;  // nothing new gets out of its zone; replies do
  bool drops_icmp = false;    // a filter near it drops echo requests
  bool gateway_drops_icmp = false;  // the gateway itself never answers; it forwards all the same
  bool rejects_icmp = false;        // the same, but it says "administratively prohibited"
  double loss = 0;                  // of each probe, independent
  std::function<bool(MonoTime)> burst;  // true: everything is lost at that time
};

// A remote host.
struct Remote {
  IpAddress address;
  bool icmp = true;  // answers echo requests
  bool tcp = true;   // answers SYNs, be it by RST
  bool alive = true;
  bool connects = true;  // opens connections to the servers
};

struct CampusOptions {
  uint64_t seed = 1;
  Duration attempt_every = std::chrono::seconds(30);  // mean, per remote host
  collector::EngineOptions engine;
};

class Campus {
 public:
  explicit Campus(CampusOptions options);
  Campus(const Campus&) = delete;
  Campus& operator=(const Campus&) = delete;

  size_t AddSensor(std::string name, std::string group);
  // `count` IPv4 or IPv6 hosts; returns the index of the first.
  size_t AddRemotes(size_t count, bool icmp = true, bool tcp = true, Family family = Family::kV4);

  // The fault: does the way from this sensor to this remote host lead into the void?
  std::function<bool(const Place&, const Remote&)> black_hole;
  ProbeState black_hole_says = ProbeState::kSilent;  // what a probe into it brings back

  void Run(Duration time);
  // Runs until `done` or until `time` has passed; true if done.
  bool RunUntil(const std::function<bool()>& done, Duration time);

  void KillSensor(size_t i);  // process gone, host answers
  void StopSensor(size_t i);  // says goodbye
  void StartSensor(size_t i);
  void RestartCollector();
  bool collector_uplink = true;  // false: only local sensors are heard

  // Records from anywhere, as if `sensor` had sent them.
  void Inject(size_t sensor, std::vector<Record> records);

  Moment now() const { return now_; }
  std::vector<Place>& sensors() { return sensors_; }
  std::vector<Remote>& remotes() { return remotes_; }
  const std::vector<Remote>& remotes() const { return remotes_; }
  const MemoryStore& store() const { return store_; }
  const collector::Engine& engine() const { return *engine_; }
  void SetDrained(const std::set<SensorName>& names) { engine_->SetDrained(names); }
  uint64_t probes() const { return probes_; }
  // Rounds by the second in which their orders went out.
  const std::map<int64_t, std::vector<uint64_t>>& rounds() const { return rounds_; }
  // Told of all that the engine wants done, and of each probe that a sensor sends (`index`: which
  // try of its order).
  std::function<void(const collector::Actions&)> on_actions;
  std::function<void(size_t sensor, const ProbeOrder&, size_t index)> on_probe;
  // When a remote host's SYN first ended in a black hole; for times to detection.
  std::optional<MonoTime> first_affected;

 private:
  struct Line {  // what the sensor's daemon holds
    bool linked = false;
    uint64_t epoch = 0;
    uint64_t sequence = 0;
    std::deque<Record> spool;
    MonoTime gateway_answered{};
  };
  struct Event {
    MonoTime at;
    uint64_t order;
    std::function<void()> what;
    bool operator>(const Event& other) const {
      return at != other.at ? at > other.at : order > other.order;
    }
  };
  struct Asking {
    size_t sensor = 0;
    ProbeOrder order;
    MonoTime began{};
    std::vector<MonoTime> asked;
    std::vector<std::pair<bool, ProbeTryResult>> results;  // first: final, else still waiting
    bool reported = false;
  };

  void At(MonoTime when, std::function<void()> what);
  void Do(Duration step);
  void Heartbeat(size_t i);
  void Flush(size_t i);
  bool Linked(size_t i) const;
  void Attempts(size_t remote);
  void Connect(size_t remote, size_t sensor);
  void Obey(collector::Actions actions);
  void Execute(size_t sensor, const ProbeOrder& order);
  void Try(const std::shared_ptr<Asking>& asking, size_t index);
  void Report(const std::shared_ptr<Asking>& asking);
  bool Passes(const Place& from, const IpAddress& to);
  ProbeState Fate(const Place& from, const IpAddress& to, ProbeMethod method);
  bool Chance(double p) { return std::bernoulli_distribution(p)(random_); }

  CampusOptions options_;
  std::mt19937_64 random_;
  Moment now_;
  uint64_t event_order_ = 0;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::vector<Place> sensors_;
  std::vector<Line> lines_;
  std::vector<Remote> remotes_;
  std::map<IpAddress, size_t> remote_by_address_;
  std::map<SensorName, size_t> sensor_by_name_;
  MemoryStore store_;
  std::unique_ptr<collector::Engine> engine_;
  uint64_t probes_ = 0;
  uint64_t life_ = 0;  // of the collector
  uint16_t next_port_ = 1024;
  std::map<int64_t, std::vector<uint64_t>> rounds_;
};

}  // namespace parallax::sim
