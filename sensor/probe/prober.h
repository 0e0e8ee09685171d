// Turns orders into probes and their answers into reports. Pure: probes to send and reports come
// out as actions, time comes in. Owned by the probe thread.
//
//   order:  accepted --start_after--> try 1 --spacing--> try 2 --spacing--> ... --> reported
//   try:    due -> paced -> policy -> sent -> answered | unreachable | prohibited | silent
//                            |         \-> not sent (the kernel refused)
//                            \-> refused
//
// An order is reported at the first answer from its target, else when its last try has ended. A try
// that has timed out still takes an answer until then. In the report tries stand in the order in
// which they were made, except that an answered one comes last: the last one decided. Tries that
// were still waiting when another was answered are left out: nothing is known of them.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/records.h"
#include "common/time.h"
#include "sensor/probe/ledger.h"
#include "sensor/probe/pacer.h"
#include "sensor/probe/policy.h"

namespace parallax::sensor {

// A probe to put on the wire at once.
struct ProbeSend {
  Probe probe;
  ProbeOwner owner;
};

struct ProbeActions {
  std::vector<ProbeSend> sends;
  std::vector<ProbeReport> reports;
};

// Limits on what an order may ask; beyond them it is refused.
inline constexpr Duration kLongestOrderTime = std::chrono::seconds(60);
inline constexpr size_t kMaxOrdersInFlight = 4096;

// The report on an order of which nothing was tried.
ProbeReport RefusedReport(const ProbeOrder& order, std::string reason, const Moment& now);

class Prober {
 public:
  // The referenced objects must outlive the prober. `ledger` must have room for
  // max_orders * kMaxTries probes, or tries are refused for want of it.
  Prober(Policy policy, ProbeLedger& ledger, Pacer& pacer, size_t max_orders = kMaxOrdersInFlight);

  // Takes an order, or reports it refused: malformed, or too many in flight.
  void Accept(ProbeOrder order, const Moment& now, ProbeActions& out);

  // An answer that the ledger matched to a probe of ours (ProbeOwner::Kind::kOrder).
  void OnAnswer(const ProbeLedger::Match& match, const Answer& answer, const Moment& now,
                ProbeActions& out);

  // A probe handed out by Advance could not be sent.
  void OnSendError(const ProbeOwner& owner, std::string detail, const Moment& now,
                   ProbeActions& out);

  // Does all that is due.
  void Advance(const Moment& now, ProbeActions& out);

  // When Advance has something to do next; nullopt: not before a new order or answer.
  std::optional<MonoTime> NextDeadline() const;

  size_t in_flight() const { return orders_.size(); }
  uint64_t refused() const { return refused_; }  // tries refused by the policy

 private:
  struct Try {
    uint64_t probe_id = 0;  // 0: never sent
    MonoTime deadline;
    bool ended = false;  // false: still waiting, or timed out and silent so far
    ProbeTryResult result;
  };
  struct Order {
    ProbeOrder order;
    std::vector<Try> tries;  // made so far
    MonoTime wake;           // its place in wakes_, unless queued
    bool queued = false;     // in ready_: its next try is due and waits for a token
    Moment started;          // of the first try
  };

  // False: no probe may be sent before NextForAll().
  bool ServeFirstReady(const Moment& now, ProbeActions& out);
  void StartTry(uint64_t serial, Order& order, const Moment& now, ProbeActions& out);
  // Asks the policy about the next try; if it says no, the try has been made and refused.
  bool RefusedByPolicy(Order& order);
  static void AddEndedTry(Order& order, const ProbeTry& attempt, ProbeState state,
                          std::string detail);
  // Sets the next wake, or reports the order if nothing is left to wait for.
  void Continue(uint64_t serial, Order& order, const Moment& now, ProbeActions& out);
  void Finish(uint64_t serial, Order& order, std::optional<size_t> answered, const Moment& now,
              ProbeActions& out);
  void SetWake(uint64_t serial, Order& order, MonoTime at);

  const Policy policy_;
  ProbeLedger& ledger_;
  Pacer& pacer_;
  const size_t max_orders_;
  uint64_t next_serial_ = 1;
  std::unordered_map<uint64_t, Order> orders_;  // by serial
  std::set<std::pair<MonoTime, uint64_t>> wakes_;
  std::deque<uint64_t> ready_;  // serials, first come first served; may name ended orders
  uint64_t refused_ = 0;
};

}  // namespace parallax::sensor
