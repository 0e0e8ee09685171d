// TCP SYN probes without privilege: a non-blocking connect() for each, which is closed before the
// kernel would send its SYN again, so that one probe is one packet. A handshake that comes about is
// ended with a RST. Owned by the probe thread. Bounded: kMost sockets.
//
// Compared with a raw SYN: the kernel chooses the sequence number; answers later than kWait are not
// seen; and of several probes of one flow in flight to one target only the first leaves from the
// flow's own port, because the kernel takes a second connection with the same ends for a mistake.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "common/fd.h"
#include "common/time.h"
#include "sensor/probe/ports/error_queue.h"
#include "sensor/probe/ports/probe_port.h"
#include "sensor/probe/wire/answer.h"
#include "sensor/probe/wire/packet.h"

namespace parallax::sensor {

class ConnectSockets {
 public:
  static constexpr size_t kMost = 8192;
  // The kernel repeats a SYN after 1 s (RFC 6298), on a timer with a grain of up to 10 ms.
  static constexpr Duration kWait = std::chrono::milliseconds(900);
  static constexpr Duration kRepeat = std::chrono::seconds(1);

  // Adds every socket it opens to `epoll_fd`, with its index and `token` as the event's data:
  // token | index.
  ConnectSockets(int epoll_fd, uint64_t token) : epoll_fd_(epoll_fd), token_(token) {}

  // A socket that could connect; for finding out what the kernel allows. 0, or the errno.
  static int Try(Family family);

  // 0 and the time at which the SYN left, or an errno. `may_open`: whether there is room for one
  // more socket; EMFILE if there is not.
  int Send(const Probe& probe, bool may_open, MonoTime& sent);

  // Something happened at the socket with this index. `events` as epoll reports them.
  void Receive(uint32_t index, uint32_t events, const ProbePort::Handler& handle);

  // Hands on what Send itself found out, and closes what has waited long enough.
  void Advance(MonoTime now, const ProbePort::Handler& handle);

  // When Advance has something to do; nullopt: nothing is in flight.
  std::optional<MonoTime> NextDeadline() const;

  size_t size() const { return in_use_; }

  // SYNs that the kernel has repeated because this process came too late to close the socket, and
  // probes that left from another port than their flow's.
  uint64_t repeated() const { return repeated_; }
  uint64_t off_flow() const { return off_flow_; }

 private:
  struct Connect {
    UniqueFd fd;
    Probe probe;
    MonoTime sent;
    uint64_t number = 0;  // tells apart those that had the same index; 0: none
  };
  struct Waiting {
    MonoTime until;
    uint64_t number;
    uint32_t index;
  };

  int Open(const Probe& probe, bool own_port, UniqueFd& fd) const;
  int Start(Connect& connect, bool own_port);
  std::optional<Answer> Outcome(const Connect& connect, uint32_t events, MonoTime& received);
  void CountRepeated(const Connect& connect, MonoTime now);
  void Close(uint32_t index);

  const int epoll_fd_;
  const uint64_t token_;
  std::vector<Connect> connects_;
  std::vector<uint32_t> free_;
  std::deque<Waiting> waiting_;  // in the order in which they end; those that have ended, too
  std::vector<std::pair<Answer, MonoTime>> found_;
  size_t in_use_ = 0;
  uint64_t next_number_ = 1;
  uint64_t repeated_ = 0;
  uint64_t off_flow_ = 0;
};

}  // namespace parallax::sensor
