// Asks many targets whether they are there: the ping, tcp and udp of the probe command. Pure; a
// client of the gate, owned by the probe thread.
//
//   target:  fresh -> asked -> [waiting: for its next probe's time, for its /24's or its own turn]
//            -> asked ... -> finished
//
// A target is finished at its first answer (no `count`), or when all its probes have been answered
// or have timed out. Memory is bounded by `most_in_flight`, whatever the number of targets: the
// next is begun when there is room. An answer is in time if it came within the time-out after its
// probe was sent, whatever else came before it.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <utility>
#include <vector>

#include "common/flow_verdict.h"
#include "sensor/probe/flows/flow_check.h"
#include "sensor/probe/probe_client.h"
#include "sensor/probe/target_list.h"

namespace parallax::sensor {

struct SweepOptions {
  ProbeMethod method = ProbeMethod::kIcmpEcho;
  uint16_t port = 0;   // 0 for kIcmpEcho
  uint16_t flows = 1;  // to each target
  // Probes of each flow. 0: one flow is asked up to three times until it answers, and several flows
  // are asked as FlowCheck finds useful.
  uint32_t count = 0;
  Duration interval = std::chrono::seconds(1);  // between two probes of a flow, with `count`
  Duration timeout = std::chrono::seconds(1);
  size_t most_in_flight = size_t{1} << 17;
};

enum class SweepState : uint8_t {
  kUp,     // the target answered
  kLossy,  // it answered, but not each of its probes: with `count`, or if its flows are not all_up
  kPartial,  // some of its flows are answered and some are dead
  kDown,     // silence
  kUnreachable,
  kTimeExceeded,
  kProhibited,
  kNotSent,
  kRefused,
};
inline constexpr size_t kSweepStates = 9;
std::string_view ToString(SweepState state);

// Why a target is not up, as far as anybody said.
struct SweepError {
  ProbeState state = ProbeState::kSilent;  // kSilent: nobody said anything
  std::optional<IpAddress> router;         // who said it
  uint8_t icmp_type = 0;
  uint8_t icmp_code = 0;
  int send_error = 0;                // kNotSent: errno, or 0 if the kernel said it by ICMP
  Refusal refusal = Refusal::kNone;  // kRefused
};

struct SweepResult {
  IpAddress target;
  SweepState state = SweepState::kDown;
  uint32_t sent = 0;
  uint32_t received = 0;  // answers of the target within the time-out
  uint32_t late = 0;      // and after it
  Duration rtt_min{};     // of the answers in time
  Duration rtt_max{};
  Duration rtt_sum{};
  // It answered by ICMP errors (a closed UDP port), which hosts limit: missing ones are no loss.
  bool by_error = false;
  SweepError error;
  std::unique_ptr<Redirect> redirect;
  std::unique_ptr<FlowVerdict> flows;  // if there are several
};

struct SweepProgress {
  uint64_t targets = 0;
  uint64_t finished = 0;
  uint64_t up = 0;  // of these, kUp and kLossy
  uint64_t sent = 0;
  uint64_t received = 0;
};

class Sweep : public ProbeClient {
 public:
  // `gate` and `targets` must outlive the sweep. `key` makes the order.
  Sweep(ProbeGate& gate, const TargetList& targets, const SweepOptions& options,
        const HashKey& key);
  ~Sweep() override;

  void Advance(const Moment& now, size_t most, std::vector<ProbeSend>& sends) override;
  void OnAnswer(const ProbeMatch& match, const Answer& answer, const Moment& now) override;
  void OnSendError(const ProbeOwner& owner, int error, const Moment& now) override;
  std::optional<MonoTime> NextDeadline() const override;

  // Finishes every target that was asked, on what is known by now: probes whose outcome is not are
  // not counted.
  void FinishAsked();

  // What has been finished since the last call, each target once, in the order of finishing.
  void TakeResults(std::vector<SweepResult>& results);
  bool done() const { return progress_.finished == progress_.targets; }
  const SweepProgress& progress() const { return progress_; }

 private:
  using Index = uint32_t;
  static constexpr Index kNone = UINT32_MAX;

  // A target begun and not finished.
  struct Item {
    SweepResult result;
    uint32_t generation = 0;           // of this slot; odd: in use
    uint32_t tries = 0;                // sent, or not sent because of the kernel
    uint32_t waiting = 0;              // probes in flight
    bool queued = false;               // has a place in ready_, wakes_ or parked_
    MonoTime next;                     // when its next probe is due
    std::unique_ptr<FlowCheck> check;  // if there are several flows
    std::optional<uint16_t> chosen;    // its word on what to ask, not sent yet
  };
  // A probe in flight, in a list by deadline.
  struct Flight {
    uint64_t probe_id = 0;  // 0: free
    MonoTime deadline;
    Index item = kNone;
    Index earlier = kNone;
    Index later = kNone;
    uint32_t generation = 0;  // of the item
    uint16_t flow = 0;
  };

  // A place in a queue; void once the target is finished.
  struct Ticket {
    Index item = kNone;
    uint32_t generation = 0;
  };
  struct Timed {
    MonoTime at;
    Ticket ticket;
    bool operator>(const Timed& other) const { return at > other.at; }
  };
  // Items whose /24 or /64 has had its share. One of them is tried when it is due again.
  struct Parked {
    std::deque<Ticket> waiting;
    bool armed = false;  // in parked_wakes_
  };
  using ParkedWake = std::pair<MonoTime, IpAddress>;

  bool HasRoom() const { return flights_.size() - free_flights_.size() < options_.most_in_flight; }
  // A target may be begun: there is one, and not too many are unfinished.
  bool HasFresh() const;
  Index BeginNext();
  // The next item that is due; kNone: none is.
  Index PopDue(MonoTime now);
  // False: nothing more can be sent now.
  bool Ask(Index index, MonoTime now, std::vector<ProbeSend>& sends);
  // Whether a target that is asked over one flow is to be asked once more.
  bool WantsMore(const Item& item) const;
  // The flow to ask now; nullopt: none now.
  std::optional<uint16_t> ChooseFlow(Item& item, MonoTime now) const;
  // What comes next for an item: a probe later, or the end.
  void Continue(Index index, MonoTime now);
  void Wake(Index index, MonoTime at);
  void Park(Index index, MonoTime at);
  void Arm(const IpAddress& prefix, MonoTime at);
  Ticket TicketOf(Index index) const { return {index, items_[index].generation}; }
  bool IsVoid(const Ticket& ticket) const {
    return items_[ticket.item].generation != ticket.generation;
  }
  void Depart(Index index, uint16_t flow, Index flight, uint64_t probe_id, MonoTime now);
  // Takes the flight out of the list, and its probe out of the ledger's. The item that waited for
  // it; nullptr: none does any more.
  Item* EndFlight(Index flight, MonoTime now);
  void Expire(MonoTime now);
  void Finish(Index index);
  SweepState StateOf(const SweepResult& result) const;

  ProbeGate& gate_;
  const TargetList& targets_;
  const SweepOptions options_;
  const RandomOrder order_;
  uint64_t begun_ = 0;
  std::deque<Item> items_;  // stable addresses
  std::vector<Index> free_items_;
  std::vector<Flight> flights_;
  std::vector<Index> free_flights_;
  Index first_ = kNone;  // flights, earliest deadline first
  Index last_ = kNone;
  std::deque<Ticket> ready_;  // due, waiting for a token of all
  std::priority_queue<Timed, std::vector<Timed>, std::greater<>> wakes_;
  std::map<IpAddress, Parked> parked_;
  std::priority_queue<ParkedWake, std::vector<ParkedWake>, std::greater<>> parked_wakes_;
  std::optional<IpAddress> parked_asking_;  // whose first item is being tried
  size_t parked_count_ = 0;
  MonoTime paused_until_ = MonoTime::min();  // the ledger is full, and not only with ours
  std::vector<SweepResult> results_;
  SweepProgress progress_;
};

}  // namespace parallax::sensor
