// The turn of the probe thread: answers in, clients asked, probes out, sleep. Never spins: between
// two turns it waits for an answer or for the next deadline. Owned by the probe thread.
#pragma once

#include <poll.h>

#include <array>
#include <cstdint>
#include <vector>

#include "common/time.h"
#include "sensor/probe/ports/probe_port.h"
#include "sensor/probe/probe_client.h"

namespace parallax::sensor {

class ProbeLoop {
 public:
  // Both must outlive the loop.
  ProbeLoop(ProbePort& port, ProbeGate& gate);

  // `client` must outlive the loop; those added first are served first.
  void Add(ProbeOwner::Kind kind, ProbeClient& client);

  // Reads what has arrived, lets the clients do what is due, and sends a batch at the most. True:
  // there is more to do at once.
  bool Turn();

  // Sleeps until an answer arrives, a client's deadline or `until`, or `wake_fd` (-1: none) becomes
  // readable; true in that last case. An answer does not end a sleep of a few milliseconds if the
  // port knows when it came in. Where the gate lets 900 probes a second or more pass, sleeps end
  // 1.1 ms late, so that several leave at a turn; while the port has no room, they last 1 ms.
  bool Wait(int wake_fd, MonoTime until);

  uint64_t sent() const { return sent_; }

 private:
  static constexpr size_t kBatch = 64;

  void Receive();
  void Send();
  void TakeOutcomes();

  ProbePort& port_;
  ProbeGate& gate_;
  std::array<ProbeClient*, ProbeOwner::kKinds> by_kind_{};
  std::vector<ProbeClient*> clients_;
  std::vector<ProbeSend> sends_;
  std::vector<Probe> probes_;
  std::vector<SendOutcome> outcomes_;
  std::vector<IpAddress> delayed_;
  uint64_t sent_ = 0;
  std::vector<pollfd> waiting_;
  bool more_answers_ = false;
  bool precise_ = false;  // the thread's timers
};

}  // namespace parallax::sensor
