// The sensor's probe engine: one thread that sends the probes that orders ask for, watches the
// host's gateways, and reports. Wires the pure machines (prober, gateway_watch, ledger, pacer) to
// sockets and clocks; decides nothing itself.
//
// Threads: Run belongs to one thread and owns everything but two mailboxes; Submit and Health may
// be called from any thread at any time.
#pragma once

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
#include "sensor/probe/gateways.h"
#include "sensor/probe/ledger.h"
#include "sensor/probe/pacer.h"
#include "sensor/probe/policy.h"
#include "sensor/probe/probe_sockets.h"
#include "sensor/probe/prober.h"
#include "sensor/probe/tagger.h"

namespace parallax::sensor {

struct ProbeEngineOptions {
  // What LoadPolicy said. Without a policy nothing is sent: orders are reported refused with the
  // error's message, and gateways are judged by the neighbour table alone.
  Result<Policy> policy = Fail(ErrorCode::kBadConfig, "no probe policy was given");
  // Fixes which paths probes take among equal ones; see StableFlowKey.
  HashKey flow_key = ProcessHashKey();
  size_t max_orders = kMaxOrdersInFlight;
};

// A flow key that is the same after a restart: from this machine's id and `identity`, for example
// the sensor's name. Not a secret.
HashKey StableFlowKey(const std::string& identity);

struct ProbeHealth {
  std::vector<GatewayHealth> gateways;
  uint64_t probes_sent = 0;     // gateway probes included
  uint64_t probes_refused = 0;  // by the policy, or for want of one
  bool probing = false;
  std::string problem;  // why not probing; empty if it is
  AnswerCounts answers;
};

class ProbeEngine {
 public:
  // Opens the sockets if there is a policy. kPermission without CAP_NET_RAW. To go on without
  // probing, pass that error as `options.policy` and open again: that needs no privilege.
  static Result<std::unique_ptr<ProbeEngine>> Open(ProbeEngineOptions options);
  ~ProbeEngine();

  // False: the mailbox is full, and the order is dropped. Every other order gets one report.
  bool Submit(ProbeOrder order);

  // Works until `stop`; calls `report` from this thread. Orders in flight at the stop get no
  // report.
  void Run(const std::function<void(ProbeReport)>& report, std::stop_token stop);

  ProbeHealth Health() const;

  // Where probes come from and their answers go to; the kernel's own connections never do.
  const PortRange& ports() const { return tagger_.ports(); }

 private:
  // What there is only with a policy and sockets.
  struct Probing {
    Probing(Policy policy, ProbeSockets open_sockets, ProbeLedger& ledger, Pacer& pacer,
            size_t max_orders)
        : sockets(std::move(open_sockets)), prober(std::move(policy), ledger, pacer, max_orders) {}
    ProbeSockets sockets;
    Prober prober;
  };

  ProbeEngine(const ProbeEngineOptions& options, PortRange ports, UniqueFd wake_fd,
              GatewayTable table);
  void Wake();
  void TakeOrders(ProbeActions& actions);
  void ReadGateways();
  void SendAll(ProbeActions& actions);
  void Receive(ProbeActions& actions);
  void PublishHealth();
  void Wait();

  const ProbeTagger tagger_;
  ProbeLedger ledger_;
  Pacer pacer_;
  GatewayWatch watch_;
  GatewayTable gateway_table_;
  MonoTime next_gateway_read_ = MonoTime::min();
  std::optional<Probing> probing_;
  std::string problem_;
  uint64_t sent_ = 0;
  uint64_t refused_unpoliced_ = 0;
  UniqueFd wake_fd_;

  mutable std::mutex mutex_;  // guards what follows
  std::vector<ProbeOrder> submitted_;
  ProbeHealth health_;
};

}  // namespace parallax::sensor
