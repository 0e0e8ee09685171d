// Where probes leave the host and their answers come in. Two kinds: raw sockets (raw_port.h), and
// what an unprivileged process can do (plain_port.h). Not thread-safe; owned by the probe thread.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "common/time.h"
#include "sensor/probe/wire/answer.h"
#include "sensor/probe/wire/packet.h"

namespace parallax::sensor {

// What became of handing a probe to the kernel.
struct SendOutcome {
  uint64_t probe_id = 0;
  int error = 0;  // 0, or the errno with which the kernel refused
  MonoTime left;  // when it left
};

class ProbePort {
 public:
  using Handler = std::function<void(const Answer& answer, MonoTime received)>;

  virtual ~ProbePort() = default;

  // Sends the probes, and appends the outcome of each. If the kernel's word was not waited for, an
  // outcome of 0 is followed by another in a later call, even one without probes: with an error, or
  // with the time at which it really left. Until then `left` may be too early, never too late.
  virtual void Send(std::span<const Probe> probes, std::vector<SendOutcome>& outcomes) = 0;

  // How many more probes it can take now; those beyond are refused with EMFILE. Where it is 0, a
  // descriptor becomes readable when that changes.
  virtual size_t room() const { return SIZE_MAX; }

  // Appends the targets of probes that have left only now, though they were said to have left
  // earlier: they waited in the kernel for the next hop's link-layer address.
  virtual void TakeDelayed(std::vector<IpAddress>&) {}

  // Reads what has arrived, a bounded number of packets, and hands on what may be an answer, with
  // the time at which the kernel received it. True: there may be more.
  virtual bool Receive(const Handler& handle) = 0;

  // Receive gives the true time of every answer, however late it is called. False: of some it gives
  // the time of the call.
  virtual bool KnowsWhen() const { return true; }

  // The descriptors to wait on for reading; they may change with every call of Send or Receive.
  virtual std::vector<int> descriptors() const = 0;
};

}  // namespace parallax::sensor
