#include "sensor/probe/send_batch.h"

#include <poll.h>
#include <pthread.h>

#include <cerrno>
#include <csignal>

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
    if (error == EAGAIN || error == ENOBUFS) {
      pollfd writable{fd, POLLOUT, 0};
      if (++waits <= kMostWaits && poll(&writable, 1, kWaitMs) >= 0) {
        continue;
      }
    }
    packets_[done++].error = error;
  }
  end_ = Now().mono;
}

MonoTime SendBatch::LeftAt(size_t i) const {
  return start_ + (end_ - start_) / static_cast<int64_t>(size_) * static_cast<int64_t>(i);
}

BatchSender::BatchSender(UniqueFd fd) : fd_(std::move(fd)) {
  // Signals are for the thread that made us.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { Run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

BatchSender::~BatchSender() {
  WaitUntilIdle();
  state_.store(kStop, std::memory_order_release);
  state_.notify_all();
  thread_.join();
}

void BatchSender::Start() {
  state_.store(kSending, std::memory_order_release);
  state_.notify_all();
}

void BatchSender::WaitUntilIdle() const {
  while (!idle()) {
    state_.wait(kSending, std::memory_order_acquire);
  }
}

void BatchSender::Run() {
  while (true) {
    state_.wait(kIdle, std::memory_order_acquire);
    if (state_.load(std::memory_order_acquire) == kStop) {
      return;
    }
    batch_.Send(fd_.get());
    state_.store(kIdle, std::memory_order_release);
    state_.notify_all();
  }
}

}  // namespace parallax::sensor
