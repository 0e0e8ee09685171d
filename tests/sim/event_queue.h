// What happens when, in virtual time. Two things of the same time happen in the order in which they
// were planned.
#pragma once

#include <cstdint>
#include <functional>
#include <queue>
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
    events_.push({std::max(when, now_.mono), next_++, std::move(action)});
  }
  void After(Duration delay, Action action) { At(now_.mono + delay, std::move(action)); }

  void RunUntil(MonoTime end) {
    while (!events_.empty() && events_.top().at <= end) {
      const Action action = std::move(const_cast<Event&>(events_.top()).action);
      now_ = now_ + (events_.top().at - now_.mono);
      events_.pop();
      action();
    }
    now_ = now_ + (end - now_.mono);
  }
  uint64_t planned() const { return next_; }

 private:
  struct Event {
    MonoTime at;
    uint64_t order;
    Action action;
    bool operator>(const Event& other) const {
      return at != other.at ? at > other.at : order > other.order;
    }
  };
  Moment now_;
  uint64_t next_ = 0;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
};

}  // namespace parallax::sim
