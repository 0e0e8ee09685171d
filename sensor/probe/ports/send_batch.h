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
#include <utility>

#include "common/fd.h"
#include "common/time.h"
#include "sensor/probe/ports/socket_util.h"
#include "sensor/probe/wire/packet.h"

namespace parallax::sensor {

class SendBatch {
 public:
  static constexpr size_t kMost = 16;  // measured: as good as 256, and nearer to when each left

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
  // When packet i left, about, rather too early than too late: they left one after the other.
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

// A thread that sends batches through a socket of its own, one after the other. Batches go round in
// a ring: filled by the owner, sent by the thread, and looked at by the owner again before they are
// filled anew. The thread is begun by the first Free(), so that it has no more privileges than its
// owner has kept until then.
class BatchSender {
 public:
  explicit BatchSender(UniqueFd fd) : fd_(std::move(fd)) {}
  ~BatchSender();

  // The next batch to fill, with what it sent last still in it; nullptr: all are waiting to be
  // sent, or there is no thread to be had.
  SendBatch* Free();
  void Start();  // sends the batch of Free(). REQUIRES: size() > 0
  int fd() const { return fd_.get(); }
  // Batches that are to be sent before the next.
  uint64_t waiting() const { return started_ - sent_.load(std::memory_order_relaxed); }

  // Calls `look` with every batch that has been sent since the last call.
  template <typename Look>
  void Collect(Look&& look) {
    for (; collected_ != sent_.load(std::memory_order_acquire); ++collected_) {
      look(ring_[collected_ % kRing]);
    }
  }

 private:
  static constexpr uint64_t kRing = 4;
  bool Begin();
  void Run();

  const UniqueFd fd_;
  bool no_thread_ = false;  // the system refused one
  std::array<SendBatch, kRing> ring_;
  uint64_t collected_ = 0;          // the owner's
  uint64_t started_ = 0;            // guarded by mutex_; written by the owner
  std::atomic<uint64_t> sent_ = 0;  // written by the thread
  bool stop_ = false;               // guarded by mutex_
  std::mutex mutex_;
  std::condition_variable told_;
  std::thread thread_;
};

}  // namespace parallax::sensor
