// Raw sockets: the port that can do everything. IPv4 probes leave with an IP header of our own,
// IPv6 ones with the kernel's; answers come in at one raw socket per family and protocol. A host
// without one of the families does with the other. Needs CAP_NET_RAW to open, nothing afterwards.
// All sockets are non-blocking; owned by the probe thread.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "common/fd.h"
#include "common/result.h"
#include "sensor/probe/ports/gateways.h"
#include "sensor/probe/ports/probe_port.h"
#include "sensor/probe/ports/send_batch.h"
#include "sensor/probe/ports/socket_util.h"
#include "sensor/probe/wire/tagger.h"

namespace parallax::sensor {

class RawPort : public ProbePort {
 public:
  // kPermission without CAP_NET_RAW. `ports`: our source ports; `udp_ports`, those among them that
  // UDP uses, are also taken from the kernel once used, or it would refuse the replies.
  static Result<std::unique_ptr<RawPort>> Open(PortRange ports, PortRange udp_ports);
  ~RawPort() override;

  // What the payload of the probes says from here on.
  void SetText(const ProbeText& text) { text_ = text; }

  // From here on a second thread sends half of the IPv4 probes of large batches: sending is what
  // takes the time. Needs CAP_NET_RAW now, not when it begins to send. False: not to be had, and
  // all goes on as before.
  bool UseSecondSender();

  void Send(std::span<const Probe> probes, std::vector<SendOutcome>& outcomes) override;
  void TakeDelayed(std::vector<IpAddress>& targets) override;
  bool Receive(const Handler& handle) override;
  std::vector<int> descriptors() const override;

 private:
  struct Socket {
    UniqueFd fd;
    Family family = Family::kV4;
    uint8_t protocol = 0;
  };
  enum Index : size_t { kIcmp4, kTcp4, kUdp4, kIcmp6, kTcp6, kUdp6, kCount };
  struct Inbox;  // room for one recvmmsg

  RawPort();
  static Result<void> Configure(int fd, Family family, uint8_t protocol, PortRange ports);
  // The socket that sends this probe; -1 if the host lacks the family.
  int SenderOf(const Probe& probe) const;
  // Adds the probe's packet to the batch; 0, or an errno: no packet was made.
  int Prepare(const Probe& probe, SendBatch& batch);
  // As many of the probes as go through one socket, `most` at the most, into a batch that leaves by
  // `fd`; returns the number of probes taken. An error of a probe that gets into none is appended.
  size_t Fill(std::span<const Probe> probes, size_t most, int fd, SendBatch& batch,
              std::vector<SendOutcome>& outcomes);
  static void Append(const SendBatch& batch, std::vector<SendOutcome>& outcomes);
  // What became of what the second thread has sent.
  void Collect(std::vector<SendOutcome>& outcomes);
  // Packets that we have sent are still in the kernel.
  bool Queued() const;
  // Nothing is queued any more: what was sent so far is forgotten.
  void Settle();
  // The kernel would keep a packet to the target until the next hop's address is known, and then
  // let it go together with others.
  bool MustNotQueue(const Probe& probe);
  // A batch goes only where packets have just gone without having to wait.
  bool MayBatch(const Probe& probe);
  bool ReceiveFrom(const Socket& socket, const Handler& handle);
  void HoldUdpPort(uint16_t port);

  ProbeText text_;
  std::array<Socket, kCount> sockets_;
  UniqueFd epoll_fd_;  // tells which of them have something to read
  UniqueFd send4_;
  SourceFinder sources_;
  std::unordered_map<uint16_t, UniqueFd> held_;
  PortRange udp_ports_;
  // Asked only while packets are queued; without it they are sent as they come.
  std::optional<GatewayTable> next_hops_;
  std::vector<IpAddress> unsettled_;  // targets of what was sent since nothing was queued
  std::vector<int> unsettled_fds_;    // through these
  bool delayed_ = false;              // some of these wait for a next hop
  MonoTime patient_until_ = MonoTime::min();
  MonoTime trusted_until_ = MonoTime::min();  // until then batches leave unasked
  std::unique_ptr<SendBatch> batch_;
  std::unique_ptr<BatchSender> second_;
  std::unique_ptr<Inbox> in_;
};

}  // namespace parallax::sensor
