// A campus in virtual time: sensors, remote hosts and one collector around an invented network. The
// decision classes of both daemons are the real ones; what they hear is what the network lets
// through, packet by packet.
//
// One thread, no clock: the same seed gives the same run.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "collector/detect/engine.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/memory_store.h"
#include "tests/sim/network.h"
#include "tests/sim/sensor_model.h"

namespace parallax::sim {

// A remote host that opens connections to the campus.
struct Remote {
  IpAddress address;
  NodeId node = 0;
  bool icmp = true;  // answers echo requests
  bool tcp = true;   // answers SYNs, be it by RST
  bool udp = true;   // answers datagrams, be it by "port unreachable"
  bool alive = true;
  Duration attempt_every = std::chrono::seconds(30);  // mean; 0: it never connects
};

// What a sensor that lies makes of every probe that it reports on.
enum class Lie : uint8_t { kUnanswered, kAnswered };

struct WorldOptions {
  uint64_t seed = 1;
  collector::EngineOptions engine;
};

struct WorldCounts {
  uint64_t probes = 0;  // sent by sensors to targets (gateways are none)
  uint64_t gateway_probes = 0;
  uint64_t attempts = 0;
  uint64_t lost_syn_acks = 0;
};

class World {
 public:
  explicit World(WorldOptions options);
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  Network& network() { return network_; }
  EventQueue& events() { return events_; }
  Moment now() const { return events_.now(); }
  std::mt19937_64& random() { return random_; }

  // The host of a sensor is a server, too. Its node owns its addresses. `seen_as`: the address that
  // it seems to connect from, if that is not its own.
  size_t AddSensor(const SensorModelOptions& options, NodeId node,
                   const std::optional<IpAddress>& seen_as = {});
  void SetCollector(NodeId node, const std::vector<IpAddress>& addresses);
  // Returns its index. Its node owns the address, or a prefix around it. Of several with one
  // address, the first answers probes.
  size_t AddRemote(const Remote& remote);
  std::vector<Remote>& remotes() { return remotes_; }

  // After the network has been laid out: everything begins to run.
  void Start();
  void Run(Duration time) { events_.RunUntil(now().mono + time); }

  void StopSensor(size_t i, bool goodbye);
  void StartSensor(size_t i);
  // Its wall clock is so much ahead of where it would be.
  void SetClock(size_t i, Duration ahead) { sensors_[i].clock_ahead = ahead; }
  void SetLie(size_t i, std::optional<Lie> lie);
  // From here on so many SYNs a second with made-up sources come from `from` to the sensor's
  // server; 0 ends it. The server's backlog is soon full: then it sends SYN cookies.
  void SetFlood(size_t sensor, NodeId from, double per_second);

  void StopCollector();
  void StartCollector();

  const MemoryStore& store() const { return store_; }
  const collector::Engine* engine() const { return engine_.get(); }
  const WorldCounts& counts() const { return counts_; }
  size_t sensors() const { return sensors_.size(); }
  // Called before and after the engine's ticks, for whoever measures them.
  std::function<void()> before_tick;
  std::function<void()> after_tick;
  // Told of each SYN-ACK that does not get to its client, with where it ended.
  std::function<void(const IpAddress& client, const Passage& passage)> on_lost_syn_ack;

 private:
  struct SensorHost {
    NodeId node = 0;
    std::unique_ptr<SensorModel> model;
    MonoTime planned = MonoTime::max();  // its next turn
    bool linked = false;
    bool flushing = false;
    std::optional<IpAddress> seen_as;
    Duration clock_ahead{};
    std::optional<Lie> lie;
    std::unordered_map<uint64_t, ProbeOrder> ordered;  // while it lies
    double flood = 0;                                  // SYNs a second
    NodeId flood_from = 0;
    bool flooding = false;  // the next batch is planned
    double flood_rest = 0;  // of a SYN, not sent yet
    size_t backlog = 0;     // forged attempts that wait for their ACK
    sensor::TcpExtCounters counters;
  };
  struct Conversation;
  static constexpr uint16_t kServerPort = 25;  // of every sensor's host

  const IpAddress* AddressOf(const std::vector<IpAddress>& addresses, Family family) const;

  // Sensors and the collector (world.cc).
  void Plan(size_t i);
  void Turn(size_t i);
  void Heartbeat(size_t i);
  void Flush(size_t i);
  std::vector<sensor::Gateway> GatewaysOf(const SensorHost& host) const;
  // How long a message takes between sensor and collector, lost segments and all; nullopt: it does
  // not get there.
  std::optional<Duration> Reaches(NodeId from, const std::vector<IpAddress>& source, NodeId to,
                                  const std::vector<IpAddress>& destination);
  void Link(size_t i);
  void Tick();
  void Obey();
  // By the sensor's clock.
  Moment NowAt(size_t i) const;
  // What a liar is about to send (world_liar.cc).
  void Falsify(SensorHost& host, std::vector<Record>& records);

  // Probes and what they bring back (world_probes.cc).
  void SendProbe(size_t i, const sensor::ProbeSend& send);
  void Deliver(size_t i, const sensor::Probe& probe, const Packet& packet, const Passage& passage);
  void Return(size_t i, NodeId from, const Packet& reply, MonoTime at, sensor::Answer answer);

  // Connections of remote hosts (world_attempts.cc).
  void Connect(size_t remote);
  void SendSyn(const std::shared_ptr<Conversation>& c);
  void OnSyn(const std::shared_ptr<Conversation>& c);
  void SendSynAck(const std::shared_ptr<Conversation>& c);
  // Forged ones (world_flood.cc).
  void Flood(size_t i);
  void RepeatForged(size_t i, std::vector<sensor::SynSegment> syn_acks, size_t n);

  WorldOptions options_;
  std::mt19937_64 random_;
  EventQueue events_;
  Network network_;
  std::vector<SensorHost> sensors_;
  std::unordered_map<IpAddress, size_t> sensor_by_address_;
  std::unordered_map<std::string, size_t> sensor_by_name_;
  std::vector<Remote> remotes_;
  std::unordered_map<IpAddress, size_t> remote_by_address_;
  NodeId collector_node_ = 0;
  std::vector<IpAddress> collector_addresses_;
  std::unique_ptr<collector::Engine> engine_;
  uint64_t collector_lives_ = 0;
  MemoryStore store_;
  WorldCounts counts_;
};

}  // namespace parallax::sim
