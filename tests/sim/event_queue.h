// What happens when, in virtual time. Two things of the same time happen in the order in which they
// were planned.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "common/time.h"

namespace parallax::sim {

class EventQueue {
 public:
  using Action = std::function<void()>;

  explicit EventQueue(Moment start) : now_(start) {}

  Moment now() const { return now_; }
  // `when` in the past means now.
  void At(MonoTime when, Action action) {
    uint32_t slot = static_cast<uint32_t>(actions_.size());
    if (free_.empty()) {
      actions_.push_back(std::move(action));
    } else {
      slot = free_.back();
      free_.pop_back();
      actions_[slot] = std::move(action);
    }
    events_.push_back({std::max(when, now_.mono), next_++, slot});
    std::push_heap(events_.begin(), events_.end(), std::greater<>());
  }
  void After(Duration delay, Action action) { At(now_.mono + delay, std::move(action)); }

  void RunUntil(MonoTime end) {
    while (!events_.empty() && events_.front().at <= end) {
      const Event event = events_.front();
      std::pop_heap(events_.begin(), events_.end(), std::greater<>());
      events_.pop_back();
      const Action action = std::move(actions_[event.slot]);
      actions_[event.slot] = nullptr;
      free_.push_back(event.slot);
      now_ = now_ + (event.at - now_.mono);
      action();
    }
    now_ = now_ + (end - now_.mono);
  }
  uint64_t planned() const { return next_; }

 private:
  // Small, because the heap moves them about; what is to be done stays where it is.
  struct Event {
    MonoTime at;
    uint64_t order;
    uint32_t slot;
    bool operator>(const Event& other) const {
      return at != other.at ? at > other.at : order > other.order;
    }
  };
  Moment now_;
  uint64_t next_ = 0;
  std::vector<Event> events_;  // a heap, earliest first
  std::vector<Action> actions_;
  std::vector<uint32_t> free_;  // slots of `actions_`
};

}  // namespace parallax::sim
