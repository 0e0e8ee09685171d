// Packets that are made ready one by one and sent with one system call, and a second thread that
// can do the sending. Owned by the probe thread, but for a batch in BatchSender's hands.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <span>
#include <thread>

#include "common/fd.h"
#include "common/time.h"
#include "sensor/probe/packet.h"
#include "sensor/probe/socket_util.h"

namespace parallax::sensor {

class SendBatch {
 public:
  static constexpr size_t kMost = 64;

  struct Packet {
    uint64_t probe_id = 0;
    int error = 0;  // after Send
    ProbeBuffer buffer;
    SocketAddress to;
    iovec data{};
  };

  // The place for the next packet; it counts once Commit is called. REQUIRES: size() < kMost
  Packet& next() { return packets_[size_]; }
  // The next packet is `bytes`, which lie in its buffer. For control messages of its own.
  ControlWriter Commit(std::span<const uint8_t> bytes);

  // Sends them all through one socket and notes what the kernel said of each. While its queue is
  // full it waits, a tenth of a second at the most.
  void Send(int fd);

  size_t size() const { return size_; }
  const Packet& packet(size_t i) const { return packets_[i]; }
  // When packet i left, about: they left one after the other.
  MonoTime LeftAt(size_t i) const;
  void Clear() { size_ = 0; }

 private:
  std::array<Packet, kMost> packets_;
  std::array<mmsghdr, kMost> messages_{};
  std::array<ControlBuffer<in6_pktinfo, int>, kMost> controls_;
  size_t size_ = 0;
  MonoTime start_;
  MonoTime end_;
};

// A thread that sends one batch at a time through a socket of its own.
class BatchSender {
 public:
  explicit BatchSender(UniqueFd fd);
  ~BatchSender();

  // Nothing is being sent: batch() holds what was sent last, and may be filled anew.
  bool idle() const { return state_.load(std::memory_order_acquire) == kIdle; }
  SendBatch& batch() { return batch_; }  // REQUIRES: idle()
  void Start();                          // REQUIRES: idle()

 private:
  enum State : uint32_t { kIdle, kSending, kStop };
  void Run();
  void Tell(State state);

  const UniqueFd fd_;
  SendBatch batch_;
  std::atomic<State> state_ = kIdle;
  std::mutex mutex_;  // for `told_` alone
  std::condition_variable told_;
  std::thread thread_;
};

}  // namespace parallax::sensor
