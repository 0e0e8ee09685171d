#include "sensor/observe/timer_wheel.h"

#include <algorithm>

namespace parallax::sensor {

TimerWheel::TimerWheel(uint32_t items, Duration tick, uint32_t slots)
    : tick_(tick), links_(items), heads_(slots, kNone) {}

int64_t TimerWheel::Tick(MonoTime t) const {
  const int64_t since = t.time_since_epoch().count();
  const int64_t whole = since / tick_.count();
  return since % tick_.count() < 0 ? whole - 1 : whole;
}

void TimerWheel::Set(uint32_t item, MonoTime due, MonoTime now) {
  Cancel(item);
  if (armed_ == 0) {
    cursor_ = Tick(now);
  }
  links_[item].due = Tick(due) + 1;
  Insert(item);
  ++armed_;
}

void TimerWheel::Insert(uint32_t item) {
  Link& link = links_[item];
  const auto slots = static_cast<int64_t>(heads_.size());
  const int64_t tick = std::clamp(link.due, cursor_, cursor_ + slots - 1);
  link.slot = static_cast<uint32_t>(tick & (slots - 1));
  link.previous = kNone;
  link.next = heads_[link.slot];
  if (link.next != kNone) {
    links_[link.next].previous = item;
  }
  heads_[link.slot] = item;
}

void TimerWheel::Cancel(uint32_t item) {
  Link& link = links_[item];
  if (link.slot == kNone) {
    return;
  }
  (link.previous == kNone ? heads_[link.slot] : links_[link.previous].next) = link.next;
  if (link.next != kNone) {
    links_[link.next].previous = link.previous;
  }
  link.slot = kNone;
  --armed_;
}

std::optional<uint32_t> TimerWheel::PopDue(MonoTime now) {
  const int64_t now_tick = Tick(now);
  // However long ago the last call was, one turn of the wheel looks at every timer.
  cursor_ = std::max(cursor_, now_tick - static_cast<int64_t>(heads_.size()) + 1);
  while (armed_ > 0 && cursor_ <= now_tick) {
    const uint32_t item = heads_[static_cast<size_t>(cursor_) & (heads_.size() - 1)];
    if (item == kNone) {
      ++cursor_;
      continue;
    }
    const int64_t due = links_[item].due;
    Cancel(item);
    if (due <= now_tick) {
      return item;
    }
    // Set farther ahead than the wheel turns: into a later slot, never again into this one.
    Insert(item);
    ++armed_;
  }
  return std::nullopt;
}

}  // namespace parallax::sensor
