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
  // What is being sent is sent first: the thread looks at the state only in between.
  Tell(kStop);
  thread_.join();
}

void BatchSender::Start() { Tell(kSending); }

void BatchSender::Tell(State state) {
  {
    std::lock_guard lock(mutex_);
    state_.store(state, std::memory_order_release);
  }
  told_.notify_one();
}

void BatchSender::Run() {
  while (true) {
    {
      std::unique_lock lock(mutex_);
      told_.wait(lock, [this] { return state_ != kIdle; });
      if (state_ == kStop) {
        return;
      }
    }
    batch_.Send(fd_.get());
    State sending = kSending;  // or we have been told to stop meanwhile
    state_.compare_exchange_strong(sending, kIdle, std::memory_order_release);
  }
}

}  // namespace parallax::sensor
