// Turns orders into probes and their answers into reports. Pure: probes to send and reports come
// out as actions, time comes in. Owned by the probe thread.
//
//   order:  accepted --start_after--> try 1 --spacing--> try 2 --spacing--> ... --> reported
//   try:    due -> paced -> policy -> sent -> answered | unreachable | prohibited | silent
//                            |         \-> not sent (the kernel refused)
//                            \-> refused
//   A router's "time exceeded" is a loop; a redirect is noted and ends nothing.
//
// An order is reported at the first answer from its target (unless it wants every try to be made),
// else when its last try has ended. A try
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
#include "sensor/probe/probe_client.h"

namespace parallax::sensor {

// Limits on what an order may ask; beyond them it is refused.
inline constexpr Duration kLongestOrderTime = std::chrono::seconds(60);
inline constexpr size_t kMaxOrdersInFlight = 4096;

// The report on an order of which nothing was tried.
ProbeReport RefusedReport(const ProbeOrder& order, std::string reason, const Moment& now);

class Prober : public ProbeClient {
 public:
  // `gate` must outlive the prober, and its ledger have room for max_orders * kMaxTries probes, or
  // tries are refused for want of it.
  explicit Prober(ProbeGate& gate, size_t max_orders = kMaxOrdersInFlight);

  // Takes an order, or reports it refused: malformed, or too many in flight.
  void Accept(ProbeOrder order, const Moment& now);

  void Advance(const Moment& now, size_t most, std::vector<ProbeSend>& sends) override;
  void OnAnswer(const ProbeMatch& match, const Answer& answer, const Moment& now) override;
  void OnSendError(const ProbeOwner& owner, int error, const Moment& now) override;
  std::optional<MonoTime> NextDeadline() const override;

  // What has been reported since the last call.
  std::vector<ProbeReport> TakeReports() { return std::exchange(reports_, {}); }

  size_t in_flight() const { return orders_.size(); }

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

  // False: nothing may be sent before gate_.NextForAll().
  bool ServeFirstReady(const Moment& now, std::vector<ProbeSend>& sends);
  GateAnswer AskForTry(uint64_t serial, const Order& order, const Moment& now,
                       std::vector<ProbeSend>& sends);
  static void AddEndedTry(Order& order, const ProbeTry& attempt, ProbeState state,
                          std::string detail);
  // Sets the next wake, or reports the order if nothing is left to wait for.
  void Continue(uint64_t serial, Order& order, const Moment& now);
  void Finish(uint64_t serial, Order& order, std::optional<size_t> answered, const Moment& now);
  void SetWake(uint64_t serial, Order& order, MonoTime at);

  ProbeGate& gate_;
  const size_t max_orders_;
  uint64_t next_serial_ = 1;
  std::unordered_map<uint64_t, Order> orders_;  // by serial
  std::set<std::pair<MonoTime, uint64_t>> wakes_;
  std::deque<uint64_t> ready_;  // serials, first come first served; may name ended orders
  std::vector<ProbeReport> reports_;
};

}  // namespace parallax::sensor
