#include "sensor/probe/ports/send_batch.h"

#include <poll.h>
#include <pthread.h>

#include <cerrno>
#include <csignal>
#include <system_error>

namespace parallax::sensor {
namespace {

constexpr int kMostWaits = 10;  // a batch
constexpr int kWaitMs = 10;

}  // namespace

ControlWriter SendBatch::Commit(std::span<const uint8_t> bytes) {
  Packet& packet = packets_[size_];
  packet.error = 0;
  packet.data = {packet.buffer.data(), bytes.size()};
  msghdr& message = messages_[size_].msg_hdr;
  message = {};
  message.msg_name = packet.to.get();
  message.msg_namelen = packet.to.size();
  message.msg_iov = &packet.data;
  message.msg_iovlen = 1;
  return ControlWriter(message, controls_[size_++]);
}

void SendBatch::Send(int fd) {
  start_ = Now().mono;
  int waits = 0;
  for (size_t done = 0; done < size_;) {
    const int count =
        sendmmsg(fd, &messages_[done], static_cast<unsigned>(size_ - done), MSG_DONTWAIT);
    if (count > 0) {
      done += static_cast<size_t>(count);
      continue;
    }
    const int error = errno;
    if (error == EINTR) {
      continue;
    }
    if ((error == EAGAIN || error == ENOBUFS) && ++waits <= kMostWaits) {
      // With ENOBUFS the queue of the interface is full, which the socket does not show.
      pollfd writable{fd, POLLOUT, 0};
      poll(&writable, error == EAGAIN ? 1 : 0, kWaitMs);
      continue;
    }
    packets_[done++].error = error;
  }
  end_ = Now().mono;
}

MonoTime SendBatch::LeftAt(size_t i) const {
  const auto before = static_cast<int64_t>(i == 0 ? 0 : i - 1);
  return start_ + (end_ - start_) / static_cast<int64_t>(size_) * before;
}

bool BatchSender::Begin() {
  if (thread_.joinable() || no_thread_) {
    return !no_thread_;
  }
  // Signals are for the thread that made us.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    thread_ = std::thread([this] { Run(); });
  } catch (const std::system_error&) {
    no_thread_ = true;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return !no_thread_;
}

BatchSender::~BatchSender() {
  if (!thread_.joinable()) {
    return;
  }
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  told_.notify_one();
  thread_.join();
}

SendBatch* BatchSender::Free() {
  // REQUIRES of Collect: a batch that was sent is looked at before it is filled again.
  return Begin() && started_ - collected_ < kRing ? &ring_[started_ % kRing] : nullptr;
}

void BatchSender::Start() {
  {
    std::lock_guard lock(mutex_);
    ++started_;
  }
  told_.notify_one();
}

void BatchSender::Run() {
  for (uint64_t next = 0;; ++next) {
    {
      std::unique_lock lock(mutex_);
      told_.wait(lock, [&] { return stop_ || started_ != next; });
      if (started_ == next) {  // told to stop, and all is sent
        return;
      }
    }
    ring_[next % kRing].Send(fd_.get());
    sent_.store(next + 1, std::memory_order_release);
  }
}

}  // namespace parallax::sensor
