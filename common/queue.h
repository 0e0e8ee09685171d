// A bounded queue between two threads. Never grows past its capacity: a full queue refuses
// (TryPush) or waits (Push), and refused items are counted. Thread-safe.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

#include "common/time.h"

namespace parallax {

template <typename T>
class BoundedQueue {
 public:
  explicit BoundedQueue(size_t capacity) : capacity_(capacity) {}
  BoundedQueue(const BoundedQueue&) = delete;
  BoundedQueue& operator=(const BoundedQueue&) = delete;

  // False, and counted, if the queue is full; false if it is closed. `item` is moved from only if
  // it got in.
  bool TryPush(T&& item) {
    {
      std::lock_guard lock(mutex_);
      if (closed_) {
        return false;
      }
      if (items_.size() >= capacity_) {
        ++refused_;
        return false;
      }
      items_.push_back(std::move(item));
    }
    readable_.notify_one();
    return true;
  }

  // Waits for room; false if the queue is closed.
  bool Push(T item) {
    {
      std::unique_lock lock(mutex_);
      writable_.wait(lock, [&] { return closed_ || items_.size() < capacity_; });
      if (closed_) {
        return false;
      }
      items_.push_back(std::move(item));
    }
    readable_.notify_one();
    return true;
  }

  // Waits until there is an item, the queue is closed, or `timeout` has passed, then takes all
  // there is, oldest first, `most` at the most. Empty means time-out or closed and drained.
  std::vector<T> PopBatch(size_t most, Duration timeout) {
    std::vector<T> batch;
    {
      std::unique_lock lock(mutex_);
      readable_.wait_for(lock, timeout, [&] { return closed_ || !items_.empty(); });
      while (!items_.empty() && batch.size() < most) {
        batch.push_back(std::move(items_.front()));
        items_.pop_front();
      }
    }
    writable_.notify_all();
    return batch;
  }

  // Nothing gets in any more; what is inside can still be taken.
  void Close() {
    {
      std::lock_guard lock(mutex_);
      closed_ = true;
    }
    readable_.notify_all();
    writable_.notify_all();
  }

  bool closed() const {
    std::lock_guard lock(mutex_);
    return closed_;
  }
  size_t size() const {
    std::lock_guard lock(mutex_);
    return items_.size();
  }
  uint64_t refused() const {
    std::lock_guard lock(mutex_);
    return refused_;
  }

 private:
  const size_t capacity_;
  mutable std::mutex mutex_;
  std::condition_variable readable_;
  std::condition_variable writable_;
  std::deque<T> items_;
  uint64_t refused_ = 0;
  bool closed_ = false;
};

}  // namespace parallax
