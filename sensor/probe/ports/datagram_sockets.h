// ICMP echo or UDP without privilege: one socket for each identifier or source port in use, opened
// when it is first needed (Linux: icmp(7), SOCK_DGRAM). Owned by the probe thread.
//
// Where another program holds the wanted identifier or port, the kernel chooses another one. Probes
// and answers are translated, so that nobody else need know.
#pragma once

#include <cstdint>
#include <functional>
#include <unordered_map>
#include <vector>

#include "common/fd.h"
#include "common/ip.h"
#include "common/time.h"
#include "sensor/probe/ports/error_queue.h"
#include "sensor/probe/ports/probe_port.h"
#include "sensor/probe/ports/socket_util.h"
#include "sensor/probe/wire/answer.h"
#include "sensor/probe/wire/packet.h"
#include "sensor/probe/wire/udp_history.h"

namespace parallax::sensor {

class DatagramSockets {
 public:
  // Adds every socket it opens to `epoll_fd`, with its index and `token` as the event's data:
  // token | index. `method`: kIcmpEcho or kUdp.
  DatagramSockets(ProbeMethod method, const ProbeText& text, int epoll_fd, uint64_t token)
      : method_(method), text_(text), epoll_fd_(epoll_fd), token_(token) {}

  // A socket that could send; for finding out what the kernel allows. 0, or the errno.
  static int Try(ProbeMethod method, Family family);

  // 0 and the time at which the probe left, or an errno. `may_open`: whether there is room for one
  // more socket; EMFILE if there is not and one is needed.
  int Send(const Probe& probe, bool may_open, MonoTime& sent);

  // Reads what is there at the socket with this index, a bounded number of packets. True: there may
  // be more.
  bool Receive(uint32_t index, const ProbePort::Handler& handle);

  size_t size() const { return sockets_.size(); }

 private:
  struct Socket {
    UniqueFd fd;
    Family family = Family::kV4;
    uint16_t wanted = 0;  // identifier or source port
    uint16_t actual = 0;
  };

  int Open(Family family, uint16_t wanted, Socket& socket) const;
  // 0, or an errno.
  int Find(Family family, uint16_t wanted, bool may_open, const Socket*& socket);
  void OnError(const Socket& socket, const QueuedError& error, const ProbePort::Handler& handle);
  void OnPacket(const Socket& socket, const IpAddress& source, uint16_t port, uint8_t ttl,
                std::span<const uint8_t> data, MonoTime received,
                const ProbePort::Handler& handle) const;

  const ProbeMethod method_;
  const ProbeText text_;
  const int epoll_fd_;
  const uint64_t token_;
  SourceFinder sources_;
  UdpHistory history_;
  std::vector<Socket> sockets_;
  std::unordered_map<uint32_t, uint32_t> index_;  // family and wanted -> index
};

}  // namespace parallax::sensor
