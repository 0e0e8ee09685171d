// Probing without CAP_NET_RAW: ICMP echo through the kernel's ICMP sockets, UDP through ordinary
// ones, TCP by connect(); ICMP errors, and with them traceroute, through the sockets' error queues.
// One probe is one packet here, too. Owned by the probe thread.
//
// What there is not, Missing() says. Probes beyond the file descriptors that this process may have
// get EMFILE; those of a method that takes a privilege EOPNOTSUPP.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/fd.h"
#include "common/result.h"
#include "sensor/probe/ports/connect_sockets.h"
#include "sensor/probe/ports/datagram_sockets.h"
#include "sensor/probe/ports/probe_port.h"
#include "sensor/probe/wire/packet.h"

namespace parallax::sensor {

class PlainPort : public ProbePort {
 public:
  // Raises the soft limit of file descriptors to the hard one. Fails only if nothing at all can be
  // sent. Identifiers and source ports take a socket each: let the tagger use few (64 identifiers).
  static Result<std::unique_ptr<PlainPort>> Open(const ProbeText& text);

  void Send(std::span<const Probe> probes, std::vector<SendOutcome>& outcomes) override;
  // Counts TCP probes, which take a socket each.
  size_t room() const override;
  bool Receive(const Handler& handle) override;
  // The kernel does not stamp the RST that refuses a connection.
  bool KnowsWhen() const override { return tcp_.size() == 0; }
  // An epoll descriptor that stands for all sockets, and for the times at which they are closed.
  std::vector<int> descriptors() const override;

  // 0, or the errno with which the kernel refused to open such a socket.
  int availability(ProbeMethod method, Family family) const;

  // One line each, for people: what is not available or less good here than with CAP_NET_RAW, with
  // the remedy; all of it, or what concerns one method. Never empty; what this host could change
  // comes first.
  std::vector<std::string> Missing(std::optional<ProbeMethod> only = std::nullopt) const;

  const ConnectSockets& connects() const { return tcp_; }

 private:
  PlainPort(const ProbeText& text, UniqueFd epoll_fd, UniqueFd timer_fd, size_t most_sockets);
  bool MayOpen() const;
  int SendOne(const Probe& probe, MonoTime& left);
  void SetTimer();

  UniqueFd epoll_fd_;  // before its users
  UniqueFd timer_fd_;
  const size_t most_sockets_;
  DatagramSockets icmp_;
  DatagramSockets udp_;
  ConnectSockets tcp_;
  std::array<std::array<int, 2>, 3> unavailable_{};  // by method; IPv4, IPv6: an errno, or 0
  MonoTime timer_at_ = MonoTime::max();              // max: not set
};

}  // namespace parallax::sensor
