// The sensor's probe engine: one thread that sends the probes that orders ask for, watches the
// host's gateways, and reports. Wires the pure machines (prober, gateway_watch, gate, ledger) to
// sockets and clocks; decides nothing itself.
//
// Threads: Run belongs to one thread and owns everything but the mailboxes; Submit, SetPolicy and
// Health may be called from any thread at any time.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "common/fd.h"
#include "common/records.h"
#include "common/result.h"
#include "common/siphash.h"
#include "sensor/probe/gateway_watch.h"
#include "sensor/probe/last_schedule.h"
#include "sensor/probe/policy/policy.h"
#include "sensor/probe/policy/probe_gate.h"
#include "sensor/probe/ports/gateways.h"
#include "sensor/probe/ports/raw_port.h"
#include "sensor/probe/probe_loop.h"
#include "sensor/probe/prober.h"
#include "sensor/probe/trace/trace_client.h"
#include "sensor/probe/wire/ledger.h"
#include "sensor/probe/wire/tagger.h"

namespace parallax::sensor {

struct ProbeEngineOptions {
  // Without a policy nothing is sent: orders are reported refused with the problem's words, and
  // gateways are judged by the neighbour table alone.
  std::optional<Policy> policy;
  std::string policy_problem = "no probe policy was given";  // if there is none
  // Fixes which paths probes take among equal ones; see StableFlowKey.
  HashKey flow_key = ProcessHashKey();
  size_t max_orders = kMaxOrdersInFlight;
};

// Where the kernel takes ports for its own connections from.
PortRange EphemeralPorts();

// A flow key that is the same after a restart: from this machine's id and `identity`, for example
// the sensor's name. Not a secret.
HashKey StableFlowKey(const std::string& identity);

struct ProbeHealth {
  std::vector<GatewayHealth> gateways;
  uint64_t probes_sent = 0;     // gateway probes included
  uint64_t probes_refused = 0;  // tries and orders: by the policy, or for want of one
  std::array<uint64_t, kRefusals> refusals{};  // tries, by Refusal
  bool probing = false;
  std::string problem;  // why not probing; empty if it is
  AnswerCounts answers;
};

class ProbeEngine {
 public:
  // Opens the sockets. Without the right to (CAP_NET_RAW), and while there is no policy, it does
  // not probe, and Health().problem says why; gateways are then judged by the neighbour table
  // alone.
  static Result<std::unique_ptr<ProbeEngine>> Open(ProbeEngineOptions options);
  ~ProbeEngine();

  // False: the mailbox is full, and the order is dropped. Every other order gets one report.
  bool Submit(Order order);

  // Applies from the next probe on. `problem`: why there is none; or, though there is one, what is
  // wrong with a newer one; else empty.
  void SetPolicy(std::optional<Policy> policy, std::string problem);

  // Whether the collector can be reached. While it cannot, what it wanted to know lately is asked
  // all the same (LastSchedule). From any thread; cheap.
  void SetConnected(bool yes) { connected_ = yes; }

  // Works until `stop`; calls `report` from this thread. Orders in flight at the stop get no
  // report.
  void Run(const std::function<void(Record)>& report, std::stop_token stop);

  ProbeHealth Health() const;

  // Where probes come from and their answers go to; the kernel's own connections never do.
  const PortRange& ports() const { return tagger_.ports(); }

 private:
  struct NewPolicy {
    std::optional<Policy> policy;
    std::string problem;
  };

  ProbeEngine(const ProbeEngineOptions& options, PortRange ports, UniqueFd wake_fd,
              GatewayTable table);
  void Wake();
  void Apply(NewPolicy fresh);
  void TakeMail(const std::function<void(Record)>& report);
  void Take(Order order, const Moment& now, const std::function<void(Record)>& report);
  void AskOnOwnAccount(const Moment& now);
  void TakeReports(const std::function<void(Record)>& report);
  void ReadGateways();
  void PublishHealth();
  bool probing() const { return port_ != nullptr && gate_.policy().has_value(); }

  const ProbeTagger tagger_;
  ProbeLedger ledger_;
  ProbeGate gate_;
  GatewayWatch watch_;
  Prober prober_;
  TraceClient tracer_;
  LastSchedule schedule_;
  std::atomic<bool> connected_ = true;
  GatewayTable gateway_table_;
  MonoTime next_gateway_read_ = MonoTime::min();
  std::unique_ptr<RawPort> port_;  // null: no right to probe
  std::optional<ProbeLoop> loop_;  // with port_
  std::string problem_;
  uint64_t refused_orders_ = 0;
  UniqueFd wake_fd_;

  mutable std::mutex mutex_;  // guards what follows
  std::vector<Order> submitted_;
  std::optional<NewPolicy> new_policy_;
  ProbeHealth health_;
};

}  // namespace parallax::sensor
