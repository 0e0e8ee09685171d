// A sensor without its sockets: the daemon's own decision classes (observing, probing, the gateway
// watch), the spool as a plain queue. Segments, orders and answers go in; probes to send and
// records come out. Pure.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "common/records.h"
#include "sensor/observe/observer.h"
#include "sensor/probe/gateway_watch.h"
#include "sensor/probe/policy/probe_gate.h"
#include "sensor/probe/prober.h"
#include "sensor/probe/trace/trace_client.h"
#include "sensor/probe/wire/ledger.h"

namespace parallax::sim {

struct SensorModelOptions {
  std::string name;
  std::string group;
  std::vector<IpAddress> addresses;  // of its host
  std::vector<Prefix> local_networks;
  Duration clock_ahead{};  // how far its wall clock is ahead of the world's
};

class SensorModel {
 public:
  SensorModel(const SensorModelOptions& options, uint64_t seed);

  // A fresh process: nothing is remembered.
  void Start();
  void Stop() { life_.reset(); }
  bool running() const { return life_ != nullptr; }

  void See(std::span<const sensor::SynSegment> segments, Moment now);
  // What the kernel of its host counts from here on.
  void SetHostCounters(const sensor::TcpExtCounters& counters) { counters_ = counters; }
  void Accept(const Order& order, Moment now);
  void SetGateways(const std::vector<sensor::Gateway>& gateways, Moment now);
  void OnAnswer(const sensor::Answer& answer, Moment received);

  // Does what is due; the probes to send now.
  std::span<const sensor::ProbeSend> Turn(Moment now);
  // When Turn has something to do next.
  MonoTime NextTurn(MonoTime now) const;

  const SensorModelOptions& options() const { return options_; }
  uint64_t epoch() const { return epoch_; }
  SensorHello Hello() const;
  SensorHealth Health(Moment now) const;

  // What is to be sent to the collector, first in first out; numbered from sequence() + 1 on.
  std::deque<Record>& spool() { return life_->spool; }
  uint64_t sequence() const { return life_->sequence; }
  void Sent(size_t records);

 private:
  struct Life {
    Life(const SensorModelOptions& options, std::mt19937_64& random);
    sensor::Observer observer;
    sensor::ProbeTagger tagger;
    sensor::ProbeLedger ledger;
    sensor::ProbeGate gate;
    sensor::Prober prober;
    sensor::TraceClient tracer;
    sensor::GatewayWatch watch;
    std::deque<Record> spool;
    uint64_t sequence = 0;
    MonoTime observed{};  // when the observer's timers were served last
  };
  Moment Local(Moment now) const { return {now.mono, now.wall + options_.clock_ahead}; }
  void Keep(std::vector<Record>& records);
  void KeepReports();
  sensor::ProbeClient* ClientOf(const sensor::ProbeOwner& owner);

  SensorModelOptions options_;
  std::mt19937_64 random_;
  uint64_t epoch_ = 0;
  std::unique_ptr<Life> life_;
  sensor::TcpExtCounters counters_;
  std::vector<sensor::ProbeSend> sends_;
  std::vector<sensor::CapturedSegment> captured_;
};

}  // namespace parallax::sim
